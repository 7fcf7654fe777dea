"""The secrets of a case's pod: what its environment variables hold, and what of that must not be seen.

The fields of a credential are keys of a Secret, with names that whoever made it has chosen.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice

from pydantic import JsonValue

from testrun_operator.api.environment import CREDENTIAL_PREFIX, GIT_PASSWORD_VARIABLE
from testrun_operator.errors import CaseError
from testrun_operator.masking import Masker
from testrun_operator.resources.document import CaseDocument

_CREDENTIAL_VARIABLE = re.compile(CREDENTIAL_PREFIX + "[0-9]+_(?P<field>.+)")
_PLAIN_FIELDS = frozenset(
    {
        *("db_host", "db_port", "db_name", "db_user", "db_schema"),
        *("host", "hostname", "port", "database", "dbname", "user", "username", "schema", "sslmode"),
        *("region", "endpoint", "url"),
    }
)
"""Fields that are no secret: masked, they would make every message about a connection unreadable."""
_SECRET_WORDS = ("key", "password", "secret", "token")
_MAX_PARTS = 200
"""So many lines or values of one field are masked each; a key has some thirty lines."""
_MIN_PART_LENGTH = 12
"""Shorter lines and values of a file are not masked by themselves: they would be found everywhere."""


def secrets_of_field(name: str, value: str) -> Iterator[str]:
    """Give what must not be seen of a field of a credential.

    Of a file it is the whole and, since somebody may quote a part of it, each line, or what stands in a JSON object
    under a name that says that it is secret.

    Args:
        name: the field's name, as ``db_password``.
        value: its value.
    """
    if _is_plain(name, value):
        return
    yield value
    yield from islice((part for part in _parts_of(value) if len(part) >= _MIN_PART_LENGTH), _MAX_PARTS)


def _is_plain(name: str, value: str) -> bool:
    # An address may have a password in it, or a token in its query.
    return name.lower() in _PLAIN_FIELDS and ("://" not in value or not {"@", "?", "#"} & set(value))


def _parts_of(value: str) -> Iterator[str]:
    if value.lstrip().startswith("{"):
        try:
            content: JsonValue = json.loads(value)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            for name, item in content.items():
                if isinstance(item, str) and any(word in name.lower() for word in _SECRET_WORDS):
                    yield item
                    yield from _lines_of(item)
            return
    yield from _lines_of(value)


def _lines_of(value: str) -> Iterator[str]:
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines)


def masker_for(document: CaseDocument, environment: Mapping[str, str]) -> Masker:
    """Return the masker of all secrets that the pod of a case has.

    Args:
        document: the case.
        environment: the pod's environment variables.
    """
    secrets = [environment.get(GIT_PASSWORD_VARIABLE, "")]
    for endpoint in document.connections.values():
        secrets += [environment.get(header.variable, "") for header in endpoint.secret_headers]
        if endpoint.dsn_variable:
            dsn = environment.get(endpoint.dsn_variable, "")
            secrets += [dsn, *_secrets_of(dsn)]
    for name, value in environment.items():
        if credential := _CREDENTIAL_VARIABLE.fullmatch(name):
            for secret in secrets_of_field(credential["field"], value):
                secrets += [secret, *(_secrets_of(secret) if "://" in secret else ())]
    return Masker(secrets)


def _secrets_of(dsn: str) -> tuple[str, ...]:
    from testrun_operator.databases.dsn import read_dsn  # noqa: PLC0415 - most cases have no database

    try:
        return read_dsn(dsn).secrets
    except CaseError:
        return ()  # it cannot be used either; and what is said of it has nothing of it
