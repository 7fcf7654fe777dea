"""Jobs that the operator removes while their run goes on (``keepJobs: NotPassed``), and what has to hold of them.

Whoever removes a Job destroys evidence. So when that happens its case has passed with its first attempt, its row is in
Postgres, and the status of the run names it; and what was told of it stays so, whoever is the operator next.
"""

import zlib
from base64 import b64decode
from collections.abc import Collection, Iterator

from soak.apiserver import ApiServer, Body, Call
from soak.attempts import Attempt, Ends
from soak.records import Truth
from soak.scenario import RunScript
from soak.stores import SoakStore
from testrun_operator.api.verdict import Verdict
from testrun_operator.kube import labels
from testrun_operator.kube.client import JOBS, TESTRUNS

_NOT_PASSED = "NotPassed"


class Removals:
    """Takes note of the Jobs that the operator removes.

    Args:
        server: the API server.
        truth: takes note of what is wrong.
        store: Postgres.
        scripts: the runs.
    """

    def __init__(self, server: ApiServer, truth: Truth, store: SoakStore, scripts: Collection[RunScript]) -> None:
        self._server = server
        self._truth = truth
        self._store = store
        self._cases = {script.name: sorted(case["name"] for case in script.suite["cases"]) for script in scripts}
        self._needs = {
            (script.name, case["name"]): tuple(case["needs"]) for script in scripts for case in script.suite["cases"]
        }
        self.names: set[str] = set()
        """The Jobs that were removed."""
        self._removed: dict[str, set[str]] = {}
        """Their cases, by the execution's id."""
        self._wanted: set[str] = set()
        """Uids of the TestRuns that had the field at some time."""
        self._changed: set[str] = set()
        """Uids of the TestRuns whose field was changed."""
        truth.on_removal = self._see_removal
        server.listeners.append(self._listen)

    # -- when a Job is removed ----------------------------------------------------------------------------------------

    def _see_removal(self, call: Call) -> None:
        """Check a call that deletes a Job, before it is carried out."""
        wanted = (call.body or {}).get("preconditions", {}).get("uid")
        if wanted is None:
            self._truth.report(f"the Job {call.name} is deleted, whichever it is by now")
        job = self._server.find(JOBS, call.namespace, call.name or "")
        if job is None or job["metadata"]["uid"] != wanted:
            return  # the API server refuses it
        attempt = self._truth.attempts.get(wanted)
        if attempt is None:
            self._truth.report(f"the Job {call.name} is deleted, which is none of an attempt")
            return
        for problem in self._problems_of(job, attempt):
            self._truth.report(f"the Job {attempt.job} of {attempt.case} is removed, but {problem}")
        self.names.add(attempt.job)
        self._removed.setdefault(attempt.run_id, set()).add(attempt.case)
        self._store.final.add((int(attempt.run_id), attempt.case))

    def _problems_of(self, job: Body, attempt: Attempt) -> Iterator[str]:
        if attempt.run_uid not in self._wanted:
            yield "all Jobs of the run are kept"
        if attempt.number != 1 or not attempt.ended_itself or attempt.behaviour.ends is not Ends.PASSES:
            yield f"its case did not pass with its first attempt: {attempt}"
        if not any(found["type"] in {"Complete", "Failed"} for found in job["status"].get("conditions", ())):
            yield "it is not over"
        problem = self._problem_of_row(attempt.run_id, attempt.case)
        if problem is not None:
            yield problem
        run = self._run_of(attempt)
        if run is not None and attempt.case not in self._named(run).get(attempt.run_id, ()):
            yield "the status of its run does not name its case"

    def _problem_of_row(self, run_id: str, case: str) -> str | None:
        row = self._store.cases.get((int(run_id), case))
        if row is None:
            return "nothing of its case is stored"
        if row.outcome.verdict is not Verdict.PASSED or [found.attempt for found in row.outcome.attempts] != [1]:
            return f"what is stored of its case is {row.outcome}"
        return None

    def _run_of(self, attempt: Attempt) -> Body | None:
        uids = {body["metadata"]["uid"]: body for body in self._server.all(TESTRUNS)}
        return uids.get(attempt.run_uid)

    def _named(self, run: Body) -> dict[str, frozenset[str]]:
        """Return the cases that the status of a run names, by the execution's id."""
        names = self._cases[run["metadata"]["name"]]
        entries = (run.get("status") or {}).get("records") or ()
        return {entry["runId"]: _read(entry["withoutJobs"], names) for entry in entries if entry.get("withoutJobs")}

    # -- from then on -------------------------------------------------------------------------------------------------

    def _listen(self, resource: str, what: str, body: Body, before: Body | None) -> None:
        if what == "DELETED" or (body["metadata"]["name"] not in self._cases and resource == TESTRUNS):
            return
        if resource == TESTRUNS:
            self._see_run(body, before)
        elif resource == JOBS and what == "ADDED":
            self._see_job(body)

    def _see_run(self, body: Body, before: Body | None) -> None:
        uid, kept = body["metadata"]["uid"], body["spec"].get("keepJobs")
        if kept == _NOT_PASSED:
            self._wanted.add(uid)
        if before is not None and before["spec"].get("keepJobs") != kept:
            self._changed.add(uid)
        status = body.get("status") or {}
        if before is None or status == before.get("status"):
            return
        name, named = body["metadata"]["name"], self._named(body)
        for run_id, cases in named.items():
            for case in sorted(cases):
                problem = self._problem_of_row(run_id, case)
                if problem is not None:
                    self._truth.report(f"the status of {name} names {case}, but {problem}")
        for entry in status.get("records") or ():
            forgotten = self._removed.get(entry["runId"], set()) - named.get(entry["runId"], frozenset())
            if forgotten:
                self._truth.report(f"the status of {name} does not name {sorted(forgotten)} any more")
        gone = len(self._removed.get(status.get("runId") or "", ()))
        passed = (status.get("cases") or {}).get("passed", 0)
        if passed < gone:
            self._truth.report(f"{passed} cases of {name} passed by its status, and the Jobs of {gone} were removed")

    def _see_job(self, job: Body) -> None:
        """Check that what a case needs was not removed before it begins."""
        own, name = job["metadata"].get("labels") or {}, job["metadata"]["name"]
        needs = self._needs.get((own.get(labels.RUN, ""), own.get(labels.CASE, "")), ())
        gone = self._removed.get(own.get(labels.RUN_ID, ""), set()).intersection(needs)
        if gone and name not in self._truth.deleted and (JOBS, _key_of(job)) not in self._truth.foreign:
            self._truth.report(f"the Job {name} begins, and those of {sorted(gone)}, which it needs, were removed")

    def forget(self) -> None:
        """Take note that an older release was here, which does not know what the statuses named."""
        self._truth.deleted |= self.names
        self._removed.clear()
        self._store.final.clear()

    def left_over(self) -> Iterator[str]:
        """Name the Jobs that should have been removed, where nothing kept the operator from it."""
        runs = {body["metadata"]["uid"]: body for body in self._server.all(TESTRUNS)}
        for job in self._server.all(JOBS):
            attempt = self._truth.attempts.get(job["metadata"]["uid"])
            run = runs.get(attempt.run_uid) if attempt is not None else None
            if attempt is None or attempt.disturbances or run is None or attempt.run_uid in self._changed:
                continue
            has_passed = self._problem_of_row(attempt.run_id, attempt.case) is None
            if run["spec"].get("keepJobs") == _NOT_PASSED and has_passed:
                yield attempt.job


def _read(text: str, names: list[str]) -> frozenset[str]:
    bits = zlib.decompress(b64decode(text))
    return frozenset(name for position, name in enumerate(names) if bits[position // 8] >> (position % 8) & 1)


def _key_of(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]
