"""The fixtures of a project, found and read once."""

from dataclasses import dataclass

from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import FixtureReference, Place, Problem
from testrun_operator.kinds.sql.project.fixtures import FixtureMissing, find_fixture
from testrun_operator.kinds.sql.project.model import File, Project
from testrun_operator.kinds.sql.project.tables import CsvTable, TableMalformed, is_table, read_csv


class FixtureUnusable(CaseError):
    """A fixture is missing, or its file cannot be used.

    Args:
        problem: what is wrong, and where.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Fixture:
    """A fixture that a test case file names."""

    name: str
    """As written there."""
    place: Place
    """Where it is named."""
    is_setup: bool
    file: File
    table: CsvTable | None = None
    """What is in it, for a CSV file."""

    @property
    def failure(self) -> str:
        """What to say when it cannot be loaded."""
        return unable_to_load(self.name, is_setup=self.is_setup)


def unable_to_load(name: str, *, is_setup: bool) -> str:
    """Say that a fixture cannot be loaded."""
    return f"Unable to load the '{name}' {'setup' if is_setup else 'teardown'} fixture"


class Library:
    """Finds fixtures by what test case files call them.

    Args:
        project: the project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._tables: dict[str, CsvTable] = {}
        self._found: dict[tuple[str, bool], File] = {}

    def find(self, reference: FixtureReference, *, is_setup: bool) -> Fixture:
        """Find a fixture.

        Args:
            reference: how a test case file names it.
            is_setup: whether it is named in a BEFORE section.

        Raises:
            FixtureUnusable: there is none, there are several, or its file cannot be used.
        """
        try:
            file = self._find(reference, is_setup=is_setup)
        except FixtureMissing as missing:
            raise FixtureUnusable(Problem(reference.place, missing.message)) from None
        failure = unable_to_load(reference.name, is_setup=is_setup)
        if file.problem is not None:
            raise FixtureUnusable(Problem(reference.place, f"{failure}: {file.problem}"))
        try:
            table = self._read(file)
        except TableMalformed as error:
            raise FixtureUnusable(Problem(reference.place, f"{failure}: {error.problem}")) from None
        return Fixture(reference.name, reference.place, is_setup, file, table)

    def _find(self, reference: FixtureReference, *, is_setup: bool) -> File:
        known = self._found.get((reference.name, is_setup))
        if known is None:
            fixtures = self._project.fixtures
            files = fixtures.setup if is_setup else fixtures.teardown
            known = self._found[reference.name, is_setup] = find_fixture(files, reference, setup=is_setup)
        return known

    def _read(self, file: File) -> CsvTable | None:
        if not is_table(file):
            return None
        if file.path not in self._tables:
            self._tables[file.path] = read_csv(file)
        return self._tables[file.path]
