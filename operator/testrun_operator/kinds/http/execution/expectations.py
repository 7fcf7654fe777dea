"""Judges the responses of a case by its expectations.

If a walk stopped early, an expectation fails only if the pages that were read break it by themselves. Any other one is
reported as not judged, since its failure would be a consequence of the same problem.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import JsonValue

from testrun_operator.httpclient.exchange import NotJson
from testrun_operator.kinds.http.execution.order import find_disorder, find_duplicates
from testrun_operator.kinds.http.execution.pagination import Page, Walk
from testrun_operator.kinds.http.execution.plan import Expectations
from testrun_operator.masking import Masker
from testrun_operator.runner.expressions import Expression
from testrun_operator.runner.findings import Finding, judge_value

if TYPE_CHECKING:
    from testrun_operator.kinds.http.execution.schema import Schema

MAX_SCHEMA_PAGES = 20
"""Schema errors of so many pages are reported; further pages are counted."""
_LABEL_LENGTH = 300


class Judge:
    """Judges a walk, or a single response as a walk of one page.

    Args:
        expectations: what must hold.
        walk: the pages that were read; at least one.
        paginated: whether the case walks over pages.
        seconds: how long all requests took together.
        masker: keeps secrets out of excerpts of bodies.
    """

    def __init__(
        self, expectations: Expectations, walk: Walk, *, paginated: bool, seconds: float, masker: Masker
    ) -> None:
        self._expectations = expectations
        self._walk = walk
        self._paginated = paginated
        self._seconds = seconds
        self._masker = masker
        self._last = walk.pages[-1]
        self._not_judged = ""
        if walk.problem:
            self._not_judged = "not judged because " + (
                f"page {self._last.number} failed" if paginated else "the status is another"
            )

    def findings(self) -> Iterator[Finding]:
        """Judge every expectation, one finding or several for each.

        Raises:
            InvalidCase: an expression or the schema cannot be evaluated, whatever the body is.
        """
        expectations = self._expectations
        yield self._judge_status()
        if self._paginated:
            yield from self._judge_walk()
        elif expectations.schema is not None or expectations.values:
            yield from self._judge_body()
        if expectations.pages is not None:
            yield self._judge_count("pages", expectations.pages, len(self._walk.pages))
        if expectations.items is not None:
            yield self._judge_count("items", expectations.items, len(self._walk.items))
        if expectations.unique is not None:
            problems = find_duplicates(self._walk.pages, expectations.unique, self._masker)
            yield self._judge_problems("unique", f"each {expectations.unique.source} once", problems)
        if expectations.ordered is not None:
            key, descending = expectations.ordered.key, expectations.ordered.descending
            problems = find_disorder(self._walk.pages, key, self._masker, descending=descending)
            direction = "descending" if descending else "ascending"
            yield self._judge_problems("ordered", f"items in {direction} order of {key.source}", problems)
        if expectations.schema is not None:
            yield from self._judge_schema(expectations.schema)
        for expression, expected in expectations.values:
            yield self._judge_value(expression, expected)
        if expectations.max_seconds is not None:
            yield self._judge_duration(expectations.max_seconds)

    def document(self) -> JsonValue:
        """Return the document that expressions are applied to.

        It is the body of the response; of a walk it is ``{items: [all items], pages: [the bodies]}``.

        Raises:
            NotJson: a body is no JSON.
        """
        if self._paginated:
            return {"items": self._walk.items, "pages": [page.response.json() for page in self._walk.pages]}
        return self._last.response.json()

    def _judge_status(self) -> Finding:
        response = self._last.response
        met = self._expectations.status_is_met(response.status)
        excerpt = "" if met else self._masker.excerpt(response.text)
        actual = str(response.status) if not excerpt else f"{response.status} with the body {excerpt}"
        return Finding("status", met, self._expectations.expected_status, actual, self._label(self._last))

    def _judge_walk(self) -> Iterator[Finding]:
        if not self._expectations.status_is_met(self._last.response.status):
            return  # the finding about the status says enough
        problem = self._walk.problem
        yield Finding(
            "paginate",
            passed=not problem,
            expected="a walk to the last page",
            actual=f"{len(self._walk.pages)} pages",
            location=self._label(self._last),
            message=problem,
        )

    def _judge_body(self) -> Iterator[Finding]:
        if self._not_judged:
            return
        try:
            self._last.response.json()
        except NotJson as error:
            self._not_judged = "not judged because the body is no JSON"
            actual = self._masker.excerpt(str(error), _LABEL_LENGTH)
            yield Finding("body", passed=False, expected="JSON", actual=actual, location=self._label(self._last))

    def _judge_count(self, name: str, expected: int, actual: int) -> Finding:
        if self._not_judged:
            return Finding(name, passed=False, expected=str(expected), not_judged=self._not_judged)
        location = f"after {self._label(self._last)}"
        return Finding(name, expected == actual, str(expected), str(actual), location)

    def _judge_problems(self, name: str, expected: str, problems: list[str]) -> Finding:
        if problems:
            return Finding(name, passed=False, expected=expected, actual="; ".join(problems))
        if self._not_judged:
            return Finding(name, passed=False, expected=expected, not_judged=self._not_judged)
        return Finding(name, passed=True, expected=expected, actual=expected)

    def _judge_schema(self, schema: "Schema") -> Iterator[Finding]:
        failing = 0
        for page in self._walk.pages:
            if page.problem or (self._not_judged and not self._paginated):
                continue
            errors = schema.errors(page.response.json())
            failing += bool(errors)
            if errors and failing <= MAX_SCHEMA_PAGES:
                actual = self._masker.excerpt("; ".join(errors), 900)
                yield Finding("jsonSchema", passed=False, expected="valid", actual=actual, location=self._label(page))
        if failing > MAX_SCHEMA_PAGES:
            others = f"errors on {failing - MAX_SCHEMA_PAGES} further pages"
            yield Finding("jsonSchema", passed=False, expected="valid", actual=others)
        if not failing:
            yield self._judge_problems("jsonSchema", "valid", [])

    def _judge_value(self, expression: Expression, expected: JsonValue) -> Finding:
        if self._not_judged:
            name = f"jmespath {self._masker.excerpt(expression.source)}"
            return Finding(name, passed=False, expected=self._masker.show(expected), not_judged=self._not_judged)
        location = "" if self._paginated else self._label(self._last)
        return judge_value(expression, expected, self.document(), self._masker, location)

    def _judge_duration(self, most: float) -> Finding:
        expected, actual = f"at most {most:g} s", f"{self._seconds:.3f} s"
        if self._seconds > most:
            return Finding("maxDuration", passed=False, expected=expected, actual=actual)
        if self._not_judged:
            return Finding("maxDuration", passed=False, expected=expected, not_judged=self._not_judged)
        return Finding("maxDuration", passed=True, expected=expected, actual=actual)

    def _label(self, page: Page) -> str:
        label = page.label if self._paginated else page.response.request.label
        return self._masker.excerpt(label, _LABEL_LENGTH)
