"""The schema, sources and fixtures that cannot be loaded, and what is still run then."""

import pytest

from support.recording_database import RecordingDatabase
from testrun_operator.databases.base import Isolation
from testrun_operator.kinds.sql.document import Place
from testrun_operator.kinds.sql.execution.request import Request
from testrun_operator.kinds.sql.outcome import Counts, Mark, StepKind, Stop
from testrun_operator.kinds.sql.project.model import Project

from .conftest import GENERIC, PROCEDURAL, Make, Run, data, generic


def test_a_schema_that_fails_stops_everything(run: Run, project: Make) -> None:
    """What is malformed is reported all the same; the rest was not run."""
    text = GENERIC + generic() + "## TEST\nNo body.\n"
    executed = run(project(text, schema="fine\nFAIL 42601 syntax", sources={"src/a.sql": "a"}))
    stopped = executed.outcome.stopped
    assert stopped is not None
    assert stopped.why is Stop.SCRIPT_FAILED
    assert stopped.message == "Unable to load schema:\n    syntax\n    schema.sql:2: FAIL 42601 syntax"
    assert stopped.place == Place("schema.sql", 2)
    assert [outcome.mark for outcome in executed.tests] == [Mark.NOT_RUN, Mark.FAILED]
    assert executed.tests[0].message == "not run, because the execution ended before: Unable to load schema"
    assert executed.outcome.counts == Counts(2, 0, 1, 0, 1)
    assert executed.listener.tests == executed.tests


def test_a_schema_can_be_left_out(run: Run, project: Make) -> None:
    """The sources cannot."""
    made = project(GENERIC + generic(), schema="FAIL 1 x", sources={"src/a.sql": "a"})
    executed = run(made, request=Request(skip_schema_load=True))
    assert executed.log == ["a", "fine"]


def test_a_source_that_fails_is_named(run: Run, project: Make) -> None:
    """With its path."""
    executed = run(project(GENERIC + generic(), sources={"src/a.sql": "a", "src/b.sql": "FAIL 23505 twice"}))
    assert executed.outcome.stopped is not None
    assert executed.outcome.stopped.message.startswith("Unable to load script 'src/b.sql':\n    twice")


POINTS = ["BEFORE ALL", "BEFORE EACH TEST", "BEFORE EACH ROW", "AFTER EACH ROW", "AFTER EACH TEST", "AFTER ALL"]


def fixture_project(project: Make, point: str) -> Project:
    """Make two test cases of two tests each; the first one has a fixture that fails."""
    rows = data("| what |", "| five |")
    return project(
        {
            "tests/a.stt": f"{PROCEDURAL}## {point}\n- Broken thing\n\n{rows}{rows}",
            "tests/b.stt": PROCEDURAL + rows,
        },
        {"broken_thing.sql": "fine\nFAIL 23505 twice"},
        {"broken_thing.sql": "fine\nFAIL 23505 twice"},
    )


@pytest.mark.parametrize("point", POINTS)
def test_without_isolation_a_fixture_that_fails_stops_everything(
    run: Run, project: Make, divide: RecordingDatabase, point: str
) -> None:
    """It says which one, where, and why; the others are not run."""
    executed = run(fixture_project(project, point), divide)
    kind = "setup" if point.startswith("BEFORE") else "teardown"
    stopped = executed.outcome.stopped
    assert stopped is not None
    assert stopped.why is Stop.SCRIPT_FAILED
    assert stopped.message.startswith(f"Unable to load the 'Broken thing' {kind} fixture:\n    twice\n")
    assert stopped.place == Place(f"tests/fixtures/{kind}/broken_thing.sql", 2)
    first, second = executed.outcome.cases
    assert first.mark is Mark.FAILED
    assert second.mark is Mark.NOT_RUN
    assert executed.log[-1] == "FAIL 23505 twice"
    assert executed.messages[0] == stopped.message


@pytest.mark.parametrize("point", POINTS)
def test_with_rollback_a_fixture_of_a_test_fails_only_that(
    run: Run, project: Make, divide: RecordingDatabase, point: str
) -> None:
    """All that it did is rolled back. One of the whole test case stops everything."""
    executed = run(fixture_project(project, point), divide, Request(isolation=Isolation.ROLLBACK))
    first, second = executed.outcome.cases
    if "ALL" in point:
        assert executed.outcome.stopped is not None
        return
    assert executed.outcome.stopped is None
    assert [outcome.mark for outcome in first.tests] == [Mark.FAILED, Mark.FAILED]
    assert [step.kind for step in first.tests[0].failures()] == [StepKind.FIXTURE]
    assert second.mark is Mark.PASSED
    assert executed.log.count("begin") == executed.log.count("rollback") == 4


@pytest.mark.parametrize("point", POINTS)
def test_with_copies_a_fixture_fails_only_its_test_case(
    run: Run, project: Make, divide: RecordingDatabase, point: str
) -> None:
    """The next one has a database of its own."""
    executed = run(fixture_project(project, point), divide, Request(isolation=Isolation.DATABASE))
    first, second = executed.outcome.cases
    assert executed.outcome.stopped is None
    assert first.mark is Mark.FAILED
    assert second.mark is Mark.PASSED
    counts = executed.outcome.counts
    assert counts.failed == 1
    assert counts.not_run == {"BEFORE ALL": 2, "AFTER ALL": 0}.get(point, 1)


def test_tables_are_loaded_and_their_faults_are_told(run: Run, project: Make) -> None:
    """A CSV file is a fixture, too."""
    text = f"{GENERIC}## BEFORE ALL\n- Users\n\n{generic()}"
    executed = run(project(text, {"users.csv": "id,name\n1,Ada\n2,__NULL__\n"}))
    assert executed.log == ["load users (id, name) [('1', 'Ada'), ('2', None)]", "fine"]
    refused = run(project(text, {"users.csv": "id\nFAIL 23505 twice\n"}))
    assert refused.outcome.stopped is not None
    assert refused.outcome.stopped.message == (
        "Unable to load the 'Users' setup fixture:\n    twice\n"
        "    tests/fixtures/setup/users.csv:1: INSERT INTO users (id)"
    )
    malformed = run(project(text, {"users.csv": "id\n1,2\n"}))
    assert "Unable to load the 'Users' setup fixture: tests/fixtures/setup/users.csv:2:" in malformed.messages[0]
    assert malformed.log == []
