"""What operator, generated files and command line see of the kind ``sql``."""

from collections.abc import Iterator

from testrun_operator.api.files import FileSource
from testrun_operator.kinds.case_kind import CaseKind, ConnectionUse, StepWords, SuiteNames
from testrun_operator.kinds.checks import check_database, check_files
from testrun_operator.kinds.sql.spec import SqlCase


class SqlKind(CaseKind[SqlCase]):
    """Database tests as Markdown, in the format of Trilogy."""

    name = "sql"
    summary = "Database tests in the Trilogy format, against a connection."
    spec = SqlCase
    execution = "testrun_operator.kinds.sql.execution.case"
    steps = StepWords("test", "run")

    def check(self, spec: SqlCase, suite: SuiteNames, path: str) -> Iterator[str]:
        """Yield a connection that is no database, and files that lead elsewhere."""
        yield from check_database(spec.connection, suite, f"{path}.connection")
        yield from check_files(spec.source, f"{path}.source")

    def connections(self, spec: SqlCase) -> tuple[ConnectionUse, ...]:
        """Return the database."""
        return (ConnectionUse(spec.connection, database=True),)

    def files(self, spec: SqlCase) -> FileSource:
        """Return where the project comes from."""
        return spec.source

    def subject(self, spec: SqlCase) -> str:
        """Return where the project comes from, with templates as they are: ``git URL//PATH@REF``."""
        git, config_map = spec.source.git, spec.source.config_map
        if git is not None:
            # A query may hold a token, as the one of a request may.
            return f"git {git.url.partition('?')[0]}" + (f"//{git.path}" if git.path else "") + f"@{git.ref}"
        if config_map is not None:
            return f"configmap/{config_map.name}" + (f"/{config_map.path}" if config_map.path else "")
        return "inline"


KIND = SqlKind()
"""The kind, as the registry finds it."""
