"""Runs a case of the kind ``playbook`` from its plan to its conclusion."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from pydantic import JsonValue

from testrun_operator.api.base import format_duration
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import ExecutionReport
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.kinds.playbook.execution.description import actual_events, describe
from testrun_operator.kinds.playbook.execution.eventlog.api import ApiEventLog
from testrun_operator.kinds.playbook.execution.eventlog.postgres import PostgresEventLog
from testrun_operator.kinds.playbook.execution.ids import check_is_new
from testrun_operator.kinds.playbook.execution.interruption import Interrupted, Interruption, TimeOver
from testrun_operator.kinds.playbook.execution.judging import describe_error, find_outputs, judge
from testrun_operator.kinds.playbook.execution.log import Dialect, Log
from testrun_operator.kinds.playbook.execution.plan import EXECUTION, Plan, make_plan
from testrun_operator.kinds.playbook.execution.polling import ExecutionCancelled, LogPoller, OutOfTime
from testrun_operator.kinds.playbook.execution.queries import QueryOutOfTime, check_queries, render_queries
from testrun_operator.kinds.playbook.execution.registration import register_and_find
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer
from testrun_operator.kinds.playbook.execution.status import FinalStatus, final_status, first_error
from testrun_operator.kinds.playbook.execution.structure.execution_view import execution_views
from testrun_operator.kinds.playbook.spec import PlaybookCase, PlaybookStatus
from testrun_operator.runner.context import Conclusion, Context
from testrun_operator.runner.failures import join_failures
from testrun_operator.runner.findings import Finding, describe_failures
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed
from testrun_operator.runner.supervisor import EXIT_TERMINATED

_MARGIN_SECONDS = 1.0
_MARGIN_PART = 0.2
"""So long before the case is killed, but at most this part of its time, the execution is given up and cancelled. Half
of it is kept for telling so, where a server or a database does not answer even then."""


def run_case(context: Context) -> Conclusion:
    """Run the case.

    Raises:
        CannotJudge: something stands in the way of a judgement.
    """
    case = context.document.case.spec_as(PlaybookCase)
    context.journal.progress("preparing the playbook")
    plan = make_plan(case, context)
    context.masker.learn(plan.secrets)
    margin = min(_MARGIN_SECONDS, _MARGIN_PART * context.document.timeout.total_seconds())
    until = context.deadline - margin
    interruption = Interruption()
    try:
        with (
            interruption.handling_sigterm(),
            interruption.time_limit(context.deadline - margin / 2),
            NoetlServer(
                plan.url,
                plan.headers,
                context.masker,
                remaining_seconds=lambda: max(0.0, until - time.monotonic()),
                security=plan.security,
            ) as server,
        ):
            return _Run(case, plan, server, context, until).run(interruption)
    except Interrupted:
        # The pod is being deleted. Nobody waits for a report; what counts is that nothing goes on.
        raise SystemExit(EXIT_TERMINATED) from None


class _Run:
    """One execution of the playbook.

    Args:
        case: the case.
        plan: the same, rendered.
        server: the NoETL server.
        context: the case's surroundings.
        until: when to give up, by the clock ``time.monotonic``.
    """

    def __init__(self, case: PlaybookCase, plan: Plan, server: NoetlServer, context: Context, until: float) -> None:
        self._case = case
        self._plan = plan
        self._server = server
        self._context = context
        self._journal = context.journal
        self._until = until
        self._waits_for = ""
        """What somebody has to answer, where the case cannot go on without."""

    def run(self, interruption: Interruption) -> Conclusion:
        """Start the playbook, follow it and judge it.

        Raises:
            CannotJudge: something stands in the way of a judgement.
            Interrupted: the pod is being deleted; the execution was cancelled, if it could be.
        """
        try:
            return self._run(interruption)
        except TimeOver:
            raise ConnectionFailed(f"{self._timeout_message()}: no answer came in time to {self._waits_for}") from None

    def _run(self, interruption: Interruption) -> Conclusion:
        self._journal.progress(f"asking which generation of NoETL answers at {self._plan.url}")
        self._waits_for = "the question which generation of NoETL the server is of"
        dialect = self._server.dialect()
        with self._open_event_log(dialect) as event_log:
            self._waits_for = "the question which execution is the newest in the event log"
            newest = event_log.newest(until=self._until)
            self._waits_for = "what is asked before the start, of the catalog and of where playbooks come from"
            playbook = register_and_find(self._case, self._plan, self._server, self._context)
            self._journal.progress(f"starting the playbook {playbook.path}")
            self._waits_for = f"the start of {playbook.path!r}, so that nobody knows whether it was started"
            poller: LogPoller | None = None
            try:
                with interruption.deferred():
                    started = self._server.start(playbook, self._plan.payload, self._case.merge)
                    poller = LogPoller(started.execution, event_log, self._case.settle, self._journal)
                self._journal.execution(ExecutionReport(id=str(started.execution)))
                self._journal.log(
                    f"Execution {started.execution} of {playbook.path} version {playbook.version} started"
                )
                check_is_new(dialect, started.execution, newest)
                return self._poll(poller)
            except Interrupted:
                if poller is not None:
                    self._cancel(poller)
                raise

    @contextmanager
    def _open_event_log(self, dialect: Dialect) -> Iterator[PostgresEventLog | ApiEventLog]:
        if self._plan.dsn is None:
            yield ApiEventLog(self._server, dialect)
        else:
            with PostgresEventLog(self._plan.dsn, dialect) as event_log:
                yield event_log

    def _poll(self, poller: LogPoller) -> Conclusion:
        self._waits_for = f"a look at the event log of execution {poller.execution}"
        try:
            log = poller.poll(self._until)
        except OutOfTime as late:
            self._report_execution(poller)
            return self._time_out(poller, late)
        except (CannotJudge, TimeOver):
            self._report_execution(poller)
            raise
        self._journal.progress(f"judging execution {poller.execution}")
        final = final_status(log)
        self._report_execution(poller, final)
        self._check_is_own_end(log)
        try:
            conclusion = self._judge(log, final)
        except (QueryOutOfTime, TimeOver) as late:
            # The playbook was in time.
            what = f"{late or 'it was still being judged'}; execution {poller.execution} was over by then"
            message = f"{self._timeout_message()}: {what}"
            return Conclusion(Verdict.TIMED_OUT, FailureClass.DEPENDENCY, Reason.CASE_TIMEOUT, message)
        with suppress(TimeOver):  # it is only a link
            self._report_execution(poller, final, self._server.page_of(poller.execution))
        return conclusion

    def _check_is_own_end(self, log: Log) -> None:
        """Make sure that what was to come to an end of its own was not cancelled by somebody else.

        A server of 4.x that is started again cancels what it finds under way, and starts it once more.

        Raises:
            ExecutionCancelled: it was, or something that it started.
        """
        expect = self._case.expect
        if expect.status is PlaybookStatus.CANCELLED:
            return
        for view in execution_views(log):
            if view.is_cancelled and (view.is_root or expect.no_errors is not False):
                raise ExecutionCancelled(view, self._context.masker)

    def _timeout_message(self) -> str:
        return f"the case did not end within {format_duration(self._context.document.timeout)}"

    def _report_execution(self, poller: LogPoller, final: FinalStatus | None = None, page: str | None = None) -> None:
        """Tell the journal what was seen of the execution."""
        events = actual_events(poller.log, self._context.masker) if poller.log is not None else None
        self._journal.execution(
            ExecutionReport(
                id=str(poller.execution),
                status=final.status.value.upper() if final is not None else "",
                inferred=final is not None and final.inferred,
                page=page,
                events=dict(events.by_type) if events is not None else {},
                last_events=events.last if events is not None else (),
            )
        )

    def _time_out(self, poller: LogPoller, late: OutOfTime) -> Conclusion:
        log, masker = poller.log, self._context.masker
        if log is not None:
            self._check_is_own_end(log)
        try:
            is_cancelled = self._cancel(poller)
        except TimeOver:
            is_cancelled = False
        error = first_error(log) if log is not None else None
        sentences = [
            f"{self._timeout_message()}: execution {poller.execution} is not over: {late}",
            *([f"first error: {describe_error(error, log, masker)}"] if log is not None and error is not None else []),
            *(["it was cancelled"] if is_cancelled else []),
        ]
        return Conclusion(
            Verdict.TIMED_OUT,
            late.failure_class,
            Reason.CASE_TIMEOUT,
            join_failures(sentences, masker),
            {"execution_id": str(poller.execution)},
        )

    def _cancel(self, poller: LogPoller) -> bool:
        """Cancel what is known to be running, and say whether the execution itself was.

        Servers "cancel" what has ended, too, and write so into its log; and they do not reach the children of an
        execution that has ended.
        """
        views = execution_views(poller.log) if poller.log is not None else ()
        running = [view.execution for view in views if not view.is_finished] if views else [poller.execution]
        cancelled = [execution for execution in running if self._server.cancel(execution)]
        if cancelled:
            self._journal.log(f"Cancelled: execution {', '.join(map(str, cancelled))}")
        return poller.execution in cancelled

    def _judge(self, log: Log, final: FinalStatus) -> Conclusion:
        document = describe(log, final)
        outputs: dict[str, JsonValue] = {"execution_id": str(log.root), "status": final.status.value}
        # Each is told as soon as it is known: a database that is lost in between takes none of them away.
        failures = self._report(judge(self._plan.expect, log, final, document, self._context.masker))
        failures += self._report(self._check_queries(log, final))
        if not failures:
            failures = self._report(find_outputs(outputs, self._plan.outputs, document, self._context.masker))
        if failures:
            message = describe_failures(failures, self._context.masker)
            return Conclusion.failed(Reason.EXPECTATION_NOT_MET, message, outputs)
        return Conclusion.passed(Reason.EXPECTATIONS_MET, outputs)

    def _report(self, findings: Iterable[Finding]) -> list[Finding]:
        """Tell the journal of findings; give those that are failures."""
        failures = []
        for finding in findings:
            self._journal.detail(finding.as_detail())
            if not finding.passed:
                failures.append(finding)
        return failures

    def _check_queries(self, log: Log, final: FinalStatus) -> Iterator[Finding]:
        if not self._case.expect.sql:
            return
        self._journal.progress("asking the databases")
        execution: dict[str, JsonValue] = {"id": str(log.root), "status": final.status.value}
        templates = self._context.templates.having({EXECUTION: execution})
        yield from check_queries(
            render_queries(self._case, templates),
            self._plan.dsns,
            self._context.masker,
            remaining_seconds=lambda: self._until - time.monotonic(),
        )
