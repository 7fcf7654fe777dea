"""What really happened, and what the operator did: everything from which the invariants are checked."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from soak.apiserver import ApiServer, Body, Call, Denied, Key
from soak.attempts import Attempt
from soak.scenario import FINAL_ANSWERS, STRANGERS, Answer
from testrun_operator.api.phase import Phase
from testrun_operator.kube import labels
from testrun_operator.kube.client import EVENTS, JOBS, LEASES, TESTRUNS
from testrun_operator.resources.status import CaseCounts

_FINAL = {phase.value for phase in Phase if phase.is_final}
_COUNTS = frozenset(field.alias or name for name, field in CaseCounts.model_fields.items())
_DENIED: dict[Answer, tuple[int, str, str, dict[str, str]]] = {
    Answer.BAD_REQUEST: (400, "BadRequest", "the server could not understand the request", {}),
    Answer.UNAUTHORIZED: (401, "Unauthorized", "Unauthorized", {}),
    Answer.FORBIDDEN: (
        403,
        "Forbidden",
        (
            'jobs.batch is forbidden: User "system:serviceaccount:testrun-system:testrun-operator" cannot create '
            'resource "jobs" in API group "batch" in the namespace "team-a"'
        ),
        {},
    ),
    Answer.QUOTA_CONFLICT: (
        409,
        "Conflict",
        (
            'Operation cannot be fulfilled on resourcequotas "small": the object has been modified; please apply your '
            "changes to the latest version and try again"
        ),
        {},
    ),
    Answer.GONE: (410, "Expired", "the provided continue parameter is too old", {}),
    Answer.TOO_LARGE: (413, "RequestEntityTooLarge", "limit is 3145728", {}),
    Answer.INVALID: (422, "Invalid", "Job is invalid: spec.template: a policy does not like it", {}),
    Answer.TOO_MANY: (429, "TooManyRequests", "too many requests, please try again later", {"Retry-After": "1"}),
    Answer.INTERNAL: (500, "InternalError", "etcdserver: leader changed", {}),
    Answer.UNAVAILABLE: (503, "ServiceUnavailable", "the server is currently unable to handle the request", {}),
    Answer.TIMEOUT: (504, "Timeout", "Timeout: request did not complete within the allotted timeout", {}),
}


@dataclass(slots=True)
class Trouble:
    """How a call goes wrong."""

    error: Exception
    is_done: bool = False
    """Whether it is carried out all the same."""


@dataclass(slots=True)
class _Armed:
    verb: str
    resource: str
    answer: Answer
    left: int


class Truth:
    """Takes note of everything.

    Args:
        server: the API server.
    """

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.problems: list[str] = []
        """What must not have happened."""
        self.rejected: set[str] = set()
        """Names of the Jobs that the API server said it would never accept."""
        self.created: Counter[Key] = Counter()
        """How often the operator created each Job."""
        self.deleted: set[str] = set()
        """Names of the Jobs that somebody deleted."""
        self.foreign: set[tuple[str, Key]] = set()
        """What people made who have no business with it."""
        self.gone: set[str] = set()
        """Ids of the executions whose TestRun was deleted."""
        self.ended_runs: set[str] = set()
        """Uids of the TestRuns that somebody cancelled, or gave another revision."""
        self.wanted: Counter[str] = Counter()
        """How many executions each TestRun is to have at most, by its uid."""
        self.executed: dict[str, set[str]] = {}
        """Ids of the executions of each TestRun that had a Job, by its uid."""
        self.told: dict[tuple[str, str], Body] = {}
        """How each execution ended by the status of its run, by the run's uid and the execution's id."""
        self.told_at: dict[str, float] = {}
        """When that was told, by the execution's id."""
        self.writes = 0
        """How many writes of the operator were carried out, Events not counted."""
        self.last_write = ""
        self.restarts = 0
        """How often an operator began: what only the one before knew is forgotten then."""
        self.has_troubled = False
        """Whether a call went wrong: what the operator tidies up at the end it tries once."""
        self.server_troubles: list[float] = []
        """For how long something foreign was where a test server has to be, in seconds."""
        self.attempts: dict[str, Attempt] = {}
        """The truth of each attempt, by the uid of its Job."""
        self.is_down = False
        """Whether the API server does not answer."""
        self.on_removal: Callable[[Call], None] = lambda _call: None
        """Called when the operator is about to delete a Job."""
        self._armed: list[_Armed] = []
        server.listeners.append(self._listen)

    # -- trouble ----------------------------------------------------------------------------------------------------

    def arm(self, verb: str, resource: str, answer: Answer, count: int) -> None:
        """Let the next calls of some kind go wrong."""
        self._armed.append(_Armed(verb, resource, answer, count))

    def heal(self) -> None:
        """Let all calls go well from now on."""
        self._armed.clear()
        self.is_down = False

    def trouble_for(self, call: Call) -> Trouble | None:
        """Return how a call goes wrong; None if it does not."""
        if self.is_down:
            self.has_troubled = True
            return Trouble(aiohttp.ClientConnectionError("no route to host"))
        for armed in self._armed:
            if (armed.verb, armed.resource) == (call.verb, call.resource) and self._is_possible(call, armed.answer):
                armed.left -= 1
                self.has_troubled = True
                if not armed.left:
                    self._armed.remove(armed)
                return self._make(call, armed.answer)
        return None

    @staticmethod
    def _is_possible(call: Call, answer: Answer) -> bool:
        if answer in FINAL_ANSWERS:
            return (call.verb, call.resource) == ("create", JOBS)  # of the others there is nothing that could be wrong
        if answer is Answer.QUOTA_CONFLICT:
            return call.verb == "create"
        if answer is Answer.GONE:
            return call.verb == "list"
        return answer is not Answer.FORBIDDEN or call.verb == "create" or (call.verb, call.resource) == ("delete", JOBS)

    def _make(self, call: Call, answer: Answer) -> Trouble:
        if answer in {Answer.BROKEN_AFTER, Answer.BROKEN_BEFORE}:
            return Trouble(aiohttp.ServerDisconnectedError(), is_done=answer is Answer.BROKEN_AFTER)
        status, reason, message, headers = _DENIED[answer]
        if answer in FINAL_ANSWERS:
            self.rejected.add(call.body["metadata"]["name"])
        if answer is Answer.FORBIDDEN:
            message = message.replace("cannot create", f"cannot {call.verb}")
        return Trouble(Denied(status, reason, message, headers))

    # -- what the operator does -------------------------------------------------------------------------------------

    def see_call(self, call: Call, holder: str = "") -> None:
        """Take note of a call that is about to be carried out.

        Args:
            call: the call.
            holder: who makes it, of two operators; empty for the only one.
        """
        if not call.is_write or call.resource in {EVENTS, LEASES}:
            return
        if holder:
            self._see_fence(call, holder)
        key = call.namespace, call.name or ""
        resource = call.resource.removesuffix("/status")
        if call.namespace == STRANGERS or (resource, key) in self.foreign:
            self.report(f"the operator wrote to what is none of its business: {call.verb} {resource} {'/'.join(key)}")
        if call.verb == "create" and call.resource == JOBS:
            self._see_job(call)
        if call.verb == "delete" and call.resource == JOBS:
            self.on_removal(call)

    def _see_fence(self, call: Call, holder: str) -> None:
        lease = self._server.find(LEASES, "testrun-system", "testrun-operator")
        leader = lease["spec"]["holderIdentity"] if lease is not None else ""
        if leader != holder:
            self.report(f"{holder} wrote while {leader or 'nobody'} held the Lease: {call.verb} {call.resource}")

    def _see_job(self, call: Call) -> None:
        body, namespace = call.body, call.namespace
        own, name = body["metadata"]["labels"], body["metadata"]["name"]
        image = body["spec"]["template"]["spec"]["containers"][0]["image"]
        if "registry.example.com" in image and not image.endswith(f"/{namespace}"):
            self.report(f"the Job {namespace}/{name} has the image {image}, which no suite there names")
        if "hostile" in json.dumps(body):
            self.report(f"the Job {namespace}/{name} was made from what somebody forged")
        if (own[labels.RUN_UID], own[labels.RUN_ID]) in self.told:
            self.report(f"the Job {namespace}/{name} was created after its execution had ended")

    def see_done(self, call: Call) -> None:
        """Take note of a call that was carried out."""
        if not call.is_write or call.resource in {EVENTS, LEASES}:
            return
        self.writes += 1
        self.last_write = f"{call.verb} {call.resource} {call.name or ''}"
        if call.verb != "create" or call.resource != JOBS:
            return
        own, name = call.body["metadata"]["labels"], call.body["metadata"]["name"]
        self.created[call.namespace, name] += 1
        if self.created[call.namespace, name] > 1 and name not in self.deleted:
            self.report(f"the Job {call.namespace}/{name} was created twice")
        executed = self.executed.setdefault(own[labels.RUN_UID], set())
        executed.add(own[labels.RUN_ID])
        if len(executed) > self.wanted[own[labels.RUN_UID]]:
            self.report(f"the run of {name} is executed again, though nobody has changed it")

    def report(self, problem: str) -> None:
        """Take note of something that must not be."""
        if problem not in self.problems:
            self.problems.append(problem)

    def see_shown(self, pod: Body) -> None:
        """Take note that an operator was shown a pod."""
        owner = next(iter(pod["metadata"].get("ownerReferences", ())), {"uid": ""})
        attempt = self.attempts.get(owner["uid"])
        if attempt is None or (attempt.end_seen is not None and attempt.end_seen[1] == self.restarts):
            return
        if any("terminated" in found["state"] for found in pod["status"].get("containerStatuses", ())[:1]):
            attempt.end_seen = self._server.loop.time(), self.restarts

    # -- what there is ----------------------------------------------------------------------------------------------

    def _listen(self, resource: str, what: str, body: Body, before: Body | None) -> None:
        del before
        if resource == TESTRUNS and what != "DELETED":
            self._see_status(body)

    def _see_status(self, body: Body) -> None:
        status, uid = body.get("status") or {}, body["metadata"]["uid"]
        run_id, phase = status.get("runId"), status.get("phase")
        if run_id is None:
            return
        told = self.told.get((uid, run_id))
        if phase in _FINAL:
            counts = {name: count for name, count in (status.get("cases") or {}).items() if name in _COUNTS}
            now = {"phase": phase, "cases": counts}
            if told is None:
                self.told[uid, run_id] = now
                self.told_at[run_id] = self._server.loop.time()
            elif told != now:
                self.report(f"the end of {body['metadata']['name']} was told as {_show(told)}, then as {_show(now)}")
        elif told is not None:
            self.report(f"{body['metadata']['name']} had ended as {_show(told)}, and goes on as {phase}")


def _show(told: Any) -> str:
    cases = ", ".join(f"{name} {count}" for name, count in (told["cases"] or {}).items() if count)
    return f"{told['phase']} ({cases})"


def mark_foreign(truth: Truth, resource: str, body: Body) -> None:
    """Take note that an object was made by people who have no business with it."""
    metadata = body["metadata"]
    truth.foreign.add((resource, (metadata["namespace"], metadata["name"])))
