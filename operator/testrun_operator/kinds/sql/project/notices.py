"""Notices: files that look as if they were meant to be used, and are not. Nothing is ignored silently."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from testrun_operator.kinds.sql.project.fixtures import SETUP_FOLDER, TEARDOWN_FOLDER
from testrun_operator.kinds.sql.project.reading import FileUnreadable, read_bytes, too_large
from testrun_operator.kinds.sql.project.walking import Found
from testrun_operator.sources.paths import MAX_FILE_BYTES, names_in, printable

_MARKDOWN = (".md", ".markdown")
_TITLE = "# test case"
_MAX_MARKDOWN_BYTES = 1024 * 1024
"""Larger Markdown files are not looked into."""
_MAX_ENTRIES = 2_000
"""At most so many names outside of the project's own folders are looked at."""
_LIKELY = {
    "test": "tests",
    "tests": "tests",
    "src": "src",
    "source": "src",
    "sources": "src",
    "fixtures": "tests/fixtures",
}
"""Folders beside those of a project, folded, and what they were probably meant to be."""
_SOURCE_ENDINGS = (".pls", ".plsql", ".pks", ".pkb", ".psql", ".pgsql", ".ddl", ".prc", ".fnc")
_MAX_NOTICES = 50


def notices_of_root(root: Path, sources: Iterable[Found]) -> list[str]:
    """Return notices of what is beside ``tests``.

    Args:
        root: the project's folder, without links.
        sources: all files below ``src``.
    """
    notices = [notice for file in sources if (notice := _notice_of_source(file))]
    for name, is_folder in names_in(root, _MAX_ENTRIES):
        meant = _LIKELY.get(name.lower(), "")
        if not is_folder and name.lower().endswith(".stt"):
            notices.append(f"{printable(name)} is not used: test cases of a project are below tests")
        elif is_folder and meant and name not in ("tests", "src") and _has_files(root / name, meant):
            notices.append(f"the folder {printable(name)} is not used; did you mean {meant}?")
    return _bounded(notices)


def notices_of_tests(files: Iterable[Found]) -> list[str]:
    """Return notices of files below ``tests`` that are no test case, no fixture and not the schema."""
    return _bounded([notice for file in files if (notice := _notice_of_other(file))])


def _notice_of_source(file: Found) -> str:
    if file.ending == ".stt":
        return f"{printable(file.path)} is not used: test cases of a project are below tests"
    if file.ending in _SOURCE_ENDINGS:
        return f"{printable(file.path)} is not used: the names of sources end with .sql"
    return ""


def _notice_of_other(file: Found) -> str:
    path = printable(file.path)
    if file.path.startswith((f"{SETUP_FOLDER}/", f"{TEARDOWN_FOLDER}/")):
        return f"{path} is not a fixture: the names of fixtures end with .sql or .csv"
    if file.ending == ".sql":
        return f"{path} is not used: scripts below tests are fixtures, in {SETUP_FOLDER} or {TEARDOWN_FOLDER}"
    if file.ending == ".csv" and file.path.startswith("tests/fixtures/"):
        return f"{path} is not used as a fixture: fixtures are in {SETUP_FOLDER} or {TEARDOWN_FOLDER}"
    if file.ending in _MARKDOWN and _looks_like_test_case(file):
        return f"{path} is not used, although it looks like a test case: the names of test cases end with .stt"
    if file.size > MAX_FILE_BYTES:
        return f"{path} cannot be named in a test: it {too_large(file.size)}"
    return ""


def _looks_like_test_case(file: Found) -> bool:
    if file.size > _MAX_MARKDOWN_BYTES:
        return False
    try:
        text = read_bytes(file.real).decode("utf-8-sig", "replace")
    except FileUnreadable:
        return False
    first = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join(first.split()).lower().startswith(_TITLE)


def _has_files(folder: Path, meant: str) -> bool:
    """Whether there are files below a folder that would be used if it were called what it was meant to be."""
    ending = ".stt" if meant == "tests" else ".sql"
    return any(name.lower().endswith(ending) for name in _names_below(folder))


def _names_below(folder: Path) -> Iterator[str]:
    count = 0
    for _, _, names in os.walk(folder):
        yield from names
        count += 1 + len(names)
        if count > _MAX_ENTRIES:
            return


def _bounded(notices: list[str]) -> list[str]:
    more = len(notices) - _MAX_NOTICES
    return notices if more <= 0 else [*notices[:_MAX_NOTICES], f"and {more} more files that are not used"]
