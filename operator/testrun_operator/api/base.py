"""What all models of the two resources share: strictness, names, durations and values that may be templates."""

import re
from datetime import timedelta
from enum import Enum, auto
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

_DURATION_PATTERN = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?")
_MAX_DURATION = timedelta(hours=87_600)  # ten years; added to a time, much more would leave the calendar
DNS_LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
VARIABLE_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"


class Model(BaseModel):
    """A frozen value that refuses unknown fields; its fields are camelCase in YAML and snake_case in Python.

    A subclass may name CEL rules in ``cel_rules`` as ``(rule, message)``. They go into the CRD, so that the API server
    refuses what breaks them; the operator checks the same rules itself, since it reads suites that were stored under an
    older CRD, and some rules leave out large suites to keep within the API server's budget.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )
    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = ()


def parse_duration(value: object) -> object:
    """Turn ``"1h30m"``, ``"90s"`` or ``"250ms"`` into a timedelta; leave anything else for pydantic to refuse.

    Raises:
        ValueError: the text is no such duration.
    """
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        msg = "must be a text such as '30s', '5m' or '1h30m'"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns only ValueError into a message with the field's path
    match = _DURATION.fullmatch(value)
    if match is None or not value:
        msg = f"{value!r} is no duration; write for instance '30s', '5m', '1h30m' or '250ms'"
        raise ValueError(msg)
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in match.groups())
    try:
        duration = timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    except OverflowError:
        duration = timedelta.max
    if duration > _MAX_DURATION:
        msg = f"{value!r} is too long; at most {format_duration(_MAX_DURATION)} are possible"
        raise ValueError(msg)
    return duration


def format_duration(value: timedelta) -> str:
    """Render a timedelta in the notation that :func:`parse_duration` reads: ``"1h30m"``, ``"0s"``."""
    milliseconds = round(value / timedelta(milliseconds=1))
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "minLength": 2, "maxLength": 32}),
]
"""A length of time: hours, minutes, seconds and milliseconds in this order, as in ``1h30m`` or ``250ms``."""

DnsLabel = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, min_length=1, max_length=63)]
"""A DNS label (RFC 1123), as Kubernetes uses it for names."""

ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
"""The name of a Kubernetes object: a DNS subdomain (RFC 1123)."""

VariableName = Annotated[str, Field(pattern=VARIABLE_NAME_PATTERN, max_length=63)]
"""A variable's name; also the end of an environment variable's name, hence no dashes or dots."""

Text = Annotated[str, Field(max_length=4096)]
"""A text of up to 4096 characters. Where templates are rendered, it may be one."""

ShortText = Annotated[str, Field(max_length=253)]
"""A text of up to 253 characters."""

Category = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-_./A-Za-z0-9]*[A-Za-z0-9])?$", max_length=63)]
"""A category or tag: letters, digits, and ``- _ . /`` between them."""


def _check_count(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        msg = "must be a whole number, or a template in quotes that renders to one"
        raise ValueError(msg)  # noqa: TRY004 - see parse_duration
    if isinstance(value, int) and value < 0:
        msg = "must not be negative"
        raise ValueError(msg)
    if isinstance(value, str) and "{{" not in value and not value.isdecimal():
        msg = f"{value!r} is neither a whole number nor a template such as '{{{{ vars.expected }}}}'"
        raise ValueError(msg)
    return value


Count = Annotated[
    int | str,
    BeforeValidator(_check_count),
    WithJsonSchema({"x-kubernetes-int-or-string": True}),
]
"""A whole number of zero or more, or a template that renders to one."""

AnyJson = Annotated[JsonValue, WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True, "nullable": True})]
"""Any JSON value. Texts inside it may be templates."""

JsonObject = Annotated[
    dict[str, JsonValue], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
]
"""A JSON object with any content."""

Document = dict[str, Any]
"""A decoded JSON object as a library hands it over. Only adapters touch it; inside there are models."""


class Effect(Enum):
    """What a change of a field of a TestRun does; each field says it, as a part of its type."""

    DECIDES = auto()
    """It decides what runs: a change begins a new execution."""
    CONTROLS = auto()
    """It controls how an execution goes on; a change begins none."""
