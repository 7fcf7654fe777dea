"""Results of fetching files, and the errors and the deadline that all sources share."""

import time
from dataclasses import dataclass
from pathlib import Path

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.errors import LocalError
from testrun_operator.runner.problem import CannotJudge


@dataclass(frozen=True, slots=True)
class Fetched:
    """Files that were fetched."""

    path: Path
    """The folder or the file that is to be used."""
    label: str
    """Where the files came from, for messages; without credentials."""
    commit: str | None = None
    """The full id of the commit; None if they did not come from Git."""
    notices: tuple[str, ...] = ()
    """What an author may not expect, for instance that a submodule was not fetched. Each is a clause."""


class SourceUnavailable(CannotJudge):
    """The server with the files did not answer, or its answer is not one of such a server."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.DEPENDENCY, Reason.SOURCE_UNAVAILABLE, message)


class GitRefused(LocalError):
    """A field of the case that describes a repository is wrong. It becomes an ``InvalidCase`` that names the field.

    Args:
        field: which field of the source is wrong: ``url``, ``ref``, ``path`` or ``secretRef``.
        message: what is wrong with it, and what would be right.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time until which files must have been fetched."""

    at: float | None
    """In seconds of the clock ``time.monotonic``; None for no limit."""

    def seconds(self, most: float) -> float:
        """Return how many seconds an operation may take.

        Args:
            most: the longest time for it, in seconds, even if more is left.

        Raises:
            SourceUnavailable: the time is over.
        """
        if self.at is None:
            return most
        left = self.at - time.monotonic()
        if left <= 0:
            raise SourceUnavailable("the time of the case was over before its files were fetched")
        return min(most, left)
