"""The operator's Deployment: one process or two, of which one leads; killed, stopped, cut off, and started again."""

from random import Random

from soak.apiserver import ApiServer
from soak.operators import OperatorProcess
from soak.records import Truth
from soak.scenario import WATCHED
from soak.stores import SoakStore

_RESTART_SECONDS = 2.0
"""How long the kubelet takes to start a container again that has ended."""


class Replicas:
    """The processes of the operator.

    Args:
        server: the API server.
        truth: takes note of what they do.
        store: Postgres.
        random: for delays.
        ahead: by how many seconds the clocks of their machines are ahead of the API server's.
        count: how many there are; two share a Lease.
    """

    def __init__(
        self, server: ApiServer, truth: Truth, store: SoakStore, random: Random, ahead: float, count: int
    ) -> None:
        self._server = server
        self._truth = truth
        self._store = store
        self._random = random
        self._ahead = ahead
        self._count = count
        self._processes: dict[int, OperatorProcess] = {}
        server.loop.can_stop = count > 1

    def start(self) -> None:
        """Start all of them."""
        for number in range(self._count):
            self._start(number)

    def _start(self, number: int) -> None:
        name = f"operator-{number}" if self._count > 1 else ""

        def ended() -> None:
            self._end(number, _RESTART_SECONDS)

        process = OperatorProcess(self._server, self._truth, self._store, self._random, self._ahead, name, on_end=ended)
        self._processes[number] = process
        process.start()

    def _end(self, number: int, seconds: float) -> None:
        self._processes[number].kill()
        self._server.loop.call_later(seconds, self._start, number)

    @property
    def leader(self) -> OperatorProcess | None:
        """The process that acts; the one that thinks that it does, while two may think so."""
        alive = [process for process in self._processes.values() if not process.is_dead]
        able = [process for process in alive if process.leads and not process.is_stopped]
        return next(iter(able or alive), None)

    def sees(self, plural: str) -> bool:
        """Whether one of them is told at the moment of what happens."""
        return any(process.sees(plural) for process in self._processes.values())

    def kill(self, seconds: float) -> None:
        """Kill the leader; its container is started again after some time."""
        leader = self.leader
        for number, process in self._processes.items():
            if process is leader:
                self._end(number, seconds)
                return

    def replace(self, seconds: float) -> None:
        """End all of them, and start them again after some time, as an upgrade does that is taken back."""
        for number, process in self._processes.items():
            if not process.is_dead:
                self._end(number, seconds)

    def silence(self, plurals: tuple[str, ...], seconds: float, *, relists: bool) -> None:
        """Let watches of the leader be silent."""
        if self.leader is not None:
            self.leader.silence(plurals, seconds, relists=relists)

    def stop(self, seconds: float) -> None:
        """Stop the leader as SIGSTOP does, and let it go on: its machine was swapping, or a virtual one stood still."""
        leader = self.leader
        if leader is not None and self._count > 1:
            leader.is_stopped = True
            self._server.loop.call_later(seconds, self._server.loop.go_on, leader)

    def cut_off(self, seconds: float) -> None:
        """Take the network from the leader."""
        leader = self.leader
        if leader is not None:
            leader.cut_off_until = self._server.loop.time() + seconds
            leader.silence(WATCHED, seconds, relists=True)

    def end(self) -> None:
        """Kill all of them."""
        for process in self._processes.values():
            process.kill()
