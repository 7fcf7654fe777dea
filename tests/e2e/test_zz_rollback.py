"""Back from a newer release, and forward again, with runs that are over and runs that are not.

The newer release is this one with a field more in whatever it stores (`support/builds.py`), and with definitions of the
resources that let such fields in. They stay when it goes, as where somebody else brings them (`crds.install=false`).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.builds import UNKNOWN, build_of_newer_release
from support.cases import SHARED_SERVER, walk
from support.cluster import (
    Body,
    Namespace,
    container,
    installed_image,
    kubectl,
    query,
    scale_operator,
    wait_for_storing,
    wait_until,
)
from support.sql_cluster import add_secret, is_native, own_database
from support.upgrades import attempts_of, image_values, roll_back, upgrade
from testrun_operator.resources.crds import build_crds

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

SLEEPS = "# TEST CASE\nA while.\n\n## TEST\nIt ends.\n```sql\nSELECT pg_sleep(20);\n```\n"

LIVE = {"after": "Passed", "exceeds": "TimedOut", "fails": "Failed", "slow": "Passed"}
"""How the cases end that go on across the rollback."""


@pytest.fixture
def newer(image: str, tmp_path: Path) -> Iterator[str]:
    """The newer release's image; its definitions are installed, and go afterwards."""
    if not is_native():
        pytest.skip("an image of its own is built and loaded for the native cluster only")
    built = build_of_newer_release(tmp_path)
    upgrade({"crds.install": False} | image_values(image))
    for definition in build_crds():
        let_everything_in(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"])
        apply_definition(definition)
    try:
        yield built
    finally:
        for definition in build_crds():
            apply_definition(definition)


def let_everything_in(schema: Body) -> None:
    """Have a schema keep fields that it does not name, at any depth."""
    if schema.get("type") == "object":
        schema["x-kubernetes-preserve-unknown-fields"] = True
    for below in (*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
        let_everything_in(below)


def apply_definition(definition: Body) -> None:
    """Bring a definition to the cluster as Helm does, which would not take it over from somebody else later."""
    found = json.loads(kubectl("get", "customresourcedefinition", definition["metadata"]["name"], "-o", "json"))
    kept = {key: found["metadata"][key] for key in ("name", "labels", "annotations") if key in found["metadata"]}
    words = ("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", "-")
    kubectl(*words, text=yaml.safe_dump(definition | {"metadata": kept}))


def uids_of_jobs(namespace: Namespace, run: str) -> set[str]:
    """Return the uids of the Jobs of a run."""
    return {job["metadata"]["uid"] for job in namespace.jobs(run)}


def told_once(status: Body) -> list[list[str]]:
    """Return case, attempt and verdict of everything that Postgres has of an execution."""
    rows = f"FROM noetl_test.regression_attempts WHERE test_run_id = {status['runId']} ORDER BY 1, 2"
    return query(f"SELECT playbook_name, attempt, verdict {rows}")


def assert_untouched(namespace: Namespace, before: dict[str, Body], stored: list[list[str]]) -> None:
    """Nothing that was over was executed again."""
    for run, status in before.items():
        now = namespace.status(run)
        assert (now["phase"], now["runId"], now["cases"]) == (status["phase"], status["runId"], status["cases"])
    assert attempts_of(before.values()) == stored


def test_a_rollback_executes_nothing_again_and_what_is_live_goes_on(
    namespace: Namespace, image: str, newer: str
) -> None:
    """What is stored has fields that the release does not know to which it goes back; and forward again."""
    upgrade(image_values(newer))
    namespace.run("passed", walk("walk"), container("a", "true"), suite=SHARED_SERVER)
    namespace.run("failed", container("a", "exit 3"))
    before = {run: namespace.wait_for_end(run) for run in ("passed", "failed")}
    for run in before:
        wait_for_storing(namespace, run)
    stored = attempts_of(before.values())
    namespace.run("suspended", container("a", "true"), suspend=True)
    live = [
        container("fails", "exit 1"),
        container("exceeds", "sleep 600", timeout="3s"),
        container("slow", "sleep 60"),
        container("after", "true", needs=["slow"]),
    ]
    namespace.run("live", *live, parallelism=3)
    wait_until("the time-out is told", lambda: namespace.status("live").get("cases", {}).get("timedOut"))

    with own_database() as database:
        add_secret(namespace, "database", dsn=database.dsn())
        connections = {"db": {"dsnFrom": {"secretKeyRef": {"name": "database", "key": "dsn"}}}}
        case = {"name": "a", "sql": {"connection": "db", "source": {"inline": SLEEPS}}}
        namespace.run("reported", case, suite={"connections": connections})
        namespace.wait_for_running("reported", "a")
        # So that the report of the newer release's runner is read by none but the operator to which it goes back.
        scale_operator(0)
        wait_until("the report is there", lambda: phases(namespace, "reported") == ["Succeeded"], seconds=90)
    assert_newer_fields_are_stored(namespace)
    jobs = uids_of_jobs(namespace, "live")

    roll_back()
    assert installed_image() == image
    live_status = namespace.wait_for_end("live", seconds=120)
    verdicts = [
        ["after", "1", "Passed"],
        ["exceeds", "1", "TimedOut"],
        ["fails", "1", "Failed"],
        ["slow", "1", "Passed"],
    ]
    wait_for_storing(namespace, "live")
    assert told_once(live_status) == verdicts
    assert uids_of_jobs(namespace, "live") > jobs
    assert len(namespace.jobs("live")) == len(live)
    reported = namespace.wait_for_end("reported")
    wait_for_storing(namespace, "reported")
    assert told_once(reported) == [["a", "1", "Passed"]]
    namespace.kubectl("patch", "testrun", "suspended", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    assert namespace.wait_for_end("suspended")["phase"] == "Passed"
    assert_untouched(namespace, before, stored)

    namespace.run("forward", container("slow", "sleep 30"))
    namespace.wait_for_running("forward", "slow")
    jobs = uids_of_jobs(namespace, "forward")
    upgrade(image_values(newer))
    assert namespace.wait_for_end("forward", seconds=120)["phase"] == "Passed"
    assert uids_of_jobs(namespace, "forward") == jobs
    assert told_once(namespace.status("live")) == verdicts
    assert_untouched(namespace, before, stored)


def phases(namespace: Namespace, run: str) -> list[str]:
    """Return the phases of the pods of a run."""
    return [pod["status"]["phase"] for pod in namespace.objects("pods", f"testrun.dev/run={run}")]


def assert_newer_fields_are_stored(namespace: Namespace) -> None:
    """Without them the rollback would show nothing."""
    status = namespace.status("failed")
    assert UNKNOWN in status
    assert UNKNOWN in status["cases"]
    assert UNKNOWN in status["failures"][0]
    records = namespace.objects("configmaps", "testrun.dev/run=live")
    assert all(UNKNOWN in record["data"]["execution.json"] for record in records)
    outcomes = [job["metadata"]["annotations"].get("testrun.dev/outcome", "") for job in namespace.jobs("live")]
    assert [UNKNOWN in json.loads(outcome) for outcome in outcomes if outcome] == [True]
    (pod,) = namespace.objects("pods", "testrun.dev/run=reported")
    assert UNKNOWN in json.loads(pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"])
