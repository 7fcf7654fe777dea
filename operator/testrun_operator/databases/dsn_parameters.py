"""What parameters in a connection's address mean: tables from the names of JDBC and SQLAlchemy to ours.

A parameter that is in no table is refused by its name: whoever wrote it wanted something by it. Values are not repeated
in messages, since any of them may be a secret.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from testrun_operator.errors import LocalError

_TRUE: Final = frozenset({"true", "1", "yes", "on", ""})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_SSL_STRENGTH: Final = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_MILLISECONDS: Final = 1000


class WrongParameter(LocalError):
    """A parameter of an address that is not known, or whose value is none."""


@dataclass(slots=True)
class _Collected:
    """What the parameters read so far come to."""

    found: dict[str, str] = field(default_factory=dict)
    ssl_mode: str | None = None
    """What true and false parameters say of encryption; an explicit mode goes before it."""


_Rule = Callable[[_Collected, str], None]


def translate(pairs: Iterable[tuple[str, str]], rules: Mapping[str, _Rule], driver: str) -> dict[str, str]:
    """Translate the parameters of an address.

    Args:
        pairs: names and values, percent-decoded.
        rules: one of the tables of this module.
        driver: whose parameters they are, for messages.

    Returns:
        Ours, by their names.

    Raises:
        WrongParameter: one is not known or its value is none.
    """
    collected = _Collected()
    previous = ""
    for name, value in pairs:
        rule = rules.get(name.lower())
        if rule is None:
            # Behind a password it may be the rest of one that is not encoded.
            told = f" {name[:40]!r}" if previous != "password" and "@" not in name + value else ""
            raise WrongParameter(f"the parameter{told} of {driver} is not supported; leave it out")
        previous = name.lower()
        try:
            rule(collected, value)
        except ValueError as error:
            raise WrongParameter(f"the parameter {name!r} must be {error}") from None
    found = collected.found
    if collected.ssl_mode and not {"sslmode", "ssl_mode"} & found.keys():
        found["ssl_mode" if collected.ssl_mode in _SSL_STRENGTH else "sslmode"] = collected.ssl_mode
    if "ssl_ca" in found:
        found.setdefault("ssl_mode", "VERIFY_CA")  # as MySQL's own programs take it
    return found


def _ignored(_collected: _Collected, _value: str) -> None:
    """Take a parameter that only says how a driver of Java goes about its work."""


def _same(name: str) -> _Rule:
    def rule(collected: _Collected, value: str) -> None:
        collected.found[name] = value

    return rule


def _one_of(name: str, values: Mapping[str, str]) -> _Rule:
    def rule(collected: _Collected, value: str) -> None:
        try:
            collected.found[name] = values[value.lower()]
        except KeyError:
            raise ValueError("one of " + ", ".join(values)) from None

    return rule


def _seconds(name: str, divisor: int = 1) -> _Rule:
    unit = "seconds" if divisor == 1 else "milliseconds"

    def rule(collected: _Collected, value: str) -> None:
        if not _WHOLE_NUMBER.fullmatch(value):
            raise ValueError(f"a whole number of {unit}")
        if number := int(value):  # 0 is no limit, which is said by leaving it out
            collected.found[name] = str(max(1, number // divisor))

    return rule


def _boolean(value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ValueError("true or false")


def _postgres_ssl(collected: _Collected, value: str) -> None:
    if _boolean(value):
        collected.ssl_mode = "verify-full"  # what it means to the JDBC driver


def _mysql_ssl(*, true: str | None, false: str | None = None) -> _Rule:
    """Of several the strongest counts: ``useSSL=true&verifyServerCertificate=true``."""

    def rule(collected: _Collected, value: str) -> None:
        mode = true if _boolean(value) else false
        modes = [given for given in (collected.ssl_mode, mode) if given]
        collected.ssl_mode = max(modes, key=_SSL_STRENGTH.index) if modes else None

    return rule


def _search_path(collected: _Collected, value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")  # a blank would end the option
    _option(collected, f"-c search_path={escaped}")


def _options(collected: _Collected, value: str) -> None:
    _option(collected, value)


def _option(collected: _Collected, option: str) -> None:
    collected.found["options"] = f"{collected.found.get('options', '')} {option}".strip()


def _keep_alive(collected: _Collected, value: str) -> None:
    collected.found["keepalives"] = "1" if _boolean(value) else "0"


def _names(*names: str) -> dict[str, _Rule]:
    return dict.fromkeys((name.lower() for name in names), _ignored)


_LIBPQ_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

POSTGRES_JDBC: Final[Mapping[str, _Rule]] = {
    "user": _same("user"),
    "password": _same("password"),
    "ssl": _postgres_ssl,
    "sslmode": _one_of("sslmode", {mode: mode for mode in _LIBPQ_SSL_MODES}),
    "sslrootcert": _same("sslrootcert"),
    "sslcert": _same("sslcert"),
    "sslkey": _same("sslkey"),
    "sslpassword": _same("sslpassword"),
    "currentschema": _search_path,
    "connecttimeout": _seconds("connect_timeout"),
    "logintimeout": _seconds("connect_timeout"),
    "applicationname": _same("application_name"),
    "options": _options,
    "tcpkeepalive": _keep_alive,
    "gssencmode": _one_of("gssencmode", {mode: mode for mode in ("disable", "prefer", "require")}),
    "channelbinding": _one_of("channel_binding", {mode: mode for mode in ("disable", "prefer", "require")}),
    "targetservertype": _one_of(
        "target_session_attrs",
        {
            "any": "any",
            "primary": "primary",
            "master": "primary",
            "secondary": "standby",
            "slave": "standby",
            "prefersecondary": "prefer-standby",
            "preferslave": "prefer-standby",
        },
    ),
    **_names(
        *("allowEncodingChanges", "assumeMinServerVersion", "autosave", "binaryTransfer", "charSet"),
        *("cleanupSavepoints", "defaultRowFetchSize", "escapeSyntaxCallMode", "logUnclosedConnections"),
        *("loggerFile", "loggerLevel", "preferQueryMode", "prepareThreshold", "preparedStatementCacheQueries"),
        *("preparedStatementCacheSizeMiB", "reWriteBatchedInserts", "socketTimeout", "stringtype"),
        *("characterEncoding", "serverTimezone"),
    ),
}
"""Parameters of PostgreSQL's JDBC driver, as keywords of libpq."""

_MYSQL_SSL_MODES: Final = {
    **{mode.lower(): mode for mode in _SSL_STRENGTH},
    "disable": "DISABLED",
    "trust": "REQUIRED",
    "verify-ca": "VERIFY_CA",
    "verify-full": "VERIFY_IDENTITY",
}

MYSQL_JDBC: Final[Mapping[str, _Rule]] = {
    "user": _same("user"),
    "password": _same("password"),
    "usessl": _mysql_ssl(true="REQUIRED", false="DISABLED"),
    "requiressl": _mysql_ssl(true="REQUIRED"),
    "verifyservercertificate": _mysql_ssl(true="VERIFY_CA"),
    "trustservercertificate": _mysql_ssl(true="REQUIRED"),
    "sslmode": _one_of("ssl_mode", _MYSQL_SSL_MODES),
    "serversslcert": _same("ssl_ca"),
    "connecttimeout": _seconds("connect_timeout", _MILLISECONDS),
    "localsocket": _same("unix_socket"),
    **_names(
        *("allowMultiQueries", "allowPublicKeyRetrieval", "autoReconnect", "cachePrepStmts", "characterEncoding"),
        *("connectionTimeZone", "failOverReadOnly", "forceConnectionTimeZoneToSession", "maxReconnects"),
        *("noAccessToProcedureBodies", "nullNamePatternMatchesAll", "prepStmtCacheSize", "prepStmtCacheSqlLimit"),
        *("rewriteBatchedStatements", "serverTimezone", "socketTimeout", "tcpKeepAlive", "useInformationSchema"),
        *("useJDBCCompliantTimezoneShift", "useLegacyDatetimeCode", "useServerPrepStmts", "useUnicode"),
        *("zeroDateTimeBehavior",),
    ),
}
"""Parameters of the JDBC drivers of MySQL and MariaDB."""

MYSQL_SQLALCHEMY: Final[Mapping[str, _Rule]] = {
    "ssl_ca": _same("ssl_ca"),
    "ssl_cert": _same("ssl_cert"),
    "ssl_key": _same("ssl_key"),
    "ssl_mode": _one_of("ssl_mode", _MYSQL_SSL_MODES),
    "ssl": _mysql_ssl(true="REQUIRED", false="DISABLED"),
    "ssl_disabled": _mysql_ssl(true="DISABLED"),
    "ssl_verify_cert": _mysql_ssl(true="VERIFY_CA"),
    "ssl_verify_identity": _mysql_ssl(true="VERIFY_IDENTITY"),
    "ssl_check_hostname": _mysql_ssl(true="VERIFY_IDENTITY"),
    "connect_timeout": _seconds("connect_timeout"),
    "unix_socket": _same("unix_socket"),
    **_names("charset", "autocommit", "use_unicode"),
}
"""Parameters in addresses of SQLAlchemy for MySQL and MariaDB."""

ORACLE: Final[Mapping[str, _Rule]] = {
    "user": _same("user"),
    "password": _same("password"),
    "service_name": _same("service_name"),
    "encoding": _ignored,
    "nencoding": _ignored,
}
"""Parameters in addresses of Oracle."""

NONE: Final[Mapping[str, _Rule]] = {}
"""For addresses that have no parameters."""
