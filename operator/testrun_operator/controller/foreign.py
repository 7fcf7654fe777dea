"""Objects that say they belong to a run and do not: told once each, counted, and otherwise ignored."""

import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from testrun_operator.controller import metrics

_MOST_REMEMBERED = 1000
"""Of how many objects it is remembered that they were told of: somebody may make any number of them."""
_logger = logging.getLogger(__name__)


class Mismatch(StrEnum):
    """What does not fit."""

    OWNER = "owner"
    """No TestRun of its namespace controls it, or its labels name another one."""
    NAME = "name"
    """It does not have the name that the operator would have given it."""
    CONTENT = "content"
    """Its content is not what the status of its run says."""


class ForeignObjects:
    """Tells of objects that do not belong to the run that they name."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], None] = {}

    def note(self, resource: str, body: Mapping[str, Any], mismatch: Mismatch) -> None:
        """Take note of an object.

        Args:
            resource: its plural name.
            body: the object, or at least its metadata.
            mismatch: what does not fit.
        """
        metadata = body["metadata"]
        key = resource, str(metadata.get("uid") or f"{metadata['namespace']}/{metadata['name']}")
        if key in self._told:
            return
        if len(self._told) >= _MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
        self._told[key] = None
        metrics.FOREIGN.labels(resource=resource, mismatch=mismatch.value).inc()
        _logger.warning(
            "ignored %s %s/%s, which says that it belongs to a run: its %s does not fit",
            resource,
            metadata["namespace"],
            metadata["name"],
            mismatch,
        )


FOREIGN_OBJECTS = ForeignObjects()
