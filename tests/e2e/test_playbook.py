"""Cases of kind playbook on a real cluster: against real NoETL servers of three generations."""

import json
import time
from typing import Any

import pytest

from support.cluster import (
    ROOT,
    SYSTEM_NAMESPACE,
    Body,
    Namespace,
    classes,
    details,
    failure,
    kubectl,
    operator_metrics,
    query,
    wait_for_storing,
    wait_until,
)
from support.noetl_cluster import EVENTS_SECRET, ClusterNoetl, OwnPlaybooks
from support.sql_cluster import GitServer, add_secret, own_database

RELEASE = "4.26.0"
EARLIER_RELEASES = ("1.8.0", "2.5.5")
EXAMPLE = ROOT / "examples" / "playbook"
WAITING_PARENT = """\
apiVersion: noetl.io/v2
kind: Playbook
metadata: {{name: waiting_parent, path: {folder}/waiting_parent}}
workload: {{seconds: 25}}
workflow:
  - step: start
    tool: {{kind: noop}}
    next: {{arcs: [{{step: child}}]}}
  - step: child
    input: {{seconds: "{{{{ workload.seconds }}}}"}}
    tool: {{kind: playbook, path: {folder}/slow, return_step: end}}
    next: {{arcs: [{{step: end}}]}}
  - step: end
    tool: {{kind: noop}}
"""
INDISCREET = """\
apiVersion: noetl.io/v2
kind: Playbook
metadata: {{name: indiscreet, path: {folder}/indiscreet}}
workload: {{password: none}}
workflow:
  - step: start
    input: {{password: "{{{{ workload.password }}}}"}}
    tool:
      kind: python
      code: |
        raise ValueError(f"nobody may log in with {{password}}")
    next: {{arcs: [{{step: end}}]}}
  - step: end
    tool: {{kind: noop}}
"""


@pytest.fixture(scope="session")
def noetl() -> ClusterNoetl:
    """The NoETL of the newest release that is tested."""
    return deployed(RELEASE)


def deployed(version: str) -> ClusterNoetl:
    """Return a NoETL that `make noetl` has deployed."""
    found = ClusterNoetl(version)
    if not found.is_deployed():
        pytest.fail(f"NoETL {version} is not deployed on this cluster: run `make noetl`")
    return found


def results(status: Body) -> dict[str, dict[str, Any]]:
    """Return what Postgres has of the cases of an execution, by their names."""
    rows = query(
        f"SELECT to_jsonb(results) FROM noetl_test.regression_results AS results WHERE test_run_id = {status['runId']}"
    )
    documents = [json.loads(row[0]) for row in rows]
    return {document["playbook_name"]: document for document in documents}


def said(namespace: Namespace, run: str, status: Body) -> dict[str, str]:
    """Return all that the operator and the pods of a run say, by where they say it."""
    pods = [pod["metadata"]["name"] for pod in namespace.objects("pods", f"testrun.dev/run={run}")]
    tables = ("regression_results", "regression_attempts", "regression_details")
    return {
        **{kind: namespace.kubectl("get", kind, "-o", "yaml") for kind in ("testruns", "events")},
        **{f"log of {pod}": namespace.kubectl("logs", pod) for pod in pods},
        "log": kubectl("-n", SYSTEM_NAMESPACE, "logs", "deployment/testrun-testrun-operator", "--since=5m"),
        "metrics": operator_metrics(),
        **{
            table: str(query(f"SELECT * FROM noetl_test.{table} WHERE test_run_id = {status['runId']}"))
            for table in tables
        },
        "jobs": namespace.kubectl("get", "jobs,pods,configmaps", "-o", "yaml"),
    }


def test_the_example_passes(namespace: Namespace, noetl: ClusterNoetl) -> None:
    """`kubectl apply -f examples/playbook/`, and what Postgres has of it; the credential's password is told nowhere."""
    noetl.connect(namespace, EVENTS_SECRET)
    with own_database() as database:
        host = database.dsn().partition("@")[2].partition(":")[0]
        add_secret(namespace, "orders-database", dsn=database.dsn())
        add_secret(
            namespace,
            "orders-credential",
            db_host=host,
            db_port="5432",
            db_user=database.name,
            db_password=database.password,
            db_name=database.name,
        )
        namespace.kubectl("apply", "-f", str(EXAMPLE))
        status = namespace.wait_for_end("playbooks", seconds=180)
        assert status["phase"] == "Passed", status.get("failures")
        wait_for_storing(namespace, "playbooks")
        told = said(namespace, "playbooks", status)
        rows = query("SELECT execution_id, count(*) FROM orders GROUP BY 1", database.name)
    assert [place for place, text in told.items() if database.password in text] == []
    found = results(status)
    assert rows == [[str(found["orders"]["execution_id"]), "4"]]
    playbooks = {name: row for name, row in found.items() if row["kind"] == "playbook"}
    assert len(playbooks) == 8
    for name, row in playbooks.items():
        ended = "FAILED" if name == "failing" else "COMPLETED"
        events = row["actual_events"]
        assert row["execution_id"] > 2**53, name
        assert (row["expected_status"], row["status"], events["status"]) == (ended, ended, ended), name
        assert row["step_count"] == sum(events["counts"].values()) > len(events["last"]) > 0, name
        assert row["validation_passed"], name
        assert row["validation_errors"] == [], name
        in_noetl = noetl.query(f"SELECT count(*) FROM noetl.event WHERE execution_id = {row['execution_id']}")
        if name != "composition":  # which has the events of its child, too
            assert in_noetl == [[str(row["step_count"])]], name
    assert found["composition"]["actual_events"]["counts"]["playbook.completed"] == 2


def test_each_way_to_end_has_its_verdict_and_says_why(namespace: Namespace, noetl: ClusterNoetl) -> None:
    """A playbook that is wrong, a case that is wrong, and a server or database that is not there: side by side."""
    own = OwnPlaybooks(namespace, RELEASE)
    own.add_config_map("hello_world", "late_failure", "composition_of_failure")
    connection = noetl.connect(namespace)
    add_secret(namespace, "closed", dsn="postgresql://nobody:s3cr3t-dsn@postgres.noetl-4-26-0:5432/noetl")
    closed = {"dsnFrom": {"secretKeyRef": {"name": "closed", "key": "dsn"}}}
    connections = {
        "noetl": connection,
        "api": {"url": noetl.url},
        "nowhere": {"url": f"http://noetl.{namespace.name}.svc.cluster.local:8082"},
        "deaf": {"url": noetl.url.replace(":8082", ":1")},
        "blind": {"url": noetl.url, **closed},
    }
    run = namespace.run(
        "verdicts",
        # First those that take longest, as they do not give up at once.
        own.case("no-server", "hello_world", connection="nowhere"),
        own.case("no-answer", "hello_world", connection="deaf"),
        own.case("no-database", "hello_world", connection="blind"),
        own.case("failed", "late_failure"),
        own.case("failed-api", "late_failure", connection="api"),
        own.case("failed-child", "composition_of_failure", "late_failure"),
        own.case("failed-as-expected", "late_failure", expect={"status": "Failed"}),
        own.case("child-may-fail", "composition_of_failure", "late_failure", expect={"noErrors": False}),
        own.case("not-failed", "hello_world", expect={"status": "Failed", "steps": {"notRan": ["greet"]}}),
        own.case("passed-api", "hello_world", connection="api"),
        own.case("twin-1", "hello_world", **greeting("Ada")),
        own.case("twin-2", "hello_world", **greeting("Grace")),
        {"name": "no-path", "playbook": {"connection": "noetl", "path": own.path("nothing")}},
        {
            "name": "no-version",
            "needs": ["twin-1"],  # which registers it
            "playbook": {"connection": "noetl", "path": own.path("hello_world"), "version": 999_999},
        },
        {"name": "no-yaml", "playbook": {"connection": "noetl", "path": "x", "register": {"inline": "kind: ["}}},
        suite={"connections": connections, "defaults": {"timeout": "3m"}},
        parallelism=8,
    )
    status = namespace.wait_for_end(run, seconds=400)
    wait_for_storing(namespace, run)
    wrong, configuration = ("Failed", "Test", "ExpectationNotMet"), ("Errored", "Configuration", "InvalidCase")
    assert classes(status) == {
        "failed": wrong,
        "failed-api": wrong,
        "failed-child": wrong,
        "not-failed": wrong,
        "no-path": configuration,
        "no-version": configuration,
        "no-yaml": configuration,
        "no-server": ("Errored", "Dependency", "ConnectionFailed"),
        "no-answer": ("Errored", "Dependency", "ConnectionFailed"),
        "no-database": ("Errored", "Dependency", "ConnectionFailed"),
    }
    for case in ("failed", "failed-api"):
        assert "expected Completed, got Failed" in failure(status, case)["message"]
        assert "step 'third': the third step is broken" in failure(status, case)["message"]
    assert "step 'third' of execution" in failure(status, "failed-child")["message"]
    assert "expected Failed, got Completed" in failure(status, "not-failed")["message"]
    assert "greet" in failure(status, "not-failed")["message"]
    assert own.path("nothing") in failure(status, "no-path")["message"]
    assert "999999" in failure(status, "no-version")["message"]
    assert "s3cr3t-dsn" not in str(status)
    found = results(status)
    twins = [found[name]["execution_id"] for name in ("twin-1", "twin-2")]
    assert len(set(twins)) == 2
    ran = ("failed", "failed-api", "failed-child", "not-failed", *("passed-api", "twin-1", "twin-2"))
    assert all(found[name]["execution_id"] > 2**53 for name in ran)
    assert {found[name]["actual_events"]["status"] for name in ("failed", "failed-api")} == {"FAILED"}
    assert found["failed-child"]["actual_events"]["status"] == "COMPLETED"
    assert [found[name]["execution_id"] for name in ("no-path", "no-yaml", "no-server", "no-answer")] == [None] * 4


def greeting(name: str) -> dict[str, Any]:
    """Return a payload for hello_world, and what must come of it."""
    return {
        "payload": {"name": name},
        "expect": {"jmespath": [{"expression": "steps.greet.greeting", "equals": f"hello, {name}"}]},
    }


def test_a_row_of_expected_results_is_about_how_the_execution_ended(namespace: Namespace, noetl: ClusterNoetl) -> None:
    """Not about the verdict: a playbook that is to fail has FAILED there, and enough events."""
    own = OwnPlaybooks(namespace, RELEASE)
    own.add_config_map("late_failure")
    kept, missed = (f"{word}-{namespace.name[-5:]}" for word in ("kept", "missed"))
    query(
        "INSERT INTO noetl_test.expected_results (playbook_name, expected_status, min_events, max_duration_ms)"
        f" VALUES ('{kept}', 'FAILED', 20, 60000), ('{missed}', 'COMPLETED', 2000, 60000)"
    )
    try:
        expect = {"expect": {"status": "Failed"}}
        run = namespace.run(
            "baselines",
            own.case(kept, "late_failure", **expect),
            own.case(missed, "late_failure", **expect),
            suite={"connections": {"noetl": noetl.connect(namespace)}},
        )
        status = namespace.wait_for_end(run, seconds=200)
        wait_for_storing(namespace, run)
    finally:
        query(f"DELETE FROM noetl_test.expected_results WHERE playbook_name IN ('{kept}', '{missed}')")
    assert {case: found[0] for case, found in classes(status).items()} == {missed: "Failed"}
    for words in ("expected_status is COMPLETED, got FAILED", "min_events is 2000, got "):
        assert words in failure(status, missed)["message"]
    expected = {name: (row["expected_status"], row["test_passed"]) for name, row in results(status).items()}
    assert expected == {kept: ("FAILED", True), missed: ("COMPLETED", False)}


@pytest.mark.earlier_noetl
def test_the_verdicts_are_the_same_on_earlier_releases(namespace: Namespace) -> None:
    """Both other generations of routes and of events, with the database and without, all side by side."""
    connections: dict[str, Body] = {}
    cases = []
    for version in EARLIER_RELEASES:
        noetl = deployed(version)
        own = OwnPlaybooks(namespace, version)
        own.add_config_map("hello_world", "late_failure", "composition", "composition_child")
        slug = version.replace(".", "-")
        connections |= {slug: noetl.connect(namespace), f"api-{slug}": {"url": noetl.url}}
        cases += [
            own.case(f"hello-{slug}", "hello_world", connection=slug, **greeting("Ada")),
            own.case(f"hello-api-{slug}", "hello_world", connection=f"api-{slug}", **greeting("Grace")),
            own.case(f"failing-{slug}", "late_failure", connection=slug, expect={"status": "Failed"}),
            own.case(f"failed-{slug}", "late_failure", connection=slug),
            own.case(f"composition-{slug}", "composition", "composition_child", connection=slug),
        ]
    run = namespace.run("earlier", *cases, suite={"connections": connections, "defaults": {"timeout": "3m"}})
    status = namespace.wait_for_end(run, seconds=300)
    wait_for_storing(namespace, run)
    expected = {f"failed-{version.replace('.', '-')}" for version in EARLIER_RELEASES}
    assert {case: found[0] for case, found in classes(status).items()} == dict.fromkeys(expected, "Failed")
    for case in expected:
        assert "step 'third'" in failure(status, case)["message"]
        assert "the third step is broken" in failure(status, case)["message"]
    found = results(status)
    assert all(row["execution_id"] > 2**53 for row in found.values())
    for version in EARLIER_RELEASES:
        counts = found[f"composition-{version.replace('.', '-')}"]["actual_events"]["counts"]
        ends = {type_.replace("_", "."): count for type_, count in counts.items()}
        assert ends["playbook.completed"] == 2, version


@pytest.mark.alone
def test_without_a_worker_a_case_times_out_and_says_so(namespace: Namespace, noetl: ClusterNoetl) -> None:
    """It is not the playbook's fault; and when there is a worker again, it finds nothing of this to do."""
    own = OwnPlaybooks(namespace, RELEASE)
    own.add_config_map("hello_world")
    connection = noetl.connect(namespace)
    noetl.scale_workers(0)
    try:
        run = namespace.run(
            "idle",
            own.case("idle", "hello_world", timeout="12s"),
            own.case("idle-api", "hello_world", connection="api", timeout="12s"),
            suite={"connections": {"noetl": connection, "api": {"url": noetl.url}}},
        )
        status = namespace.wait_for_end(run, seconds=200)
        wait_for_storing(namespace, run)
    finally:
        noetl.scale_workers(1)
    assert classes(status) == dict.fromkeys(("idle", "idle-api"), ("TimedOut", "Dependency", "CaseTimeout"))
    found = results(status)
    for case in ("idle", "idle-api"):
        message = failure(status, case)["message"]
        assert "nobody has claimed" in message, message
        assert "'start'" in message, message
        execution = found[case]["execution_id"]
        assert str(execution) in message, message
        assert noetl.has_event(str(execution), "execution.cancelled"), message


def test_cancelling_a_run_cancels_the_execution_and_its_children(namespace: Namespace, noetl: ClusterNoetl) -> None:
    """Where the parent waits for its child, both are open, and both are cancelled."""
    own = OwnPlaybooks(namespace, RELEASE)
    own.add_config_map("slow", waiting_parent=WAITING_PARENT.format(folder=namespace.name))
    case = own.case("family", "waiting_parent", "slow", timeout="2m")
    run = namespace.run("cancelled", case, suite={"connections": {"noetl": noetl.connect(namespace)}})
    child = wait_until("the child has begun", lambda: noetl.executions(own.path("slow")))[0]
    (parent,) = noetl.executions(own.path("waiting_parent"))
    wait_until("its step runs", lambda: noetl.has_event(child, "command.started", "sleep"))
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"cancel": true}}')
    assert namespace.wait_for_end(run)["phase"] == "Cancelled"
    for name, execution in (("parent", parent), ("child", child)):
        cancelled = f"the {name} is cancelled"
        wait_until(cancelled, lambda one=execution: noetl.has_event(one, "execution.cancelled"), seconds=15)


@pytest.mark.alone
def test_a_server_that_restarts_in_the_middle_is_waited_for(namespace: Namespace, noetl: ClusterNoetl) -> None:
    """The execution goes on meanwhile, and its log is read to the end: from the database, and through the server."""
    own = OwnPlaybooks(namespace, RELEASE)
    own.add_config_map("slow")
    more = {"payload": {"seconds": 25}, "timeout": "3m"}
    run = namespace.run(
        "restarted",
        own.case("database", "slow", **more),
        own.case("api", "slow", connection="api", **more),
        suite={"connections": {"noetl": noetl.connect(namespace), "api": {"url": noetl.url}}},
    )
    executions = wait_until("both run", lambda: two(noetl.executions(own.path("slow"))))
    for execution in executions:
        wait_until("its step runs", lambda one=execution: noetl.has_event(one, "command.started", "sleep"))
    began = time.monotonic()
    noetl.restart_server()
    assert time.monotonic() - began < 23, "the server was not back before the steps ended, which proves nothing"
    status = namespace.wait_for_end(run, seconds=200)
    assert status["phase"] == "Passed", status["failures"]
    wait_for_storing(namespace, run)
    assert {str(row["execution_id"]) for row in results(status).values()} == set(executions)


def two(found: list[str]) -> list[str]:
    """Return what was found when there are two."""
    return found if len(found) == 2 else []


def test_playbooks_come_from_a_repository_and_secrets_in_payloads_are_masked(
    namespace: Namespace, noetl: ClusterNoetl, git: GitServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The commit is recorded. What a playbook says of its password is told without it."""
    own = OwnPlaybooks(namespace, RELEASE)
    folder = tmp_path_factory.mktemp("playbooks")
    (folder / "deep").mkdir()
    (folder / "deep" / "hello.yaml").write_text(own.text("hello_world"))
    (folder / "indiscreet.yml").write_text(INDISCREET.format(folder=namespace.name))
    (folder / "values.yaml").write_text("nothing: of interest\n")
    commit = git.commit("private/playbooks.git", folder)
    add_secret(namespace, "repository", username=git.username, password=git.password)
    files = {"git": {"url": git.url("private/playbooks.git"), "secretRef": {"name": "repository"}}}
    secret = "s3cr3t-payload"
    base = {"connection": "noetl", "register": files}
    run = namespace.run(
        "repository",
        {"name": "hello", "playbook": {**base, "path": own.path("hello_world"), **greeting("Ada")}},
        {"name": "told", "playbook": {**base, "path": own.path("indiscreet"), "payload": {"password": secret}}},
        suite={"connections": {"noetl": noetl.connect(namespace)}},
        parallelism=1,
    )
    status = namespace.wait_for_end(run, seconds=200)
    wait_for_storing(namespace, run)
    assert set(classes(status)) == {"told"}
    assert "nobody may log in with ***" in failure(status, "told")["message"]
    assert details(status, "playbook_name, actual", "kind = 'source'") == [["hello", commit], ["told", commit]]
    told = said(namespace, run, status)
    assert [place for place, text in told.items() if git.password in text] == []
    # The payload is part of the suite, and so of the run and of its Job; nowhere else.
    places = {place for place, text in told.items() if secret in text}
    assert places <= {"testruns", "jobs"}
    assert secret not in json.dumps(status)
