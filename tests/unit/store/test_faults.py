"""Which errors are retried and which are the fault of a row."""

import psycopg
import pytest
from psycopg import errors

from testrun_operator.errors import StoreUnavailable
from testrun_operator.store.faults import ContentRefused, Refusal, RightsMissing, translate


def _translate(error: Exception) -> Exception:
    return translate(error, schema="noetl_test", user="operator", password="s3cr3t")


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection refused"),
        psycopg.InterfaceError("the connection is closed"),
        errors.AdminShutdown("terminating connection"),
        errors.CannotConnectNow("the database system is starting up"),
        errors.TooManyConnections("too many clients"),
        errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
        errors.DeadlockDetected("deadlock detected"),
        errors.SerializationFailure("could not serialize"),
        errors.DiskFull("no space left on device"),
        errors.QueryCanceled("statement timeout"),
        errors.LockNotAvailable("lock timeout"),
        errors.InvalidPassword("password authentication failed"),
        errors.InvalidCatalogName("database does not exist"),
        errors.UndefinedTable("relation does not exist"),
        errors.UndefinedColumn("column does not exist"),
        errors.InternalError_("unexpected"),
        TimeoutError(),
        ConnectionResetError("reset"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_can_be_put_right_outside_is_retried(error: Exception) -> None:
    """The fault is not the row's, so no result may be given up for it."""
    assert isinstance(_translate(error), StoreUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        errors.StringDataRightTruncation("value too long"),
        errors.UntranslatableCharacter("no equivalent in encoding LATIN1"),
        errors.CheckViolation("violates a constraint"),
        errors.NotNullViolation("null value"),
        errors.RaiseException("a trigger says no"),
        errors.ProgramLimitExceeded("row is too big"),
        psycopg.DataError("cannot contain NUL (0x00) bytes"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        OverflowError("too large"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_lies_in_the_row_is_not_retried(error: Exception) -> None:
    """The same row would be refused again for ever."""
    assert isinstance(_translate(error), ContentRefused)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.CardinalityViolation("two rows"), Refusal.INVALID_VALUE),
        (errors.StringDataRightTruncation("too long"), Refusal.INVALID_VALUE),
        (errors.CheckViolation("check constraint"), Refusal.CONSTRAINT_VIOLATED),
        (errors.WithCheckOptionViolation("view"), Refusal.CONSTRAINT_VIOLATED),
        (errors.ProgramLimitExceeded("row is too big"), Refusal.LIMIT_EXCEEDED),
        (errors.RaiseException("a trigger says no"), Refusal.RAISED),
        (psycopg.DataError("cannot contain NUL (0x00) bytes"), Refusal.NOT_SENDABLE),
        (OverflowError("too large"), Refusal.NOT_SENDABLE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_why_a_row_is_refused_is_one_of_a_few_words(error: Exception, reason: Refusal) -> None:
    """They are a label of a metric, which nothing that came from a pod may fill."""
    refused = _translate(error)
    assert isinstance(refused, ContentRefused)
    assert reason is refused.reason


def test_missing_rights_come_with_what_to_grant() -> None:
    """An administrator can copy the answer."""
    fault = _translate(errors.InsufficientPrivilege("permission denied for table regression_results"))
    assert isinstance(fault, RightsMissing)
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA noetl_test TO operator" in str(fault)


def test_a_password_is_masked_wherever_it_comes_from() -> None:
    """Also in a driver's text that nobody expected to hold it."""
    fault = _translate(psycopg.OperationalError('could not use "postgresql://operator:s3cr3t@db"\n  at all'))
    assert str(fault) == 'could not use "postgresql://operator:***@db" at all'
