"""What a case can end with, and whose fault it was: the vocabulary of ``docs/verdicts.md``."""

from enum import StrEnum


class Verdict(StrEnum):
    """What a case of an execution ended with. Every case gets exactly one."""

    PASSED = "Passed"
    """The subject did what the case expects."""
    FAILED = "Failed"
    """The subject is wrong: an expectation did not hold."""
    ERRORED = "Errored"
    """We could not find out: the infrastructure, a dependency or the case itself stood in the way."""
    TIMED_OUT = "TimedOut"
    """The case, or the whole run, was not finished in its time."""
    SKIPPED = "Skipped"
    """The case was not executed; the reason says why."""
    CANCELLED = "Cancelled"
    """The run was cancelled, or replaced by a newer execution, before the case ended."""


class FailureClass(StrEnum):
    """Where the cause of a verdict other than ``Passed`` is to be looked for."""

    TEST = "Test"
    """In the subject under test."""
    INFRASTRUCTURE = "Infrastructure"
    """In the cluster: nodes, pods, images, quota, the deployed test server. Retried on a budget of its own."""
    CONFIGURATION = "Configuration"
    """In the suite or the run: a template, a missing key, a wrong image name, a timeout that is too short."""
    DEPENDENCY = "Dependency"
    """In something that the case needs and that did not answer: an API, a database, a needed case."""
