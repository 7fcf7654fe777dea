"""What operator, generated files and command line see of the kind ``echo``."""

from collections.abc import Iterator

from testrun_operator.kinds.echo.spec import EchoCase

from testrun_operator.kinds.case_kind import CaseKind, ConnectionUse, StepWords, SuiteNames
from testrun_operator.kinds.checks import check_database


class EchoKind(CaseKind[EchoCase]):
    """Something is said, and has to be heard."""

    name = "echo"
    summary = "Something that is said, and has to be heard."
    spec = EchoCase
    execution = "testrun_operator.kinds.echo.execution"
    steps = StepWords("word", "heard")

    def check(self, spec: EchoCase, suite: SuiteNames, path: str) -> Iterator[str]:
        """Yield a connection that is no database."""
        yield from check_database(spec.connection, suite, f"{path}.connection")

    def connections(self, spec: EchoCase) -> tuple[ConnectionUse, ...]:
        """Return the database."""
        return (ConnectionUse(spec.connection, database=True),)

    def credentials(self, spec: EchoCase) -> tuple[str, ...]:
        """Return the Secrets."""
        return tuple(secret.name for secret in spec.secrets)

    def subject(self, spec: EchoCase) -> str:
        """Return what is said."""
        return f"echo {spec.say}"


KIND = EchoKind()
