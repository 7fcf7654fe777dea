"""What is missing from the log of an execution of 1.x, by its rows in the table ``noetl.queue`` and its events."""

import re
from collections import Counter
from typing import Final

from testrun_operator.kinds.playbook.execution.log import Meaning, Work, WorkState
from testrun_operator.kinds.playbook.execution.structure.execution_view import ExecutionView, Gaps, last_ids

_ITERATION: Final = re.compile(r"(.+)_iter_\d+")
_FIRST_STEP: Final = "start"
"""The step that every playbook begins with. It has no event of its own but those of its action."""


def examine_queued(view: ExecutionView, gaps: Gaps, *, knows_work: bool) -> None:
    """Note what is missing from the log of an execution, and what should be there by the habits of 1.x.

    Args:
        view: the execution.
        gaps: receives what is missing or suspected.
        knows_work: whether all rows of the queue are known.
    """
    open_steps = _examine_queue(view, gaps)
    if not view.is_over and not open_steps:
        gaps.add_missing(view, "a last event, playbook_completed or playbook_failed,")
    _examine_steps(view, gaps, open_steps)
    _suspect_steps(view, gaps, knows_work=knows_work)
    _suspect_ends(view, gaps)


def _examine_queue(view: ExecutionView, gaps: Gaps) -> set[str]:
    """Compare the rows of the queue with the events; return the steps whose work is not over."""
    started = {event.node for event in view.having(Meaning.CLAIMED)}
    ended = {event.node for event in view.having(Meaning.ENDED)}
    open_steps = set()
    for work in view.work:
        if work.state is not WorkState.ENDED:
            open_steps.add(work.node)
            what = f"the end of step {work.node!r}, which"
            if work.state is WorkState.WAITING and work.node not in started:
                gaps.add_unclaimed(view, f"{what} nobody has claimed ({work.status} in the queue),")
            elif work.state is WorkState.WAITING:
                gaps.add_missing(view, f"{what} is to be tried again ({work.status} in the queue),", under_way=True)
            else:
                gaps.add_missing(view, f"{what} a worker has ({work.status} in the queue),", under_way=True)
        elif work.node not in ended:
            note = gaps.add_missing if work.status.casefold() == "done" else gaps.suspect
            note(view, f"the end of step {work.node!r}, which is {work.status} in the queue,")
    return open_steps


def _examine_steps(view: ExecutionView, gaps: Gaps, open_steps: set[str]) -> None:
    """Note steps without an end after their last beginning: work that was lost with its worker is begun again."""
    ends = last_ids(view.having(Meaning.ENDED))
    left = last_ids(view.having(Meaning.ENDED, Meaning.STEP_ENDED))
    claims = last_ids(view.having(Meaning.CLAIMED))
    begun = last_ids(view.having(Meaning.STEP_STARTED))
    for node in sorted({*claims, *begun} - open_steps):
        if claims.get(node, 0) > ends.get(node, 0) or begun.get(node, 0) > left.get(node, 0):
            gaps.add_missing(view, f"the end of step {node!r}, which has started,")


def _suspect_steps(view: ExecutionView, gaps: Gaps, *, knows_work: bool) -> None:
    """Suspect gaps where a step lacks one of the events that 1.x usually writes about it."""
    count = view.by_node
    queued = {work.node for work in view.work}
    acted = {event.node for event in view.having(Meaning.CLAIMED, Meaning.ENDED, Meaning.STEP_ENDED)}
    acted |= {node for type_, node in count if type_ == "step_result"}
    attempts = {work.node: work.attempts for work in view.work}
    if not queued | acted:
        gaps.suspect(view, "any step")
    bases = {match[1] for node in queued | acted if (match := _ITERATION.fullmatch(node))}
    if bases and view.by_type["iterator_started"] < len(bases):
        gaps.suspect(view, "iterator_started")
    for node in sorted(queued | acted | bases):
        is_iteration = bool(_ITERATION.fullmatch(node))
        completed, failed = count["action_completed", node], count["action_failed", node]
        expected = {
            "action_started": 0 if node in bases else max(completed + failed, attempts.get(node, 0)),
            "action_completed": 1
            if node in bases
            else min(count["step_completed", node] + count["step_result", node], 1),
            "action_failed": count["step_failed", node],
            "step_started": 0 if is_iteration or node in bases or node == _FIRST_STEP else 1,
            "step_completed": 0 if is_iteration else min(completed, 1),
            "step_result": completed,
            "step_failed": failed,
        }
        for type_, number in expected.items():
            if count[type_, node] < number:
                gaps.suspect(view, f"{type_} of step {node!r}")
        if knows_work and node not in queued | bases:
            gaps.suspect(view, f"the row of step {node!r} in the queue")


def _suspect_ends(view: ExecutionView, gaps: Gaps) -> None:
    """Suspect gaps where events about the whole execution are missing.

    Those of the workflow come in pairs with those of the playbook, and the last of them after the last action.
    """
    count: Counter[str] = view.by_type
    if not count["workflow_initialized"]:
        gaps.suspect(view, "workflow_initialized")
    for end in ("completed", "failed"):
        if count[f"workflow_{end}"] != count[f"playbook_{end}"]:
            gaps.suspect(view, f"workflow_{end} or playbook_{end}")
    if count["playbook_failed"] != count["action_failed"]:
        gaps.suspect(view, "action_failed or playbook_failed of each attempt")
    actions = [event.id for event in view.having(Meaning.ENDED)]
    if view.is_over and actions and view.terminal[-1][0].id < max(actions):
        gaps.suspect(view, "a last event after the last action")
    if _all_done(view.work) and view.is_over and view.terminal[-1][1] is Meaning.FAILED:
        gaps.suspect(view, "playbook_completed, as no step is dead in the queue,")


def _all_done(work: tuple[Work, ...]) -> bool:
    return bool(work) and all(one.status.casefold() == "done" for one in work)
