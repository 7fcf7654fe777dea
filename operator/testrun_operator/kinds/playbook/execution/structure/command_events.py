"""Completeness of an execution of the generations with commands (2.x, 4.x and later)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from testrun_operator.kinds.playbook.execution.event_types import fold
from testrun_operator.kinds.playbook.execution.ids import mapping, read_id
from testrun_operator.kinds.playbook.execution.log import Dialect, Event, Meaning, WorkState
from testrun_operator.kinds.playbook.execution.structure.execution_view import Notes, Story, last_ids

_FIRST_OF_PYTHON: Final = "playbook_initialized"
"""The first event of the releases whose habits were observed; others are not expected to share them."""
_STAGES: Final = (
    ("command.claimed", ("command_claimed",)),
    ("command.started", ("command_started",)),
    ("step.enter", ("step_enter",)),
    ("call.done or call.error", ("call_done", "call_error")),
    ("step.exit", ("step_exit",)),
)
"""What a command writes besides its beginning and its end."""

_RUNNING: Final = frozenset({"running", "started", "pending"})

Key = tuple[str, int | str]


def examine_commanded(story: Story, dialect: Dialect, notes: Notes) -> None:
    """Note what the log of an execution lacks."""
    issued = story.having(Meaning.ISSUED)
    if not issued and not story.is_over:
        notes.miss(story, "the first command")
    elif not issued and not story.is_cancelled:
        notes.doubt(story, "any command")
    commands = _Commands(story)
    _examine_commands(story, commands, notes)
    _examine_steps(story, issued, notes)
    if dialect is Dialect.BATCH:
        _examine_work(story, issued, notes)
        _examine_batches(story, notes)
        _doubt_account(story, notes)
        _doubt_loops(story, notes)
    if dialect is Dialect.RUST:
        _examine_chain(story, notes)
    if story.by_type[_FIRST_OF_PYTHON]:
        _doubt_stages(story, commands.unclaimed(), notes)
        _doubt_ends(story, notes)


class _Commands:
    """The commands of an execution: which are open, and what belongs to none.

    They are told apart by their ids where all events that begin and end one have them, and by their steps where not.
    """

    def __init__(self, story: Story) -> None:
        marks = story.having(Meaning.ISSUED, Meaning.ENDED)
        self._by_id = bool(marks) and all(event.command is not None for event in marks)
        self.open: dict[Key, list[Event]] = defaultdict(list)
        self.issued: set[Key] = set()
        self.ends: dict[Key, int] = {}
        self.claims: dict[Key, Event] = {}
        self.strays: dict[Key, Event] = {}
        """Ends of commands whose beginning cannot be seen yet, and second ends: of a worker that was taken for dead."""
        for event, meaning in zip(story.events, story.meanings, strict=True):
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
        """Give the ids of the events that issued what nobody has claimed."""
        return {event.id for events in self.open.values() for event in events if not self.is_claimed(event)}


def _examine_commands(story: Story, commands: _Commands, notes: Notes) -> None:
    """Each command must have its end, and nothing may be of a command that was not issued."""
    working = {work.id for work in story.work if work.state is not WorkState.ENDED}
    for event in (event for events in commands.open.values() for event in events):
        under_way = not story.is_finished or event.command in working
        what = f"the end of the command of step {event.node!r}"
        if commands.is_claimed(event):
            notes.miss(story, f"{what}, which a worker has,", under_way=under_way)
        elif not story.is_cancelled:
            # The engine goes on issuing commands after it was told to cancel, and nobody ever takes them.
            notes.wait(story, f"{what}, which nobody has claimed,", under_way=under_way)
    for key, claim in commands.claims.items():
        if key in commands.issued and not commands.open[key] and claim.id > commands.ends[key]:
            what = f"the end of the command of step {claim.node!r}, which a worker has once more,"
            notes.miss(story, what, under_way=not story.is_finished)
    for key, event in {**commands.strays, **commands.claims}.items():
        if key not in commands.issued:
            notes.miss(story, f"command.issued of step {event.node!r}")
    for key, event in commands.strays.items():
        if key in commands.issued and key[0] == "step":
            notes.doubt(story, f"command.issued of step {event.node!r}")


def _examine_chain(story: Story, notes: Notes) -> None:
    """Each event names the one before it, and so tells of one that cannot be seen yet."""
    present = {event.id for event in story.events}
    for event in story.events:
        if event.previous is not None and event.previous not in present:
            notes.miss(story, f"event {event.previous}, which was written before {event.type} of {event.node!r},")


def _examine_steps(story: Story, issued: tuple[Event, ...], notes: Notes) -> None:
    """Whoever entered a step must have left it."""
    nodes = {event.node for event in issued}
    entered = last_ids(story.having(Meaning.STEP_STARTED))
    left = last_ids(story.having(Meaning.STEP_ENDED, Meaning.ENDED))
    for node, last in sorted(entered.items()):
        if last > left.get(node, 0):
            notes.miss(story, f"step.exit of step {node!r}", under_way=not story.is_finished)
    for event in story.having(Meaning.STEP_STARTED, Meaning.STEP_ENDED):
        if event.node not in nodes:
            notes.doubt(story, f"command.issued of step {event.node!r}")


def _examine_work(story: Story, issued: tuple[Event, ...], notes: Notes) -> None:
    """Compare the rows of noetl.command with the events."""
    if not story.work:
        return
    known = {event.command for event in issued}
    ended = Counter(event.command for event in story.having(Meaning.ENDED))
    ended_steps = Counter(event.node for event in story.having(Meaning.ENDED))
    claimed = {event.command for event in story.having(Meaning.CLAIMED)}
    for work in story.work:
        if work.id not in known:
            notes.miss(story, f"command.issued of step {work.node!r}, which is {work.status} in noetl.command,")
        if work.state is WorkState.ENDED:
            if not ended[work.id] and (None not in ended or not ended_steps[work.node]):
                notes.miss(story, f"the end of the command of step {work.node!r}, which is {work.status},")
        elif ended[work.id]:
            # The row is written after the event, in another transaction.
            notes.doubt(story, f"the end in noetl.command of step {work.node!r}")
        elif work.id in known:
            # The event by which it was given out has no end, and that was noted. But the row knows more: it goes on.
            notes.is_under_way |= work.state is not WorkState.WAITING or work.id in claimed
        elif work.state is not WorkState.WAITING:
            what = f"the end of the command of step {work.node!r}, which is {work.status} in noetl.command,"
            notes.miss(story, what, under_way=True)
        elif not story.is_cancelled:
            notes.wait(story, f"the end of the command of step {work.node!r}, which nobody has claimed,")
    rows = {work.id for work in story.work}
    for event in issued:
        if isinstance(event.command, int) and event.command not in rows:
            notes.doubt(story, f"the row in noetl.command of step {event.node!r}")


def _examine_batches(story: Story, notes: Notes) -> None:
    """Each batch that the server accepted must have been looked at, and what it names must be there."""
    accepted = {event.batch: event for event in story.having(Meaning.BATCH_ACCEPTED)}
    ended = {event.batch: event for event in story.having(Meaning.BATCH_ENDED)}
    processed = {event.batch for event in story.events if fold(event.type) == "batch_processing"}
    present = {event.id for event in story.events}
    for batch, event in accepted.items():
        if batch not in ended:
            notes.miss(story, f"batch.completed of batch {batch}", under_way=not story.is_finished)
        if batch not in processed:
            notes.doubt(story, f"batch.processing of batch {batch}")
        absent = [one for one in _listed(event) if one not in present]
        if absent:
            notes.miss(story, f"events {', '.join(map(str, absent[:3]))} of batch {batch}")
    named = {event.batch for event in story.events if event.batch}
    for batch in sorted(batch for batch in named - set(accepted) if batch):
        notes.miss(story, f"batch.accepted of batch {batch}")
    _doubt_consequences(story, ended, notes)


def _listed(event: Event) -> Iterable[int]:
    listed = mapping(mapping(event.result).get("context")).get("event_ids")
    if isinstance(listed, list):
        yield from (number for one in listed if (number := read_id(one)) is not None)


def _doubt_consequences(story: Story, ended: Mapping[str | None, Event], notes: Notes) -> None:
    """The end of a batch tells how many commands came of it."""
    issued = story.having(Meaning.ISSUED)
    of_batch = Counter(event.batch for event in issued)
    expected = {batch: _generated(event) for batch, event in ended.items()}
    if any(event.batch for event in issued):
        for batch, number in expected.items():
            if of_batch[batch] < number:
                notes.miss(story, f"command.issued because of batch {batch}")
    elif len(issued) < 1 + sum(expected.values()):
        # Servers do not tell which batch a command came of; the first came of none.
        notes.doubt(story, "command.issued")


def _generated(event: Event) -> int:
    number = mapping(mapping(event.result).get("context")).get("commands_generated")
    return number if isinstance(number, int) else 0


def _doubt_account(story: Story, notes: Notes) -> None:
    """The row of noetl.execution and the last event follow each other, except where the execution was cancelled."""
    if story.account is None:
        return
    if story.account.is_over and not story.is_over:
        notes.doubt(story, f"a last event: it is {story.account.status}")
    if story.is_over and not story.is_cancelled and fold(story.account.status) in _RUNNING:
        notes.doubt(story, "the end in noetl.execution")


def _doubt_loops(story: Story, notes: Notes) -> None:
    """Results of iterations name their loop, whose end is an event of its own."""
    loops = (mapping(mapping(event.result).get("context")).get("loop_event_id") for event in story.events)
    named = {loop for loop in loops if isinstance(loop, str)}
    if story.by_type["loop_done"] < len(named):
        notes.doubt(story, "loop.done")


def _doubt_stages(story: Story, unclaimed: set[int], notes: Notes) -> None:
    """Each command that was claimed should have the events that these releases write of it."""
    issued = Counter(event.node for event in story.having(Meaning.ISSUED) if event.id not in unclaimed)
    count = story.by_node
    for node, number in issued.items():
        for name, types in _STAGES:
            if sum(count[type_, node] for type_ in types) < number:
                notes.doubt(story, f"{name} of step {node!r}")


def _doubt_ends(story: Story, notes: Notes) -> None:
    count = story.by_type
    if not count["workflow_initialized"]:
        notes.doubt(story, "workflow.initialized")
    for end in ("completed", "failed"):
        if count[f"workflow_{end}"] != count[f"playbook_{end}"]:
            notes.doubt(story, f"workflow.{end} or playbook.{end}")
