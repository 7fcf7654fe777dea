"""What of a credential is secret: its fields are keys of a Secret, with names that whoever made it has chosen."""

import json
from collections.abc import Iterator
from itertools import islice

from pydantic import JsonValue

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
