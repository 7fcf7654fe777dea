"""Paths are checked as texts: no input leads out of a folder."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.sources.paths import (
    order_key,
    path_beside,
    printable,
    problem_of_name,
    problem_of_path,
)

PARTS = st.one_of(st.sampled_from(["..", ".", "", "a", "tests", "...", "..a", "\\", "a\0"]), st.text(max_size=5))
PATHS = st.one_of(st.lists(PARTS, max_size=8).map("/".join), st.text(max_size=40))


@given(PATHS)
def test_a_path_without_a_problem_stays_below_its_folder(path: str) -> None:
    """Its normal form is itself, relative and without `..`."""
    if problem_of_path(path):
        return
    assert posixpath.normpath(path) == path.removesuffix("/")
    assert posixpath.normpath(posixpath.join("/root/folder", path)).startswith("/root/folder/")
    assert "\0" not in path


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("database", ""),
        ("database/tests/", ""),
        ("data base/..a/b..", ""),
        ("/etc", "must be relative, without a '/' at its beginning"),
        ("", "must be a plain path such as 'database/tests', without '.' and empty parts"),
        ("/", "must be relative, without a '/' at its beginning"),
        ("a//b", "must be a plain path such as 'database/tests', without '.' and empty parts"),
        ("./a", "must be a plain path such as 'database/tests', without '.' and empty parts"),
        ("a/../b", "must not contain '..'"),
        ("..", "must not contain '..'"),
        ("a\0b", "contains a name that no file can have"),
        ("a/" + "b" * 256, "contains a name that no file can have"),
    ],
)
def test_what_is_wrong_with_a_path_is_said(path: str, problem: str) -> None:
    """Each with what would be right."""
    assert problem_of_path(path) == problem


@given(st.text(max_size=300))
def test_a_name_without_a_problem_is_one_name(name: str) -> None:
    """It is no path, and short enough for every file system."""
    if not problem_of_name(name):
        assert posixpath.basename(name) == name
        assert name not in ("", ".", "..")
        assert len(name.encode()) <= 255


@given(file=st.lists(PARTS, max_size=3).map(lambda parts: "/".join(["tests", *parts, "a.stt"])), reference=PATHS)
def test_a_reference_never_leaves_the_tests(file: str, reference: str) -> None:
    """Whatever the cell says, and wherever the file is."""
    path = path_beside(file, reference, within="tests")
    if path is not None:
        assert path.startswith("tests/")
        assert posixpath.normpath(path) == path


@pytest.mark.parametrize(
    ("file", "reference", "path"),
    [
        ("tests/a.stt", "x.txt", "tests/x.txt"),
        ("tests/a.stt", "./expected//x.txt", "tests/expected/x.txt"),
        ("tests/billing/a.stt", "../expected/x.txt", "tests/expected/x.txt"),
        ("tests/billing/a.stt", "../../tests/x.txt", "tests/x.txt"),
        ("tests/billing/a.stt", "../../src/x.sql", None),
        ("tests/a.stt", "../schema.sql", None),
        ("tests/a.stt", "../../etc/passwd", None),
        ("tests/a.stt", "../../../tests/x", None),
        ("tests/a.stt", "/etc/passwd", None),
        ("tests/a.stt", "..", None),
        ("tests/a.stt", ".", None),
        ("tests/a.stt", "../testsuite/x", None),
        ("tests/a.stt", "x\0", None),
    ],
)
def test_a_reference_is_relative_to_the_file_that_has_it(file: str, reference: str, path: str | None) -> None:
    """As the author sees it; None where it leads out."""
    assert path_beside(file, reference, within="tests") == path


@given(st.lists(st.text(max_size=6), max_size=10))
def test_paths_are_ordered_by_utf_16_code_units(paths: list[str]) -> None:
    """As Java compares texts."""
    units = [[int.from_bytes(key[i : i + 2], "big") for i in range(0, len(key), 2)] for key in map(order_key, paths)]
    assert [units[paths.index(path)] for path in sorted(paths, key=order_key)] == sorted(units)


def test_a_path_is_printed_on_one_line() -> None:
    """Control characters and bytes that are no UTF-8 would spoil a report."""
    assert printable("tests/é\n\x1b[31m\udcff.stt") == "tests/é\\n\\x1b[31m\\udcff.stt"
