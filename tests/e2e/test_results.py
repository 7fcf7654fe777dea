"""What is in Postgres and in the metrics after runs on a real cluster."""

import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.cases import SHARED_SERVER
from support.cluster import ROOT, Namespace, container, kubectl, operator_metrics, query, wait_for_storing, wait_until


def test_the_example_passes(namespace: Namespace) -> None:
    """`kubectl apply -f examples/pagination/` ends as Passed, every case of it."""
    namespace.kubectl("apply", "-f", str(ROOT / "examples" / "pagination"))
    status = namespace.wait_for_end("pagination", seconds=180)
    assert status["phase"] == "Passed", status["failures"]
    assert status["cases"]["passed"] == status["cases"]["total"]
    wait_for_storing(namespace, "pagination")
    rows = query(
        f"SELECT count(*) FROM noetl_test.regression_results WHERE test_run_id = {status['runId']} AND test_passed"
    )
    assert rows == [[str(status["cases"]["passed"])]]


def test_the_container_example_passes(namespace: Namespace) -> None:
    """The example of container cases ends as Passed."""
    namespace.kubectl("apply", "-f", str(ROOT / "examples" / "container"))
    run = namespace.objects("testruns")[0]["metadata"]["name"]
    status = namespace.wait_for_end(run, seconds=120)
    assert status["phase"] == "Passed", status["failures"]


def test_the_node_port_of_the_shared_server_answers(namespace: Namespace) -> None:
    """The pagination test server is on NodePort 30555 of the machine."""
    case = {"name": "up", "http": {"connection": "paginated-api", "request": {"path": "/health"}}}
    servers = [{"name": "paginated-api", "pagination": {}, "scope": "Shared"}]
    namespace.wait_for_end(namespace.run("up", case, suite={"testServers": servers}), seconds=120)
    done = subprocess.run(
        ["curl", "-sf", "--max-time", "5", "http://127.0.0.1:30555/api/v1/assessments?page=4&pageSize=10"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"total":35' in done.stdout.replace(" ", "")


def test_a_server_with_scope_run_is_the_runs_own_and_goes_with_it(namespace: Namespace) -> None:
    """Scope Run makes a server in the run's namespace, whose address templates know; it is removed at the end."""
    case = {
        "name": "own",
        "http": {
            "connection": "mine",
            "request": {"path": "/api/v1/users", "query": {"limit": "35"}},
            "expect": {"jmespath": [{"expression": "total", "equals": 35}]},
        },
    }
    servers = [{"name": "mine", "pagination": {}, "scope": "Run"}]
    connections = {"by-url": {"url": "{{ servers['mine'].url }}"}}
    other = {"name": "by-template", "http": {"connection": "by-url", "request": {"path": "/health"}}}
    run = namespace.run("scoped", case, other, suite={"testServers": servers, "connections": connections})
    status = namespace.wait_for_end(run, seconds=120)
    assert status["phase"] == "Passed", status["failures"]
    wait_until(
        "the server is gone", lambda: namespace.objects("deployments") == [] and namespace.objects("services") == []
    )


def test_a_report_of_more_than_a_megabyte_reaches_postgres_whole(namespace: Namespace) -> None:
    """Details that do not fit into a termination message go through the log."""
    # A walk that never ends by itself: a thousand pages, each of them with its long address as a detail.
    case = {
        "name": "endless",
        "http": {
            "connection": "paginated-api",
            "request": {"path": "/api/v1/assessments", "query": {"padding": "x" * 1500}},
            "paginate": {"style": "page", "items": "`[1]`", "hasMore": "`true`", "size": 1, "maxPages": 1000},
        },
    }
    run = namespace.run("large", case, suite=SHARED_SERVER)
    status = namespace.wait_for_end(run, seconds=120)
    assert [(failure["verdict"], failure["reason"]) for failure in status["failures"]] == [
        ("Failed", "ExpectationNotMet")
    ]
    wait_for_storing(namespace, run)
    rows = query(
        "SELECT count(*) FILTER (WHERE kind = 'page'), sum(length(location)) >= 1000000"
        f" FROM noetl_test.regression_details WHERE test_run_id = {status['runId']}"
    )
    assert rows == [["1000", "t"]]


def test_the_queries_that_people_bring_along_work_verbatim(namespace: Namespace) -> None:
    """NoETL's queries run on the tables as they are, and give this run's rows."""
    run = namespace.run("queried", container("hello", "true", category="basic"), container("broken", "exit 7"))
    status = namespace.wait_for_end(run)
    wait_for_storing(namespace, run)
    run_id = status["runId"]
    latest = query(
        "SELECT test_run_id, playbook_name, test_passed, status, step_count, execution_id"
        " FROM noetl_test.regression_results ORDER BY test_timestamp DESC LIMIT 20;"
    )
    assert [run_id, "hello", "t", "COMPLETED"] in [row[:4] for row in latest]
    assert [run_id, "broken", "f", "FAILED"] in [row[:4] for row in latest]
    summaries = query(
        "SELECT test_run_id, total_tests, passed_tests, failed_tests, success_rate, test_timestamp"
        " FROM noetl_test.regression_summary ORDER BY test_timestamp DESC LIMIT 10;"
    )
    assert [run_id, "2", "1", "1", "50.00"] in [row[:5] for row in summaries]
    failed = query(
        "SELECT playbook_name, status, execution_id, error_message, test_timestamp"
        " FROM noetl_test.regression_results WHERE test_passed = false ORDER BY test_timestamp DESC;"
    )
    assert ["broken", "FAILED", "", "expected exit code 0, got 7"] in [row[:4] for row in failed]
    last_two = query(
        "SELECT test_run_id, playbook_name, test_passed, status, step_count FROM noetl_test.regression_results"
        " WHERE test_run_id IN (SELECT test_run_id FROM noetl_test.regression_summary"
        " ORDER BY test_timestamp DESC LIMIT 2) ORDER BY test_run_id DESC, playbook_name;"
    )
    assert [run_id, "broken", "f"] in [row[:3] for row in last_two]
    assert int(query("SELECT COUNT(*) FROM noetl_test.regression_results WHERE test_passed = false;")[0][0]) >= 1


def test_a_baseline_is_enforced(namespace: Namespace) -> None:
    """A row of expected_results lets a case fail that is slower than people wrote."""
    name = f"slow-{namespace.name[-5:]}"
    query(
        "INSERT INTO noetl_test.expected_results (playbook_name, expected_status, min_events, max_duration_ms)"
        f" VALUES ('{name}', 'COMPLETED', NULL, 500)"
    )
    try:
        status = namespace.wait_for_end(namespace.run("baseline", container(name, "sleep 3")))
    finally:
        query(f"DELETE FROM noetl_test.expected_results WHERE playbook_name = '{name}'")
    assert [(failure["case"], failure["reason"]) for failure in status["failures"]] == [(name, "BaselineNotMet")]


def test_rerun_failed_covers_what_did_not_pass(namespace: Namespace) -> None:
    """A new execution with rerun: Failed repeats what did not pass in the last one."""
    cases = [container("good", "true"), container("bad", "false")]
    run = namespace.run("repeat", *cases, rerun="Failed")
    first = namespace.wait_for_end(run)
    wait_for_storing(namespace, run)
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"revision": "2"}}')
    second = namespace.wait_for_end(run, but_not=first["runId"])
    assert (second["cases"]["total"], second["cases"]["failed"]) == (1, 1)
    wait_for_storing(namespace, run)
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"revision": "3"}}')
    third = namespace.wait_for_end(run, but_not=second["runId"])
    assert (third["cases"]["total"], third["cases"]["failed"]) == (1, 1)


def test_the_metrics_count_runs_and_cases_by_suite_and_verdict(namespace: Namespace) -> None:
    """/metrics has counts and durations of runs and cases."""
    namespace.wait_for_end(namespace.run("counted", container("a", "true"), container("b", "false")))
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(operator_metrics())
        for sample in family.samples
    }
    suite = (("namespace", namespace.name), ("suite", "counted"))
    assert found["testrun_runs_total", suite[0], ("phase", "Failed"), suite[1]] == 1
    assert found["testrun_cases_total", ("failure_class", ""), *suite, ("verdict", "Passed")] == 1
    assert found["testrun_cases_total", ("failure_class", "Test"), *suite, ("verdict", "Failed")] == 1
    assert found["testrun_run_duration_seconds_count", *suite] == 1
    assert found["testrun_case_duration_seconds_count", *suite, ("verdict", "Passed")] == 1


def test_a_secret_reaches_the_request_and_nothing_else(namespace: Namespace) -> None:
    """A header from a Secret is in no status, Event, log, metric or row."""
    secret = "s3cr3t-" + namespace.name[-5:] + "-value"
    kubectl("-n", namespace.name, "create", "secret", "generic", "api", f"--from-literal=token={secret}")
    reference = {"name": "api", "key": "token"}
    headers = [{"name": "X-Test-Run", "prefix": "", "secretKeyRef": reference}]
    case = {
        "name": "secretive",
        "http": {"connection": "api", "request": {"path": "/no/such/path"}, "expect": {"status": 200}},
    }
    connection = {"url": "http://paginated-api.test-server.svc.cluster.local:5555", "headersFrom": headers}
    servers = [{"name": "paginated-api", "pagination": {}, "scope": "Shared"}]
    run = namespace.run("secretive", case, suite={"connections": {"api": connection}, "testServers": servers})
    status = namespace.wait_for_end(run, seconds=120)
    assert status["phase"] == "Failed"
    wait_for_storing(namespace, run)
    pod = namespace.objects("pods", f"testrun.dev/run={run}")[0]["metadata"]["name"]
    said = [
        namespace.kubectl("get", "testruns,jobs,configmaps,events", "-o", "yaml"),
        namespace.kubectl("logs", pod),
        namespace.kubectl("get", "pod", pod, "-o", "jsonpath={.status}"),
        kubectl("-n", "testrun-system", "logs", "deployment/testrun-testrun-operator", "--since=5m"),
        operator_metrics(),
        str(
            query(
                "SELECT r.*, d.* FROM noetl_test.regression_results r JOIN noetl_test.regression_details d"
                f" USING (test_run_id) WHERE test_run_id = {status['runId']}"
            )
        ),
    ]
    assert [secret in text for text in said] == [False] * len(said)


@pytest.mark.parametrize("style", ["page", "offset", "cursor", "link"])
def test_every_pagination_style_is_in_the_example(style: str) -> None:
    """The example shows each style."""
    assert f"style: {style}" in (ROOT / "examples" / "pagination" / "suite.yaml").read_text()
