"""Runs a case of the kind ``http`` from its plan to its conclusion."""

import json

from pydantic import JsonValue

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import MAX_MESSAGE_CHARACTERS, MAX_OUTPUT_BYTES, Detail, DetailKind
from testrun_operator.httpclient.exchange import NotJson
from testrun_operator.kinds.http.execution.client import Client
from testrun_operator.kinds.http.execution.expectations import Judge
from testrun_operator.kinds.http.execution.pagination import Page, Walk, walk_pages
from testrun_operator.kinds.http.execution.plan import Plan, make_plan
from testrun_operator.kinds.http.spec import HttpCase
from testrun_operator.runner.context import Conclusion, Context
from testrun_operator.runner.expressions import Expression, NotApplicable
from testrun_operator.runner.findings import Finding, describe_failures
from testrun_operator.runner.problem import OutputsTooLarge


def run_case(context: Context) -> Conclusion:
    """Run the case.

    Args:
        context: the case's document, and what its pod provides.

    Raises:
        CannotJudge: the case cannot come to a verdict; has the class and the reason.
    """
    case = context.document.case.spec_as(HttpCase)
    context.journal.progress("preparing the request")
    plan = make_plan(case, context)
    with Client(plan.target, plan.retry, context) as client:
        if plan.target.server is not None:
            client.wait_for_server(plan.target.server)
        walk = _fetch(plan, client, context)
    context.journal.progress("judging the answers")
    judge = Judge(
        plan.expectations,
        walk,
        paginated=plan.walk is not None,
        seconds=client.seconds,
        masker=context.masker,
    )
    findings: list[Finding] = []
    for finding in judge.findings():
        context.journal.detail(finding.as_detail())
        findings.append(finding)
    outputs: dict[str, JsonValue] = {
        "items": len(walk.items),
        "pages": len(walk.pages),
        "status": walk.pages[-1].response.status,
    }
    failures = [finding for finding in findings if not finding.passed]
    if not failures:
        failures = _add_outputs(outputs, plan.outputs, judge, context)
    if failures:
        return Conclusion.failed(Reason.EXPECTATION_NOT_MET, describe_failures(failures, context.masker), outputs)
    return Conclusion.passed(Reason.EXPECTATIONS_MET, outputs)


def _fetch(plan: Plan, client: Client, context: Context) -> Walk:
    """Send the request, or walk over all pages."""

    def tell(page: Page) -> None:
        _tell_page(page, context, paginated=plan.walk is not None)

    expectations = plan.expectations
    if plan.walk is not None:
        return walk_pages(
            plan.request,
            plan.walk,
            origin=plan.target.origin,
            masker=context.masker,
            send=client.send,
            status_is_met=expectations.status_is_met,
            on_page=tell,
        )
    response = client.send(plan.request)
    problem = "" if expectations.status_is_met(response.status) else f"status {response.status}"
    page = Page(1, response, problem=problem)
    tell(page)
    return Walk((page,), problem)


def _tell_page(page: Page, context: Context, *, paginated: bool) -> None:
    response = page.response
    items = f", {len(page.items)} items" if paginated else f", {len(response.body)} bytes"
    actual = f"status {response.status}{items}"
    label = page.label if paginated else response.request.label
    context.journal.log(f"{label} → {actual}, {response.milliseconds} ms")
    context.journal.detail(
        Detail(
            kind=DetailKind.PAGE,
            name=f"page {page.number}",
            passed=not page.problem,
            actual=actual,
            message=page.problem,
            location=response.request.label,
            duration_milliseconds=response.milliseconds,
        )
    )


def _add_outputs(
    outputs: dict[str, JsonValue], expressions: dict[str, Expression], judge: Judge, context: Context
) -> list[Finding]:
    """Add the outputs that the case defines; return a finding about the first that could not be found, if any."""
    found: dict[str, JsonValue] = {}
    for name, expression in expressions.items():
        try:
            found[name] = expression.search(judge.document())
        except (NotApplicable, NotJson) as error:
            actual = context.masker.excerpt(str(error), MAX_MESSAGE_CHARACTERS)
            finding = Finding(
                f"outputs.{name}", passed=False, expected=f"a value of {expression.source}", actual=actual
            )
            context.journal.detail(finding.as_detail())
            return [finding]
    size = len(json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode(errors="replace"))
    if found and size > MAX_OUTPUT_BYTES:
        raise OutputsTooLarge(
            f"http.outputs: they are {size} bytes of JSON; at most {MAX_OUTPUT_BYTES} can be reported"
        )
    outputs.update(found)
    return []
