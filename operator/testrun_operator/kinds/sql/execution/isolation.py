"""The promise of ``isolation: rollback``, that nothing of a test stays, and what to say where it is broken."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from testrun_operator.databases.base import Isolation
from testrun_operator.kinds.sql.document import Place
from testrun_operator.kinds.sql.execution.statements import IsolationBroken, Statements
from testrun_operator.kinds.sql.execution.texts import bounded, excerpt
from testrun_operator.kinds.sql.outcome import Step, StepKind

_NAME: Final = "isolation: rollback"
_FITTING: Final = "What fits such a test is isolation: none or isolation: database."


@contextmanager
def boundary(isolation: Isolation, statements: Statements) -> Iterator[None]:
    """Do what is necessary around a test, so that it does not disturb others.

    Raises:
        NotPossible: the database has no transactions.
        StatementFailed: the transaction cannot be begun or ended.
        DatabaseUnreachable: as its name says.
    """
    if isolation is not Isolation.ROLLBACK:
        yield
        return
    with statements.session.transaction():
        statements.in_transaction = True
        try:
            yield
        finally:
            statements.in_transaction = False


def broken(error: IsolationBroken) -> Step:
    """Return the step of a test that ended its transaction."""
    message = f"This ended the transaction that the test runs in: {excerpt(error.text)}\n{_FITTING}"
    return Step(StepKind.ISOLATION, _NAME, error.place, passed=False, message=bounded(message))


def refused_by_transaction(what: str, place: Place) -> Step:
    """Return the step of a test that does what cannot be done inside of a transaction.

    Args:
        what: which row or statement does it.
        place: its place.
    """
    message = (
        f"{what[0].upper()}{what[1:]} commits, rolls back, or does something else that the database refuses inside of "
        f"the transaction that the test runs in.\n{_FITTING}"
    )
    return Step(StepKind.ISOLATION, _NAME, place, passed=False, message=bounded(message))
