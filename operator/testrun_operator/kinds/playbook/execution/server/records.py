"""What a NoETL server is asked for and gives: the values between its API and everything else."""

from dataclasses import dataclass

from testrun_operator.runner.problem import ConnectionFailed


@dataclass(frozen=True)
class Registered:
    """A version of a playbook in the server's catalog."""

    path: str
    version: int
    catalog_id: str
    """Of this version. Digits; more than a float can hold."""


@dataclass(frozen=True)
class Started:
    """A playbook that was started."""

    execution: int


class StartUncertain(ConnectionFailed):
    """The server was asked to start a playbook, and nobody knows whether it did.

    Args:
        message: for people.
        execution: one that the server started at that time, which may be it; None where none was found.
    """

    def __init__(self, message: str, execution: int | None = None) -> None:
        super().__init__(message)
        self.execution = execution
