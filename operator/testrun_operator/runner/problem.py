"""Why a case cannot be judged, as exceptions that carry the verdict's class and reason.

They are :class:`~testrun_operator.errors.CaseError`; ``main.py`` turns them into a report.
"""

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.errors import CaseError


class CannotJudge(CaseError):
    """The case ends with ``Errored``.

    Args:
        failure_class: where the cause lies.
        reason: why.
        message: why, for people.
    """

    def __init__(self, failure_class: FailureClass, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.failure_class = failure_class
        self.reason = reason
        self.message = message


class InvalidCase(CannotJudge):
    """The case cannot be executed as written.

    Args:
        path: the field that is wrong, as in ``http.request.path``.
        problem: what is wrong with it.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(FailureClass.CONFIGURATION, Reason.INVALID_CASE, f"{path}: {problem}")


class OutputsTooLarge(CannotJudge):
    """The case's outputs are larger than a report can carry."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.CONFIGURATION, Reason.OUTPUTS_TOO_LARGE, message)


class ConnectionFailed(CannotJudge):
    """The connection that the case uses did not answer."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.DEPENDENCY, Reason.CONNECTION_FAILED, message)


class TestServerUnavailable(CannotJudge):
    """A test server that the operator deploys did not answer; the operator tries such an attempt again."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.INFRASTRUCTURE, Reason.TEST_SERVER_UNAVAILABLE, message)
