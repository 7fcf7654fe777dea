"""What comes of fetching files: where they are, or why they are not there."""

import time
from dataclasses import dataclass
from pathlib import Path

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.errors import LocalError
from testrun_operator.runner.problem import CannotJudge


@dataclass(frozen=True, slots=True)
class Fetched:
    """Files that are there."""

    path: Path
    """The folder or the file that is to be used."""
    label: str
    """Where it came from, for people; without credentials."""
    commit: str | None = None
    """The full id of the commit, where it came from Git."""
    notices: tuple[str, ...] = ()
    """What is not as an author may think it is, for instance that a submodule was not fetched."""


class SourceUnavailable(CannotJudge):
    """The server that the files come from did not answer, or not as such a server does."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.DEPENDENCY, Reason.SOURCE_UNAVAILABLE, message)


class GitRefused(LocalError):
    """What the case says of a repository is wrong; becomes an ``InvalidCase`` that names the field.

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
    """Until when files must be there."""

    at: float | None
    """By the clock ``time.monotonic``; None for no such time."""

    def seconds(self, most: float) -> float:
        """Return for how long something may be waited.

        Args:
            most: the longest that it is waited for, however much time there is.

        Raises:
            SourceUnavailable: the time is over.
        """
        if self.at is None:
            return most
        left = self.at - time.monotonic()
        if left <= 0:
            raise SourceUnavailable("the time of the case was over before its files were fetched")
        return min(most, left)
