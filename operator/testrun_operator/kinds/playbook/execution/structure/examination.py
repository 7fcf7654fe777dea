"""Examines a log: what is missing from it, in the execution itself and in all that it started."""

from dataclasses import dataclass

from testrun_operator.kinds.playbook.execution.ids import children_of
from testrun_operator.kinds.playbook.execution.log import Dialect, Log, Meaning
from testrun_operator.kinds.playbook.execution.structure.command_events import examine_commanded
from testrun_operator.kinds.playbook.execution.structure.execution_view import ExecutionView, Gaps, execution_views
from testrun_operator.kinds.playbook.execution.structure.queue_rows import examine_queued


@dataclass(frozen=True, slots=True)
class Examination:
    """What the structure of a log says about its completeness."""

    missing: tuple[str, ...]
    """What must still come, each as a clause: ``the end of the command of step 'third', which nobody has claimed,``."""
    has_ended: bool
    """Whether an event of the execution, or its row on the server, says that it is over."""
    waiting_for_worker: tuple[str, ...] = ()
    """Those of ``missing`` that are work which no worker has claimed."""
    is_under_way: bool = False
    """Whether some of what is missing is work that is still to be done, and not only an event that is to be written."""
    suspected: tuple[str, ...] = ()
    """What the releases that were observed would have written, and what is not there. It is waited for a little longer;
    if it does not come, the log is taken for complete."""
    says_so: bool = True
    """Whether each execution has an event that says that it is over. A third of those of 2.x and 4.x never have one."""

    @property
    def will_stay_incomplete(self) -> bool:
        """Whether the execution is over and something is missing from its log that no work in progress will add."""
        return bool(self.missing) and self.has_ended and not self.is_under_way


def examine(log: Log) -> Examination:
    """Find out what is missing from a log, in the execution itself and in all that it started."""
    gaps = Gaps()
    views = execution_views(log)
    for view in views:
        if not view.having(Meaning.STARTED):
            gaps.add_missing(view, "the first event")
        if log.dialect is Dialect.QUEUE:
            examine_queued(view, gaps, knows_work=log.knows_work)
        else:
            examine_commanded(view, log.dialect, gaps)
    _suspect_children(views, gaps)
    return Examination(
        missing=tuple(gaps.missing),
        has_ended=views[0].is_finished,
        waiting_for_worker=tuple(gaps.unclaimed),
        is_under_way=gaps.is_under_way,
        suspected=tuple(gaps.suspected),
        says_so=all(view.is_over for view in views),
    )


def _suspect_children(views: tuple[ExecutionView, ...], gaps: Gaps) -> None:
    """Suspect gaps where a result names an execution that is not in the log; it may be one of another server."""
    known = {view.execution for view in views}
    for view in views:
        named = {child for event in view.events for child in children_of(event)}
        for child in sorted(named - known):
            gaps.suspect(view, f"execution {child}, which a result names,")
