"""How the store reaches Postgres."""

import re
from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict

from testrun_operator.errors import InvalidSettings

DEFAULT_SCHEMA = "noetl_test"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_URI = re.compile(r"postgres(?:ql)?://(?P<authority>[^/?#]*)(?P<path>[^?]*)")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where Postgres is and how long it is waited for.

    Raises:
        InvalidSettings: the DSN or the schema's name is wrong. The message never contains the DSN.
    """

    dsn: str = field(repr=False)
    """A URI ``postgresql://…`` or libpq's ``key=value`` notation. Secret: it may hold a password."""

    schema: str = DEFAULT_SCHEMA
    """The schema of the tables. NoETL's name by default, so that queries written for it work verbatim."""

    connect_timeout_seconds: int = 5
    """How long a new connection, or a free one, is waited for. A ``connect_timeout`` in the DSN wins."""

    statement_timeout_seconds: float = 10
    """How long one statement may take. Longer than a write ever takes, short enough to notice a stuck server."""

    def __post_init__(self) -> None:
        """Check everything, so that a wrong setting is known at start and not with the first result."""
        if not _SCHEMA.fullmatch(self.schema) or self.schema.startswith("pg_") or self.schema == "information_schema":
            raise InvalidSettings(
                f"the schema's name {self.schema[:80]!r} is not usable: it must consist of lower-case letters, digits "
                "and underscores, not begin with a digit or 'pg_', and have at most 63 characters"
            )
        if self.connect_timeout_seconds <= 0 or self.statement_timeout_seconds <= 0:
            raise InvalidSettings("the timeouts for connections and statements must be greater than 0 seconds")
        self.connection_parameters()

    def connection_parameters(self) -> dict[str, str | int]:
        """Give the DSN's parts as keyword arguments for psycopg, with our defaults where it says nothing.

        Raises:
            InvalidSettings: the DSN cannot be understood. libpq's own message is left out: it quotes what it could
                not parse, which may be the password.
        """
        uri = _URI.match(self.dsn)
        if uri and (uri["authority"].count("@") > 1 or "@" in uri["path"]):
            # libpq would take a part of the password for the host's name, and write it into its messages.
            raise InvalidSettings("the DSN of Postgres has more than one '@': write '%40' for '@' in the password")
        try:
            parts = conninfo_to_dict(self.dsn)
        except psycopg.Error:
            raise InvalidSettings(
                "the DSN of Postgres cannot be parsed: it must look like "
                "'postgresql://USER:PASSWORD@HOST:PORT/DATABASE' with special characters percent-encoded, "
                "or like \"host=HOST user=USER password='PASSWORD'\""
            ) from None
        if not all(port.isdecimal() for port in str(parts.get("port") or "5432").split(",") if port):
            raise InvalidSettings("the DSN of Postgres has a port that is no number; is '/' in the password not '%2F'?")
        return {
            "application_name": "testrun-operator",
            "connect_timeout": self.connect_timeout_seconds,
            **{name: value for name, value in parts.items() if value is not None},
        }
