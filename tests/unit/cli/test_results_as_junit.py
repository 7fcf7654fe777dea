"""``testrun results --output junit``: what a CI server shows."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema
from tests.unit.cli.test_results import CASE, DETAIL, DSN, RUN, RUN_ID, FakeDatabase, FakeQueries

from support.command_line import Invoke
from testrun_operator.cli import results
from testrun_operator.store.queries import CaseResult

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[1] / "kinds" / "sql" / "reports" / "junit.xsd")
Document = Callable[..., ET.Element]
PASSED = replace(CASE, case="health", category=None, passed=True, status="COMPLETED", verdict="Passed", message=None)


@pytest.fixture
def document(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> Document:
    """Ask for the document of an execution with these cases."""
    monkeypatch.setattr(results, "Database", FakeDatabase)
    monkeypatch.setenv("TESTRUN_OPERATOR_DSN", DSN)

    def ask(*cases: CaseResult, over: bool = True) -> ET.Element:
        details = (replace(DETAIL, attempt=1, actual="34"), replace(DETAIL, attempt=2), replace(DETAIL, passed=True))
        fake = FakeQueries(runs=(RUN,) if over else (), cases=cases, details=details)
        monkeypatch.setattr(results, "queries", fake)
        result = invoke("results", str(RUN_ID), "-o", "junit")
        assert result.exit_code == 0
        SCHEMA.validate(result.stdout)
        return ET.fromstring(result.stdout)  # noqa: S314 - our own

    return ask


def test_each_case_is_a_test_of_its_category(document: Document) -> None:
    """CI servers make a tree of the class names: suite, then category."""
    root = document(PASSED, CASE)
    found = [(suite.get("name"), test.get("classname"), test.get("name")) for suite in root for test in suite]
    assert found == [("checkout", "checkout", "health"), ("pages", "checkout.pages", "page-number")]
    assert (root.get("name"), root.get("tests"), root.get("failures")) == ("shop/nightly", "2", "1")
    assert root[1][0].get("time") == "0.440"


def test_the_beginning_is_that_of_the_execution(document: Document) -> None:
    """The rows have its end, and how long it took."""
    assert document(PASSED)[0].get("timestamp") == "2026-03-01T23:29:47"


def test_a_failure_has_what_its_last_attempt_broke(document: Document) -> None:
    """Not what an earlier attempt broke: the verdict is not about that."""
    [failure] = document(CASE).iter("failure")
    assert (failure.get("type"), failure.get("message")) == ("ExpectationNotMet", "items: expected 36, got 35")
    assert failure.text == "GET /items\nitems: expected 36, got 35\nitems: expected 36, got 35 (page 4)"


@pytest.mark.parametrize(
    ("status", "element"), [("FAILED", "failure"), ("TIMEOUT", "failure"), ("ERROR", "error"), ("CANCELLED", "error")]
)
def test_what_could_not_be_judged_is_an_error_and_no_failure(document: Document, status: str, element: str) -> None:
    """A reader looks for the cause somewhere else."""
    assert len(list(document(replace(CASE, status=status)).iter(element))) == 1


def test_an_execution_that_is_not_over_cannot_be_taken_for_one_that_passed(document: Document) -> None:
    """What is stored so far may have passed by chance."""
    root = document(PASSED, over=False)
    [error] = root.iter("error")
    assert "not all of its results" in str(error.get("message"))
    assert root.get("errors") == "1"


def test_what_a_subject_answered_cannot_break_the_document(document: Document) -> None:
    """Messages quote it, control characters included, which XML cannot hold."""
    [failure] = document(replace(CASE, message="]]> \x1b[31m <b>&")).iter("failure")
    assert failure.get("message") == "]]> \N{REPLACEMENT CHARACTER}[31m <b>&"
