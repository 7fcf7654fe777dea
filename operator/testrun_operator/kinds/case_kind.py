"""What a kind of test case has to offer: the protocol that its definition follows.

A definition is all that the operator, the generated files and the command line see of a kind. It is imported by each of
them, and therefore imports nothing but models and vocabularies (``api/``). What runs a case is named by the path of its
module, and imported in the case's pod alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from testrun_operator.api.base import Model
from testrun_operator.api.connection import Connection
from testrun_operator.api.files import FileSource
from testrun_operator.api.pod import PodContainer
from testrun_operator.api.reason import Reason

Spec = TypeVar("Spec", bound=Model)
"""The model of a kind's own fields."""


@dataclass(frozen=True, slots=True)
class SuiteNames:
    """What of a suite a case may refer to by its name."""

    connections: Mapping[str, Connection]
    test_servers: frozenset[str]
    """Names of the test servers that the operator deploys."""


@dataclass(frozen=True, slots=True)
class ConnectionUse:
    """A connection that a case uses, and what of it."""

    name: str
    address: bool = False
    """Its ``url`` with headers and TLS, or the test server of this name."""
    database: bool = False
    """Its ``dsnFrom``."""


@dataclass(frozen=True, slots=True)
class OwnContainer:
    """The container of a case that runs without the runner, in an image of the user's own."""

    container: PodContainer
    junit: str | None = None
    """Pattern of the JUnit files that it leaves behind; None where it leaves none."""


@dataclass(frozen=True, slots=True)
class StepWords:
    """How the steps of a case are called: ``3 requests sent``."""

    noun: str = "step"
    participle: str = "done"

    def count(self, count: int) -> str:
        """Say how far a case came."""
        return f"{count} {self.noun}{'' if count == 1 else 's'} {self.participle}"


class CaseKind(Protocol[Spec]):
    """A kind of test case.

    Implementations subclass it: members with a default say what most kinds want. All methods are pure.
    """

    name: str
    """Name of the kind, and of the field of a case that has its spec."""
    summary: str
    """Description of that field, for the CRD and the reference: one sentence."""
    spec: type[Spec]
    """The model of its fields."""
    execution: str | None = None
    """Path of the module with the function ``run_case(context)``, which runs a case in its pod; None where the pod is
    that of :meth:`own_container`, and no report comes back."""
    steps: StepWords = StepWords()
    """How the steps of a case are called in messages."""
    passed_reason: Reason = Reason.EXPECTATIONS_MET
    """Reason of a case that passed and of which nothing else is left."""
    execution_statuses: frozenset[str] = frozenset()
    """The words in which a report of this kind says how an execution of the subject's own ended."""
    reports_execution: bool = False
    """Whether the subject has executions of its own. If so, a case whose time is over before one was reported has not
    reached its subject: that is a fault of the dependency and no failure of the test."""

    @property
    def has_report(self) -> bool:
        """Whether the runner runs such cases, so that each leaves a report."""
        return self.execution is not None

    def check(self, spec: Spec, suite: SuiteNames, path: str) -> Iterator[str]:
        """Yield what the schema cannot see of a case, each as ``path: what is wrong and what would be right``.

        Args:
            spec: the fields of the case.
            suite: what it may refer to.
            path: where the fields stand, as in ``spec.cases[3].http``.
        """
        yield from ()

    def connections(self, spec: Spec) -> tuple[ConnectionUse, ...]:
        """Return the connections of the suite that a case uses, each once; only these travel into its pod."""
        return ()

    def files(self, spec: Spec) -> FileSource | None:
        """Return where the files of a case come from, if it has any."""
        return None

    def credentials(self, spec: Spec) -> tuple[str, ...]:
        """Return the names of Secrets of which every key becomes an environment variable of the pod.

        Their names begin with :func:`~testrun_operator.api.environment.credential_prefix` of the place of the Secret.
        """
        return ()

    def own_container(self, spec: Spec) -> OwnContainer | None:
        """Return the container that runs a case; None where the runner does."""
        return None

    def subject(self, spec: Spec) -> str:
        """Say what a case is about, in one line without anything that could be secret: ``GET /orders``."""
        raise NotImplementedError

    def status_when_passed(self, spec: Spec) -> str | None:
        """Return the status that an execution of the subject's own has when the case passes, in capitals.

        Returns:
            None for a kind without executions of its own.
        """
        return None
