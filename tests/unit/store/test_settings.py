"""Which settings of the store are accepted, and that no message shows a password."""

import pytest

from testrun_operator.errors import InvalidSettings
from testrun_operator.store.settings import StoreSettings

SECRET = "s3cr3t"


@pytest.mark.parametrize("schema", ["noetl_test", "_x1", "a" * 63])
def test_an_identifier_in_lower_case_is_a_schema(schema: str) -> None:
    """Queries without quotes must find the tables."""
    assert StoreSettings("host=db", schema=schema).schema == schema


@pytest.mark.parametrize(
    "schema", ["", "Results", "1st", "a-b", 'a"; DROP TABLE x; --', "a" * 64, "pg_temp", "information_schema", "é"]
)
def test_anything_else_is_refused(schema: str) -> None:
    """Names that need quotes, and those that belong to Postgres."""
    with pytest.raises(InvalidSettings, match="schema"):
        StoreSettings("host=db", schema=schema)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://user:{SECRET}@{SECRET}@host/db",
        f"postgresql://user:1/{SECRET}@host/db",
        f"postgresql://user:{SECRET}/x@host/db",
        f"postgresql://user:{SECRET}/{SECRET}",
        f"host=db password={SECRET} {SECRET}",
        f"{SECRET}",
        f"postgresql://user:{SECRET}%zz@host/db",
    ],
)
def test_a_dsn_that_cannot_be_understood_is_refused_without_being_shown(dsn: str) -> None:
    """What libpq took for a host or a port would be in its messages; it may be a part of the password."""
    with pytest.raises(InvalidSettings) as caught:
        StoreSettings(dsn)
    assert SECRET not in f"{caught.value}{caught.value.__cause__}"


def test_the_settings_do_not_show_the_dsn() -> None:
    """They may be logged."""
    assert SECRET not in repr(StoreSettings(f"postgresql://user:{SECRET}@host/db"))


def test_the_dsn_wins_over_our_defaults() -> None:
    """Whoever names a timeout or an application in the DSN means it."""
    settings = StoreSettings("postgresql://host/db?connect_timeout=9", connect_timeout_seconds=3)
    parameters = settings.connection_parameters()
    assert (parameters["connect_timeout"], parameters["application_name"]) == ("9", "testrun-operator")


@pytest.mark.parametrize(
    "dsn", ["postgresql://a,b:5433/db?target_session_attrs=read-write", "host=/run/postgresql", ""]
)
def test_several_hosts_sockets_and_the_environment_are_possible(dsn: str) -> None:
    """All that libpq understands."""
    assert StoreSettings(dsn).connection_parameters()["connect_timeout"] == 5


def test_a_timeout_of_nothing_is_refused() -> None:
    """Postgres takes 0 for no limit at all."""
    with pytest.raises(InvalidSettings, match="greater than 0"):
        StoreSettings("host=db", statement_timeout_seconds=0)
