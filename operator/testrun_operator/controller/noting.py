"""Notes on the records of executions: what has to be known of an execution after a restart and is said nowhere else."""

import logging

from testrun_operator.controller.cache import ClusterCache
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.kube import labels
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import CONFIGMAPS, JOBS, KubernetesClient
from testrun_operator.kube.records import Notes, notes_patch, record_name
from testrun_operator.kube.references import RunReference

_logger = logging.getLogger(__name__)


class RecordKeeper:
    """Reads and writes notes on records, and removes records with their Jobs.

    Args:
        client: the API server.
        cache: what is in the cluster.
    """

    def __init__(self, client: KubernetesClient, cache: ClusterCache) -> None:
        self._client = client
        self._cache = cache

    def notes(self, state: ExecutionState) -> Notes:
        """Return what is noted on the record of an execution: by this process, or as the watch shows it."""
        shown = (
            stored.notes
            for stored in self._cache.records(state.run)
            if (stored.run_id, stored.digest) == (state.run_id, state.digest)
        )
        return state.noted | next(shown, Notes())

    async def note(self, state: ExecutionState, notes: Notes) -> None:
        """Write notes on the record of an execution; nothing if its record is gone.

        Raises:
            ClusterUnavailable: the API server does not answer.
            Refused: it does not accept the notes.
        """
        name = record_name(state.run, state.run_id)
        try:
            await self._client.patch(CONFIGMAPS, state.run.namespace, name, notes_patch(notes))
        except Refused as error:
            if not error.is_not_found:
                raise
        state.noted |= notes

    async def remove(self, run: RunReference, run_id: str) -> None:
        """Remove the Jobs and the record of an execution; what is worth keeping is in the status and in Postgres."""
        selector = f"{labels.SELECTOR},{labels.RUN_UID}={run.uid},{labels.RUN_ID}={run_id}"
        await self._client.delete_collection(JOBS, run.namespace, selector)
        await self._client.delete_collection(CONFIGMAPS, run.namespace, selector)
        _logger.info("removed the Jobs of an execution", extra={"run": str(run), "runId": run_id})
