"""People: those who apply and change runs, those who delete what they should not, and those who copy labels."""

import json
from collections.abc import Callable
from functools import partial
from random import Random

from soak.apiserver import ApiServer, Body, Key, copied
from soak.records import Truth, mark_foreign
from soak.scenario import STRANGERS, RunScript
from testrun_operator.kube import labels
from testrun_operator.kube.client import CONFIGMAPS, JOBS, PODS, TESTRUNS, TESTSUITES
from testrun_operator.kube.records import record_name
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.crds import GROUP, VERSION

_RECORD = "execution.json"
_HOSTILE_IMAGE = "registry.example.com/hostile"
_LARGE_ID = 9_000_000_000_000_000_000


class People:
    """People.

    Args:
        server: the API server.
        truth: takes note of what they do.
        random: for names.
    """

    def __init__(self, server: ApiServer, truth: Truth, random: Random) -> None:
        self._server = server
        self._truth = truth
        self._random = random

    # -- with good intentions -----------------------------------------------------------------------------------------

    def apply(self, run: RunScript) -> None:
        """Apply a run, and its suite."""
        api = f"{GROUP}/{VERSION}"
        if run.by_name:
            metadata = {"name": f"suite-of-{run.name}", "namespace": run.namespace}
            suite: Body = {"apiVersion": api, "kind": "TestSuite", "metadata": metadata, "spec": copied(run.suite)}
            self._server.create(TESTSUITES, suite)
        self._create_run(run)

    def recreate(self, run: RunScript) -> None:
        """Delete a run and apply it again a second later, as ``kubectl replace --force`` does."""
        before = self._server.find(TESTRUNS, run.namespace, run.name)
        if before is None:
            return
        self._truth.gone |= self._truth.executed.get(before["metadata"]["uid"], set())
        self._truth.ended_runs.add(before["metadata"]["uid"])
        self._server.remove(TESTRUNS, (run.namespace, run.name))
        self._server.loop.call_later(1.0, self._create_run, run)

    def _create_run(self, run: RunScript) -> None:
        metadata = {"name": run.name, "namespace": run.namespace}
        body: Body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "TestRun",
            "metadata": metadata,
            "spec": copied(run.spec),
        }
        created = self._server.create(TESTRUNS, body)
        self._truth.wanted[created["metadata"]["uid"]] += 1

    def change_spec(self, run: RunScript, **fields: object) -> None:
        """Change some fields of a run."""
        before = self._server.find(TESTRUNS, run.namespace, run.name)
        if before is None:
            return
        uid = before["metadata"]["uid"]
        if "revision" in fields:
            self._truth.wanted[uid] += 1
        if fields.get("cancel") or "revision" in fields:
            self._truth.ended_runs.add(uid)
        self._server.change(TESTRUNS, (run.namespace, run.name), lambda body: body["spec"].update(fields))

    # -- who copy labels ----------------------------------------------------------------------------------------------

    def forge(self, kind: str, target: int) -> None:
        """Let somebody in another namespace copy what a run has there."""
        if kind in {"record", "words"}:
            self._forge_record(kind, STRANGERS, target)
            return
        cases = [job for job in self._server.all(JOBS) if labels.CASE in job["metadata"]["labels"]]
        jobs = [job for job in cases if job["metadata"]["namespace"] != STRANGERS]
        if jobs:
            self._forge_job(kind, jobs[target % len(jobs)])

    def forge_inside(self, kind: str, target: int) -> None:
        """Let somebody who may write ConfigMaps in a run's own namespace make a record."""
        self._forge_record(kind, None, target)

    def _forge_record(self, kind: str, namespace: str | None, target: int) -> None:
        records = [
            body
            for body in self._server.all(CONFIGMAPS)
            if (CONFIGMAPS, _key_of(body)) not in self._truth.foreign
            and body["metadata"]["labels"].get(labels.COMPONENT) == labels.EXECUTION_COMPONENT
        ]
        if not records:
            return
        copied_from = records[target % len(records)]
        record = json.loads(copied_from["data"][_RECORD])
        if kind == "words":
            record["runId"] = "the newest"
        else:
            record["runId"] = str(_LARGE_ID + target)
        for case in record["suite"]["cases"]:
            for name in [name for name in ("http", "sql", "playbook") if name in case]:
                del case[name]
            case["container"] = {"image": _HOSTILE_IMAGE, "command": ["hostile"]}
        metadata = copied(copied_from["metadata"])
        where = namespace or metadata["namespace"]
        metadata = {
            "name": f"forged-{self._random.getrandbits(40):x}",
            "namespace": where,
            "labels": metadata["labels"],
        }
        metadata["labels"] = metadata["labels"] | {labels.RUN_ID: record["runId"].replace(" ", "-")}
        if namespace is None:
            # Everything but the content is as the operator would write it: names can be worked out by everybody.
            owner = copied_from["metadata"]["ownerReferences"][0]
            run = RunReference(where, owner["name"], owner["uid"])
            metadata |= {"ownerReferences": [owner], "name": record_name(run, metadata["labels"][labels.RUN_ID])}
        self._put(CONFIGMAPS, {"metadata": metadata, "data": {_RECORD: json.dumps(record)}})

    def _forge_job(self, kind: str, job: Body) -> None:
        own = copied(job["metadata"]["labels"])
        name = job["metadata"]["name"]
        now = self._server.stamp()
        passed = kind != "failed"
        state = "Complete" if passed else "Failed"
        body: Body = {
            "metadata": {"name": name, "namespace": STRANGERS, "labels": own},
            "spec": copied(job["spec"]),
            "status": {"startTime": now, "conditions": [{"type": state, "status": "True", "lastTransitionTime": now}]},
        }
        body["metadata"]["annotations"] = copied(job["metadata"].get("annotations") or {})
        ended = {"exitCode": 0 if passed else 1, "startedAt": now, "finishedAt": now, "message": "hostile"}
        pod: Body = {
            "metadata": {
                "name": f"{name}-pod",
                "namespace": STRANGERS,
                "labels": own | {"batch.kubernetes.io/job-name": name, "job-name": name},
            },
            "spec": {"nodeName": "node-of-strangers"},
            "status": {
                "phase": "Succeeded" if passed else "Failed",
                "containerStatuses": [{"name": "case", "state": {"terminated": ended}}],
            },
        }
        self._put(JOBS, body)
        self._put(PODS, pod)
        if kind == "passed and gone":
            self._server.loop.call_later(2.0, self._server.remove, PODS, (STRANGERS, f"{name}-pod"))
            self._server.loop.call_later(3.0, self._server.remove, JOBS, (STRANGERS, name))

    def _put(self, resource: str, body: Body) -> None:
        if self._server.find(resource, *_key_of(body)) is None:
            mark_foreign(self._truth, resource, body)
            self._server.create(resource, body)


def age(server: ApiServer, change: Callable[[str, Body], None]) -> None:
    """Rewrite every stored document, as another release of the operator does that was here for a while."""
    for resource in (TESTRUNS, CONFIGMAPS, JOBS):
        for body in server.all(resource):
            server.change(resource, _key_of(body), partial(change, resource))


def _key_of(body: Body) -> Key:
    return body["metadata"]["namespace"], body["metadata"]["name"]
