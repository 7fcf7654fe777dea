"""How an expectation fared: what every kind of case that has expectations reports of each of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.masking import Masker
from testrun_operator.runner.expressions import Expression, NotApplicable, json_equal
from testrun_operator.runner.failures import join_failures


@dataclass(frozen=True)
class Finding:
    """How one expectation fared."""

    name: str
    passed: bool
    expected: str = ""
    actual: str = ""
    location: str = ""
    message: str = ""
    """What is wrong, where that is more than the difference between expected and actual."""
    not_judged: str = ""
    """Why it was not judged; empty if it was."""

    @property
    def sentence(self) -> str:
        """What is wrong, for people: ``expected 35, got 30 (after page 3: GET http://…)``."""
        if self.not_judged:
            return self.not_judged
        where = f" ({self.location})" if self.location else ""
        return (self.message or f"expected {self.expected}, got {self.actual}") + where

    def as_detail(self) -> Detail:
        """Return it as a detail of the report."""
        return Detail(
            kind=DetailKind.ASSERTION,
            name=self.name,
            passed=self.passed,
            expected=self.expected,
            actual=self.actual,
            message="" if self.passed else self.sentence,
            location=self.location,
        )


def judge_value(
    expression: Expression, expected: JsonValue, document: JsonValue, masker: Masker, location: str = ""
) -> Finding:
    """Judge whether an expression has the value that it should have.

    Args:
        expression: the expression.
        expected: the value.
        document: what it is applied to.
        masker: for what is shown of the values.
        location: where the document came from.

    Raises:
        InvalidCase: the expression turns out to be wrong.
    """
    name, shown = f"jmespath {masker.excerpt(expression.source)}", masker.show(expected)
    try:
        actual = expression.search(document)
    except NotApplicable as error:
        return Finding(
            name, passed=False, expected=shown, actual=f"an error: {masker.excerpt(str(error))}", location=location
        )
    return Finding(name, json_equal(expected, actual), shown, masker.show(actual), location)


def describe_failures(failures: Sequence[Finding], masker: Masker) -> str:
    """Return the first failures in one message of at most 1024 characters."""
    return join_failures([f"{one.name}: {one.sentence}" for one in failures if not one.not_judged], masker)
