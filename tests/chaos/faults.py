"""The faults: what is done to the cluster while a run is executed, and which suite shows best whether it holds."""

from collections.abc import Callable
from dataclasses import dataclass

from chaos import machine, more_faults, truth
from chaos.scene import NOT_RUNNING, Scene, operator_address, operator_container, operators_ready, running, until
from support.cluster import SYSTEM_NAMESPACE, kill_operator, kubectl

KILLS_OF_A_RUN = 8
STAGES = ("pending", "running", "ended")


@dataclass(frozen=True)
class Fault:
    """A fault.

    Args:
        name: as it is chosen and reported.
        inject: does it to a scene; what undoes it goes into the scene's clean-up, or is done at once.
        suite: makes the cases of the run.
        limit_seconds: how long the run may take until it counts as lost.
        repeated: whether it is injected as often as ROUNDS says, in as many runs as that takes.
    """

    name: str
    inject: Callable[[Scene], None]
    suite: Callable[[], truth.Suite] = truth.mixed
    limit_seconds: float = 240
    repeated: bool = False


def none(scene: Scene) -> None:
    """Do nothing: where this one is not right, the suites are wrong, or the cluster was not well before."""
    scene.note_end("nothing")


def operator_killed(scene: Scene) -> None:
    """Kill the operator at random moments of its run, its own start included."""
    for _ in range(min(scene.wanted, KILLS_OF_A_RUN)):
        scene.pause(0.5, 9)
        if scene.over():
            return
        _kill_operator(scene)


def _kill_operator(scene: Scene) -> None:
    until(lambda: operator_container() != NOT_RUNNING, "the operator's container runs", 30)
    before = operator_container()
    kill_operator()
    scene.note("SIGKILL")
    try:
        until(lambda: operator_container() not in {NOT_RUNNING, before}, "it is started again", 5)
    except TimeoutError:
        # The kubelet lets a container wait that ends again and again; a new pod does not wait. But it is another
        # holder of the Lease: killed before it has it, again and again, nobody would ever lead.
        pod, _ = before
        kubectl("-n", SYSTEM_NAMESPACE, "delete", "pod", pod, "--grace-period=0", "--force", check=False)
        until(lambda: operators_ready() not in ([], [pod]), "another pod leads", 90)


def watches_cut(scene: Scene) -> None:
    """Cut the operator's connections to the API server, twice, each time for good."""
    for _ in range(2):
        scene.wait_for_running(1)
        scene.pause(0, 4)
        with machine.connections_cut(operator_address()) as count:
            scene.note(f"{count} connections cut")
            scene.pause(35, 45)
        if scene.over():
            return


def api_server_restarted(scene: Scene) -> None:
    """Kill the API server, and start it again."""
    _restarted(scene, "kube-apiserver")


def etcd_restarted(scene: Scene) -> None:
    """Kill etcd, and start it again."""
    _restarted(scene, "etcd")


def _restarted(scene: Scene, daemon: str) -> None:
    scene.wait_for_running(2)
    scene.pause(0, 5)
    try:
        machine.kill(daemon)
        scene.note(f"SIGKILL of {daemon}")
        scene.pause(0, 8)
    finally:
        machine.repair()
    scene.note_end("started again")


def api_server_silent(scene: Scene) -> None:
    """Let the API server be there and say nothing for longer than kopf's own patience."""
    scene.wait_for_running(2)
    with machine.stopped(machine.process_id("kube-apiserver")):
        scene.note("SIGSTOP of kube-apiserver for 75 s")
        scene.pause(75, 75)


def kubelet_stopped(scene: Scene) -> None:
    """Stop the kubelet for two and a half minutes: the node is `NotReady`, and nothing is evicted yet."""
    _without_kubelet(scene, 150)


def node_lost(scene: Scene) -> None:
    """Stop the kubelet for longer than the 40 s and 300 s until its pods are evicted."""
    _without_kubelet(scene, 400)


def _without_kubelet(scene: Scene, seconds: float) -> None:
    scene.wait_for_running(3)
    with machine.stopped(machine.process_id("kubelet")):
        scene.note(f"SIGSTOP of the kubelet for {seconds:.0f} s")
        scene.pause(seconds, seconds)


def pods_taken(scene: Scene) -> None:
    """Delete, evict and force away pods at every stage, no case's more often than it may be repeated."""
    ways = ("delete", "evict", "force")
    taken: dict[str, int] = {}
    seen: set[str] = set()
    turn = 0
    while not scene.over():
        for pod in scene.pods():
            name, case = pod["metadata"]["name"], pod["metadata"]["labels"]["testrun.dev/case"]
            wanted = STAGES[turn % len(STAGES)]
            if name in seen or taken.get(case, 0) >= 2 or _stage(pod) != wanted or scene.rng.random() < 0.4:
                continue
            seen.add(name)
            taken[case] = taken.get(case, 0) + 1
            way = ways[turn // len(STAGES) % len(ways)]
            _take(scene, name, way)
            scene.note(f"{way} the pod of {case}, {wanted}")
            turn += 1
        scene.pause(0.2, 1.5)
        # A stage that no pod is at just now would hold up the others.
        turn += scene.rng.random() < 0.3


def _take(scene: Scene, pod: str, way: str) -> None:
    if way == "evict":
        more_faults.evict(scene, pod)
        return
    force = ["--grace-period=0", "--force"] if way == "force" else []
    scene.namespace.kubectl("delete", "pod", pod, "--wait=false", *force, check=False)


def _stage(pod: dict[str, object]) -> str:
    status = pod.get("status")
    phase = status.get("phase") if isinstance(status, dict) else ""
    return "running" if running(pod) else "ended" if phase in {"Succeeded", "Failed"} else "pending"


ALL = (
    Fault("none", none),
    Fault("operator-killed", operator_killed, repeated=True),
    Fault("watches-cut", watches_cut),
    Fault("api-server-restarted", api_server_restarted),
    Fault("etcd-restarted", etcd_restarted),
    Fault("api-server-silent", api_server_silent, truth.of_containers, limit_seconds=300),
    Fault("kubelet-stopped", kubelet_stopped, truth.long_running, limit_seconds=600),
    Fault("clock-behind", more_faults.clock_behind),
    Fault("clock-ahead", more_faults.clock_ahead),
    Fault("pods-taken", pods_taken, truth.of_containers),
    Fault("drained", more_faults.drained, truth.of_containers),
    Fault("postgres-stopped", more_faults.postgres_stopped),
    Fault("quota", more_faults.quota, truth.of_containers, limit_seconds=400),
    Fault("two-operators", more_faults.two_operators, truth.of_containers),
    Fault("leader-paused", more_faults.leader_paused, truth.of_containers),
    Fault("node-lost", node_lost, truth.long_running, limit_seconds=900),
)
SHORT = ("operator-killed", "drained", "two-operators")
"""Faults of the short form: those that tests/e2e/test_unfriendly_clusters.py has not."""
