"""The judge of the operator: what `make chaos` says about a run, from what the run left behind."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.comparison import Row, Seen, compare
from chaos.report import Trial, differences, table, write

TRUTH = {"a": "Passed", "b": "Failed"}
GOOD = Seen(
    phase="Failed",
    failures={"b": "Failed"},
    counts={"passed": 1, "failed": 1},
    results=[Row("a", "Passed", "", "ExitCodeZero"), Row("b", "Failed", "Test", "ExitCodeNotZero")],
    attempts=[Row("a", "Passed", "", "ExitCodeZero", 1), Row("b", "Failed", "Test", "ExitCodeNotZero", 1)],
    jobs=["run-a-1", "run-b-1"],
    run_ids=frozenset({"1"}),
)


def errored(attempts: int) -> Seen:
    """Return what is seen where infrastructure spoiled so many attempts of `a`, all there were."""
    lost = [Row("a", "Errored", "Infrastructure", "NodeLost", number + 1) for number in range(attempts)]
    return replace(
        GOOD,
        counts={"errored": 1, "failed": 1},
        failures={"a": "Errored", "b": "Failed"},
        results=[lost[0], GOOD.results[1]],
        attempts=[*lost, GOOD.attempts[1]],
    )


def test_the_truth_holds() -> None:
    """Both verdicts are as they must be, once."""
    outcome = compare(TRUTH, GOOD)
    assert (outcome.right, outcome.holds) == (2, True)


def test_a_wrong_verdict_is_told_with_its_reason() -> None:
    """A fault of the cluster that is called the subject's is what this is all about."""
    timed_out = Row("a", "TimedOut", "Test", "CaseTimeout")
    seen = replace(
        GOOD,
        counts={"timedOut": 1, "failed": 1},
        failures={"a": "TimedOut", "b": "Failed"},
        results=[timed_out, GOOD.results[1]],
    )
    outcome = compare(TRUTH, seen)
    assert outcome.wrong == ("a: Passed, seen TimedOut Test CaseTimeout",)
    assert not outcome.holds


def test_an_error_counts_as_not_found_out_only_where_the_budget_was_used_up() -> None:
    """Three attempts that infrastructure spoiled: nobody could know. One alone: it should have been repeated."""
    assert compare(TRUTH, errored(3)).holds
    assert compare(TRUTH, errored(3)).not_found_out == (
        "a: Passed, Errored NodeLost after the infrastructure's budget",
    )
    assert compare(TRUTH, errored(1)).wrong == ("a: Passed, seen Errored Infrastructure NodeLost",)


def test_an_attempt_that_blames_the_subject_for_the_cluster_is_wrong_though_a_later_one_passed() -> None:
    """The verdict is right by chance then: whoever reads the attempts is told of a failure that was none."""
    blamed = [Row("a", "TimedOut", "Test", "CaseTimeout", 1), Row("a", "Passed", "", "ExitCodeZero", 2)]
    seen = replace(GOOD, attempts=[*blamed, GOOD.attempts[1]], jobs=["run-a-1", "run-a-2", "run-b-1"])
    assert compare(TRUTH, seen).wrong == ("a attempt 1: Passed, seen TimedOut Test CaseTimeout",)


def test_an_attempt_is_errored_by_infrastructure_alone() -> None:
    """Another class says that somebody configured something wrong, and nobody did."""
    seen = errored(3)
    first = replace(seen.attempts[0], failure_class="Configuration", reason="PodNotCreated")
    outcome = compare(TRUTH, replace(seen, attempts=[first, *seen.attempts[1:]]))
    assert "a attempt 1: Passed, seen Errored Configuration PodNotCreated" in outcome.wrong


def test_a_case_without_a_row_is_lost() -> None:
    """The status counts it, Postgres does not have it: both are told."""
    outcome = compare(TRUTH, replace(GOOD, results=GOOD.results[:1]))
    assert outcome.lost == ("b: Failed, no verdict",)
    assert outcome.wrong == (
        "the status counts 1 Failed, Postgres 0",
        "b: the status says Failed, Postgres nothing",
        "the phase is Failed, and follows from the rows as Passed",
    )


@pytest.mark.parametrize(
    "seen",
    [
        replace(GOOD, jobs=["run-a-1", "run-a-1", "run-b-1"]),
        replace(GOOD, jobs=["run-a-1", "run-a-2", "run-b-1"]),
        replace(GOOD, attempts=[*GOOD.attempts, GOOD.attempts[0]]),
        replace(GOOD, run_ids=frozenset({"1", "2"})),
    ],
)
def test_a_job_an_attempt_or_a_run_that_is_there_twice_is_told(seen: Seen) -> None:
    """A second Job for an attempt executes it twice, whatever the rows say."""
    assert len(compare(TRUTH, seen).twice) == 1


def test_the_table_has_a_line_for_each_fault_and_one_for_all() -> None:
    """Trials of one fault are added up."""
    outcome = compare(TRUTH, GOOD)
    lines = table(
        [Trial("kill", 1, ("1.0 s: SIGKILL",), outcome, 10.2), Trial("kill", 0, (), outcome, 9.9)]
    ).splitlines()
    assert [line.split()[0] for line in lines] == ["fault", "kill", "all"]
    assert lines[1].split() == ["kill", "1", "2", "4", "4", "0", "0", "0", "0", "20"]


def test_differences_are_told_worst_first() -> None:
    """Wrong before lost."""
    outcome = compare(TRUTH, replace(GOOD, results=GOOD.results[:1]))
    assert [line.split(":")[0] for line in differences(Trial("kill", 0, (), outcome, 1))] == ["wrong"] * 3 + ["lost"]


def test_the_report_is_json_with_the_evidence_beside_it(tmp_path: Path) -> None:
    """What was compared can be written as it is."""
    trials = [
        Trial("kill", 1, ("1.0 s: SIGKILL",), compare(TRUTH, GOOD), 10.2),
        Trial("cut", 0, (), compare(TRUTH, errored(1)), 9.9, ("not within 5 s",), "objects"),
    ]
    write(tmp_path / "out" / "chaos.json", trials, {"seed": 7})
    written = json.loads((tmp_path / "out" / "chaos.json").read_text())
    assert written["seed"] == 7
    assert written["trials"][0]["outcome"]["seen"] == {"Passed": 1, "Failed": 1}
    assert written["trials"][1]["trouble"] == ["not within 5 s"]
    assert (tmp_path / "out" / written["trials"][1]["evidence"]).read_text() == "objects"


def test_a_fault_that_could_not_be_injected_is_not_a_trial_that_holds() -> None:
    """A harness that does nothing must not look as one that finds nothing."""
    assert Trial("cut", 1, (), compare(TRUTH, GOOD), 9.9).holds
    assert not Trial("cut", 1, (), compare(TRUTH, GOOD), 9.9, ("not within 5 s",)).holds
    assert not Trial("cut", 1, (), compare(TRUTH, errored(1)), 9.9).holds
