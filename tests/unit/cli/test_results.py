"""``testrun results``: what is asked of Postgres, and how it is shown."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

import pytest

from support.command_line import Invoke
from testrun_operator.cli import results
from testrun_operator.errors import StoreUnavailable
from testrun_operator.store.queries import AttemptResult, CaseResult, DetailResult, RunSummary

RUN_ID = 508709863430554191
ENDED = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
DSN = "postgresql://reader:secret@db/results"

RUN = RunSummary(
    run_id=RUN_ID,
    finished_at=ENDED,
    namespace="shop",
    name="nightly",
    suite="checkout",
    phase="Failed",
    revision="4f2c1d",
    total=3,
    passed=1,
    failed=1,
    skipped=1,
    flaky=0,
    duration_milliseconds=12_345,
    success_rate=Decimal("50.00"),
)
CASE = CaseResult(
    run_id=RUN_ID,
    finished_at=ENDED,
    case="page-number",
    path="GET /items",
    category="pages",
    passed=False,
    status="FAILED",
    verdict="Failed",
    failure_class="Test",
    reason="ExpectationNotMet",
    flaky=False,
    attempts=1,
    duration_milliseconds=440,
    step_count=4,
    message="items: expected 36, got 35",
    execution_id=None,
    execution_status=None,
    execution_status_inferred=False,
    execution_page=None,
)
ATTEMPT = AttemptResult(
    attempt=1,
    verdict="Failed",
    reason="ExpectationNotMet",
    message="items: expected 36, got 35",
    job="nightly-page-number-0123456789",
    pod="nightly-page-number-0123456789-abcde",
    node="node-1",
    pod_reason=None,
    exit_code=1,
    duration_milliseconds=440,
    log_tail="page 4\n\x1b[31mred",
)
DETAIL = DetailResult(
    attempt=1,
    position=1,
    kind="assertion",
    name="items",
    passed=False,
    skipped=False,
    expected="36",
    actual="35",
    message="",
    location="page 4",
    duration_milliseconds=None,
)
TEST = replace(DETAIL, kind="test", name="Refunds are booked", expected="", actual="", location="tests/refunds.stt:12")


class FakeQueries:
    """The queries of the store, answered from memory."""

    def __init__(
        self,
        runs: tuple[RunSummary, ...] = (RUN,),
        cases: tuple[CaseResult, ...] = (CASE,),
        details: tuple[DetailResult, ...] = (DETAIL,),
    ) -> None:
        self._runs = runs
        self._cases = cases
        self._details = details
        self.asked: list[dict[str, Any]] = []

    async def latest_runs(self, _: object, **asked: Any) -> tuple[RunSummary, ...]:
        """Return the executions of a name."""
        self.asked.append(asked)
        return tuple(run for run in self._runs if asked.get("name") in {None, run.name})

    async def run_summary(self, _: object, run_id: int) -> RunSummary | None:
        """Return an execution."""
        return next((run for run in self._runs if run.run_id == run_id), None)

    async def results_of_run(self, _: object, run_id: int) -> tuple[CaseResult, ...]:
        """Return its cases."""
        return tuple(case for case in self._cases if case.run_id == run_id)

    async def attempts_of_case(self, _: object, __: int, ___: str) -> tuple[AttemptResult, ...]:
        """Return the attempts of a case."""
        return (ATTEMPT,)

    async def details_of_case(
        self, _: object, __: int, ___: str, *, only_failing: bool = False
    ) -> tuple[DetailResult, ...]:
        """Return its checks."""
        return tuple(detail for detail in self._details if not (only_failing and detail.passed))


class FakeDatabase:
    """A connection that is never made."""

    def __init__(self, settings: object) -> None:
        self.settings = settings

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> FakeQueries:
    """A Postgres with one execution."""
    fake = FakeQueries()
    monkeypatch.setattr(results, "queries", fake)
    monkeypatch.setattr(results, "Database", FakeDatabase)
    monkeypatch.setenv("TESTRUN_OPERATOR_DSN", DSN)
    return fake


def test_without_an_argument_the_latest_executions_are_listed(invoke: Invoke, queries: FakeQueries) -> None:
    """One line for each."""
    result = invoke("results", "--limit", "5", "-n", "shop")
    assert result.stdout == (
        "EXECUTION           TESTRUN       SUITE     REVISION  PHASE   PASSED  FAILED  SKIPPED  TOOK  ENDED\n"
        "508709863430554191  shop/nightly  checkout  4f2c1d    Failed       1       1        1   12s  "
        "2026-03-01T23:30:00Z\n"
    )
    assert queries.asked == [{"namespace": "shop", "limit": 5}]


@pytest.mark.usefixtures("queries")
@pytest.mark.parametrize("what", [str(RUN_ID), "nightly"])
def test_an_execution_is_named_by_its_id_or_its_testrun(invoke: Invoke, what: str) -> None:
    """The id is in the status; the name is what people remember."""
    output = invoke("results", what).stdout
    assert "Passed     1 of 3, 50.00 % of the executed\n" in output
    assert output.endswith(
        "CASE         VERDICT  CLASS  REASON              TOOK  ATTEMPTS  MESSAGE\n"
        "page-number  Failed   Test   ExpectationNotMet  0.44s         1  items: expected 36, got 35\n"
    )


def test_a_testrun_may_have_a_name_of_digits(
    invoke: Invoke, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits that are no id of an execution are taken for a name."""
    del queries
    run = RunSummary(**{name: getattr(RUN, name) for name in RunSummary.__slots__} | {"name": "42"})  # type: ignore[attr-defined]
    monkeypatch.setattr(results, "queries", FakeQueries((run,)))
    assert "TestRun    shop/42\n" in invoke("results", "42").stdout


def test_an_execution_that_still_runs_shows_what_is_stored_so_far(
    invoke: Invoke, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cases are stored as they end, the summary last."""
    del queries
    monkeypatch.setattr(results, "queries", FakeQueries(runs=()))
    output = invoke("results", str(RUN_ID)).stdout
    assert "Phase      not over yet; this is what is stored so far\n" in output
    assert "page-number" in output


@pytest.mark.usefixtures("queries")
def test_details_show_attempts_checks_and_the_end_of_the_log(invoke: Invoke) -> None:
    """Everything that is known of a case; control characters of the log are made visible."""
    output = invoke("results", "nightly", "--details", "page-number").stdout
    assert "What       GET /items\n" in output
    assert "1  Failed   ExpectationNotMet  0.44s          1  nightly-page-number-0123456789  node-1" in output
    assert "1  assertion  items  no    36        35    page 4\n" in output
    assert output.endswith("The end of the log of attempt 1:\n\n  page 4\n  \N{REPLACEMENT CHARACTER}[31mred\n")


def test_details_show_what_was_left_out_and_where_each_test_is(
    invoke: Invoke, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that was left out neither held nor failed; each is found by file and line."""
    del queries
    left_out = replace(TEST, position=2, passed=True, skipped=True, message="the bank is closed")
    not_come_to = replace(TEST, position=3, skipped=True, message="the schema could not be loaded")
    details = (replace(TEST, message="expected 5, got 6"), left_out, not_come_to)
    monkeypatch.setattr(results, "queries", FakeQueries(details=details))
    lines = [line.split("  ") for line in invoke("results", "nightly", "--details", "page-number").stdout.splitlines()]
    found = [[cell.strip() for cell in line if cell] for line in lines if "tests/refunds.stt:12" in "".join(line)]
    assert [line[-3:] for line in found] == [
        ["no", "tests/refunds.stt:12", "expected 5, got 6"],
        ["skipped", "tests/refunds.stt:12", "the bank is closed"],
        ["not run", "tests/refunds.stt:12", "the schema could not be loaded"],
    ]


@pytest.mark.usefixtures("queries")
def test_json_is_complete_and_its_ids_are_texts(invoke: Invoke) -> None:
    """JSON clients round numbers of 63 bits."""
    document = json.loads(invoke("results", "nightly", "-o", "json").stdout)
    assert document["run"]["run_id"] == str(RUN_ID)
    assert document["run"]["success_rate"] == "50.00"
    assert document["run"]["finished_at"] == "2026-03-01T23:30:00+00:00"
    assert document["cases"][0]["message"] == "items: expected 36, got 35"
    document = json.loads(invoke("results", "nightly", "--details", "page-number", "-o", "json").stdout)
    assert [key for key, value in document.items() if value] == ["case", "attempts", "details"]


@pytest.mark.usefixtures("queries")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["weekly"], "Postgres knows no execution that has ended of a TestRun 'weekly'"),
        (["nightly", "--details", "skipped"], "has no result of a case 'skipped'; cases that were skipped have none"),
        (["--details", "page-number"], "--details needs a run id or the name of a TestRun"),
        (["-o", "junit"], "JUnit XML is of one execution as a whole"),
        (["nightly", "--details", "page-number", "-o", "junit"], "JUnit XML is of one execution as a whole"),
        (["--dsn", "postgresql://a@b@c/d"], "more than one '@'"),
        (["--schema", "No Schema"], "the schema's name 'No Schema' is not usable"),
    ],
)
def test_what_is_not_there_is_one_line(invoke: Invoke, arguments: list[str], problem: str) -> None:
    """And the password is in none of them."""
    result = invoke("results", *arguments)
    assert result.exit_code == 2
    assert problem in result.stderr
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


def test_without_a_dsn_the_error_says_where_one_is(invoke: Invoke) -> None:
    """The operator's pod has it in its environment."""
    result = invoke("results")
    assert result.exit_code == 2
    assert "kubectl exec" in result.stderr


def test_a_postgres_that_does_not_answer_is_one_line(
    invoke: Invoke, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback."""

    async def away(_: object, **__: object) -> tuple[RunSummary, ...]:
        raise StoreUnavailable("no connection to Postgres: refused")

    monkeypatch.setattr(queries, "latest_runs", away)
    result = invoke("results")
    assert (result.exit_code, result.stderr) == (2, "Error: no connection to Postgres: refused\n")


def test_the_help_never_shows_the_dsn(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a password."""
    monkeypatch.setenv("TESTRUN_OPERATOR_DSN", DSN)
    assert "secret" not in invoke("results", "--help").stdout


def playbook(**fields: Any) -> CaseResult:
    """Return the result of a playbook case."""
    own = {
        "execution_id": 765993903060157424,
        "execution_status": "FAILED",
        "execution_page": "http://noetl:8082/e/1",
        "step_count": 23,
    }
    return replace(CASE, **(own | fields))


def test_executions_of_playbooks_are_listed_with_how_they_ended_and_where_they_are_shown(
    invoke: Invoke, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below all cases; a case of another kind has no line there."""
    del queries
    cases = (
        CASE,
        playbook(case="late-failure"),
        playbook(case="open-end", execution_status="COMPLETED", execution_status_inferred=True, execution_page=None),
        playbook(case="hung", execution_status="", execution_page=None),
    )
    monkeypatch.setattr(results, "queries", FakeQueries(cases=cases))
    assert invoke("results", "nightly").stdout.endswith(
        "\n\n"
        "PLAYBOOK CASE  PLAYBOOK EXECUTION  ENDED                 EVENTS  PAGE\n"
        "late-failure   765993903060157424  FAILED                    23  http://noetl:8082/e/1\n"
        "open-end       765993903060157424  COMPLETED (inferred)      23\n"
        "hung           765993903060157424  not known                 23\n"
    )


def test_details_of_a_playbook_case_show_its_execution(
    invoke: Invoke, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id, how it ended, and its page."""
    del queries
    monkeypatch.setattr(results, "queries", FakeQueries(cases=(playbook(),)))
    lines = invoke("results", "nightly", "--details", "page-number").stdout.splitlines()
    assert "Playbook execution  765993903060157424" in lines
    assert "Ended               FAILED" in lines
    assert "Page                http://noetl:8082/e/1" in lines


def test_json_has_the_id_of_a_playbooks_execution_as_a_text(
    invoke: Invoke, queries: FakeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is beyond what clients of JSON can count; where there is none it is null."""
    del queries
    monkeypatch.setattr(results, "queries", FakeQueries(cases=(CASE, playbook(case="late-failure"))))
    document = json.loads(invoke("results", "nightly", "--output", "json").stdout)
    assert [case["execution_id"] for case in document["cases"]] == [None, "765993903060157424"]
