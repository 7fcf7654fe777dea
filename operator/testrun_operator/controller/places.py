"""The operator's places (``maxActiveJobs``): how many Jobs all runs together may have that are not over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from testrun_operator.engine.places import share_places

Claimant = tuple[str, str]
"""The uid of a TestRun, and the id of its execution."""


@dataclass(frozen=True, slots=True)
class _Claim:
    occupied: int
    waiting: int = 0


class Places:
    """Shares the places out among the executions that want some.

    What an execution has it keeps until its Jobs end; what becomes free goes to those that have less than their share.

    Args:
        limit: how many there are; None for no limit.
        wake: called with the uid of a TestRun for which there may be a place now.
    """

    def __init__(self, limit: int | None, wake: Callable[[str], None]) -> None:
        self._limit = limit
        self._wake = wake
        self._claims: dict[Claimant, _Claim] | None = None

    @property
    def is_counted(self) -> bool:
        """Whether it is known what was occupied when this process began; nothing need be known without a limit."""
        return self._limit is None or self._claims is not None

    def count(self, occupied: Mapping[Claimant, int]) -> None:
        """Take over what was occupied when this process began."""
        self._claims = {claimant: _Claim(count) for claimant, count in occupied.items()}

    def open_to(self, claimant: Claimant, parallelism: int) -> int | None:
        """Return how many places an execution may occupy now; None for no limit.

        Args:
            claimant: the execution.
            parallelism: how many it may want.
        """
        if self._limit is None:
            return None
        claims = self._claims or {}
        wanted = {known: claim.occupied + claim.waiting for known, claim in claims.items()} | {claimant: parallelism}
        others = sum(claim.occupied for known, claim in claims.items() if known != claimant)
        return max(0, min(share_places(self._limit, wanted)[claimant], self._limit - others))

    def note(self, claimant: Claimant, occupied: int, waiting: int) -> None:
        """Take note of what an execution occupies, and for how many attempts it has no place."""
        if self._limit is None or self._claims is None:
            return
        before = self._claims.get(claimant, _Claim(0))
        if occupied or waiting:
            self._claims[claimant] = _Claim(occupied, waiting)
        else:
            self._claims.pop(claimant, None)
        freed = before.occupied + before.waiting - occupied - waiting
        if freed > 0:
            self._wake_others(claimant, freed)

    def forget(self, run_uid: str) -> None:
        """Free the places of a TestRun that is gone."""
        for claimant in [claimant for claimant in self._claims or {} if claimant[0] == run_uid]:
            self.note(claimant, 0, 0)

    def _wake_others(self, claimant: Claimant, freed: int) -> None:
        claims = self._claims or {}
        waiting = [known for known, claim in claims.items() if claim.waiting and known != claimant]
        for known in sorted(waiting, key=lambda known: claims[known].occupied)[:freed]:
            self._wake(known[0])
