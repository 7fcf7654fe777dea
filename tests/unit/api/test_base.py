"""Durations, counts and the strictness that all models share."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from testrun_operator.api.base import Category, Count, DnsLabel, Duration, Model, format_duration, parse_duration

DURATION = TypeAdapter[timedelta](Duration)
COUNT = TypeAdapter[int | str](Count)
TEN_YEARS = 10 * 365 * 24 * 3600 * 1000


@given(milliseconds=st.integers(0, TEN_YEARS))
def test_a_duration_that_is_written_is_read_as_the_same(milliseconds: int) -> None:
    """What the operator writes into a record or a pod means the same when it is read again."""
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@given(
    hours=st.integers(0, 80_000), minutes=st.integers(0, 9999), seconds=st.integers(0, 9999), rest=st.integers(0, 9999)
)
def test_each_part_of_a_duration_counts(hours: int, minutes: int, seconds: int, rest: int) -> None:
    """Parts may be larger than the next unit: 90s is one minute and a half."""
    text = f"{hours}h{minutes}m{seconds}s{rest}ms"
    assert parse_duration(text) == timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=rest)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("5ms", timedelta(milliseconds=5)),
        ("1h30m", timedelta(minutes=90)),
        ("1m250ms", timedelta(seconds=60.25)),
        ("0s", timedelta()),
        ("007s", timedelta(seconds=7)),
        ("87600h", timedelta(hours=87_600)),
    ],
)
def test_a_duration_is_read_as_it_is_meant(text: str, duration: timedelta) -> None:
    """The documented notation, from hours to milliseconds."""
    assert DURATION.validate_python(text) == duration


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(days=1), "24h"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(seconds=60.25), "1m250ms"),
        (timedelta(microseconds=400), "0s"),
    ],
)
def test_a_duration_is_written_in_its_shortest_form(duration: timedelta, text: str) -> None:
    """Parts that are zero are left out; a length of nothing is 0s."""
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "5",
        "m",
        "5 m",
        " 5m",
        "5m ",
        "5m\n",
        "-5m",
        "+5m",
        "1.5h",
        "1e3s",
        "30m1h",
        "5m5m",
        "5M",
        "5min",
        "PT5M",
        "five minutes",
        "٣s",
        "\uff15m",
        "5m; rm -rf /",
        "5m\0",
        "9" * 5000 + "s",
        "9" * 31 + "h",
        "87601h",
        "999999999h",
        5,
        5.0,
        True,
        None,
        [],
        {},
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    """Only the documented notation counts, so that nobody's '5' becomes five hours or five milliseconds."""
    with pytest.raises(ValidationError):
        DURATION.validate_python(value)


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_a_validation_error(text: str) -> None:
    """No text ends in another error, which would stop more than this one resource."""
    try:
        duration = DURATION.validate_python(text)
    except ValidationError:
        return
    assert timedelta() <= duration <= timedelta(days=3650)


@pytest.mark.parametrize("value", [0, 35, 10**12, "0", "35", "{{ vars.expected }}", "{{ vars.a | int + 1 }}"])
def test_a_count_is_a_whole_number_or_a_template(value: int | str) -> None:
    """What it is in YAML is kept; a text is rendered in the pod."""
    counted = COUNT.validate_python(value)
    assert (counted, type(counted)) == (value, type(value))


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "", "-1", "1.5", " 35", "thirty-five", "${expected}", [], {}])
def test_what_is_no_count_is_refused(value: object) -> None:
    """A truth value is no number here, though it is one in Python."""
    with pytest.raises(ValidationError):
        COUNT.validate_python(value)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "A", "a_b", "a.b", "a b", "a\n", "ä", "a" * 64, "../a", "$(A)", "{{ a }}"]
)
def test_what_is_no_dns_label_is_refused(name: str) -> None:
    """Names become names and labels of Kubernetes objects."""
    with pytest.raises(ValidationError):
        TypeAdapter(DnsLabel).validate_python(name)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a-", "/a", "a\n", "a" * 64])
def test_what_is_no_category_is_refused(name: str) -> None:
    """Categories become labels of metrics and values of columns."""
    with pytest.raises(ValidationError):
        TypeAdapter(Category).validate_python(name)


class Sample(Model):
    """A model with a field of two words."""

    max_pages: int = 1


def test_fields_have_camel_case_in_yaml_and_snake_case_in_python() -> None:
    """Both names are read; what is written has Kubernetes' one."""
    assert Sample.model_validate({"maxPages": 2}) == Sample(max_pages=2)
    assert Sample(max_pages=2).model_dump() == {"maxPages": 2}


@pytest.mark.parametrize("given_fields", [{"maxpages": 2}, {"other": 1}, {"": 1}])
def test_unknown_fields_are_refused(given_fields: dict[str, Any]) -> None:
    """A misspelt field would otherwise be ignored in silence."""
    with pytest.raises(ValidationError):
        Sample.model_validate(given_fields)


def test_a_model_cannot_be_changed() -> None:
    """Values are shared between plans; nobody changes another one's."""
    sample = Sample()
    with pytest.raises(ValidationError):
        sample.max_pages = 2  # type: ignore[misc]
