"""What events mean, in the words of every release."""

from datetime import datetime

import pytest

from testrun_operator.kinds.playbook.execution.event_types import is_error, meaning_of
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Meaning


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    ("written", "status", "meaning"),
    [
        ("playbook_started", "STARTED", Meaning.STARTED),
        ("playbook.initialized", "initialized", Meaning.STARTED),
        ("workflow_initialized", "COMPLETED", Meaning.OTHER),
        ("workflow.completed", "COMPLETED", Meaning.OTHER),
        ("command.issued", "PENDING", Meaning.ISSUED),
        ("command.claimed", "RUNNING", Meaning.CLAIMED),
        ("action_started", "RUNNING", Meaning.CLAIMED),
        ("step.enter", "STARTED", Meaning.STEP_STARTED),
        ("step_started", "RUNNING", Meaning.STEP_STARTED),
        ("step.exit", "COMPLETED", Meaning.STEP_ENDED),
        ("command.completed", "success", Meaning.ENDED),
        ("command.failed", "FAILED", Meaning.ENDED),
        ("command.cancelled", "CANCELLED", Meaning.ENDED),
        ("action_failed", "FAILED", Meaning.ENDED),
        ("batch.accepted", "PENDING", Meaning.BATCH_ACCEPTED),
        ("batch.processing", "RUNNING", Meaning.OTHER),
        ("batch.failed", "FAILED", Meaning.BATCH_ENDED),
        ("playbook_completed", "COMPLETED", Meaning.COMPLETED),
        ("Playbook.Completed", "completed", Meaning.COMPLETED),
        ("playbook.completed", "FAILED", Meaning.FAILED),
        ("playbook.failed", "failed", Meaning.FAILED),
        ("execution.cancelled", "CANCELLED", Meaning.CANCELLED),
        ("playbook_canceled", "", Meaning.CANCELLED),
        ("something.new", "COMPLETED", Meaning.OTHER),
        ("", "", Meaning.OTHER),
    ],
)
def test_a_word_means_the_same_in_every_spelling_and_release(
    dialect: Dialect, written: str, status: str, meaning: Meaning
) -> None:
    """Releases to come mix the spellings of those that were."""
    assert meaning_of(dialect, written, status) is meaning


@pytest.mark.parametrize(
    ("written", "status", "error", "expected"),
    [
        ("call.error", "RUNNING", "", True),
        ("step.exit", "COMPLETED", "it broke", True),
        ("command.completed", "error", "", True),
        ("action_failed", "FAILED", "", True),
        ("playbook_failed", "", "", True),
        ("command.completed", "success", "", False),
        ("step.exit", "COMPLETED", "", False),
        ("execution.cancelled", "CANCELLED", "", False),
    ],
)
def test_an_error_is_known_by_its_type_its_status_or_its_text(
    written: str, status: str, error: str, *, expected: bool
) -> None:
    """No release has all three in all places."""
    event = Event(1, 1, written, status, "step", datetime(2026, 1, 1), error=error)  # noqa: DTZ001 - as in the log
    assert is_error(event) is expected
