"""Loads the schema, the sources and fixtures."""

from collections.abc import Iterable

from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.document import Place, Sql
from testrun_operator.kinds.sql.execution.library import Fixture
from testrun_operator.kinds.sql.execution.statements import Refused, Statements
from testrun_operator.kinds.sql.execution.texts import bounded, indented
from testrun_operator.kinds.sql.project.model import File, Project


class LoadFailed(CaseError):
    """A script or a table could not be loaded.

    Args:
        message: which one, and why.
        place: the line at which the fault lies.
        fixture: the fixture, if it is one.
    """

    def __init__(self, message: str, place: Place, fixture: Fixture | None = None) -> None:
        super().__init__(message)
        self.message = bounded(message)
        self.place = place
        self.fixture = fixture


def load_project(project: Project, statements: Statements, *, skip_schema: bool) -> None:
    """Load the schema, and then every source in its order.

    Raises:
        LoadFailed: the database refused one of them; those after it were not loaded.
        OutOfTime, DatabaseUnreachable: as their names say.
    """
    if project.schema is not None and not skip_schema:
        _load_script(project.schema, statements, "Unable to load schema")
    for source in project.sources:
        _load_script(source, statements, f"Unable to load script '{source.path}'")


def load_fixtures(fixtures: Iterable[Fixture], statements: Statements) -> None:
    """Load fixtures in their order.

    Raises:
        LoadFailed: the database refused one of them; those after it were not loaded.
        IsolationBroken, OutOfTime, DatabaseUnreachable: as their names say.
    """
    for fixture in fixtures:
        try:
            if fixture.table is None:
                statements.run(statements.split_file(fixture.file))
            else:
                statements.load(fixture.table, Place(fixture.file.path, 1))
        except Refused as refused:
            message = f"{fixture.failure}:\n{indented(refused.message)}"
            raise LoadFailed(message, refused.place, fixture) from None


def _load_script(file: File, statements: Statements, failure: str) -> None:
    if file.problem is not None:
        raise LoadFailed(f"{failure}: {file.problem.message}", file.problem.place)
    try:
        statements.run(statements.split(Sql(file.text, Place(file.path, 1))))
    except Refused as refused:
        raise LoadFailed(f"{failure}:\n{indented(refused.message)}", refused.place) from None
