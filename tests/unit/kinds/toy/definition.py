"""What operator, generated files and command line see of the kind ``parrot``."""

from collections.abc import Iterator

from testrun_operator.kinds.parrot.spec import ParrotCase

from testrun_operator.kinds.case_kind import CaseKind, ConnectionUse, StepWords, SuiteNames
from testrun_operator.kinds.checks import check_database


class ParrotKind(CaseKind[ParrotCase]):
    """Something is said, and has to be heard."""

    name = "parrot"
    summary = "Something that is said, and has to be heard."
    spec = ParrotCase
    execution = "testrun_operator.kinds.parrot.execution"
    steps = StepWords("word", "heard")

    def check(self, spec: ParrotCase, suite: SuiteNames, path: str) -> Iterator[str]:
        """Yield a connection that is no database."""
        yield from check_database(spec.connection, suite, f"{path}.connection")

    def connections(self, spec: ParrotCase) -> tuple[ConnectionUse, ...]:
        """Return the database."""
        return (ConnectionUse(spec.connection, database=True),)

    def credentials(self, spec: ParrotCase) -> tuple[str, ...]:
        """Return the Secrets."""
        return tuple(secret.name for secret in spec.secrets)

    def subject(self, spec: ParrotCase) -> str:
        """Return what is said."""
        return f"parrot {spec.say}"


KIND = ParrotKind()
