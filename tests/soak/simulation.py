"""One simulation: a scenario in simulated time, and what was wrong with how it went."""

import asyncio
import json
import logging
from dataclasses import dataclass
from random import Random
from typing import Any
from unittest import mock

from soak import documents, invariants
from soak.apiserver import ApiServer, Body, merge_of
from soak.attempts import Attempt
from soak.clock import SimulatedLoop
from soak.controllers import ControlPlane
from soak.machines import Machine
from soak.operators import make_task
from soak.people import People
from soak.records import Truth
from soak.removals import Removals
from soak.replicas import Replicas
from soak.scenario import NODES, Happening, Scenario, What
from soak.servers import Servers
from soak.stores import SoakStore
from testrun_operator.controller import starting
from testrun_operator.kube.client import JOBS, PODS, TESTRUNS

_LONGEST = 4 * 3600.0
"""Seconds after which everything must have come to rest: longer than the timeout of every run."""
_QUIET = 120.0
"""Seconds in which nothing may be written any more."""
_LOOK_EVERY = 15.0
_NOTICED_AGAIN = 5.0
"""Seconds after which an operator that was blind has seen what there is."""
_RECORD = "execution.json"


@dataclass(frozen=True, slots=True)
class Result:
    """How a simulation went."""

    scenario: Scenario
    problems: tuple[str, ...]
    seconds: float
    """How much time passed in it."""
    attempts: int


class Simulation:
    """A simulation.

    Args:
        scenario: what happens.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.loop = SimulatedLoop()
        factory: Any = make_task
        self.loop.set_task_factory(factory)
        self._random = Random(f"delays {scenario.seed}")
        self.server = ApiServer(self.loop, self._random)
        self.truth = Truth(self.server)
        self.store = SoakStore()
        self.people = People(self.server, self.truth, self._random)
        self.machines = [
            Machine(name, self.server, self._random, ahead)
            for name, ahead in zip(NODES, scenario.node_clocks, strict=True)
        ]
        timeouts = {run.name: 60.0 * int(run.fields["timeout"].removesuffix("m")) for run in scenario.runs}
        needed = {(run.name, need) for run in scenario.runs for case in run.suite["cases"] for need in case["needs"]}
        self.plane = ControlPlane(
            self.server, self.machines, self._random, scenario.seed, scenario.sidecars, timeouts, needed
        )
        self.servers = Servers(self.server, self.truth, self._random, scenario.runs)
        self.truth.attempts = self.plane.attempts
        self.removals = Removals(self.server, self.truth, self.store, scenario.runs)
        self.replicas = Replicas(
            self.server, self.truth, self.store, self._random, scenario.operator_clock, scenario.replicas
        )
        self.server.listeners.append(self._see_evidence_go)
        self._defects: list[str] = []

    def run(self) -> Result:
        """Let everything happen, until nothing does any more."""
        entropy = mock.Mock(randbits=self._random.getrandbits)
        self.loop.set_exception_handler(self._take_note_of_defect)
        try:
            with mock.patch.object(starting, "secrets", entropy):
                self.loop.run_until_complete(self._live())
            problems = [*self._defects, *self._check()]
        finally:
            self._end()
        attempts = len(self.plane.attempts)
        return Result(self.scenario, tuple(problems), self.loop.time(), attempts)

    def _end(self) -> None:
        self.replicas.end()
        if self.loop.is_closed():
            return
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks))
        self.loop.close()

    def _take_note_of_defect(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        self._defects.append(f"{context['message']}: {type(error).__name__}: {error}")

    # -- time ---------------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        scenario = self.scenario
        for number in range(scenario.finished_runs):
            documents.put_finished_run(self.server, scenario.runs[0], number)
        self.replicas.start()
        for run in scenario.runs:
            self.loop.call_at(run.at, self.people.apply, run)
        for happening in scenario.happenings:
            self.loop.call_at(happening.at, self._let_happen, happening)
        last = max((found.at + found.seconds for found in scenario.happenings), default=0.0)
        await asyncio.sleep(max(last, *(run.at for run in scenario.runs)) + 1.0)
        self.truth.heal()
        while not invariants.is_at_rest(self.server, self.truth.wanted):
            await asyncio.sleep(_LOOK_EVERY)
            if self.loop.time() > _LONGEST:
                self.truth.report("the runs do not come to rest: " + "; ".join(self._unfinished()))
                return
        await asyncio.sleep(_QUIET)  # pods that were stopped may still end, and the last status be written
        before = self.truth.writes
        await asyncio.sleep(_QUIET)
        if self.truth.writes != before:
            self.truth.report(f"there are writes though everything is over: {self.truth.last_write}")
        # What the operator tidies up at the end it tries once; one that begins later leaves it to the pod's deadline.
        is_calm = not self.truth.has_troubled and self.truth.restarts == 1 and not self.plane.refusals
        for name in self.servers.left_over() if is_calm else ():
            self.truth.report(f"the test server {name} is left over")
        for name in self.removals.left_over() if is_calm and not self._was_blind() else ():
            self.truth.report(f"the Job {name}, whose case passed, is left over")
        for pod in self._own(PODS) if is_calm else ():
            if pod["status"].get("phase") == "Running" and not self._attempt_of(pod).disturbances:
                self.truth.report(f"the pod {pod['metadata']['name']} still runs")

    def _was_blind(self) -> bool:
        return any(found.what in {What.SILENCE, What.STOP, What.CUT_OFF} for found in self.scenario.happenings)

    def _unfinished(self) -> list[str]:
        return [
            f"{body['metadata']['name']} is {json.dumps(body.get('status'))}"
            for body in self.server.all(TESTRUNS)
            if body["metadata"]["uid"] in self.truth.wanted
            and not invariants.is_at_rest(self.server, {body["metadata"]["uid"]: 1})
        ]

    def _check(self) -> list[str]:
        retries = {
            f"{run.name}/{case['name']}": case["retries"] for run in self.scenario.runs for case in run.suite["cases"]
        }
        found = invariants.check(self.server, self.truth, self.store, self.plane.attempts, retries)
        return list(dict.fromkeys(found))

    # -- the operator -------------------------------------------------------------------------------------------------

    def _see_evidence_go(self, resource: str, what: str, body: Body, before: Body | None) -> None:
        """Take note of a pod that is gone before the operator could see how it had ended."""
        del before
        if resource == PODS and what == "DELETED" and not self.replicas.sees("pods"):
            owner = next(iter(body["metadata"].get("ownerReferences", ())), {"uid": ""})
            attempt = self.plane.attempts.get(owner["uid"])
            if attempt is not None and attempt.job not in self.removals.names:
                attempt.disturb("its pod went while the operator saw nothing")

    # -- what happens -------------------------------------------------------------------------------------------------

    def _let_happen(self, happening: Happening) -> None:  # noqa: C901, PLR0912, PLR0915 - a line or two for each
        seconds, target, detail = happening.seconds, happening.target, happening.detail
        run = self.scenario.runs[target % len(self.scenario.runs)]
        match happening.what:
            case What.KILL:
                self.replicas.kill(seconds)
            case What.SILENCE:
                self.replicas.silence(detail[0], seconds, relists=detail[1])
                self._blind(seconds)
            case What.ANSWER:
                self.truth.arm(*detail)
            case What.OUTAGE:
                self.truth.is_down = True
                self.loop.call_later(seconds, setattr, self.truth, "is_down", False)
            case What.NODE_SILENT | What.NODE_DIES:
                machine = self.machines[target % len(self.machines)]
                self.plane.lose_node(machine, seconds, dies=happening.what is What.NODE_DIES)
            case What.DELETE_POD | What.EVICT_POD:
                self._disturb_pod(happening)
            case What.DELETE_JOB | What.SUSPEND_JOB:
                self._disturb_job(happening)
            case What.CANCEL:
                self.people.change_spec(run, cancel=True)
            case What.SUSPEND:
                self.people.change_spec(run, suspend=True)
                self.loop.call_later(seconds, lambda: self.people.change_spec(run, suspend=False))
            case What.REVISION:
                self.people.change_spec(run, revision=f"revision-{happening.at:.3f}")
            case What.RECREATE:
                self.people.recreate(run)
            case What.QUOTA:
                self.plane.quotas[run.namespace, detail] = 1
                self.loop.call_later(seconds, self.plane.quotas.pop, (run.namespace, detail), None)
            case What.STORE_DOWN:
                self.store.is_down = True
                self.loop.call_later(seconds, setattr, self.store, "is_down", False)
            case What.FORGE:
                self.people.forge(detail, target)
            case What.FORGE_INSIDE:
                self.people.forge_inside(detail, target)
            case What.NEWER_RELEASE:
                self.replicas.replace(seconds)
                self.loop.call_later(seconds / 2, documents.be_newer, self.server, self.truth)
            case What.OLDER_RELEASE:
                self.replicas.replace(seconds)
                self.loop.call_later(seconds / 2, self._be_older)
            case What.KEEP_JOBS:
                self.people.change_spec(run, keepJobs=detail)
            case What.DELETE_SERVER:
                self.servers.delete(target)
            case What.TAKE_SERVER:
                self.servers.take_place(target, seconds)
            case What.STOP:
                self.replicas.stop(seconds)
                self._blind(seconds)
            case What.CUT_OFF:
                self.replicas.cut_off(seconds)
                self._blind(seconds)

    def _be_older(self) -> None:
        documents.be_older(self.server)
        self.removals.forget()

    def _blind(self, seconds: float) -> None:
        """Take note that an operator may not know of its test servers."""
        self.servers.blind_until = max(self.servers.blind_until, self.loop.time() + seconds + _NOTICED_AGAIN)

    def _own(self, resource: str) -> list[Body]:
        """Return what belongs to attempts, and to nobody's forgeries."""
        uids = self.plane.attempts.keys()
        found = self.server.all(resource)
        if resource == JOBS:
            return [body for body in found if body["metadata"]["uid"] in uids]
        return [body for body in found if (body["metadata"].get("ownerReferences") or [{}])[0].get("uid") in uids]

    def _attempt_of(self, body: Body) -> Attempt:
        owner = (body["metadata"].get("ownerReferences") or [{}])[0].get("uid")
        return self.plane.attempts.get(body["metadata"]["uid"]) or self.plane.attempts[owner]

    def _disturb_pod(self, happening: Happening) -> None:
        pods = self._own(PODS)
        if not pods:
            return
        pod = pods[happening.target % len(pods)]
        self._attempt_of(pod).disturb(str(happening.what))
        if happening.what is What.EVICT_POD:
            self.plane.evict(pod, "EvictionByEvictionAPI")
        else:
            self.server.ask_to_go(PODS, (pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _disturb_job(self, happening: Happening) -> None:
        jobs = self._own(JOBS)
        if not jobs:
            return
        job = jobs[happening.target % len(jobs)]
        key = job["metadata"]["namespace"], job["metadata"]["name"]
        self._attempt_of(job).disturb(str(happening.what))
        if happening.what is What.DELETE_JOB:
            self.truth.deleted.add(key[1])
            self.server.ask_to_go(JOBS, key)
            return
        if any(found["type"] for found in job.get("status", {}).get("conditions", ())):
            return  # a Job that is over cannot be suspended
        self.server.change(JOBS, key, merge_of({"spec": {"suspend": True}}))
        self.loop.call_later(
            happening.seconds, lambda: self.server.change(JOBS, key, merge_of({"spec": {"suspend": False}}))
        )


def run(scenario: Scenario) -> Result:
    """Run a scenario.

    Args:
        scenario: what happens.

    Returns:
        How it went.
    """
    logger = logging.getLogger("testrun_operator")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        return Simulation(scenario).run()
    finally:
        logger.setLevel(level)  # what other tests of the same process look for
