"""The API server's clock, as it shows in the header ``Date`` of its answers.

What Kubernetes writes down (``creationTimestamp``, the times of conditions) is by the clock of the control plane. The
operator compares such times with now; so its now has to be of the same clock, also where its own node's is minutes off
(docs/decisions/0023-answers-of-the-api-server.md).
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Final

_TOLERANCE_SECONDS: Final = 2.0
"""How far the clock may be off before it is corrected: a header has whole seconds, and an answer takes time."""
_SAMPLES: Final = 5
"""Of so many answers the median counts, so that one or two odd ones (a cache, a long pause in between) do nothing."""
_FEWEST_SAMPLES: Final = 3
_SLOWEST_SECONDS: Final = 2.0
"""Answers that took longer say too little of when they were written."""
_logger = logging.getLogger(__name__)


def _local_time() -> datetime:
    return datetime.now(UTC)


class ServerClock:
    """Tells the time as the API server does.

    It goes on by the monotonic clock, so that a step of the node's clock moves nothing. A correction is made only when
    the median of the last five answers says that it is off by more than two seconds: what is told never goes back but
    for that.

    Args:
        local: the node's clock; asked once.
        ticks: a clock in seconds that never goes back.
    """

    def __init__(
        self, local: Callable[[], datetime] = _local_time, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self.ticks = ticks
        self._began_at = local()
        self._began_ticks = ticks()
        self._offset = 0.0
        self._samples: deque[float] = deque(maxlen=_SAMPLES)

    def now(self) -> datetime:
        """Return the time."""
        return self._uncorrected(self.ticks()) + timedelta(seconds=self._offset)

    @property
    def is_set(self) -> bool:
        """Whether enough answers were seen for a correction, if one is needed."""
        return len(self._samples) >= _FEWEST_SAMPLES

    def note(self, date: str | None, asked_at: float) -> None:
        """Take note of an answer.

        Args:
            date: its header ``Date``; None if it has none.
            asked_at: :attr:`ticks` when it was asked for.
        """
        ended_at = self.ticks()
        written_at = _read(date)
        if written_at is None or ended_at - asked_at > _SLOWEST_SECONDS:
            return
        # Seconds are cut off, so that on the average half of one is missing.
        middle = self._uncorrected((asked_at + ended_at) / 2)
        self._samples.append((written_at - middle).total_seconds() + 0.5)
        if not self.is_set:
            return
        offset = median(self._samples)
        if abs(offset - self._offset) > _TOLERANCE_SECONDS:
            _logger.warning("the clock is %.1f s off the API server's, and is corrected", self._offset - offset)
            self._offset = offset

    def _uncorrected(self, ticks: float) -> datetime:
        return self._began_at + timedelta(seconds=ticks - self._began_ticks)


def _read(date: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date) if date else None
    except (TypeError, ValueError):
        return None
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)
