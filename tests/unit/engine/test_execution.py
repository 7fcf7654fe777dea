"""The record of an execution: its digest, its id, and the names of what belongs to it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOON, container_case, http_case, names_of, record_of, run_of, suite_document, suite_of
from testrun_operator.api.base import DNS_LABEL_PATTERN
from testrun_operator.engine.execution import ExecutionRecord, Restriction, digest_of, make_run_id, name_for
from testrun_operator.engine.outcome import Baseline

INLINE = suite_document(http_case("one"), container_case("two"))


# -- digest -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"select": {}, "skip": {}},
        {"select": {"names": [], "tags": [], "categories": []}},
        {"variables": {}, "failFast": False, "timeout": "1h", "rerun": "All"},
        {"timeout": "60m"},
        {"timeout": "3600s"},
        {"revision": None},
    ],
)
def test_a_default_that_is_written_down_changes_nothing(fields: dict[str, Any]) -> None:
    """Nor does another way to write the same length of time."""
    assert digest_of(run_of()) == digest_of(run_of(**fields))


@pytest.mark.parametrize(
    "change",
    [
        {"defaults": {}},
        {"defaults": {"timeout": "5m", "retries": 0}},
        {"description": None, "testServers": [], "variables": {}},
        {"cases": [http_case("one") | {"needs": [], "tags": [], "matrix": {}}, container_case("two")]},
        {
            "cases": [
                {"name": "one", "http": {"connection": "api", "request": {"method": "GET", "path": "/"}}},
                container_case("two"),
            ]
        },
    ],
)
def test_a_default_inside_an_inline_suite_changes_nothing(change: dict[str, Any]) -> None:
    """However deep it stands."""
    assert digest_of(run_of(suite=INLINE)) == digest_of(run_of(suite=INLINE | change))


@pytest.mark.parametrize(
    "controls", [{"parallelism": 3}, {"suspend": True}, {"cancel": True}, {"ttlAfterFinished": "5m"}]
)
def test_a_field_that_does_not_decide_what_runs_changes_nothing(controls: dict[str, Any]) -> None:
    """Pausing, cancelling and more places start no new execution."""
    assert digest_of(run_of()) == digest_of(run_of(**controls))


DECISIVE: list[dict[str, Any]] = [
    {"revision": "4f2c1d"},
    {"suiteRef": {"name": "other"}},
    {"select": {"names": ["one"]}},
    {"skip": {"names": ["one"]}},
    {"variables": {"a": "1"}},
    {"variables": {"a": "2"}},
    {"failFast": True},
    {"timeout": "2h"},
    {"rerun": "Failed"},
    {"suite": INLINE},
    {"suite": INLINE | {"description": "other"}},
]


def test_every_field_that_decides_what_runs_counts() -> None:
    """Each of these is another execution."""
    digests = {digest_of(run_of(**fields)) for fields in [{}, *DECISIVE]}
    assert 1 + len(DECISIVE) == len(digests)


def test_the_order_of_a_map_does_not_matter() -> None:
    """YAML knows none."""
    assert digest_of(run_of(variables={"a": "1", "b": "2"})) == digest_of(run_of(variables={"b": "2", "a": "1"}))


def test_a_digest_is_the_same_in_every_release() -> None:
    """A change of it would start every finished run again when the operator is upgraded."""
    run = run_of(revision="4f2c1d", select={"tags": ["smoke"]}, variables={"fast_mode": "true"}, timeout="30m")
    assert "0243529ff2f3f1525d21023ab26be64a" == digest_of(run)


# -- run ids ------------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(2024, 1, 2), datetime(2092, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(MOMENTS, st.integers(0))
def test_run_ids_fit_into_a_bigint(moment: datetime, entropy: int) -> None:
    """63 bits, as Postgres and the models have them, until the year 2093."""
    assert 0 < int(make_run_id(moment, entropy)) < 2**63
    assert re.fullmatch(r"[0-9]{1,19}", make_run_id(moment, entropy))


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=2), timedelta(days=3650)), st.integers(0), st.integers(0))
def test_run_ids_sort_by_time(moment: datetime, later: timedelta, entropy: int, other: int) -> None:
    """An execution that started later has the greater id, whatever the chance in them."""
    assert int(make_run_id(moment, entropy)) < int(make_run_id(moment + later, other))


def test_run_ids_of_one_moment_differ_by_chance() -> None:
    """Two operators, or two runs, may start at the same millisecond."""
    assert 1000 == len({make_run_id(NOON, entropy) for entropy in range(1000)})


# -- names --------------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True) | st.text(min_size=1)


@given(NAMES, st.lists(NAMES, min_size=1, max_size=4))
def test_names_are_dns_labels(run: str, parts: list[str]) -> None:
    """At most 63 characters, whatever the run and the case are called."""
    name = name_for(run, *parts)
    assert len(name) <= 63
    assert re.match(DNS_LABEL_PATTERN, name)


@given(NAMES, st.lists(NAMES, min_size=1, max_size=4))
def test_names_are_deterministic(run: str, parts: list[str]) -> None:
    """The same each time, so that no attempt gets two Jobs."""
    assert name_for(run, *parts) == name_for(run, *parts)


@given(
    st.sets(
        st.tuples(st.sampled_from(["a", "b", "a" * 60]), st.integers(1, 3), st.sampled_from(["x", "y"])), min_size=2
    )
)
def test_different_things_have_different_names(things: set[tuple[str, int, str]]) -> None:
    """Also where the parts that readers see are cut to the same beginning."""
    names = {name_for("run" * 20, uid, str(attempt), case) for uid, attempt, case in things}
    assert len(things) == len(names)


def test_a_name_begins_with_what_readers_know() -> None:
    """The run and the case, then the digest."""
    assert re.fullmatch(r"nightly-listing-5-[0-9a-f]{10}", name_for("nightly", "uid", "1", "listing-5"))


# -- the record ---------------------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was_written() -> None:
    """As JSON, with everything that decides what runs."""
    record = record_of(
        suite_of(http_case("one", matrix={"size": ["5", "10"]}), container_case("two", needs=["one"])),
        run_of(select={"names": ["two"]}, timeout="90s", failFast=True),
        restriction=Restriction(only=("two",), passed_before=("zero",)),
        baselines=(Baseline("two", "COMPLETED", 3, 1000),),
    )
    again = ExecutionRecord.model_validate_json(record.model_dump_json(exclude_defaults=True))
    assert record == again
    assert record.to_execution() == again.to_execution()


def test_an_execution_is_what_its_record_says() -> None:
    """The cases, the time, and the rows of expected_results by case."""
    baseline = Baseline("two", min_events=1)
    record = record_of(
        suite_of(container_case("one"), container_case("two")),
        run_of(timeout="90s", failFast=True),
        restriction=Restriction(only=("two",)),
        baselines=(baseline,),
    )
    execution = record.to_execution()
    assert ["two"] == names_of(execution.cases)
    assert (NOON, timedelta(seconds=90), True) == (execution.started_at, execution.run.timeout, execution.run.fail_fast)
    assert {"two": baseline} == execution.baselines
