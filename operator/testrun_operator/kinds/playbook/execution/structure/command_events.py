"""What is missing from the log of an execution of the generations with commands (2.x, 4.x and later)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from testrun_operator.kinds.playbook.execution.event_types import fold
from testrun_operator.kinds.playbook.execution.ids import mapping, read_id
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Meaning, WorkState
from testrun_operator.kinds.playbook.execution.structure.execution_view import ExecutionView, Gaps, last_ids

_FIRST_OF_PYTHON: Final = "playbook_initialized"
"""First event of the releases written in Python. Gaps are suspected by their habits, which others need not share."""
_STAGES: Final = (
    ("command.claimed", ("command_claimed",)),
    ("command.started", ("command_started",)),
    ("step.enter", ("step_enter",)),
    ("call.done or call.error", ("call_done", "call_error")),
    ("step.exit", ("step_exit",)),
)
"""The events of a command between those by which it is issued and by which it ends: a name, and the folded types."""

_RUNNING: Final = frozenset({"running", "started", "pending"})

Key = tuple[str, int | str]
"""Identifies a command: ``("command", id)``, or ``("step", name)`` where events do not name the command."""


def examine_commanded(view: ExecutionView, dialect: Dialect, gaps: Gaps) -> None:
    """Note what is missing from the log of an execution, and what should be there by the habits of its generation.

    Args:
        view: the execution.
        dialect: the generation: any but that with a queue.
        gaps: receives what is missing or suspected.
    """
    issued = view.having(Meaning.ISSUED)
    if not issued and not view.is_over:
        gaps.add_missing(view, "the first command")
    elif not issued and not view.is_cancelled:
        gaps.suspect(view, "any command")
    commands = _Commands(view)
    _examine_commands(view, commands, gaps)
    _examine_steps(view, issued, gaps)
    if dialect is Dialect.BATCH:
        _examine_work(view, issued, gaps)
        _examine_batches(view, gaps)
        _suspect_server_state(view, gaps)
        _suspect_loops(view, gaps)
    if dialect is Dialect.RUST:
        _examine_chain(view, gaps)
    if view.by_type[_FIRST_OF_PYTHON]:
        _suspect_stages(view, commands.unclaimed(), gaps)
        _suspect_ends(view, gaps)


class _Commands:
    """The commands of an execution: which are open, and which events belong to no command that was issued.

    Commands are identified by their ids if all events that issue or end one have an id, else by the names of steps.

    Args:
        view: the execution.
    """

    def __init__(self, view: ExecutionView) -> None:
        marks = view.having(Meaning.ISSUED, Meaning.ENDED)
        self._by_id = bool(marks) and all(event.command is not None for event in marks)
        self.open: dict[Key, list[Event]] = defaultdict(list)
        self.issued: set[Key] = set()
        self.ends: dict[Key, int] = {}
        self.claims: dict[Key, Event] = {}
        self.strays: dict[Key, Event] = {}
        """Ends of commands that were not seen to be issued, and second ends, of workers that were taken for dead."""
        for event, meaning in zip(view.events, view.meanings, strict=True):
            self._take(event, meaning)

    def _take(self, event: Event, meaning: Meaning) -> None:
        key = self._key(event)
        if meaning is Meaning.ISSUED:
            self.open[key].append(event)
            self.issued.add(key)
        elif meaning is Meaning.CLAIMED:
            self.claims[key] = event
        elif meaning is Meaning.ENDED:
            self.ends[key] = event.id
            if self.open[key]:
                self.open[key].pop(0)
            else:
                self.strays[key] = event

    def _key(self, event: Event) -> Key:
        if self._by_id and event.command is not None:
            return "command", event.command
        return "step", event.node

    def is_claimed(self, event: Event) -> bool:
        """Whether a worker took a command after it was issued."""
        claim = self.claims.get(self._key(event))
        return claim is not None and claim.id > event.id

    def unclaimed(self) -> set[int]:
        """Return the ids of the events that issued the open commands which no worker has claimed."""
        return {event.id for events in self.open.values() for event in events if not self.is_claimed(event)}


def _examine_commands(view: ExecutionView, commands: _Commands, gaps: Gaps) -> None:
    """Note commands without an end, and events of commands that were not seen to be issued."""
    working = {work.id for work in view.work if work.state is not WorkState.ENDED}
    for event in (event for events in commands.open.values() for event in events):
        under_way = not view.is_finished or event.command in working
        what = f"the end of the command of step {event.node!r}"
        if commands.is_claimed(event):
            gaps.add_missing(view, f"{what}, which a worker has,", under_way=under_way)
        elif not view.is_cancelled:
            # The engine issues further commands after it was told to cancel, and no worker ever takes them.
            gaps.add_unclaimed(view, f"{what}, which nobody has claimed,", under_way=under_way)
    for key, claim in commands.claims.items():
        if key in commands.issued and not commands.open[key] and claim.id > commands.ends[key]:
            what = f"the end of the command of step {claim.node!r}, which a worker has once more,"
            gaps.add_missing(view, what, under_way=not view.is_finished)
    for key, event in {**commands.strays, **commands.claims}.items():
        if key not in commands.issued:
            gaps.add_missing(view, f"command.issued of step {event.node!r}")
    for key, event in commands.strays.items():
        if key in commands.issued and key[0] == "step":
            gaps.suspect(view, f"command.issued of step {event.node!r}")


def _examine_chain(view: ExecutionView, gaps: Gaps) -> None:
    """Note events that others name as the one before them, and that cannot be seen yet."""
    present = {event.id for event in view.events}
    for event in view.events:
        if event.previous is not None and event.previous not in present:
            gaps.add_missing(view, f"event {event.previous}, which was written before {event.type} of {event.node!r},")


def _examine_steps(view: ExecutionView, issued: tuple[Event, ...], gaps: Gaps) -> None:
    """Note steps that were entered and not left."""
    nodes = {event.node for event in issued}
    entered = last_ids(view.having(Meaning.STEP_STARTED))
    left = last_ids(view.having(Meaning.STEP_ENDED, Meaning.ENDED))
    for node, last in sorted(entered.items()):
        if last > left.get(node, 0):
            gaps.add_missing(view, f"step.exit of step {node!r}", under_way=not view.is_finished)
    for event in view.having(Meaning.STEP_STARTED, Meaning.STEP_ENDED):
        if event.node not in nodes:
            gaps.suspect(view, f"command.issued of step {event.node!r}")


def _examine_work(view: ExecutionView, issued: tuple[Event, ...], gaps: Gaps) -> None:
    """Note differences between the rows of ``noetl.command`` and the events."""
    if not view.work:
        return
    known = {event.command for event in issued}
    ended = Counter(event.command for event in view.having(Meaning.ENDED))
    ended_steps = Counter(event.node for event in view.having(Meaning.ENDED))
    claimed = {event.command for event in view.having(Meaning.CLAIMED)}
    for work in view.work:
        if work.id not in known:
            gaps.add_missing(view, f"command.issued of step {work.node!r}, which is {work.status} in noetl.command,")
        if work.state is WorkState.ENDED:
            if not ended[work.id] and (None not in ended or not ended_steps[work.node]):
                gaps.add_missing(view, f"the end of the command of step {work.node!r}, which is {work.status},")
        elif ended[work.id]:
            # The row is written after the event, in another transaction.
            gaps.suspect(view, f"the end in noetl.command of step {work.node!r}")
        elif work.id in known:
            # That the command has no end was noted by its event. The row tells besides whether the work is in progress.
            gaps.is_under_way |= work.state is not WorkState.WAITING or work.id in claimed
        elif work.state is not WorkState.WAITING:
            what = f"the end of the command of step {work.node!r}, which is {work.status} in noetl.command,"
            gaps.add_missing(view, what, under_way=True)
        elif not view.is_cancelled:
            gaps.add_unclaimed(view, f"the end of the command of step {work.node!r}, which nobody has claimed,")
    rows = {work.id for work in view.work}
    for event in issued:
        if isinstance(event.command, int) and event.command not in rows:
            gaps.suspect(view, f"the row in noetl.command of step {event.node!r}")


def _examine_batches(view: ExecutionView, gaps: Gaps) -> None:
    """Note batches of events that the server accepted and did not process, and events that they name."""
    accepted = {event.batch: event for event in view.having(Meaning.BATCH_ACCEPTED)}
    ended = {event.batch: event for event in view.having(Meaning.BATCH_ENDED)}
    processed = {event.batch for event in view.events if fold(event.type) == "batch_processing"}
    present = {event.id for event in view.events}
    for batch, event in accepted.items():
        if batch not in ended:
            gaps.add_missing(view, f"batch.completed of batch {batch}", under_way=not view.is_finished)
        if batch not in processed:
            gaps.suspect(view, f"batch.processing of batch {batch}")
        absent = [one for one in _listed(event) if one not in present]
        if absent:
            gaps.add_missing(view, f"events {', '.join(map(str, absent[:3]))} of batch {batch}")
    named = {event.batch for event in view.events if event.batch}
    for batch in sorted(batch for batch in named - set(accepted) if batch):
        gaps.add_missing(view, f"batch.accepted of batch {batch}")
    _suspect_consequences(view, ended, gaps)


def _listed(event: Event) -> Iterable[int]:
    listed = mapping(mapping(event.result).get("context")).get("event_ids")
    if isinstance(listed, list):
        yield from (number for one in listed if (number := read_id(one)) is not None)


def _suspect_consequences(view: ExecutionView, ended: Mapping[str | None, Event], gaps: Gaps) -> None:
    """Note commands that are missing: the event by which a batch ends says how many were issued because of it."""
    issued = view.having(Meaning.ISSUED)
    of_batch = Counter(event.batch for event in issued)
    expected = {batch: _generated(event) for batch, event in ended.items()}
    if any(event.batch for event in issued):
        for batch, number in expected.items():
            if of_batch[batch] < number:
                gaps.add_missing(view, f"command.issued because of batch {batch}")
    elif len(issued) < 1 + sum(expected.values()):
        # These servers do not say which batch led to a command. The first command was issued without a batch.
        gaps.suspect(view, "command.issued")


def _generated(event: Event) -> int:
    number = mapping(mapping(event.result).get("context")).get("commands_generated")
    return number if isinstance(number, int) else 0


def _suspect_server_state(view: ExecutionView, gaps: Gaps) -> None:
    """Suspect gaps where the row of ``noetl.execution`` and the last event contradict one another.

    The one follows the other shortly, except where the execution was cancelled.
    """
    if view.server_state is None:
        return
    if view.server_state.is_over and not view.is_over:
        gaps.suspect(view, f"a last event: it is {view.server_state.status}")
    if view.is_over and not view.is_cancelled and fold(view.server_state.status) in _RUNNING:
        gaps.suspect(view, "the end in noetl.execution")


def _suspect_loops(view: ExecutionView, gaps: Gaps) -> None:
    """Suspect gaps where a loop has no end of its own: the results of its iterations name it."""
    loops = (mapping(mapping(event.result).get("context")).get("loop_event_id") for event in view.events)
    named = {loop for loop in loops if isinstance(loop, str)}
    if view.by_type["loop_done"] < len(named):
        gaps.suspect(view, "loop.done")


def _suspect_stages(view: ExecutionView, unclaimed: set[int], gaps: Gaps) -> None:
    """Suspect gaps where a command that was claimed lacks one of the events that these releases write about it."""
    issued = Counter(event.node for event in view.having(Meaning.ISSUED) if event.id not in unclaimed)
    count = view.by_node
    for node, number in issued.items():
        for name, types in _STAGES:
            if sum(count[type_, node] for type_ in types) < number:
                gaps.suspect(view, f"{name} of step {node!r}")


def _suspect_ends(view: ExecutionView, gaps: Gaps) -> None:
    """Suspect gaps where events about the whole execution are missing: workflow's and playbook's come in pairs."""
    count = view.by_type
    if not count["workflow_initialized"]:
        gaps.suspect(view, "workflow.initialized")
    for end in ("completed", "failed"):
        if count[f"workflow_{end}"] != count[f"playbook_{end}"]:
            gaps.suspect(view, f"workflow.{end} or playbook.{end}")
