"""Where a database is: read from the addresses that people have.

That is the URIs and keywords of PostgreSQL's own programs, the URLs of SQLAlchemy, and those of JDBC.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from testrun_operator.databases import dsn_parameters as tables
from testrun_operator.errors import CaseError

_FORMS: Final = (
    "what is understood: postgresql://user@host:5432/database, 'host=… dbname=…', mysql://user@host/database, "
    "mariadb://…, sqlite:///path, oracle://user@host/?service_name=…, and jdbc:postgresql://…, jdbc:mysql://…, "
    "jdbc:mariadb://…, jdbc:oracle:thin:@//host:1521/service, jdbc:sqlite:path"
)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9]*)(\+[a-z0-9_]+)?:(?=//)", re.IGNORECASE)
_KEYWORD: Final = re.compile(r"[a-z_]+\s*=")
_ORACLE_JDBC: Final = re.compile(r"(?://)?(?P<host>[^:/@?()]+)(?::(?P<port>\d+))?(?P<kind>[/:])(?P<name>[^/:@?]+)")
_RAW_PASSWORD: Final = re.compile(r"://[^/:@?]*:([^/@?]+)@|[?&](?:ssl)?password=([^&]+)", re.IGNORECASE)
_MAX_PORT: Final = 65535
_ENCODE: Final = "in user names and passwords @ is written %40, / %2F, : %3A, ? %3F, # %23, and % %25"


class InvalidDsn(CaseError):
    """The address of a database cannot be understood. The message says what would be right, and has no password."""


class Dialect(StrEnum):
    """The kinds of databases."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    """MariaDB too."""
    SQLITE = "sqlite"
    ORACLE = "oracle"


@dataclass(frozen=True, slots=True)
class Dsn:
    """The address of a database."""

    dialect: Dialect
    host: str | None = None
    """For PostgreSQL as libpq has it: may be a folder, or several with commas. None for the driver's default."""
    port: int | None = None
    """None for the driver's default; several ports of PostgreSQL are in ``parameters["port"]``."""
    database: str | None = None
    """Its name; the file of SQLite, None for one in memory; the service of Oracle, or its SID (see ``parameters``)."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What else the address says.

    PostgreSQL: keywords of libpq. MySQL: ``ssl_mode`` (DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY),
    ``ssl_ca``, ``ssl_cert``, ``ssl_key``, ``connect_timeout`` (seconds), ``unix_socket``. Oracle: ``sid`` is ``true``
    where ``database`` is a SID.
    """
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not appear anywhere: passwords, also as they were percent-encoded in the address."""

    @property
    def label(self) -> str:
        """What it is, for people, without credentials: ``database app on db.example:5432``."""
        if self.dialect is Dialect.SQLITE:
            return f"file {self.database}" if self.database else "a database in memory"
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host
        place = (host or "the local server") + (f":{self.port}" if self.port else "")
        return f"database {self.database} on {place}" if self.database else f"the user's database on {place}"

    def for_database(self, name: str) -> "Dsn":
        """Give the address of another database on the same server, for the same user."""
        return replace(self, database=name)


def read_dsn(text: str, user: str | None = None, password: str | None = None) -> Dsn:
    """Read the address of a database.

    Args:
        text: the address, in any of the forms.
        user: used instead of the user in the address; of no meaning to SQLite.
        password: used instead of the password in the address; of no meaning to SQLite.

    Raises:
        InvalidDsn: it cannot be understood, or says something that is not supported.
    """
    text = text.strip()  # Secrets that were made from files often end with a line break.
    if not text:
        raise InvalidDsn(f"the database's address is empty; {_FORMS}")
    if any(ord(character) < ord(" ") for character in text):
        raise InvalidDsn("the database's address has a control character in it, such as a line break")
    try:
        dsn = _read(text)
    except tables.WrongParameter as error:
        raise InvalidDsn(f"the database's address cannot be used: {error}") from None
    except ValueError:
        # What urlsplit and libpq say repeats parts of the address, and so perhaps of the password.
        raise InvalidDsn(f"the database's address cannot be understood; {_ENCODE}; {_FORMS}") from None
    given = replace(dsn, user=user or dsn.user, password=password or dsn.password)
    secrets = [dsn.password, password, dsn.parameters.get("sslpassword")]
    return replace(given, secrets=_forms_of([secret for secret in secrets if secret], text))


def _read(text: str) -> Dsn:
    if text[:5].lower() == "jdbc:":
        return _read_jdbc(text[5:])
    scheme = _SCHEME.match(text)
    if scheme is None:
        if _KEYWORD.match(text):
            return _from_libpq(text)
        raise InvalidDsn(f"the database's address has no known form; {_FORMS}")
    read = _SCHEMES.get(scheme.group(1).lower())
    if read is None:
        raise InvalidDsn(f"the database's address begins with {scheme.group(1)!r}, which is not supported; {_FORMS}")
    return read(text[scheme.end() :])


def _read_jdbc(text: str) -> Dsn:
    kind, _, rest = text.partition(":")
    read = _JDBC.get(kind.lower())
    if read is None:
        known = ", ".join(f"jdbc:{name}:" for name in _JDBC)
        raise InvalidDsn(f"JDBC addresses are understood if they begin with one of {known}")
    return read(rest)


def _postgres_uri(rest: str) -> Dsn:
    return _from_libpq(f"postgresql:{rest}")


def _from_libpq(text: str) -> Dsn:
    """Let libpq read one of its own forms, which may have several hosts, sockets, services."""
    import psycopg  # noqa: PLC0415 - not needed for the other databases, and loading it takes a while
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        found = {name: str(value) for name, value in conninfo_to_dict(text).items() if value is not None}
    except psycopg.ProgrammingError as error:
        # Its messages quote what they are about, but for this one: the name of a parameter.
        unknown = re.search(r'invalid (?:URI query parameter|connection option)[: ]+"([A-Za-z_]{1,40})"', str(error))
        # It may be the rest of a password that has blanks (behind the keyword) or a question mark (before the host).
        if unknown and not re.search(rf"password\s*=\s*[^'\s]\S*\s+{unknown[1]}\b|[?&]{unknown[1]}=[^&]*@", text):
            problem = f"the database's address has the parameter {unknown[1]!r}, which PostgreSQL does not know"
            raise InvalidDsn(problem) from None
        raise ValueError from None
    host = found.get("host", "")
    if "@" in host and not host.startswith("@"):  # one at the beginning is an abstract socket
        raise InvalidDsn(f"the database's address has more than one @; {_ENCODE}")
    return _postgres(found)


def _postgres(found: dict[str, str]) -> Dsn:
    parameters = dict(found)
    port = parameters.get("port")
    return Dsn(
        Dialect.POSTGRESQL,
        host=parameters.pop("host", None),
        port=_port(parameters.pop("port")) if port and "," not in port else None,
        database=parameters.pop("dbname", None),
        user=parameters.pop("user", None),
        password=parameters.pop("password", None),
        parameters=parameters,
    )


def _postgres_jdbc(rest: str) -> Dsn:
    """``jdbc:postgresql:database``, or with several hosts ``jdbc:postgresql://a:1,b:2/database?user=…``."""
    address, _, query = rest.partition("?")
    found = tables.translate(_pairs(query), tables.POSTGRES_JDBC, "PostgreSQL's JDBC driver")
    if address.startswith("//"):
        netloc, _, path = address[2:].partition("/")
        if "@" in netloc:
            raise InvalidDsn("JDBC addresses of PostgreSQL have user and password at the end: ?user=…&password=…")
        hosts = [_host_and_port(entry) for entry in netloc.split(",")]
        if any(host for host, _ in hosts):
            found["host"] = ",".join(host or "localhost" for host, _ in hosts)
        if any(port for _, port in hosts):
            found["port"] = ",".join(str(port or 5432) for _, port in hosts)
    else:
        path = address
    # JDBC's drivers look on this machine where no host is given; libpq would try a socket.
    found.setdefault("host", "localhost")
    if path:
        found["dbname"] = unquote(path)
    return _postgres(found)


def _mysql_url(rest: str) -> Dsn:
    return _from_url(Dialect.MYSQL, rest, tables.MYSQL_SQLALCHEMY, "this address")


def _mysql_jdbc(rest: str) -> Dsn:
    return _from_url(Dialect.MYSQL, rest, tables.MYSQL_JDBC, "the JDBC drivers of MySQL and MariaDB")


def _oracle_url(rest: str) -> Dsn:
    dsn = _from_url(Dialect.ORACLE, rest, tables.ORACLE, "this address")
    service = dsn.parameters.get("service_name")
    if (service is None) == (dsn.database is None):
        raise InvalidDsn("the address of an Oracle database needs ?service_name=… or, for a SID, /SID: one of them")
    return replace(dsn, database=service or dsn.database, parameters={} if service else {"sid": "true"})


def _oracle_jdbc(rest: str) -> Dsn:
    """``thin:@//host:1521/service``, ``thin:@host:1521:SID``, with ``user/password`` before the @ or as parameters."""
    driver, _, address = rest.partition(":")
    if driver.lower() != "thin":
        raise InvalidDsn("JDBC addresses of Oracle are understood if they begin with jdbc:oracle:thin:")
    address, _, query = address.partition("?")
    found = tables.translate(_pairs(query), tables.ORACLE, "Oracle's JDBC driver")
    credentials, _, place = address.rpartition("@")
    match = _ORACLE_JDBC.fullmatch(place)
    if match is None:
        raise InvalidDsn("JDBC addresses of Oracle look like @//host:1521/service, or @host:1521:SID for a SID")
    user, _, password = credentials.partition("/")
    return Dsn(
        Dialect.ORACLE,
        host=match["host"],
        port=_port(match["port"]),
        database=match["name"],
        user=user or found.get("user"),
        password=password or found.get("password"),
        parameters={"sid": "true"} if match["kind"] == ":" else {},
    )


def _sqlite_url(rest: str) -> Dsn:
    if not rest.startswith("///") and rest != "//":
        raise InvalidDsn(
            "the address of an SQLite file has three slashes, four for a path from the root: sqlite:///path"
        )
    return _sqlite_file(unquote(rest[3:]))


def _sqlite_file(path: str) -> Dsn:
    if "?" in path or path.startswith("file:"):
        raise InvalidDsn("the address of an SQLite file is its path alone, without parameters")
    return Dsn(Dialect.SQLITE, database=None if path in {"", ":memory:"} else path)


def _from_url(dialect: Dialect, rest: str, rules: Mapping[str, Callable[..., None]], driver: str) -> Dsn:
    url = _split(rest)
    found = tables.translate(_pairs(url.query), rules, driver)
    credentials, _, place = url.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    if "," in place:
        raise InvalidDsn("the database's address has several hosts, which is understood for PostgreSQL only")
    host, port = _host_and_port(place)
    return Dsn(
        dialect,
        host=host,
        port=port,
        database=unquote(url.path[1:]) or None,
        user=unquote(user) or found.pop("user", None),
        password=unquote(password) or found.pop("password", None),
        parameters=found,
    )


def _split(rest: str) -> SplitResult:
    url = urlsplit(rest)
    if url.fragment or not rest.startswith("//"):
        raise ValueError
    return url


def _pairs(query: str) -> list[tuple[str, str]]:
    # A plus sign is itself in these addresses, not a blank.
    return parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)


def _host_and_port(text: str) -> tuple[str | None, int | None]:
    match = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<name>[^:\[\]@/]*))(?::(?P<port>\d*))?", text)
    if match is None:
        raise ValueError
    return unquote(match["six"] or match["name"] or "") or None, _port(match["port"])


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= _MAX_PORT:
        raise InvalidDsn("the port in the database's address must be a number from 1 to 65535")
    return int(text)


def _forms_of(secrets: list[str], text: str) -> tuple[str, ...]:
    """Give secrets as they are and in the percent-encoded forms that the address may have had."""
    forms = {form for secret in secrets for form in (secret, quote(secret), quote(secret, safe=""))}
    # As somebody encoded it by hand: %2f for %2F, or characters that need not be.
    forms.update(raw for match in _RAW_PASSWORD.finditer(text) if unquote(raw := match[1] or match[2]) in secrets)
    return tuple(sorted(forms))


_SCHEMES: Final[Mapping[str, Callable[[str], Dsn]]] = {
    "postgresql": _postgres_uri,
    "postgres": _postgres_uri,
    "mysql": _mysql_url,
    "mariadb": _mysql_url,
    "sqlite": _sqlite_url,
    "oracle": _oracle_url,
}
_JDBC: Final[Mapping[str, Callable[[str], Dsn]]] = {
    "postgresql": _postgres_jdbc,
    "mysql": _mysql_jdbc,
    "mariadb": _mysql_jdbc,
    "oracle": _oracle_jdbc,
    "sqlite": _sqlite_file,
}
