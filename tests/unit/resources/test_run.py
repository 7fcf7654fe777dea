"""The fields of a TestRun."""

from testrun_operator.api.base import Effect
from testrun_operator.resources.run import TestRunSpec


def test_each_field_says_whether_it_decides_what_runs() -> None:
    """Else a new one would begin executions, or would not, by chance."""
    for name, field in TestRunSpec.model_fields.items():
        assert len([mark for mark in field.metadata if isinstance(mark, Effect)]) == 1, name


def test_what_controls_an_execution_begins_none() -> None:
    """People change these while a run goes on."""
    controls = {"parallelism", "suspend", "cancel", "keep_jobs", "ttl_after_finished"}
    assert TestRunSpec.fields_that(Effect.CONTROLS) == controls
    assert TestRunSpec.fields_that(Effect.DECIDES) == TestRunSpec.model_fields.keys() - controls
