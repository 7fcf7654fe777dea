"""What a log lacks, by its own structure."""

from dataclasses import dataclass

from testrun_operator.kinds.playbook.execution.ids import children_of
from testrun_operator.kinds.playbook.execution.log import Dialect, Log, Meaning
from testrun_operator.kinds.playbook.execution.structure.command_events import examine_commanded
from testrun_operator.kinds.playbook.execution.structure.execution_view import Notes, Story, stories_of
from testrun_operator.kinds.playbook.execution.structure.queue_rows import examine_queued


@dataclass(frozen=True, slots=True)
class Examination:
    """What the structure of a log says about its completeness."""

    missing: tuple[str, ...]
    """What must still come, for people: "the end of the command of step 'third', which nobody has claimed,"."""
    has_ended: bool
    """Whether the execution itself says that it is over, or the server says so of it."""
    waiting_for_worker: tuple[str, ...] = ()
    """Those of ``missing`` that no worker has claimed."""
    is_under_way: bool = False
    """Whether some of what is missing is work that somebody has to do yet, and not only an event to be written."""
    doubts: tuple[str, ...] = ()
    """What the releases that were observed would have written, and is not there: worth waiting for a little longer, but
    no reason to mistrust the log for ever."""
    says_so: bool = True
    """Whether every execution says itself that it is over. About a third of those of 2.x and 4.x never do."""

    @property
    def will_stay_incomplete(self) -> bool:
        """Whether something is missing of an execution that is over, and it is nothing that somebody has yet to do."""
        return bool(self.missing) and self.has_ended and not self.is_under_way


def examine(log: Log) -> Examination:
    """Find out what a log lacks, in the execution itself and in all that it started."""
    notes = Notes()
    stories = stories_of(log)
    for story in stories:
        if not story.having(Meaning.STARTED):
            notes.miss(story, "the first event")
        if log.dialect is Dialect.QUEUE:
            examine_queued(story, notes, knows_work=log.knows_work)
        else:
            examine_commanded(story, log.dialect, notes)
    _doubt_children(stories, notes)
    return Examination(
        missing=tuple(notes.missing),
        has_ended=stories[0].is_finished,
        waiting_for_worker=tuple(notes.waiting),
        is_under_way=notes.is_under_way,
        doubts=tuple(notes.doubts),
        says_so=all(story.is_over for story in stories),
    )


def _doubt_children(stories: tuple[Story, ...], notes: Notes) -> None:
    """Executions that a result names should be there; but they may be those of another server."""
    known = {story.execution for story in stories}
    for story in stories:
        named = {child for event in story.events for child in children_of(event)}
        for child in sorted(named - known):
            notes.doubt(story, f"execution {child}, which a result names,")
