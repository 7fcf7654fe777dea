"""Follows an execution until its log is complete, as ``completeness.py`` understands it, or the case's time is over."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.errors import LocalError
from testrun_operator.kinds.playbook.execution.completeness import Decision, Settler, State
from testrun_operator.kinds.playbook.execution.ids import mapping, read_id
from testrun_operator.kinds.playbook.execution.log import Event, Log
from testrun_operator.kinds.playbook.execution.structure.execution_view import Story
from testrun_operator.kinds.playbook.spec import Settling
from testrun_operator.masking import Masker
from testrun_operator.runner.journal import Journal
from testrun_operator.runner.problem import CannotJudge

_NAMED = 5
"""So many of the things that are missing are named."""
_UNSEEN_SECONDS = 15.0
"""For so long the first event is waited for at least: servers write it before they say that they started something."""
_LOGGED_EVENTS = 500
"""So many events are written to the pod's log; the others are counted."""


class EventLog(Protocol):
    """Where event logs are read."""

    def read(self, root: int, *, until: float) -> Log:
        """Read what can be seen of an execution and of all that it started.

        Args:
            root: the execution.
            until: when to give up at the latest, by the clock ``time.monotonic``.

        Raises:
            CannotJudge: it cannot be read.
        """


class EventsIncomplete(CannotJudge):
    """The execution says that it is over, and something is missing from its log."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.DEPENDENCY, Reason.EVENTS_INCOMPLETE, message)


class ExecutionCancelled(CannotJudge):
    """Somebody else cancelled the execution: so it says nothing of the playbook.

    Args:
        story: the execution.
        masker: keeps secrets out.
    """

    def __init__(self, story: Story, masker: Masker) -> None:
        message = f"execution {story.execution} was cancelled before it came to an end, by somebody or by the server"
        for event, _ in story.terminal[:1]:
            said = mapping(mapping(event.result).get("context"))
            if reason := said.get("reason"):
                message += f": {masker.excerpt(str(reason))}"
            if replacement := read_id(said.get("restarted_execution_id")):
                message += f", which is {replacement}"
        super().__init__(FailureClass.DEPENDENCY, Reason.EXECUTION_CANCELLED, message)


class OutOfTime(LocalError):
    """The case's time is over before the log is complete.

    Args:
        decision: what was known of the log at last.
    """

    def __init__(self, decision: Decision) -> None:
        super().__init__(
            f"{say_missing(decision.missing)} is missing"
            if decision.missing
            else f"nothing is missing, but further events were waited for ({decision.quiet:.2g} s without any)"
        )
        self.decision = decision

    @property
    def failure_class(self) -> FailureClass:
        """Where the cause lies.

        What no worker has claimed is not the playbook's fault; and where nothing is missing it is over, as far as one
        can see, and only the time for making sure of it was too short.
        """
        missing = self.decision.missing
        if not missing:
            return FailureClass.CONFIGURATION
        is_for_want_of_a_worker = set(missing) == set(self.decision.examination.waiting_for_worker)
        return FailureClass.DEPENDENCY if is_for_want_of_a_worker else FailureClass.TEST


class Follower:
    """Follows one execution.

    Args:
        execution: the execution.
        event_log: where its log is read.
        settling: the case's times.
        journal: is told what happens.
        clock: gives seconds; never jumps.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        execution: int,
        event_log: EventLog,
        settling: Settling,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.execution = execution
        self.log: Log | None = None
        """The log as it was seen last."""
        self._event_log = event_log
        self._settling = settling
        self._settler = Settler(settling)
        self._journal = journal
        self._clock = clock
        self._sleep = sleep
        self._told: set[int] = set()
        self._began: datetime | None = None
        self._doing = ""

    def follow(self, until: float) -> Log:
        """Read the log until it is complete.

        Args:
            until: when the time is over, by the clock.

        Raises:
            EventsIncomplete: it will not become complete.
            OutOfTime: the time is over.
            CannotJudge: it cannot be read.
        """
        self._journal.progress(f"waiting for the events of execution {self.execution}")
        began = self._clock()
        patience = max(self._settling.limit.total_seconds(), _UNSEEN_SECONDS)
        while True:
            before = self._clock()
            log = self._event_log.read(self.execution, until=until)
            now = self._clock()
            decision = self._settler.observe(log, now)
            self.log = log
            self._tell(log, decision)
            rest = until - self._clock()
            if decision.state is State.SETTLED:
                return log
            if decision.state is State.INCOMPLETE:
                raise EventsIncomplete(self._say_incomplete(decision, f"{self._settling.limit.total_seconds():g} s"))
            if not log.events and (rest <= 0 or now - began >= patience):
                raise EventsIncomplete(self._say_unseen(now - began))
            if rest <= 0:
                if decision.examination.will_stay_incomplete:
                    raise EventsIncomplete(self._say_incomplete(decision, "the rest of the case's time"))
                raise OutOfTime(decision)
            # A log of very many events takes its time to be read and looked at; that is not all that is done here.
            self._sleep(min(max(decision.poll_after, self._clock() - before), rest))

    def _say_incomplete(self, decision: Decision, time_: str) -> str:
        return (
            f"execution {self.execution} says that it is over, but its event log stayed incomplete for {time_}: "
            f"{say_missing(decision.missing)} is missing"
        )

    def _say_unseen(self, seconds: float) -> str:
        return (
            f"the server started execution {self.execution}, and {seconds:.0f} s later no event of it can be seen; is "
            "the event log that of this server?"
        )

    def _tell(self, log: Log, decision: Decision) -> None:
        for event in log.events:
            if event.id not in self._told:
                self._told.add(event.id)
                self._journal.count_step()
                self._log_event(event, log.root)
        doing = f"waiting for {say_missing(decision.missing)} of execution {self.execution}"
        if not decision.missing:
            doing = f"waiting whether execution {self.execution} has further events"
        if doing != self._doing:
            self._doing = doing
            self._journal.progress(doing)

    def _log_event(self, event: Event, root: int) -> None:
        count = len(self._told)
        if count > _LOGGED_EVENTS:
            if count == _LOGGED_EVENTS + 1:
                self._journal.log("Further events are not written here.")
            return
        self._began = self._began or event.created
        seconds = (event.created - self._began).total_seconds()
        child = "" if event.execution == root else f" (execution {event.execution})"
        error = f": {event.error}" if event.error else ""
        self._journal.log(f"{seconds:8.3f} s  {event.type} {event.status} {event.node}{child}{error}")


def say_missing(missing: tuple[str, ...]) -> str:
    """Name what is missing, for people; the first few of it."""
    named = ", ".join(one.rstrip(",") for one in missing[:_NAMED])
    more = len(missing) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
