"""Finds the files of a project and sorts them by what they are for.

::

    schema.sql                       or tests/fixtures/schema.sql
    src/**/*.sql                     sources
    tests/**/*.stt                   test cases
    tests/fixtures/setup/**/*.sql    fixtures for BEFORE sections; .csv, too
    tests/fixtures/teardown/**       fixtures for AFTER sections

Endings are read without regard to case. Whatever else looks as if it were meant to be used becomes a notice.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.project.contents import Contents
from testrun_operator.kinds.sql.project.fixtures import ENDINGS, SETUP_FOLDER, TEARDOWN_FOLDER, FixtureFolder
from testrun_operator.kinds.sql.project.model import File, Fixtures, Project
from testrun_operator.kinds.sql.project.notices import notices_of_root, notices_of_tests
from testrun_operator.kinds.sql.project.reading import read_file, too_large, unreadable
from testrun_operator.kinds.sql.project.walking import Found, ProjectTooLarge, Walk
from testrun_operator.sources.paths import MAX_FILE_BYTES, names_in, printable

TEST_ENDING = ".stt"
SQL_ENDING = ".sql"
SOURCES_FOLDER = "src"
TESTS_FOLDER = "tests"
SCHEMAS = ("tests/fixtures/schema.sql", "schema.sql")
"""Where the schema may be, folded; the first one is Trilogy's own."""
_MAX_SHOWN = 5


class NothingToRun(CaseError):
    """There is no test case file where one was looked for, or what is there is too much.

    Args:
        message: what was looked for, and what is there instead.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"Nothing to run: {message}")
        self.message = str(self)


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a project by what they are for, in their order; none of them is read yet."""

    root: Path
    """The project's folder, without links."""
    tests: tuple[Found, ...]
    sources: tuple[Found, ...]
    schemas: tuple[Found, ...]
    """More than one is a problem; the first is used."""
    setup: tuple[Found, ...]
    teardown: tuple[Found, ...]
    others: tuple[Found, ...]
    """Other files below ``tests``."""
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]


def find_layout(root: Path) -> Layout:
    """Find the files of a project.

    Args:
        root: the project's folder.

    Raises:
        NothingToRun: it is not a folder, or has more or larger files than are looked at.
    """
    try:
        real = root.resolve(strict=True)
    except (OSError, RuntimeError):
        raise NothingToRun(f"there is no folder {printable(str(root))}") from None
    if not real.is_dir():
        raise NothingToRun(f"{printable(str(root))} is not a folder")
    walk = Walk(real)
    try:
        sources = walk.files_below(SOURCES_FOLDER)
        tests = walk.files_below(TESTS_FOLDER)
        schemas = [file for file in tests if file.path.lower() == SCHEMAS[0]]
        names = [name for name, _ in names_in(real) if name.lower() == SCHEMAS[1]]
        schemas += [found for name in names if (found := walk.find(name)) is not None]
    except ProjectTooLarge as error:
        message = f"{printable(str(root))} is too large: below {SOURCES_FOLDER} and {TESTS_FOLDER} {error}"
        raise NothingToRun(f"{message}. Take what is no test out of there, or make several projects of it.") from None
    problems = walk.problems
    for second in schemas[1:]:
        message = f"there is another schema, {schemas[0].path}; remove one of the two"
        problems.append(Problem(Place(second.path, 1), message))
    setup = [file for file in tests if _is_fixture(file, SETUP_FOLDER)]
    teardown = [file for file in tests if _is_fixture(file, TEARDOWN_FOLDER)]
    cases = [file for file in tests if file.ending == TEST_ENDING]
    used = {file.path for file in (*setup, *teardown, *cases, *schemas)}
    others = [file for file in tests if file.path not in used]
    notices = [*walk.notices, *notices_of_root(real, sources), *notices_of_tests(others)]
    return Layout(
        root=real,
        tests=tuple(cases),
        sources=tuple(file for file in sources if file.ending == SQL_ENDING),
        schemas=tuple(schemas),
        setup=tuple(setup),
        teardown=tuple(teardown),
        others=tuple(others),
        problems=tuple(sorted(problems, key=lambda problem: problem.place)),
        notices=tuple(notices),
    )


def load_project(root: Path, *, tests_required: bool = True) -> Project:
    """Load a project.

    Files that cannot be read are problems of the project, and the others are loaded.

    Args:
        root: its folder; a link to it is followed.
        tests_required: whether a project without test cases is refused.

    Raises:
        NothingToRun: there is no such folder, it has no test cases, or more and larger files than are read.
    """
    layout = find_layout(root)
    if tests_required and not layout.tests:
        raise NothingToRun(_no_tests(root, layout))
    tests = _read(layout.tests)
    sources = _read(layout.sources)
    schemas = _read(layout.schemas[:1])
    setup = _read_fixtures(layout.setup, SETUP_FOLDER)
    teardown = _read_fixtures(layout.teardown, TEARDOWN_FOLDER)
    files = [*schemas, *sources, *tests, *setup.values(), *teardown.values()]
    problems = [
        *layout.problems,
        *(file.problem for file in files if file.problem is not None),
        *setup.problems(SETUP_FOLDER),
        *teardown.problems(TEARDOWN_FOLDER),
    ]
    return Project(
        name=layout.root.name or str(root),
        tests=tests,
        schema=schemas[0] if schemas else None,
        sources=sources,
        fixtures=Fixtures(setup, teardown),
        data=Contents(file for file in layout.others if file.size <= MAX_FILE_BYTES),
        problems=tuple(sorted(problems, key=lambda problem: problem.place)),
        notices=layout.notices,
    )


def load_file(path: Path) -> Project:
    """Load a single test case file: a project without schema, sources, fixtures and other files.

    Args:
        path: the file; a link to it is followed.

    Raises:
        NothingToRun: it is not there, or its name does not end with ``.stt``.
    """
    name = printable(path.name)
    if path.suffix.lower() != TEST_ENDING:
        raise NothingToRun(f"{name} is not a test case file: its name must end with {TEST_ENDING}")
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise NothingToRun(f"there is no file {printable(str(path))}") from None
    if real.is_dir():
        raise NothingToRun(f"{printable(str(path))} is a folder")
    file = read_file(real, name)
    project = _project_around(path.absolute())
    if project is None:
        return _standalone(file)
    without = "without the schema, the sources and the fixtures of the project"
    return _standalone(file, (f"{name} is run alone, {without} {printable(str(project))}",))


def load_text(text: str, name: str) -> Project:
    """Load a single test case file from its text.

    Args:
        text: what it says.
        name: what it is called in messages, as ``inline.stt``.
    """
    return _standalone(File(name, text.removeprefix("\ufeff")))


def load_path(path: Path) -> Project:
    """Load a project, if the path is one of a folder, and a single file otherwise.

    Raises:
        NothingToRun: as :func:`load_project` and :func:`load_file`.
    """
    if path.is_dir():
        return load_project(path)
    if path.suffix.lower() != TEST_ENDING and not os.path.lexists(path):
        raise NothingToRun(f"there is no file or folder {printable(str(path))}")
    return load_file(path)


def _standalone(file: File, notices: tuple[str, ...] = ()) -> Project:
    problems = (file.problem,) if file.problem is not None else ()
    return Project(file.path, (file,), is_standalone=True, problems=problems, notices=notices)


def _is_fixture(file: Found, folder: str) -> bool:
    return file.path.startswith(f"{folder}/") and file.ending in ENDINGS


def _read(files: tuple[Found, ...]) -> tuple[File, ...]:
    # Too large ones are told by their size, so that it does not matter whether the file could be read otherwise.
    return tuple(
        unreadable(file.path, too_large(file.size)) if file.size > MAX_FILE_BYTES else read_file(file.real, file.path)
        for file in files
    )


def _read_fixtures(files: tuple[Found, ...], folder: str) -> FixtureFolder:
    return FixtureFolder({file.path.removeprefix(f"{folder}/"): file for file in _read(files)})


def _project_around(path: Path) -> Path | None:
    """Return the folder of the project that a test case file belongs to, by the names of the folders above it."""
    above = [folder.parent for folder in path.parents if folder.name == TESTS_FOLDER]
    return above[0] if above else None


def _no_tests(root: Path, layout: Layout) -> str:
    where = printable(str(root))
    message = f"no test cases in {where}. Looked for {TESTS_FOLDER}/**/*{TEST_ENDING}"
    has_tests = (layout.root / TESTS_FOLDER).is_dir()
    count = len(layout.others) + len(layout.setup) + len(layout.teardown)
    if not has_tests:
        message += f"; there is no folder {TESTS_FOLDER}"
    elif count:
        message += f"; {TESTS_FOLDER} has {count} other {'file' if count == 1 else 'files'}"
    else:
        message += f"; {TESTS_FOLDER} has no files"
    if layout.root.name == TESTS_FOLDER:
        message += f". Give the project's folder, which is {printable(str(layout.root.parent))}"
    if any(name.lower().endswith(TEST_ENDING) for name, is_folder in names_in(layout.root) if not is_folder):
        message += ". To run a file alone, give its own path"
    more = [*map(str, layout.problems), *layout.notices]
    return ". ".join([message, *more[:_MAX_SHOWN]]) + "."
