"""An image is built again when, and only when, something that goes into it has changed."""

import os
from pathlib import Path

import pytest

from native.build_context import context_files, context_hash, is_ignored, parse_ignore_file


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("docs", "docs"),
        ("docs", "docs/a/b.md"),
        ("docs/", "docs/a.md"),
        ("/docs", "docs/a.md"),
        ("*.md", "README.md"),
        ("**/*.pyc", "a.pyc"),
        ("**/*.pyc", "a/b/c.pyc"),
        ("**/__pycache__", "a/__pycache__/b.pyc"),
        ("a/**/z", "a/b/c/z"),
        ("file?", "file1"),
    ],
)
def test_a_pattern_ignores_what_it_matches_and_all_below(pattern: str, path: str) -> None:
    """The patterns mean what they mean to Docker."""
    assert is_ignored(path, parse_ignore_file(pattern))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [("docs", "other/docs"), ("*.md", "docs/a.md"), ("docs", "docs2"), ("# docs", "docs"), ("file?", "file/1")],
)
def test_a_pattern_leaves_alone_what_it_does_not_match(pattern: str, path: str) -> None:
    """Patterns are about the whole path from the context's root."""
    assert not is_ignored(path, parse_ignore_file(pattern))


def test_the_last_matching_line_decides() -> None:
    """An exception lets through what an earlier line ignores, and a later line takes it back."""
    rules = parse_ignore_file("*\n!operator/\n**/__pycache__\n")
    assert not is_ignored("operator/a.py", rules)
    assert is_ignored("operator/__pycache__/a.pyc", rules)
    assert is_ignored("README.md", rules)


def context(root: Path) -> Path:
    """Make a small context."""
    (root / "operator" / "deep").mkdir(parents=True)
    (root / "operator" / "a.py").write_text("a = 1\n")
    (root / "operator" / "deep" / "b.py").write_text("b = 1\n")
    (root / "notes.txt").write_text("not in the image\n")
    return root


def test_files_below_an_ignored_folder_can_be_let_through(tmp_path: Path) -> None:
    """The walk must not stop at a folder that an exception reaches into."""
    rules = parse_ignore_file("*\n!operator/deep/b.py\n")
    assert [path.name for path in context_files(context(tmp_path), rules)] == ["b.py"]


def test_the_hash_does_not_depend_on_ignored_files_or_on_times(tmp_path: Path) -> None:
    """A note that changes, or a fresh checkout, is no reason to build."""
    rules = parse_ignore_file("notes.txt")
    before = context_hash(context(tmp_path), rules)
    (tmp_path / "notes.txt").write_text("changed\n")
    os.utime(tmp_path / "operator" / "a.py", (0, 0))
    assert context_hash(tmp_path, rules) == before


@pytest.mark.parametrize("change", ["content", "name", "executable", "link", "further"])
def test_the_hash_depends_on_everything_that_goes_in(tmp_path: Path, change: str) -> None:
    """Contents, names, the executable bit, links, and what else decides the result."""
    file = context(tmp_path) / "operator" / "a.py"
    before = context_hash(tmp_path, [], further=["base 1"])
    if change == "content":
        file.write_text("a = 2\n")
    elif change == "name":
        file.rename(file.with_name("c.py"))
    elif change == "executable":
        file.chmod(0o755)
    elif change == "link":
        file.with_name("link.py").symlink_to("a.py")
    assert context_hash(tmp_path, [], further=["base 2" if change == "further" else "base 1"]) != before


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    """It could lead out of the context, or in circles."""
    (context(tmp_path) / "operator" / "up").symlink_to("..")
    assert "up" in [path.name for path in context_files(tmp_path, [])]
