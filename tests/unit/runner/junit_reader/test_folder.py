"""Which files of a folder are read: those that fit, no link, nothing special, and not without end."""

import os
from pathlib import Path
from typing import Any

import pytest

from testrun_operator.runner.junit_reader import folder
from testrun_operator.runner.junit_reader.folder import FolderProblem, find_files, matches


def found(root: Path, pattern: str) -> dict[str, str]:
    """Return what is found: the content of files, and what is said of others, by path."""
    return {
        file.path: os.read(file.descriptor, 100).decode() if file.descriptor is not None else f"! {file.problem}"
        for file in find_files(root, pattern)
    }


def put(root: Path, *paths: str) -> None:
    """Make files, each with its path as its content."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("*.xml", ["a.xml", "b.xml"]),
        ("a.xml", ["a.xml"]),
        ("?.xml", ["a.xml", "b.xml"]),
        ("*/*.xml", ["one/c.xml"]),
        ("**/*.xml", ["a.xml", "b.xml", "one/c.xml", "one/two/d.xml"]),
        ("one/**/*.xml", ["one/c.xml", "one/two/d.xml"]),
        ("**/two/*", ["one/two/d.xml"]),
        ("**", ["a.xml", "b.txt", "b.xml", "one/c.xml", "one/two/d.xml"]),
        ("one/**", ["one/c.xml", "one/two/d.xml"]),
        ("*.json", []),
    ],
)
def test_patterns_mean_what_people_expect(tmp_path: Path, pattern: str, fitting: list[str]) -> None:
    """As in a shell: a star stays within a name, two stars go through folders; the files come in order."""
    put(tmp_path, "b.xml", "a.xml", "b.txt", "one/c.xml", "one/two/d.xml")
    assert found(tmp_path, pattern) == {path: path for path in fitting}
    assert list(found(tmp_path, pattern)) == fitting


def test_many_stars_are_no_work() -> None:
    """A pattern is compared name by name, and each part of it once."""
    assert not matches(["a"] * 17, [*(["**", "a"] * 60)[:-1], "b"])
    assert not matches(["a" * 255], ["a*" * 60 + "b"])


def test_links_are_not_followed(tmp_path: Path) -> None:
    """What they lead to is not the case's: another container's file, or a file that was read already."""
    outside = tmp_path / "outside"
    put(outside, "secret.xml")
    inside = tmp_path / "inside"
    put(inside, "a.xml")
    (inside / "b.xml").symlink_to(outside / "secret.xml")
    (inside / "c.xml").symlink_to("a.xml")
    (inside / "d").symlink_to(outside)
    (inside / "e.xml").symlink_to(inside)
    link = "! is a symbolic link, and was not followed"
    assert found(inside, "**/*.xml") == {"a.xml": "a.xml", "b.xml": link, "c.xml": link, "e.xml": link}


def test_special_files_are_not_opened_for_long(tmp_path: Path) -> None:
    """A pipe to which nobody writes must not hold up the reader."""
    os.mkfifo(tmp_path / "pipe.xml")
    assert found(tmp_path, "*.xml") == {"pipe.xml": "! is no regular file, and was not read"}


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what would help; the others are read."""
    put(tmp_path, "a.xml", "b.xml")
    really_open = os.open

    def refuse(path: Any, flags: int, **more: Any) -> int:
        if path == "a.xml":
            raise PermissionError(13, "Permission denied")
        return really_open(path, flags, **more)

    monkeypatch.setattr(folder.os, "open", refuse)
    assert found(tmp_path, "*.xml") == {
        "a.xml": "! may not be read by the reader's user; runAsUser makes both the same one",
        "b.xml": "b.xml",
    }


def test_names_that_are_no_text_can_be_told(tmp_path: Path) -> None:
    """A name is any bytes; what is told of it goes into a database."""
    (tmp_path / os.fsdecode(b"a\xff.xml")).write_text("x")
    assert found(tmp_path, "*.xml") == {"a\N{REPLACEMENT CHARACTER}.xml": "x"}


def test_a_folder_that_is_none_is_a_problem(tmp_path: Path) -> None:
    """The case cannot take it away, since it is a mount; still, the reader says so."""
    with pytest.raises(FolderProblem, match="the folder cannot be read"):
        found(tmp_path / "none", "*.xml")


def test_there_is_an_end_to_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were found before are read."""
    monkeypatch.setattr(folder, "MAX_FILES", 3)
    put(tmp_path, *(f"{number}.xml" for number in range(5)))
    files: list[str] = []

    def read_all() -> None:
        for file in find_files(tmp_path, "*.xml"):
            files.append(file.path)  # noqa: PERF401 - what was found before the problem is what this is about

    with pytest.raises(FolderProblem, match="more than 3 files fit"):
        read_all()
    assert files == ["0.xml", "1.xml", "2.xml"]


def test_there_is_an_end_to_what_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with millions of other files must not hold up the reader."""
    monkeypatch.setattr(folder, "MAX_ENTRIES", 10)
    put(tmp_path, *(f"{number}.txt" for number in range(11)))
    with pytest.raises(FolderProblem, match="more than 10 files and folders"):
        found(tmp_path, "*.xml")


def test_there_is_an_end_to_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too deep is told, and the rest is read."""
    monkeypatch.setattr(folder, "MAX_DEPTH", 2)
    put(tmp_path, "a/b/c/d.xml", "a/e.xml")
    assert found(tmp_path, "**/*.xml") == {
        "a/b/c": "! is more than 2 folders deep, and was not looked into",
        "a/e.xml": "a/e.xml",
    }
