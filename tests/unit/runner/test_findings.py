"""How an expectation fared, and how that is told."""

import pytest
from pydantic import JsonValue

from testrun_operator.masking import Masker
from testrun_operator.runner.expressions import Expression
from testrun_operator.runner.findings import Finding, describe_failures, judge_value
from testrun_operator.runner.problem import InvalidCase

_DOCUMENT: JsonValue = {"n": 1, "word": "swordfish", "truth": True}


def _judge(source: str, expected: JsonValue) -> Finding:
    return judge_value(Expression.compile(source, "field"), expected, _DOCUMENT, Masker(["swordfish"]), "page 1")


@pytest.mark.parametrize(
    ("source", "expected", "passed", "actual"),
    [
        ("n", 1, True, "1"),
        ("n", 1.0, True, "1"),
        ("n", True, False, "1"),
        ("truth", 1, False, "true"),
        ("nothing", None, True, "null"),
        ("word", "other", False, '"***"'),
    ],
)
def test_a_value_is_compared_as_json_has_it(source: str, expected: JsonValue, actual: str, *, passed: bool) -> None:
    """And shown without secrets."""
    finding = _judge(source, expected)
    assert finding.passed is passed
    assert finding.actual == actual
    assert finding.name == f"jmespath {source}"
    assert finding.location == "page 1"


def test_a_function_that_cannot_take_the_value_is_told_without_showing_a_secret() -> None:
    """The library writes the value into its message."""
    finding = _judge("abs(word)", 1)
    assert not finding.passed
    assert finding.actual.startswith("an error: ")
    assert "swordfish" not in finding.actual


def test_an_expression_with_a_function_that_there_is_not_is_the_fault_of_the_case() -> None:
    """It is found out only when it is applied."""
    with pytest.raises(InvalidCase, match="field"):
        _judge("unheard_of(word)", 1)


def test_failures_are_told_in_one_message_without_what_was_not_judged() -> None:
    """That would only be a consequence of the others."""
    failures = [
        Finding("status", passed=False, expected="a", actual="b", location="here"),
        Finding("items", passed=False, expected="1", not_judged="not judged because the status is another"),
        Finding("pages", passed=False, expected="1", actual="2", message="too many"),
    ]
    assert describe_failures(failures, Masker([])) == "status: expected a, got b (here); pages: too many"
    assert failures[1].as_detail().message == "not judged because the status is another"
