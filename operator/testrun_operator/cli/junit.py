"""The results of an execution as JUnit XML: one ``testsuite`` for each category, one ``testcase`` for each case."""

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from testrun_operator.junit import JUnitResult, JUnitSuite, JUnitTest, first_line, write_suites
from testrun_operator.store.queries import CaseResult, DetailResult, RunSummary

_FAILURES = {"FAILED", "TIMEOUT"}
"""Words in ``status`` for a subject that is wrong; what else did not pass could not be judged."""


def render_junit(
    run_id: int,
    run: RunSummary | None,
    cases: Sequence[CaseResult],
    broken: Mapping[str, Sequence[DetailResult]],
) -> bytes:
    """Render an execution.

    Cases that were skipped are not among the results, so they are not in the document either.

    Args:
        run_id: the execution.
        run: its summary; None if it is not over, which is then told as an error, so that a part of the results cannot
            be taken for all of them.
        cases: its cases.
        broken: the checks that did not hold, by case.
    """
    name = str(run_id) if run is None or run.name is None else f"{run.namespace}/{run.name}"
    top = (run.suite if run is not None else None) or name
    suites = list(_suites(cases, broken, top))
    if run is None:
        message = "the execution is not over, or was not stored to its end: these are not all of its results"
        suites.append(JUnitSuite(name, top, 0.0, (JUnitTest("execution", 0.0, JUnitResult.ERROR, "", message),)))
    took = (run.duration_milliseconds or 0) / 1000 if run is not None else 0.0
    started = run.finished_at - timedelta(seconds=took) if run is not None else datetime.now(UTC)
    stream = io.BytesIO()
    write_suites(suites, stream, name=name, seconds=took, started=started)
    return stream.getvalue()


def _suites(
    cases: Sequence[CaseResult], broken: Mapping[str, Sequence[DetailResult]], top: str
) -> Iterator[JUnitSuite]:
    for category, group in groupby(sorted(cases, key=_category), key=_category):
        tests = tuple(_test(case, broken.get(case.case, ())) for case in group)
        class_name = f"{top}.{category.replace('.', '_')}" if category else top
        yield JUnitSuite(category or top, class_name, sum(test.seconds for test in tests), tests)


def _category(case: CaseResult) -> str:
    return case.category or ""


def _test(case: CaseResult, broken: Sequence[DetailResult]) -> JUnitTest:
    seconds = (case.duration_milliseconds or 0) / 1000
    if case.passed:
        return JUnitTest(case.case, seconds)
    result = JUnitResult.FAILURE if case.status in _FAILURES else JUnitResult.ERROR
    message = case.message or ""
    last = max((detail.attempt for detail in broken), default=0)
    checks = [_check(detail) for detail in broken if detail.attempt == last]
    text = "\n".join([case.path, message, *checks])
    return JUnitTest(case.case, seconds, result, case.reason or case.status, first_line(message), text)


def _check(detail: DetailResult) -> str:
    values = f"expected {detail.expected}, got {detail.actual}" if detail.expected or detail.actual else ""
    said = "; ".join(part for part in (values, detail.message) if part)
    where = f" ({detail.location})" if detail.location else ""
    return f"{detail.name}: {said}{where}" if said else f"{detail.name}{where}"
