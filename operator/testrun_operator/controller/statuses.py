"""Status writes: one per run and interval, none that changes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

from testrun_operator.api.base import Document, Model
from testrun_operator.controller.cache import RunView
from testrun_operator.engine.status import Subject
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import TESTRUNS, KubernetesClient
from testrun_operator.resources.status import Condition, TestRunStatus


class StatusWriter:
    """Writes the statuses of TestRuns.

    Args:
        client: the API server.
        interval: least time between two writes for the same run.
        now: the clock.
    """

    def __init__(self, client: KubernetesClient, interval: timedelta, now: Callable[[], datetime]) -> None:
        self._client = client
        self._interval = interval
        self._now = now
        self._written: dict[str, tuple[TestRunStatus, datetime]] = {}

    def subject(self, run: RunView) -> Subject:
        """Return the run with the newest status that is known: the watch may not have shown our last write yet."""
        return Subject(run.generation, self.newest(run))

    def newest(self, run: RunView) -> TestRunStatus:
        """Return the status as we wrote it last; as the watch shows it, if we have written none yet."""
        written = self._written.get(run.reference.uid)
        return written[0] if written is not None else run.status

    async def write(self, run: RunView, status: TestRunStatus, *, at_once: bool = False) -> datetime | None:
        """Write a status, unless it is the same or the last write was a moment ago.

        Args:
            run: the run.
            status: its status as it should be.
            at_once: whether to write it even so shortly after the last one.

        Returns:
            When to come back with it; None if it is written.
        """
        uid = run.reference.uid
        before = self.newest(run)
        wanted, current = render(status), render(before)
        if wanted == current:
            return None
        now = self._now()
        if not at_once and uid in self._written and (due := self._written[uid][1] + self._interval) > now:
            return due
        try:
            await self._client.write_status(TESTRUNS, *run.key, uid, wanted)
        except Refused as error:
            if not error.is_not_found:  # deleted in the meantime, perhaps with another one of its name in its place
                raise
        self._written[uid] = status, now
        return None

    def has_written(self, run: RunView) -> bool:
        """Whether this process has written the status of a run, and so knows what it is."""
        return run.reference.uid in self._written

    async def write_stalled(self, run: RunView, conditions: tuple[Condition, ...]) -> None:
        """Write the conditions of a run alone, and leave the rest of its status as it is: it cannot be read.

        Raises:
            ClusterUnavailable: the API server does not answer.
        """
        patch = {"observedGeneration": run.generation, "conditions": [render(condition) for condition in conditions]}
        try:
            await self._client.write_status(TESTRUNS, *run.key, run.reference.uid, patch, whole=False)
        except Refused as error:
            if not error.is_not_found:
                raise

    def forget(self, uid: str) -> None:
        """Drop what is known of a run that is gone."""
        self._written.pop(uid, None)


def render(status: Model) -> Document:
    """Render a status as it is stored: without the fields that have no value."""
    return status.model_dump(mode="json", exclude_none=True)
