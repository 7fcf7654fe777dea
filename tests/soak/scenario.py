"""What happens in one simulation: drawn from a seed, and made shorter where it fails."""

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Any

from support.builders import container_case, http_case, suite_document
from testrun_operator.kube.client import CONFIGMAPS, JOBS, PODS, TESTRUNS

NAMESPACES = ("team-a", "team-b")
STRANGERS = "strangers"
"""A namespace whose people run nothing, and copy what others have."""
NODES = ("node-1", "node-2", "node-3")
WATCHED = ("testruns", "testsuites", "jobs", "pods", "configmaps", "services", "deployments")
TROUBLED_CALLS = (
    ("create", JOBS),
    ("create", JOBS),
    ("patch", JOBS),
    ("get", JOBS),
    ("list", PODS),
    ("create", CONFIGMAPS),
    ("patch", CONFIGMAPS),
    ("patch", f"{TESTRUNS}/status"),
)


class Answer(StrEnum):
    """What the API server answers to a call that does not go well."""

    BAD_REQUEST = "400"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403 of RBAC"
    QUOTA_CONFLICT = "409 Conflict"
    GONE = "410"
    TOO_LARGE = "413"
    INVALID = "422"
    TOO_MANY = "429"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    TIMEOUT = "504"
    BROKEN_BEFORE = "connection broken before the call was carried out"
    BROKEN_AFTER = "connection broken after the call was carried out"


FINAL_ANSWERS = frozenset({Answer.BAD_REQUEST, Answer.TOO_LARGE, Answer.INVALID})
"""Those that say of a Job that it will never be accepted."""


class What(StrEnum):
    """What may happen."""

    KILL = "the operator is killed"
    SILENCE = "watches are silent"
    ANSWER = "the API server refuses a call, or its answer is lost"
    OUTAGE = "the API server does not answer"
    NODE_SILENT = "a kubelet stops, or its network does"
    NODE_DIES = "a node loses its power"
    DELETE_POD = "somebody deletes a pod"
    EVICT_POD = "a pod is evicted through the API"
    DELETE_JOB = "somebody deletes a Job"
    SUSPEND_JOB = "a queue suspends a Job for a while"
    CANCEL = "somebody cancels a run"
    SUSPEND = "somebody suspends a run for a while"
    REVISION = "somebody changes the revision of a run"
    RECREATE = "somebody deletes a run and applies it again"
    QUOTA = "a quota on pods or Jobs is filled for a while"
    STORE_DOWN = "Postgres is away"
    FORGE = "people of other namespaces copy labels"
    FORGE_INSIDE = "somebody who may write ConfigMaps forges a record"
    OLDER_RELEASE = "an older release was here for a while, and has dropped what it does not know"
    DELETE_SERVER = "somebody deletes a Deployment or a Service of a test server"
    TAKE_SERVER = "somebody puts an object of their own in the place of a run's test server"
    STOP = "the operator that leads is stopped, and goes on later"
    CUT_OFF = "the operator that leads loses its network"
    NEWER_RELEASE = "a newer release was here for a while and has left fields of its own"
    KEEP_JOBS = "somebody changes which Jobs of a run are kept"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens."""

    what: What
    at: float
    """Seconds after the beginning."""
    seconds: float = 0.0
    """How long it lasts, where it does."""
    target: int = 0
    """Which of those that there are then."""
    detail: Any = None

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.0f} s" if self.seconds else ""
        detail = f" ({self.detail})" if self.detail is not None else ""
        return f"{self.at:6.1f} s  {self.what}{lasting}{detail} [{self.target}]"


@dataclass(frozen=True, slots=True)
class RunScript:
    """A TestRun that somebody applies."""

    namespace: str
    name: str
    at: float
    suite: dict[str, Any]
    fields: dict[str, Any]
    by_name: bool

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the TestRun."""
        suite = {"suiteRef": {"name": f"suite-of-{self.name}"}} if self.by_name else {"suite": self.suite}
        return suite | self.fields

    def __str__(self) -> str:
        cases = ", ".join(
            f"{case['name']} ({'http' if 'http' in case else 'container'}, timeout {case['timeout']}, "
            f"retries {case['retries']})"
            for case in self.suite["cases"]
        )
        return f"{self.at:6.1f} s  {self.namespace}/{self.name} is applied: {cases}; {self.fields}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that decides a simulation, but for small delays, which follow from the seed."""

    seed: int
    runs: tuple[RunScript, ...]
    happenings: tuple[Happening, ...]
    node_clocks: tuple[float, ...] = (0.0, 0.0, 0.0)
    """By how many seconds the clocks of the nodes are ahead of the API server's."""
    operator_clock: float = 0.0
    """The same of the machine on which the operator runs."""
    sidecars: str = ""
    """What a webhook puts into each pod: ``classic``, ``native`` or nothing."""
    replicas: int = 1
    """How many operators there are."""
    finished_runs: int = 0
    """How many runs have been there for long."""
    kept: tuple[int, ...] | None = None
    """Which happenings of the seed are left, where it was made shorter."""

    def only(self, indices: tuple[int, ...]) -> "Scenario":
        """Return the scenario with some of its happenings alone."""
        return replace(self, happenings=tuple(self.happenings[index] for index in indices), kept=indices)

    def describe(self) -> str:
        """Say what happens, a line for each."""
        lines = [(run.at, str(run)) for run in self.runs] + [(found.at, str(found)) for found in self.happenings]
        clocks = ", ".join(f"{name} {ahead:+.0f} s" for name, ahead in zip(NODES, self.node_clocks, strict=True))
        about = f"clocks: {clocks}, operator {self.operator_clock:+.0f} s; sidecars: {self.sidecars or 'none'}"
        about += f"; operators: {self.replicas}"
        return "\n".join([about, *(line for _, line in sorted(lines))])


def draw(seed: int, among: frozenset[What] = frozenset(What)) -> Scenario:
    """Draw a scenario.

    Args:
        seed: what it follows from.
        among: what may happen; the rest of the scenario stays the same without.
    """
    random = Random(f"scenario {seed}")
    # Of its own, as what came later: the seeds of before have the meaning that they had.
    leaves_files = Random(f"a case leaves files {seed}").random() < 0.3
    runs = tuple(_draw_run(random, index, leaves_files=leaves_files) for index in range(random.choice([1, 1, 2, 2, 3])))
    drawn = [_draw_happening(random) for _ in range(random.choice([0, 1, 1, 2, 2, 3, 4, 6]))]
    # What is deleted while nobody looks is what a new list says nothing of.
    unseen = [found for found in drawn if found.what is What.SILENCE and random.random() < 0.2]
    drawn += [Happening(What.RECREATE, found.at + found.seconds / 2, 0.0, found.target) for found in unseen]
    happenings = sorted(drawn, key=lambda found: found.at)
    clocks = random.random() < 0.3
    more = Random(f"more of scenario {seed}")  # so that what is drawn above stays the same
    replicas = 2 if more.random() < _SHARE_OF_TWO else 1
    happenings += _draw_more(more, replicas)
    if more.random() < _SHARE_OF_SERVERS:
        runs = tuple(_with_server(run, more.choice(["Run", "Run", "Shared"])) for run in runs)
        happenings += _draw_for_servers(more)
    runs, for_removals = _with_removals(seed, runs)
    happenings += for_removals
    return Scenario(
        seed=seed,
        runs=runs,
        happenings=tuple(found for found in happenings if found.what in among),
        replicas=replicas,
        node_clocks=tuple(random.choice([0.0, 3.0, -90.0, 240.0, -600.0]) if clocks else 0.0 for _ in NODES),
        operator_clock=random.choice([0.0, 45.0, -200.0, 500.0]) if clocks else 0.0,
        sidecars=random.choice(["", "", "", "classic", "native"]),
        finished_runs=random.choice([40, 200]) if random.random() < 0.01 else 0,
    )


_SHARE_OF_TWO = 0.15
_SHARE_OF_STOPS = 0.7
_SHARE_OF_OLDER = 0.05
_SHARE_OF_SERVERS = 0.15
_SHARE_OF_REMOVALS = 0.3


def _with_server(run: RunScript, scope: str) -> RunScript:
    server = {"name": "paginated-api", "pagination": {}, "scope": scope}
    return replace(run, suite=run.suite | {"testServers": [server]})


def _with_removals(seed: int, runs: tuple[RunScript, ...]) -> tuple[tuple[RunScript, ...], list[Happening]]:
    """Let some runs keep only the Jobs that did not pass, and draw what may happen to the removal of the others."""
    random = Random(f"Jobs that passed may go {seed}")
    which = [random.random() < _SHARE_OF_REMOVALS for _ in runs]
    if not any(which):
        return runs, []
    drawn = []
    for _ in range(random.choice([0, 0, 1, 1, 2])):
        what, at, target = random.choice(_FOR_REMOVALS), random.uniform(1, 120), random.randrange(100)
        seconds: float = 0.0
        detail: Any = None
        match what:
            case What.ANSWER:
                detail = "delete", JOBS, random.choice(_ANSWERS_TO_DELETE), random.choice([1, 1, 2, 5])
            case What.KILL:
                seconds = random.choice([0.5, 3, 20, 120])
            case What.QUOTA:
                seconds, detail = random.choice([100, 400]), "jobs"
            case What.KEEP_JOBS:
                detail = random.choice(["All", "NotPassed", "NotPassed"])
        drawn.append(Happening(what, at, seconds, target, detail))
    fields = {"keepJobs": "NotPassed"}
    return tuple(
        replace(run, fields=run.fields | fields) if goes else run for run, goes in zip(runs, which, strict=True)
    ), drawn


_FOR_REMOVALS = (What.ANSWER, What.ANSWER, What.KILL, What.QUOTA, What.KEEP_JOBS)
_ANSWERS_TO_DELETE = tuple(
    answer for answer in Answer if answer not in {*FINAL_ANSWERS, Answer.QUOTA_CONFLICT, Answer.GONE}
)


def _draw_for_servers(random: Random) -> list[Happening]:
    drawn = []
    for _ in range(random.choice([0, 1, 1, 2])):
        what, seconds = random.choice([What.DELETE_SERVER, What.TAKE_SERVER]), random.choice([5, 60, 400])
        drawn.append(Happening(what, random.uniform(1, 90), seconds, random.randrange(100)))
    return drawn


def _draw_more(random: Random, replicas: int) -> list[Happening]:
    drawn = []
    if replicas > 1 and random.random() < _SHARE_OF_STOPS:
        for _ in range(random.choice([1, 1, 2])):
            what, seconds = random.choice([What.STOP, What.STOP, What.CUT_OFF]), random.choice([3, 12, 20, 60, 200])
            drawn.append(Happening(what, random.uniform(1, 120), seconds))
    if random.random() < _SHARE_OF_OLDER:
        drawn.append(Happening(What.OLDER_RELEASE, random.uniform(1, 120), random.choice([2, 30])))
    return drawn


def _draw_run(random: Random, index: int, *, leaves_files: bool) -> RunScript:
    cases = []
    for number in range(random.choice([1, 2, 2, 3, 4])):
        make = random.choice([http_case, container_case, container_case])
        needs = [f"case-{need}" for need in range(number) if random.random() < 0.15]
        timeout = random.choice(["30s", "60s", "60s", "120s"])
        cases.append(make(f"case-{number}", needs=needs, retries=random.choice([0, 0, 1]), timeout=timeout))
    fields: dict[str, Any] = {
        "parallelism": random.choice([1, 2, 4]),
        "failFast": random.random() < 0.1,
        "timeout": random.choice(["30m", "30m", "30m", "3m"]),
    }
    namespace = random.choice(NAMESPACES)
    for case in cases:
        if "container" in case:
            case["container"] = {"image": f"registry.example.com/{namespace}"}
            if leaves_files:
                case["container"]["junit"] = "/reports/*.xml"
    return RunScript(
        namespace, f"run-{index}", random.uniform(0, 20), suite_document(*cases), fields, by_name=random.random() < 0.3
    )


_SHARES = {
    What.KILL: 4,
    What.SILENCE: 5,
    What.ANSWER: 8,
    What.OUTAGE: 1,
    What.NODE_SILENT: 3,
    What.NODE_DIES: 2,
    What.DELETE_POD: 2,
    What.EVICT_POD: 2,
    What.DELETE_JOB: 1,
    What.SUSPEND_JOB: 1,
    What.CANCEL: 1,
    What.SUSPEND: 1,
    What.REVISION: 1,
    What.RECREATE: 1,
    What.QUOTA: 2,
    What.STORE_DOWN: 2,
    What.FORGE: 3,
    What.FORGE_INSIDE: 2,
    What.NEWER_RELEASE: 1,
}
"""Of those that every scenario may have; others belong to scenarios of a certain kind: see :func:`_draw_more`."""


def _draw_happening(random: Random) -> Happening:
    what = random.choices(list(_SHARES), list(_SHARES.values()))[0]
    at, target = random.uniform(1, 120), random.randrange(100)
    seconds = 0.0
    detail: Any = None
    match what:
        case What.KILL:
            seconds = random.choice([0.5, 3, 20, 120, 500])
        case What.SILENCE:
            seconds = random.choice([5, 60, 75, 120, 200])
            detail = random.choice([WATCHED, ("jobs",), ("pods",), ("jobs", "pods")]), random.random() < 0.7
        case What.ANSWER:
            detail = *random.choice(TROUBLED_CALLS), random.choice(list(Answer)), random.choice([1, 1, 2, 5])
        case What.OUTAGE:
            seconds = random.choice([5, 30, 90])
        case What.NODE_SILENT | What.NODE_DIES:
            seconds = random.choice([20, 60, 150, 400, 700])
        case What.SUSPEND_JOB | What.SUSPEND | What.STORE_DOWN:
            seconds = random.choice([5, 40, 200])
        case What.QUOTA:
            seconds, detail = random.choice([20, 100, 400]), random.choice(["pods", "jobs"])
        case What.FORGE:
            detail = random.choice(FORGERIES)
        case What.FORGE_INSIDE:
            detail = random.choice(["record", "words", "newest"])
        case What.NEWER_RELEASE:
            seconds = random.choice([2, 30])
    return Happening(what, at, seconds, target, detail)


FORGERIES = ("record", "words", "passed", "failed", "passed and gone")
"""What a stranger copies: the record of an execution, with contents of their own or with none that make sense; a Job
and its pod that passed, that failed, and one that is deleted again."""
