"""Every exception that this project raises on purpose, as one tree.

::

    TestrunError
    ├── TransientError            policy: retry with a growing delay, say so in a condition
    │   ├── ClusterUnavailable        the API server does not answer, or answers 401/408/410/429/5xx
    │   └── StoreUnavailable          Postgres does not answer, refuses, or is read-only
    │       └── RightsMissing             its user lacks a right, which an administrator can give it
    ├── SubjectError              policy: end the case or the run with a verdict and a reason
    │   ├── InvalidSpec               a TestSuite or TestRun breaks a rule; names the field
    │   ├── CaseError                 a case cannot be judged (bad template, unreachable connection)
    │   │   └── CannotJudge               the same with class and reason of the verdict (``runner/problem.py``)
    │   ├── CannotAdopt               what is stored of an execution cannot be read; a person has to decide
    │   └── MalformedReport           a pod reported something that is no report
    ├── RefusedError              policy: whoever called decides: end the case, wait, or ask in another way
    │   ├── Refused                   the API server understood a call and refused it (``kube/answers.py``)
    │   └── ContentRefused            Postgres does not accept the content of a row (``store/faults.py``)
    ├── LocalError                policy: caught by whoever called, in the same package; it never leaves that
    ├── CannotDo                  policy: one line and exit code 2, on the command line
    └── FatalError                policy: stop the process; the container's restart is the way back
        ├── InvalidSettings           an environment variable of the operator is wrong; names it
        ├── LeadershipLost            another operator holds the Lease
        └── SchemaTooNew              the database was migrated by a newer release

Foreign exceptions (aiohttp, kubernetes, psycopg, httpx) become one of these at the adapter that called the library
(``kube/client.py``, ``store/database.py``, ``kinds/http/execution``), and nowhere else.
"""


class TestrunError(Exception):
    """Base of everything below; never raised itself."""

    __test__ = False  # the name begins with "Test"; pytest must not collect it


class TransientError(TestrunError):
    """Something outside is not there at the moment. Retry; nothing is decided by it."""


class ClusterUnavailable(TransientError):
    """The API server did not answer, or answered that it cannot now (401, 408, 410, 429, 5xx).

    Args:
        message: what happened.
        retry_after: seconds after which the server wants to be asked again, by its ``Retry-After``; None if it said
            nothing.
        status: HTTP status of its answer; None if there was none.
    """

    def __init__(self, message: str, retry_after: float | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


class StoreUnavailable(TransientError):
    """Postgres did not answer, refused the connection, or is read-only."""


class SubjectError(TestrunError):
    """What the user asked for cannot be done. Ends the case or the run with a reason."""


class InvalidSpec(SubjectError):
    """A TestSuite or TestRun breaks a rule.

    Args:
        problems: one ``"path: what is wrong and what would be right"`` per broken rule, in the order of the document.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class CaseError(SubjectError):
    """A case cannot be judged."""


class MalformedReport(SubjectError):
    """A pod's termination message or log is not the report that it claims to be.

    Args:
        message: why.
        is_final: whether it would be the same if it was read again; otherwise its end may not be there yet.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class RefusedError(TestrunError):
    """Another program understood what it was asked for, and refused it. What follows depends on what was asked for."""


class LocalError(TestrunError):
    """Something within a package did not work out. The caller catches it and says what that means, or does without."""


class FatalError(TestrunError):
    """The process cannot go on; it exits with a message and is restarted by Kubernetes."""


class InvalidSettings(FatalError):
    """A setting of the operator is wrong. The message names the environment variable and what would be right."""


class LeadershipLost(FatalError):
    """Another operator holds the Lease, so that this one must not act any more."""


class SchemaTooNew(FatalError):
    """The database's schema is newer than this release knows."""
