"""JUnit XML: what CI servers are told."""

import io
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import xmlschema
from hypothesis import given
from tests.unit.kinds.sql.reports.outcomes import FILE, case, failed, outcomes, passed, row

from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.outcome import (
    Mark,
    ProjectOutcome,
    Step,
    StepKind,
    Stop,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)
from testrun_operator.kinds.sql.reports.junit import write_junit

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write(outcome: ProjectOutcome) -> ET.Element:
    """Write an outcome, check it against the schema, and read it again."""
    stream = io.BytesIO()
    write_junit(outcome, stream, started=STARTED, name="ledger")
    SCHEMA.validate(stream.getvalue().decode())
    return ET.fromstring(stream.getvalue())  # noqa: S314 - our own


def only(root: ET.Element, path: str) -> ET.Element:
    """Find the only element at a path."""
    found = root.findall(path)
    assert len(found) == 1
    return found[0]


@given(outcomes)
def test_every_outcome_makes_a_valid_file(outcome: ProjectOutcome) -> None:
    """Whatever test subjects said: CI servers drop a file with one wrong character as a whole."""
    write(outcome)


@given(outcomes)
def test_the_counts_are_those_of_the_outcome(outcome: ProjectOutcome) -> None:
    """With one more for each thing that is wrong with the project as a whole."""
    root = write(outcome)
    whole = len(outcome.problems) + (outcome.stopped is not None)
    tests = root.findall("testsuite/testcase")
    assert int(root.attrib["tests"]) == len(tests) == outcome.counts.total + whole
    assert len([test for test in tests if len(test) == 0]) == outcome.counts.passed
    assert len(root.findall("testsuite/testcase/skipped")) == outcome.counts.skipped
    for kind, attribute in (("failure", "failures"), ("error", "errors")):
        assert int(root.attrib[attribute]) == len(root.findall(f"testsuite/testcase/{kind}"))
    bad = int(root.attrib["failures"]) + int(root.attrib["errors"])
    assert bad == outcome.counts.failed + outcome.counts.not_run + whole


def test_a_file_is_a_suite_and_a_test_is_a_case() -> None:
    """Named so that Jenkins makes a tree of the folders."""
    root = write(ProjectOutcome((case(passed(), passed("It rounds.")),), seconds=0.75))
    suite = only(root, "testsuite")
    assert suite.attrib == {
        "name": FILE,
        "timestamp": "2026-01-02T03:04:05",
        "file": FILE,
        "time": "0.750",
        "tests": "2",
        "failures": "0",
        "errors": "0",
        "skipped": "0",
    }
    assert [test.attrib for test in suite] == [
        {"classname": "tests.divide", "name": "It divides.", "time": "0.250"},
        {"classname": "tests.divide", "name": "It rounds.", "time": "0.250"},
    ]


def test_a_failure_has_place_message_and_what_was_expected() -> None:
    """Of every step that failed; the first one is the headline."""
    second = Step(StepKind.ASSERTION, "The sum", Place(FILE, 20), passed=False, expected="1", actual="2", message="No")
    root = write(ProjectOutcome((case(failed(row(), second)),)))
    failure = only(root, "testsuite/testcase/failure")
    assert failure.attrib == {"type": "row", "message": "Row 1 of 2: Expected value '5', but received '6'"}
    assert failure.text == (
        "tests/divide.stt:12: It refuses to divide by zero.\n"
        "\n"
        "tests/divide.stt:17: row 1 of 2\n"
        "Row 1 of 2: Expected value '5', but received '6'\n"
        "\n"
        "tests/divide.stt:20: The sum\n"
        "No\n"
        "expected: 1\n"
        "received: 2"
    )


def test_a_malformed_test_case_is_a_failure() -> None:
    """With all that is wrong with it."""
    wrong = (Problem(Place(FILE, 1), "a description is missing"), Problem(Place(FILE, 3), "unknown section NOTES"))
    root = write(ProjectOutcome((case(problems=wrong),)))
    test = only(root, "testsuite/testcase")
    failure = only(test, "failure")
    assert test.attrib["name"] == "Division of two numbers."
    assert failure.attrib["message"] == "a description is missing"
    assert failure.text == "tests/divide.stt:1: a description is missing\ntests/divide.stt:3: unknown section NOTES"


def test_skipped_tests_are_skipped_and_those_not_run_are_errors() -> None:
    """A test that could not be run says nothing about its subject, and must not look as if it passed."""
    place = Place(FILE, 4)
    root = write(
        ProjectOutcome(
            (
                case(
                    TestOutcome("One", place, Mark.SKIPPED, "waits for PR 12"),
                    TestOutcome("Two", place, Mark.NOT_RUN, "the schema could not be loaded"),
                ),
                TestCaseOutcome(
                    "Other", "tests/other.stt", Place("tests/other.stt", 1), Mark.NOT_RUN, message="the same"
                ),
            ),
        )
    )
    assert only(root, "testsuite/testcase/skipped").attrib["message"] == "waits for PR 12"
    errors = root.findall("testsuite/testcase/error")
    assert [error.attrib["message"] for error in errors] == ["the schema could not be loaded", "the same"]


def test_what_ended_the_execution_is_a_test_case_of_its_own() -> None:
    """A failure where the subject is to blame, an error where the database could not be used."""
    schema = Stopped(Stop.SCRIPT_FAILED, "Unable to load schema\nERROR: no such type", Place("schema.sql", 7))
    failure = only(write(ProjectOutcome((), stopped=schema)), "testsuite/testcase/failure")
    assert failure.attrib == {"type": "script failed", "message": "Unable to load schema"}
    assert failure.text == "schema.sql:7: Unable to load schema\nERROR: no such type"
    lost = Stopped(Stop.CONNECTION_LOST, "the server closed the connection")
    assert only(write(ProjectOutcome((), stopped=lost)), "testsuite/testcase/error").text == lost.message


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    """Line breaks stay."""
    name = "null \0, escape \x1b, half a pair \ud800, no character \uffff, and\ttab"
    root = write(ProjectOutcome((case(passed(name)),)))
    told = only(root, "testsuite/testcase").attrib["name"]
    assert told == "null �, escape �, half a pair �, no character �, and\ttab"


def test_a_headline_is_short() -> None:
    """The text below it has all of it."""
    message = "x" * 1000
    failure = only(write(ProjectOutcome((case(failed(row(message=message))),))), "testsuite/testcase/failure")
    assert len(failure.attrib["message"]) == 300
    assert message in (failure.text or "")
