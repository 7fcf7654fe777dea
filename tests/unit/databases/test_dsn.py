"""How the address of a database is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.dsn import Dialect, Dsn, InvalidDsn, read_dsn

_POSTGRES = Dialect.POSTGRESQL
_SECRET = "corr3ct-horse"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://", Dsn(_POSTGRES)),
        ("postgres://db", Dsn(_POSTGRES, "db")),
        ("postgresql://me@db:5433/app\n", Dsn(_POSTGRES, "db", 5433, "app", "me")),
        ("postgresql+psycopg://me@db/app", Dsn(_POSTGRES, "db", None, "app", "me")),
        ("postgresql://db/app?sslmode=require", Dsn(_POSTGRES, "db", None, "app", parameters={"sslmode": "require"})),
        ("postgresql:///app?host=/run/pg", Dsn(_POSTGRES, "/run/pg", None, "app")),
        ("postgresql://[::1]:5433/app", Dsn(_POSTGRES, "::1", 5433, "app")),
        ("postgresql://a:1,b:2/app", Dsn(_POSTGRES, "a,b", None, "app", parameters={"port": "1,2"})),
        ("host=db dbname=app user=me", Dsn(_POSTGRES, "db", None, "app", "me")),
        ("service = app", Dsn(_POSTGRES, parameters={"service": "app"})),
        ("jdbc:postgresql:app", Dsn(_POSTGRES, "localhost", None, "app")),
        ("jdbc:postgresql://db:5433/app", Dsn(_POSTGRES, "db", 5433, "app")),
        ("jdbc:postgresql://a:1,b/app", Dsn(_POSTGRES, "a,b", None, "app", parameters={"port": "1,5432"})),
        ("mysql+pymysql://me@db:3307/app", Dsn(Dialect.MYSQL, "db", 3307, "app", "me")),
        ("mariadb://db", Dsn(Dialect.MYSQL, "db")),
        ("jdbc:mysql://db:3307/app?user=me", Dsn(Dialect.MYSQL, "db", 3307, "app", "me")),
        ("jdbc:mariadb://db/app", Dsn(Dialect.MYSQL, "db", None, "app")),
        ("sqlite://", Dsn(Dialect.SQLITE)),
        ("sqlite:///:memory:", Dsn(Dialect.SQLITE)),
        ("sqlite:///here/app.db", Dsn(Dialect.SQLITE, database="here/app.db")),
        ("sqlite:////there/a%20b.db", Dsn(Dialect.SQLITE, database="/there/a b.db")),
        ("jdbc:sqlite:here/app.db", Dsn(Dialect.SQLITE, database="here/app.db")),
        ("jdbc:sqlite::memory:", Dsn(Dialect.SQLITE)),
        ("oracle://me@db/?service_name=app", Dsn(Dialect.ORACLE, "db", None, "app", "me")),
        ("oracle+oracledb://db:1522/APP", Dsn(Dialect.ORACLE, "db", 1522, "APP", parameters={"sid": "true"})),
        ("jdbc:oracle:thin:@//db:1521/app", Dsn(Dialect.ORACLE, "db", 1521, "app")),
        ("jdbc:oracle:thin:@db:1521:APP", Dsn(Dialect.ORACLE, "db", 1521, "APP", parameters={"sid": "true"})),
    ],
)
def test_all_the_forms_that_people_have_are_understood(text: str, expected: Dsn) -> None:
    """An address is copied from elsewhere, and means here what it means there."""
    assert read_dsn(text) == expected


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("ssl=true", {"sslmode": "verify-full"}),
        ("ssl=false", {}),
        ("ssl=true&sslmode=require", {"sslmode": "require"}),
        ("sslmode=VERIFY-CA&sslrootcert=/ca.crt", {"sslmode": "verify-ca", "sslrootcert": "/ca.crt"}),
        ("currentSchema=app,public", {"options": "-c search_path=app,public"}),
        ("currentSchema=a, b", {"options": r"-c search_path=a,\ b"}),
        (
            "options=-c%20statement_timeout=5s&currentSchema=app",
            {"options": "-c statement_timeout=5s -c search_path=app"},
        ),
        ("connectTimeout=3&ApplicationName=it", {"connect_timeout": "3", "application_name": "it"}),
        ("connectTimeout=0", {}),
        (
            "targetServerType=preferSecondary&tcpKeepAlive=true",
            {"target_session_attrs": "prefer-standby", "keepalives": "1"},
        ),
        ("prepareThreshold=0&stringtype=unspecified&escapeSyntaxCallMode=callIfNoReturn&serverTimezone=UTC", {}),
    ],
)
def test_parameters_of_postgresqls_jdbc_driver_mean_what_they_mean_there(text: str, parameters: dict[str, str]) -> None:
    """Those that only say how the driver works in Java have no meaning here, and do no harm."""
    assert read_dsn(f"jdbc:postgresql://db/app?{text}").parameters == parameters


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("jdbc:mysql://db/app?useSSL=false", {"ssl_mode": "DISABLED"}),
        ("jdbc:mysql://db/app?useSSL=true&verifyServerCertificate=true", {"ssl_mode": "VERIFY_CA"}),
        ("jdbc:mysql://db/app?verifyServerCertificate=false&useSSL=true", {"ssl_mode": "REQUIRED"}),
        ("jdbc:mysql://db/app?sslMode=VERIFY_IDENTITY&useSSL=false", {"ssl_mode": "VERIFY_IDENTITY"}),
        ("jdbc:mariadb://db/app?sslMode=verify-full", {"ssl_mode": "VERIFY_IDENTITY"}),
        ("jdbc:mariadb://db/app?serverSslCert=/ca.crt", {"ssl_ca": "/ca.crt", "ssl_mode": "VERIFY_CA"}),
        (
            "jdbc:mysql://db/app?connectTimeout=2500&serverTimezone=UTC&characterEncoding=UTF-8",
            {"connect_timeout": "2"},
        ),
        ("mysql://db/app?charset=utf8mb4&ssl_ca=/ca.crt", {"ssl_ca": "/ca.crt", "ssl_mode": "VERIFY_CA"}),
        ("mysql://db/app?ssl_ca=/ca.crt&ssl_check_hostname=true", {"ssl_ca": "/ca.crt", "ssl_mode": "VERIFY_IDENTITY"}),
        ("mysql:///app?unix_socket=/run/db.sock", {"unix_socket": "/run/db.sock"}),
    ],
)
def test_parameters_of_mysql_mean_what_they_mean_there(text: str, parameters: dict[str, str]) -> None:
    """Encryption is never weaker than what the address asks for; milliseconds of JDBC are seconds here."""
    assert read_dsn(text).parameters == parameters


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("app", "no known form"),
        ("redis://db", "begins with 'redis'"),
        ("jdbc:db2://db", "jdbc:postgresql:"),
        ("a\nb=c", "control character"),
        ("postgresql://db/app?colour=red", "'colour'"),
        ("host=db colour=red", "'colour'"),
        ("jdbc:postgresql://db/app?readOnly=true", "'readOnly'"),
        ("jdbc:mysql://db/app?createDatabaseIfNotExist=true", "'createDatabaseIfNotExist'"),
        ("jdbc:postgresql://db/app?sslmode=maybe", "'sslmode' must be one of disable, allow"),
        ("jdbc:postgresql://db/app?ssl=maybe", "'ssl' must be true or false"),
        ("jdbc:postgresql://db/app?connectTimeout=soon", "'connectTimeout' must be a whole number of seconds"),
        ("jdbc:mysql://db/app?connectTimeout=1.5", "a whole number of milliseconds"),
        ("jdbc:postgresql://me:pw@db/app", "?user="),
        ("postgresql://db:0/app", "number from 1 to 65535"),
        ("mysql://db:99999/app", "number from 1 to 65535"),
        ("mysql://a,b/app", "several hosts"),
        ("sqlite://app.db", "three slashes"),
        ("sqlite:///app.db?mode=ro", "its path alone"),
        ("oracle://db", "service_name"),
        ("oracle://db/APP?service_name=app", "one of them"),
        ("jdbc:oracle:oci:@app", "jdbc:oracle:thin:"),
        ("jdbc:oracle:thin:@(DESCRIPTION=)", "@//host:1521/service"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_would_be_right(text: str, reason: str) -> None:
    """Whoever wrote a parameter wanted something by it: none is ignored."""
    with pytest.raises(InvalidDsn) as caught:
        read_dsn(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:{}@db/app",
        "postgres://db/app?user=me&password={}",
        "host=db user=me password={}",
        "host=db user=me password='{}'",
        "jdbc:postgresql://db/app?user=me&password={}",
        "mysql://me:{}@db/app",
        "jdbc:mariadb://db/app?user=me&password={}",
        "oracle://me:{}@db/APP",
        "jdbc:oracle:thin:me/{}@db:1521:APP",
    ],
)
def test_a_password_is_read_and_shown_nowhere(text: str) -> None:
    """What is said of an address may be read by others."""
    dsn = read_dsn(text.format(_SECRET))
    assert (dsn.user, dsn.password) == ("me", _SECRET)
    assert _SECRET in dsn.secrets
    assert _SECRET not in repr(dsn) + dsn.label


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://me:ab@{_SECRET}@db/app",
        f"postgresql://me:ab%zz{_SECRET}@db/app",
        f"postgresql://me:ab/{_SECRET}@db/app",
        f"postgresql://me:1/ab?{_SECRET.replace('-', '')}=1@db/app",
        f"mysql://me:ab/{_SECRET}@db/app",
        f"mysql://me:ab#{_SECRET}@db/app",
        f"mysql://me:ab?{_SECRET}=1@db/app",
        f"jdbc:mysql://db/app?password=ab&{_SECRET}=1",
        f"jdbc:postgresql://db/app?password={_SECRET}&colour=red&sslmode=maybe",
        f"host=db password=ab {_SECRET}",
        f"host=db password=ab {_SECRET.replace('-', '')}=1",
        f"host=db password='{_SECRET}",
        f"oracle:me/{_SECRET}@db",
        f"jdbc:oracle:thin:me/{_SECRET}@",
        f"me/{_SECRET}@db",
    ],
)
def test_a_password_that_makes_an_address_unreadable_is_not_repeated(text: str) -> None:
    """It is there that it is mistaken for something else: a host, a port, the name of a parameter."""
    with pytest.raises(InvalidDsn) as caught:
        read_dsn(text)
    assert _SECRET not in str(caught.value)
    assert _SECRET.replace("-", "") not in str(caught.value)
    assert caught.value.__cause__ is None


def test_passwords_are_secret_also_as_they_are_encoded() -> None:
    """A driver's message may have the address as it was written."""
    dsn = read_dsn("postgresql://me:a%2fb%40c:d@db/app?sslpassword=other", password="third one")
    assert dsn.password == "third one"
    assert {"a/b@c:d", "a%2Fb%40c%3Ad", "a/b%40c%3Ad", "a%2fb%40c:d", "other", "third one", "third%20one"} == set(
        dsn.secrets
    )


def test_user_and_password_may_come_from_elsewhere() -> None:
    """They go before those of the address."""
    dsn = read_dsn("jdbc:postgresql://db/app?user=me&password=mine", user="you", password="yours")
    assert (dsn.user, dsn.password) == ("you", "yours")
    assert set(dsn.secrets) == {"mine", "yours"}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("postgresql://me:pw@db.example:5432/app", "database app on db.example:5432"),
        ("postgresql://[::1]:5432/app", "database app on [::1]:5432"),
        ("postgresql://db", "the user's database on db"),
        ("dbname=app", "database app on the local server"),
        ("sqlite:///app.db", "file app.db"),
        ("sqlite://", "a database in memory"),
    ],
)
def test_a_label_says_where_it_is(text: str, label: str) -> None:
    """It is for people, and has no credentials."""
    assert read_dsn(text).label == label


def test_another_database_of_the_same_server_has_the_same_credentials() -> None:
    """Copies of a database are reached like the database."""
    dsn = read_dsn(f"postgresql://me:{_SECRET}@db/app?sslmode=require").for_database("copy")
    assert dsn == read_dsn(f"postgresql://me:{_SECRET}@db/copy?sslmode=require")


@given(st.text(), st.sampled_from(["", "postgresql://", "mysql://", "jdbc:postgresql:", "jdbc:oracle:thin:", "host="]))
def test_any_text_is_read_or_refused(text: str, beginning: str) -> None:
    """Nothing but InvalidDsn comes out of it."""
    try:
        dsn = read_dsn(beginning + text)
    except InvalidDsn:
        return
    assert dsn.dialect in Dialect
