"""Each way in which a case can end gets its verdict, its class and its reason, seen on a real cluster."""

from support.cluster import BUSYBOX, Namespace, condition, container, query, wait_for_storing


def failures_of(status: dict) -> dict[str, tuple[str, str]]:
    """Return verdict and reason of each case that did not pass."""
    return {failure["case"]: (failure["verdict"], failure["reason"]) for failure in status["failures"]}


def test_a_failing_a_hanging_a_crashing_and_an_unpullable_case_each_get_their_verdict(namespace: Namespace) -> None:
    """What went wrong is told apart: the subject, the time, the crash, and the infrastructure."""
    run = namespace.run(
        "mixed",
        container("good", "exit 0"),
        container("failing", "echo the total is wrong; exit 1"),
        container("hanging", "sleep 600", timeout="2s"),
        container("crashing", "kill -SEGV $$"),
        {"name": "unpullable", "container": {"image": "registry.invalid/no/such:image"}},
        {"name": "misnamed", "container": {"image": "not a name"}},
        {"name": "commandless", "container": {"image": BUSYBOX, "command": ["/no/such/file"], "runAsUser": 65532}},
        container("secretless", "true")
        | {
            "container": {
                "image": BUSYBOX,
                "runAsUser": 65532,
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "missing", "key": "a"}}}],
            }
        },
    )
    status = namespace.wait_for_end(run, seconds=180)
    assert failures_of(status) == {
        "failing": ("Failed", "ExitCodeNotZero"),
        "hanging": ("TimedOut", "CaseTimeout"),
        "crashing": ("Failed", "ExitCodeNotZero"),
        "unpullable": ("Errored", "ImagePullFailed"),
        "misnamed": ("Errored", "InvalidImageName"),
        "commandless": ("Errored", "ContainerStartFailed"),
        "secretless": ("Errored", "ContainerConfigError"),
    }
    assert status["phase"] == "Failed"
    assert status["cases"]["passed"] == 1
    assert condition(status, "Stalled")["status"] == "True"
    wait_for_storing(namespace, run)
    rows = query(
        "SELECT playbook_name, failure_class, attempts FROM noetl_test.regression_results"
        f" WHERE test_run_id = {status['runId']} ORDER BY playbook_name"
    )
    assert rows == [
        ["commandless", "Configuration", "1"],
        ["crashing", "Test", "1"],
        ["failing", "Test", "1"],
        ["good", "", "1"],
        ["hanging", "Test", "1"],
        ["misnamed", "Configuration", "1"],
        ["secretless", "Configuration", "1"],
        ["unpullable", "Infrastructure", "3"],
    ]
    tail = query(
        "SELECT log_tail FROM noetl_test.regression_attempts"
        f" WHERE test_run_id = {status['runId']} AND playbook_name = 'failing'"
    )
    assert "the total is wrong" in tail[0][0]


def test_a_case_that_passes_at_its_second_attempt_is_flaky(namespace: Namespace) -> None:
    """A retry that passes makes the case Passed, and flaky."""
    run = namespace.run("flaky", container("second", 'test "$TESTRUN_ATTEMPT" = 2', retries=1))
    status = namespace.wait_for_end(run)
    assert status["phase"] == "Passed"
    assert status["cases"]["flaky"] == 1
    assert len(namespace.jobs(run)) == 2


def test_needs_are_waited_for_and_skip_what_cannot_pass(namespace: Namespace) -> None:
    """A case starts after those that it needs, and is skipped if one of them did not pass."""
    run = namespace.run(
        "needs",
        container("last", "true", needs=["first"]),
        container("first", "sleep 1"),
        container("bad", "false"),
        container("skipped", "true", needs=["bad"]),
    )
    status = namespace.wait_for_end(run)
    assert (status["cases"]["passed"], status["cases"]["failed"], status["cases"]["skipped"]) == (2, 1, 1)
    jobs = {job["metadata"]["labels"]["testrun.dev/case"]: job for job in namespace.jobs(run)}
    assert set(jobs) == {"first", "last", "bad"}
    spans = namespace.container_spans(run)
    assert spans["first"][1] <= spans["last"][0]


def test_the_runs_timeout_ends_everything(namespace: Namespace) -> None:
    """At the end of the run's time what runs is TimedOut, and so is what never started."""
    run = namespace.run(
        "late", container("one", "sleep 60"), container("two", "sleep 60"), parallelism=1, timeout="20s"
    )
    status = namespace.wait_for_end(run)
    assert failures_of(status) == {"one": ("TimedOut", "RunTimeout"), "two": ("TimedOut", "RunTimeout")}
    assert status["phase"] == "Failed"


def test_parallelism_is_a_limit(namespace: Namespace) -> None:
    """Never more cases run side by side than the run allows."""
    cases = [container(f"case-{number}", "sleep 1") for number in range(5)]
    run = namespace.run("two-by-two", *cases, parallelism=2)
    status = namespace.wait_for_end(run)
    assert status["phase"] == "Passed"
    spans = namespace.container_spans(run).values()
    assert len(spans) == 5
    for start, _ in spans:
        assert sum(begin <= start < end for begin, end in spans) <= 2


def test_fail_fast_skips_the_rest(namespace: Namespace) -> None:
    """With failFast no further case starts after a failure, and the rest is skipped with the reason."""
    run = namespace.run(
        "fast", container("a", "false"), container("b", "true"), container("c", "true"), parallelism=1, failFast=True
    )
    status = namespace.wait_for_end(run)
    assert (status["cases"]["failed"], status["cases"]["skipped"]) == (1, 2)
