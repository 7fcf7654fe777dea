"""How the adapter for a database is found."""

import subprocess
import sys

import pytest

from testrun_operator.databases.base import NotPossible
from testrun_operator.databases.dsn import read_dsn
from testrun_operator.databases.opening import open_database


@pytest.mark.parametrize(
    ("dsn", "kind"),
    [
        ("postgresql://db.example/app", "PostgresDatabase"),
        ("jdbc:postgresql://db.example/app", "PostgresDatabase"),
        ("mysql://db.example/app", "MySqlDatabase"),
        ("jdbc:mariadb://db.example/app", "MySqlDatabase"),
        ("sqlite:///app.db", "SqliteDatabase"),
        ("oracle://db.example/?service_name=app", "OracleDatabase"),
    ],
)
def test_each_kind_of_database_has_its_adapter(dsn: str, kind: str) -> None:
    """Nothing is connected when a database is opened."""
    database = open_database(read_dsn(dsn), timeout=5)
    assert type(database).__name__ == kind
    assert "app" in database.label


def test_only_the_driver_that_is_needed_is_loaded() -> None:
    """Pods start often, and drivers take a while to load."""
    script = (
        "import sys\n"
        "from testrun_operator.databases.dsn import read_dsn\n"
        "from testrun_operator.databases.opening import open_database\n"
        "print([name for name in ('psycopg', 'sqlalchemy', 'pymysql', 'oracledb', 'sqlglot') if name in sys.modules])\n"
        "open_database(read_dsn('postgresql://db.example/app'))\n"
        "print([name for name in ('psycopg', 'sqlalchemy', 'pymysql', 'oracledb', 'sqlglot') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n['psycopg']\n"


def test_without_oracles_driver_it_is_said_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra, and not in the image: the case says so, and not that the runner is broken."""
    ours = "testrun_operator.databases.relational.oracle"
    for name in [name for name in sys.modules if name.startswith((ours, "oracledb"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "oracledb", None)
    with pytest.raises(NotPossible, match=r"testrun-operator\[oracle\].*REQUIREMENTS=oracle.lock"):
        open_database(read_dsn("oracle://db.example/?service_name=app"))
