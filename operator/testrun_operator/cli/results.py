"""``testrun results``: what is in Postgres."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import typer
from rich.console import RenderableType
from rich.text import Text

from testrun_operator.cli.junit import render_junit
from testrun_operator.resources.status import format_time
from testrun_operator.store import queries
from testrun_operator.store.database import Database
from testrun_operator.store.queries import AttemptResult, CaseResult, DetailResult, RunSummary
from testrun_operator.store.settings import StoreSettings
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import (
    Column,
    format_seconds,
    make_console,
    make_fields,
    make_table,
    show,
    stack,
)

_CONNECT_TIMEOUT_SECONDS = 15


class OutputFormat(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    what: str | None
    """A run id, or the name of a TestRun, whose last execution is meant; None for the latest executions."""
    case: str | None
    """The case whose attempts and checks are to be shown."""
    namespace: str | None
    limit: int
    output: OutputFormat


async def show_results(asked: Asked, dsn: str | None, schema: str) -> Exit:
    """Print results.

    Raises:
        TestrunError: Postgres does not answer, or knows nothing of what is asked for.
    """
    if asked.case is not None and asked.what is None:
        raise CannotDo("--details needs a run id or the name of a TestRun: testrun results NAME --details CASE")
    if asked.output is OutputFormat.JUNIT and (asked.what is None or asked.case is not None):
        raise CannotDo("JUnit XML is of one execution as a whole: testrun results NAME --output junit")
    if not dsn:
        raise CannotDo(
            "say where Postgres is, with TESTRUN_OPERATOR_DSN or --dsn; or ask in the operator's pod, which knows: "
            "kubectl exec -n NAMESPACE deploy/OPERATOR -- testrun results"
        )
    # In the operator's pod this shares a processor with the operator, and it is asked once: it may wait for longer.
    settings = StoreSettings(dsn=dsn, schema=schema, connect_timeout_seconds=_CONNECT_TIMEOUT_SECONDS)
    async with Database(settings) as database:
        if asked.what is None:
            runs = await queries.latest_runs(database, namespace=asked.namespace, limit=asked.limit)
            _print(asked, [_encode(run) for run in runs], _runs_table(runs))
            return Exit.PASSED
        run_id, summary = await _find(database, asked)
        cases = await queries.results_of_run(database, run_id)
        if summary is None and not cases:
            raise CannotDo(f"Postgres knows no execution {run_id}; 'testrun results' lists the latest")
        if asked.output is OutputFormat.JUNIT:
            broken = {
                case.case: await queries.details_of_case(database, run_id, case.case, only_failing=True)
                for case in cases
                if not case.passed
            }
            typer.echo(render_junit(run_id, summary, cases, broken), nl=False)
            return Exit.PASSED
        if asked.case is None:
            document = {"run": _encode(summary), "cases": [_encode(case) for case in cases]}
            _print(asked, document, _run_page(run_id, summary, cases))
            return Exit.PASSED
        case = next((case for case in cases if case.case == asked.case), None)
        if case is None:
            raise CannotDo(
                f"execution {run_id} has no result of a case {asked.case!r}; cases that were skipped have none"
            )
        attempts = await queries.attempts_of_case(database, run_id, case.case)
        details = await queries.details_of_case(database, run_id, case.case)
    document = {
        "case": _encode(case),
        "attempts": [_encode(attempt) for attempt in attempts],
        "details": [_encode(detail) for detail in details],
    }
    _print(asked, document, _case_page(case, attempts, details))
    return Exit.PASSED


async def _find(database: Database, asked: Asked) -> tuple[int, RunSummary | None]:
    what = asked.what or ""
    if what.isdecimal() and int(what) < 2**63:
        summary = await queries.run_summary(database, int(what))
        if summary is not None or await queries.results_of_run(database, int(what)):
            return int(what), summary
    runs = await queries.latest_runs(database, namespace=asked.namespace, name=what, limit=1)
    if not runs:
        where = f" in namespace {asked.namespace}" if asked.namespace else ""
        raise CannotDo(
            f"Postgres knows no execution that has ended of a TestRun {what!r}{where}; "
            "'testrun results' lists the latest"
        )
    return runs[0].run_id, runs[0]


def _print(asked: Asked, document: object, page: RenderableType) -> None:
    if asked.output is OutputFormat.JSON:
        typer.echo(json.dumps(document, indent=2))
    else:
        show(make_console(), page)


def _encode(row: Any) -> dict[str, object] | None:
    if row is None:
        return None
    return {name: _encode_value(name, value) for name, value in dataclasses.asdict(row).items()}


def _encode_value(name: str, value: object) -> object:
    if name in {"run_id", "execution_id"} and value is not None:
        return str(value)  # JSON clients round numbers of 63 bits
    match value:
        case datetime():
            return value.isoformat()
        case Decimal():
            return str(value)
        case _:
            return value


def _seconds(milliseconds: int | None) -> str | None:
    return format_seconds(None if milliseconds is None else milliseconds / 1000)


def _runs_table(runs: Sequence[RunSummary]) -> RenderableType:
    if not runs:
        return Text("No execution has ended yet.")
    return make_table(
        (
            Column("EXECUTION"),
            Column("TESTRUN"),
            Column("SUITE"),
            Column("REVISION"),
            Column("PHASE"),
            Column("PASSED", is_number=True),
            Column("FAILED", is_number=True),
            Column("SKIPPED", is_number=True),
            Column("TOOK", is_number=True),
            Column("ENDED"),
        ),
        [
            (
                run.run_id,
                f"{run.namespace}/{run.name}" if run.name is not None else "",
                run.suite,
                run.revision,
                run.phase,
                run.passed,
                run.failed,
                run.skipped,
                _seconds(run.duration_milliseconds),
                format_time(run.finished_at),
            )
            for run in runs
        ],
    )


def _run_page(run_id: int, run: RunSummary | None, cases: Sequence[CaseResult]) -> RenderableType:
    if run is None:
        head = make_fields((("Execution", run_id), ("Phase", "not over yet; this is what is stored so far")))
    else:
        rate = f", {run.success_rate} % of the executed" if run.success_rate is not None else ""
        head = make_fields(
            (
                ("Execution", run_id),
                ("TestRun", f"{run.namespace}/{run.name}" if run.name is not None else None),
                ("Suite", run.suite),
                ("Revision", run.revision),
                ("Phase", run.phase),
                ("Passed", f"{run.passed} of {run.total}{rate}"),
                ("Ended", format_time(run.finished_at)),
                ("Took", _seconds(run.duration_milliseconds)),
            )
        )
    table = make_table(
        (
            Column("CASE"),
            Column("VERDICT"),
            Column("CLASS"),
            Column("REASON"),
            Column("TOOK", is_number=True),
            Column("ATTEMPTS", is_number=True),
            Column("MESSAGE", is_text=True),
        ),
        [
            (
                case.case,
                case.verdict or case.status,
                case.failure_class,
                case.reason,
                _seconds(case.duration_milliseconds),
                case.attempts,
                f"flaky; {case.message or 'passed after a retry'}" if case.flaky else case.message,
            )
            for case in cases
        ],
    )
    return stack([head, table, *_executions_table(cases)])


def _executions_table(cases: Sequence[CaseResult]) -> Iterator[RenderableType]:
    playbooks = [case for case in cases if case.execution_id is not None]
    if playbooks:
        yield make_table(
            (
                Column("PLAYBOOK CASE"),
                Column("PLAYBOOK EXECUTION"),
                Column("ENDED"),
                Column("EVENTS", is_number=True),
                Column("PAGE", is_text=True),
            ),
            [(case.case, case.execution_id, _ended(case), case.step_count, case.execution_page) for case in playbooks],
        )


def _ended(case: CaseResult) -> str | None:
    if not case.execution_status:
        return None if case.execution_id is None else "not known"
    return case.execution_status + (" (inferred)" if case.execution_status_inferred else "")


def _case_page(case: CaseResult, attempts: Sequence[AttemptResult], details: Sequence[DetailResult]) -> RenderableType:
    return stack(_case_parts(case, attempts, details))


def _case_parts(
    case: CaseResult, attempts: Sequence[AttemptResult], details: Sequence[DetailResult]
) -> Iterator[RenderableType]:
    yield make_fields(
        (
            ("Case", case.case),
            ("Execution", case.run_id),
            ("What", case.path),
            ("Category", case.category),
            ("Verdict", case.verdict or case.status),
            ("Class", case.failure_class),
            ("Reason", case.reason),
            ("Message", case.message),
            ("Playbook execution", case.execution_id),
            ("Ended", _ended(case)),
            ("Page", case.execution_page),
            ("Flaky", "yes" if case.flaky else None),
            ("Took", _seconds(case.duration_milliseconds)),
        )
    )
    yield make_table(
        (
            Column("ATTEMPT", is_number=True),
            Column("VERDICT"),
            Column("REASON"),
            Column("TOOK", is_number=True),
            Column("EXIT CODE", is_number=True),
            Column("JOB"),
            Column("NODE"),
            Column("MESSAGE", is_text=True),
        ),
        [
            (
                item.attempt,
                item.verdict,
                item.reason,
                _seconds(item.duration_milliseconds),
                item.exit_code,
                item.job,
                item.node,
                item.message,
            )
            for item in attempts
        ],
    )
    if details:
        yield make_table(
            (
                Column("ATTEMPT", is_number=True),
                Column("KIND"),
                Column("NAME"),
                Column("HELD"),
                Column("EXPECTED", is_text=True),
                Column("CAME", is_text=True),
                Column("WHERE", is_text=True),
                Column("MESSAGE", is_text=True),
            ),
            [
                (
                    item.attempt,
                    item.kind,
                    item.name,
                    _held(item),
                    item.expected,
                    item.actual,
                    item.location,
                    item.message,
                )
                for item in details
            ],
        )
    for item in attempts:
        if item.log_tail:
            yield Text(f"The end of the log of attempt {item.attempt}:")
            yield Text(_printable(item.log_tail))


def _held(item: DetailResult) -> str:
    if item.skipped:
        return "skipped" if item.passed else "not run"
    return "yes" if item.passed else "no"


def _printable(log: str) -> str:
    return "\n".join(
        "  " + "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in line)
        for line in log.splitlines()
    )
