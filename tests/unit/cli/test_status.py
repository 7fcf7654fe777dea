"""``testrun status`` and ``testrun wait``."""

import pytest

from support.command_line import ClusterWith, Invoke
from support.fakes import make_condition, make_run
from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.answers import Refused

COUNTS = {
    "total": 5,
    "pending": 0,
    "running": 0,
    "passed": 3,
    "failed": 1,
    "errored": 0,
    "timedOut": 1,
    "skipped": 0,
    "cancelled": 0,
    "flaky": 1,
}
FAILURE = {
    "case": "page-number",
    "verdict": "Failed",
    "reason": "ExpectationNotMet",
    "message": "items: expected 36,\n got 35",
    "attempt": 2,
    "job": "nightly-page-number-0123456789",
}


@pytest.mark.parametrize(
    ("phase", "code"),
    [("Passed", 0), ("Failed", 1), ("Errored", 2), ("Cancelled", 2), ("Running", 3), ("Pending", 3), (None, 3)],
)
def test_the_exit_code_says_how_the_run_ended(
    invoke: Invoke, cluster_with: ClusterWith, phase: str | None, code: int
) -> None:
    """Scripts and CI go by it: 0 passed, 1 failed, 2 could not be found out, 3 not over."""
    cluster_with(make_run(phase))
    assert invoke("status", "nightly").exit_code == code


@pytest.mark.parametrize("command", ["status", "wait"])
def test_a_final_phase_of_the_spec_before_the_last_change_is_not_the_end(
    invoke: Invoke, cluster_with: ClusterWith, command: str
) -> None:
    """After a change of the spec the old verdict is still there for a moment, and must not be taken for the new one."""
    cluster_with(make_run("Passed", generation=2, observed=1), make_run("Failed", generation=2, observed=2))
    result = invoke("status", "nightly", "--watch") if command == "status" else invoke("wait", "nightly")
    assert result.exit_code == 1


def test_status_says_that_a_phase_is_of_the_spec_before(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """What is shown is what the status says, with whose it is."""
    cluster_with(make_run("Passed", generation=2, observed=1))
    result = invoke("status", "nightly")
    assert "Passed (of the spec before the last change)" in result.stdout
    assert result.exit_code == 3


def test_status_shows_counts_conditions_and_failures_as_plain_columns(
    invoke: Invoke, cluster_with: ClusterWith
) -> None:
    """In a pipe: no colours, no wrapped lines, no blanks at the ends."""
    cluster_with(
        make_run(
            "Failed",
            runId="508709863430554191",
            revision="4f2c1d",
            durationSeconds=83,
            cases=COUNTS,
            successRate="60.00",
            failures=[FAILURE],
            conditions=[make_condition("Ready", "False", "CasesFailed", "of 5 cases: 3 passed")],
        )
    )
    assert invoke("status", "nightly").stdout == (
        "TestRun    shop/nightly\n"
        "Phase      Failed\n"
        "Suite      checkout\n"
        "Revision   4f2c1d\n"
        "Execution  508709863430554191\n"
        "Took       1m23s\n"
        "Passed     60.00 % of the executed cases\n"
        "\n"
        "TOTAL PENDING RUNNING PASSED FAILED TIMEDOUT ERRORED SKIPPED CANCELLED FLAKY\n"
        "    5       0       0      3      1        1       0       0         0     1\n"
        "\n"
        "CONDITION  STATUS  REASON       MESSAGE\n"
        "Ready      False   CasesFailed  of 5 cases: 3 passed\n"
        "\n"
        "NOT PASSED   VERDICT  REASON             ATTEMPT  MESSAGE\n"
        "page-number  Failed   ExpectationNotMet        2  items: expected 36, got 35\n"
    )


def test_status_shows_the_executions_of_playbooks_that_did_not_pass(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """Below the failures, with how they ended and where NoETL shows them."""
    failures = [
        FAILURE,
        FAILURE
        | {
            "case": "late-failure",
            "execution": {"id": "765993903060157424", "status": "FAILED", "page": "http://noetl:8082/e/1"},
        },
        FAILURE | {"case": "hung", "execution": {"id": "765993903060157999"}},
    ]
    cluster_with(make_run("Failed", failures=failures))
    assert invoke("status", "nightly").stdout.endswith(
        "\n\n"
        "PLAYBOOK CASE  PLAYBOOK EXECUTION  ENDED      PAGE\n"
        "late-failure   765993903060157424  FAILED     http://noetl:8082/e/1\n"
        "hung           765993903060157999  not known\n"
    )


def test_where_the_list_of_failures_is_full_status_says_where_the_others_are(
    invoke: Invoke, cluster_with: ClusterWith
) -> None:
    """The status has 20 failures at most."""
    failures = [FAILURE | {"case": f"case-{number:02}"} for number in range(20)]
    cluster_with(make_run("Failed", runId="508709863430554191", failures=failures))
    assert "'testrun results 508709863430554191' shows all of them" in invoke("status", "nightly").stdout


def test_a_message_cannot_send_control_characters_to_the_terminal(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """Messages quote what test subjects answer, and those may be anybody's."""
    cluster_with(make_run("Failed", failures=[FAILURE | {"message": "\x1b]0;owned\x07 \u202etxt"}]))
    stdout = invoke("status", "nightly").stdout
    assert "\x1b" not in stdout
    assert "\x07" not in stdout
    assert "\u202e" not in stdout


def test_watching_in_a_pipe_tells_each_change_once_and_then_shows_the_end(
    invoke: Invoke, cluster_with: ClusterWith
) -> None:
    """Progress goes to standard error, so that standard output has the result alone."""
    running = make_run("Running", cases=COUNTS | {"pending": 1, "running": 2, "passed": 0})
    cluster_with(make_run("Pending"), running, running, make_run("Passed", durationSeconds=3))
    result = invoke("status", "nightly", "--watch")
    assert result.stderr == (
        "shop/nightly: Pending\nshop/nightly: Running: 2 of 5 cases ended, 2 running, 2 not passed\n"
    )
    assert result.stdout.startswith("TestRun  shop/nightly\nPhase    Passed\n")


def test_progress_says_what_is_waited_for(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """A run that does not start says why, without a second command."""
    waiting = make_condition("Reconciling", "True", "SuiteNotFound", "there is no TestSuite 'checkout'")
    cluster_with(make_run("Pending", conditions=[waiting]), make_run("Passed"))
    assert invoke("status", "nightly", "-w").stderr == "shop/nightly: Pending: there is no TestSuite 'checkout'\n"


def test_wait_prints_one_line_and_nothing_else(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """Quiet enough for a script."""
    ready = make_condition("Ready", "False", "CasesFailed", "of 5 cases: 3 passed, 2 failed")
    cluster_with(make_run("Running"), make_run("Failed", durationSeconds=5, conditions=[ready]))
    result = invoke("wait", "nightly")
    assert result.stdout == "shop/nightly: Failed after 5s: of 5 cases: 3 passed, 2 failed\n"
    assert result.stderr == ""
    assert result.exit_code == 1


def test_wait_gives_up_when_its_time_is_over(
    invoke: Invoke, cluster_with: ClusterWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not over is neither passed nor failed."""
    cluster_with(make_run("Running"))
    monkeypatch.setattr("testrun_operator.cli.cluster.POLL_SECONDS", 10.0)
    result = invoke("wait", "nightly", "--timeout", "50ms")
    assert result.exit_code == 3
    assert result.stdout == "shop/nightly: Running\n"
    assert result.stderr == "not over after 50ms\n"


def test_a_wrong_timeout_is_a_usage_error_that_says_what_is_right(invoke: Invoke) -> None:
    """The notation is that of the resources."""
    result = invoke("wait", "nightly", "--timeout", "soon")
    assert result.exit_code == 2
    assert "write for instance '30s'" in result.stderr


def test_an_api_server_that_is_away_for_a_moment_is_waited_for(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """A rolling upgrade of the control plane must not fail a pipeline."""
    cluster_with(make_run("Running"), ClusterUnavailable("refused"), make_run("Passed"))
    assert invoke("wait", "nightly").exit_code == 0


def test_an_api_server_that_never_answered_is_an_error(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """Waiting for a wrong address would only hide the mistake."""
    client = cluster_with(ClusterUnavailable("get testruns: connection refused"))
    result = invoke("status", "nightly", "--watch")
    assert (result.exit_code, result.stderr) == (2, "Error: get testruns: connection refused\n")
    assert client.closed


@pytest.mark.usefixtures("no_cluster")
def test_without_a_cluster_the_error_says_what_to_set(invoke: Invoke) -> None:
    """One line, no traceback."""
    result = invoke("status", "nightly")
    assert result.exit_code == 2
    assert "set KUBECONFIG" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_run_that_does_not_exist_is_one_line_with_what_to_do(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """Most often it is in another namespace."""
    cluster_with(None)
    result = invoke("status", "nightly", "-n", "other")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: there is no TestRun 'nightly' in namespace other; 'kubectl get testruns -A' shows which there are\n"
    )


def test_missing_rights_are_told_in_the_servers_words(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """They name the user, the verb and the resource."""
    cluster_with(Refused(403, "Forbidden", 'testruns.testrun.dev "nightly" is forbidden'))
    result = invoke("status", "nightly")
    assert (result.exit_code, result.stderr) == (2, 'Error: testruns.testrun.dev "nightly" is forbidden\n')


def test_the_namespace_is_the_contexts_unless_given(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """As with kubectl."""
    client = cluster_with(make_run("Passed"))
    invoke("status", "nightly")
    invoke("status", "nightly", "--namespace", "other")
    assert [namespace for _, namespace, _ in client.asked] == ["shop", "other"]


def test_a_status_of_another_release_is_an_error_and_no_traceback(invoke: Invoke, cluster_with: ClusterWith) -> None:
    """Command and operator may be upgraded one after the other."""
    cluster_with(make_run("Passed", fieldOfTomorrow=1))
    result = invoke("status", "nightly")
    assert result.exit_code == 2
    assert "another release" in result.stderr
