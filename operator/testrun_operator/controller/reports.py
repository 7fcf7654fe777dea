"""Reports that did not fit into a termination message: read from the log, before the Job may go."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from testrun_operator.api.report import Detail, DetailKind, LogReference, Report, decode_from_log, place_in_log
from testrun_operator.engine.outcome import AttemptOutcome, CaseOutcome
from testrun_operator.errors import ClusterUnavailable, MalformedReport
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import KubernetesClient
from testrun_operator.kube.observe import CONTAINER

_ATTEMPTS = 6
_DELAY_SECONDS = 0.5
_MAX_PARALLEL = 2
"""Logs that are read side by side: each may have megabytes."""
_logger = logging.getLogger(__name__)


class ReportReader:
    """Completes outcomes with what of their reports is in logs."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._places = asyncio.Semaphore(_MAX_PARALLEL)

    async def complete(
        self, namespace: str, outcome: CaseOutcome, references: Mapping[int, LogReference], container: str = CONTAINER
    ) -> CaseOutcome:
        """Return an outcome with the details of its attempts, and all that was reported of their executions.

        The verdict is known without them; where a log cannot be read, a detail says so.

        Args:
            namespace: namespace of the pods.
            outcome: the outcome of a case.
            references: what is in logs, by the number of the attempt.
            container: the container of the pods that has them in its log.
        """
        attempts = [
            await self.complete_attempt(namespace, container, attempt, references[attempt.attempt])
            if attempt.attempt in references
            else attempt
            for attempt in outcome.attempts
        ]
        return replace(outcome, attempts=tuple(attempts))

    async def complete_attempt(
        self, namespace: str, container: str, attempt: AttemptOutcome, reference: LogReference
    ) -> AttemptOutcome:
        """Return the outcome of an attempt with the details of its report, or one that says that they are lost."""
        problem = "the pod is not known"
        for count in range(_ATTEMPTS if attempt.evidence.pod else 0):
            if count:
                await asyncio.sleep(_DELAY_SECONDS * 2 ** (count - 1))
            try:
                report = await self._read(namespace, str(attempt.evidence.pod), container, reference)
            except (ClusterUnavailable, Refused, MalformedReport) as error:
                # The kubelet may lag behind with the end of a log, so that what is cut is read again.
                problem = str(error)
                if isinstance(error, Refused) and error.is_not_found:
                    break
                if isinstance(error, MalformedReport) and error.is_final:
                    break
            else:
                return replace(attempt, details=report.details, execution=report.execution)
        _logger.warning(
            "the details of a case are lost: %s", problem, extra={"case": attempt.case, "attempt": attempt.attempt}
        )
        lost = Detail(
            kind=DetailKind.ASSERTION,
            name="details",
            passed=False,
            message=f"the{' other' if attempt.details else ''} details are lost: {problem}",
        )
        return replace(attempt, details=(*attempt.details, lost))

    async def _read(self, namespace: str, pod: str, container: str, reference: LogReference) -> Report:
        """Read a report, outside the event loop: it may take seconds, and the Lease has to be renewed meanwhile."""
        lines, size = place_in_log(reference)
        async with self._places:
            log = await self._client.read_log(namespace, pod, container=container, tail_lines=lines, limit_bytes=size)
            return await asyncio.to_thread(decode_from_log, log, reference)
