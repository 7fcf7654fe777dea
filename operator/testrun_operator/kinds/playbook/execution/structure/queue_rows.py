"""Completeness of an execution of the generation with a queue (1.x)."""

import re
from collections import Counter
from typing import Final

from testrun_operator.kinds.playbook.execution.log import Meaning, Work, WorkState
from testrun_operator.kinds.playbook.execution.structure.execution_view import Notes, Story, last_ids

_ITERATION: Final = re.compile(r"(.+)_iter_\d+")
_FIRST_STEP: Final = "start"
"""The step that every playbook begins with. It has no event of its own but those of its action."""


def examine_queued(story: Story, notes: Notes, *, knows_work: bool) -> None:
    """Note what the log of an execution lacks.

    Args:
        story: the execution.
        notes: where to.
        knows_work: whether all rows of the queue are known.
    """
    open_steps = _examine_queue(story, notes)
    if not story.is_over and not open_steps:
        notes.miss(story, "a last event, playbook_completed or playbook_failed,")
    _examine_steps(story, notes, open_steps)
    _doubt_steps(story, notes, knows_work=knows_work)
    _doubt_ends(story, notes)


def _examine_queue(story: Story, notes: Notes) -> set[str]:
    """Look at the rows of the queue; give the steps of those that are open."""
    started = {event.node for event in story.having(Meaning.CLAIMED)}
    ended = {event.node for event in story.having(Meaning.ENDED)}
    open_steps = set()
    for work in story.work:
        if work.state is not WorkState.ENDED:
            open_steps.add(work.node)
            what = f"the end of step {work.node!r}, which"
            if work.state is WorkState.WAITING and work.node not in started:
                notes.wait(story, f"{what} nobody has claimed ({work.status} in the queue),")
            elif work.state is WorkState.WAITING:
                notes.miss(story, f"{what} is to be tried again ({work.status} in the queue),", under_way=True)
            else:
                notes.miss(story, f"{what} a worker has ({work.status} in the queue),", under_way=True)
        elif work.node not in ended:
            note = notes.miss if work.status.casefold() == "done" else notes.doubt
            note(story, f"the end of step {work.node!r}, which is {work.status} in the queue,")
    return open_steps


def _examine_steps(story: Story, notes: Notes, open_steps: set[str]) -> None:
    """What was begun must end, and the end must come after it: work that was lost is begun again."""
    ends = last_ids(story.having(Meaning.ENDED))
    left = last_ids(story.having(Meaning.ENDED, Meaning.STEP_ENDED))
    claims = last_ids(story.having(Meaning.CLAIMED))
    begun = last_ids(story.having(Meaning.STEP_STARTED))
    for node in sorted({*claims, *begun} - open_steps):
        if claims.get(node, 0) > ends.get(node, 0) or begun.get(node, 0) > left.get(node, 0):
            notes.miss(story, f"the end of step {node!r}, which has started,")


def _doubt_steps(story: Story, notes: Notes, *, knows_work: bool) -> None:
    """Each step should have the events that this generation writes of it."""
    count = story.by_node
    queued = {work.node for work in story.work}
    acted = {event.node for event in story.having(Meaning.CLAIMED, Meaning.ENDED, Meaning.STEP_ENDED)}
    acted |= {node for type_, node in count if type_ == "step_result"}
    attempts = {work.node: work.attempts for work in story.work}
    if not queued | acted:
        notes.doubt(story, "any step")
    bases = {match[1] for node in queued | acted if (match := _ITERATION.fullmatch(node))}
    if bases and story.by_type["iterator_started"] < len(bases):
        notes.doubt(story, "iterator_started")
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
                notes.doubt(story, f"{type_} of step {node!r}")
        if knows_work and node not in queued | bases:
            notes.doubt(story, f"the row of step {node!r} in the queue")


def _doubt_ends(story: Story, notes: Notes) -> None:
    """The workflow's events come in pairs with the playbook's, and the last of them after the last action."""
    count: Counter[str] = story.by_type
    if not count["workflow_initialized"]:
        notes.doubt(story, "workflow_initialized")
    for end in ("completed", "failed"):
        if count[f"workflow_{end}"] != count[f"playbook_{end}"]:
            notes.doubt(story, f"workflow_{end} or playbook_{end}")
    if count["playbook_failed"] != count["action_failed"]:
        notes.doubt(story, "action_failed or playbook_failed of each attempt")
    actions = [event.id for event in story.having(Meaning.ENDED)]
    if story.is_over and actions and story.terminal[-1][0].id < max(actions):
        notes.doubt(story, "a last event after the last action")
    if _all_done(story.work) and story.is_over and story.terminal[-1][1] is Meaning.FAILED:
        notes.doubt(story, "playbook_completed, as no step is dead in the queue,")


def _all_done(work: tuple[Work, ...]) -> bool:
    return bool(work) and all(one.status.casefold() == "done" for one in work)
