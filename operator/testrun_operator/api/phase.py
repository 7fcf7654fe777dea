"""The phases of a TestRun and the types of its conditions."""

from enum import StrEnum


class Phase(StrEnum):
    """Where an execution is. The last four are final."""

    PENDING = "Pending"
    """Nothing was started yet; the condition Reconciling says what is waited for."""
    RUNNING = "Running"
    """Cases are running."""
    PASSED = "Passed"
    """Every case that was executed passed; the reason says where none was."""
    FAILED = "Failed"
    """At least one case failed or took too long."""
    ERRORED = "Errored"
    """No case failed, but at least one could not be judged, or too few were executed; or the spec is invalid."""
    CANCELLED = "Cancelled"
    """The run was cancelled."""

    @property
    def is_final(self) -> bool:
        """Whether an execution in this phase is over."""
        return self not in {Phase.PENDING, Phase.RUNNING}


class ConditionType(StrEnum):
    """The conditions of a TestRun. ``Ready``, ``Reconciling`` and ``Stalled`` follow kstatus, which Flux reads."""

    READY = "Ready"
    """True when the run passed; of a TestSuite, when its spec is valid."""
    RECONCILING = "Reconciling"
    """True while something is still to be done; the reason says what is waited for."""
    STALLED = "Stalled"
    """True when nothing more will happen until somebody changes something: the run did not pass, or is invalid."""
    SUCCEEDED = "Succeeded"
    """True when the run passed, False when it ended otherwise, Unknown before: for `kubectl wait`."""
    RESULTS_STORED = "ResultsStored"
    """True when every outcome is in Postgres."""


class ConditionStatus(StrEnum):
    """The status of a condition, as in the Kubernetes API conventions."""

    TRUE = "True"
    """The condition holds."""
    FALSE = "False"
    """The condition does not hold."""
    UNKNOWN = "Unknown"
    """It is not known yet."""
