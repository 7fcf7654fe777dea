"""What errors of MariaDB and MySQL mean."""

import pymysql
import pytest

from testrun_operator.databases.relational.mysql import errors


def test_an_error_reads_as_in_the_servers_own_client() -> None:
    """With its number, the SQLSTATE, and the line of the statement."""
    failure = errors.failure_of(
        pymysql.ProgrammingError(1064, "You have an error near 'x' at line 3", sqlstate="42000")
    )
    assert ("ERROR 1064 (42000): You have an error near 'x' at line 3", "42000", 3) == (
        failure.message,
        failure.sqlstate,
        failure.line,
    )


def test_a_large_number_of_an_error_is_not_negative() -> None:
    """The driver reads numbers above 32767 so."""
    assert "ERROR 40000 (45000): boom" == errors.describe(pymysql.InternalError(-25536, "boom", sqlstate="45000"))


def test_an_error_without_a_number_is_told_all_the_same() -> None:
    """Some are the driver's own, some not even that."""
    assert "ERROR: surrogates not allowed" == errors.describe(ValueError("surrogates not allowed"))
    assert "ERROR 0 (HY000): the connection is closed" == errors.describe(pymysql.InterfaceError(0, ""))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (pymysql.OperationalError(2013, "Lost connection"), True),
        (pymysql.OperationalError(2013, "as somebody signals", sqlstate="45000"), False),
        (pymysql.InterfaceError(0, ""), True),
        (pymysql.OperationalError(1053, "Server shutdown in progress", sqlstate="08S01"), True),
        (pymysql.OperationalError(1927, "Connection was killed", sqlstate="70100"), True),
        (pymysql.OperationalError(1317, "Query execution was interrupted", sqlstate="70100"), False),
        (pymysql.IntegrityError(1062, "Duplicate entry", sqlstate="23000"), False),
        (ValueError("no error of the driver"), False),
    ],
)
def test_lost_connections_are_told_from_refused_statements(error: Exception, expected: bool) -> None:
    """A test that fails and a database that went away are different verdicts."""
    assert expected is errors.is_lost(error)
