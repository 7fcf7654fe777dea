"""Reads the event log of an execution again and again, until it is complete or the case's time is over."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.errors import LocalError
from testrun_operator.kinds.playbook.execution.completeness import CompletenessTracker, Decision, State
from testrun_operator.kinds.playbook.execution.ids import mapping, read_id
from testrun_operator.kinds.playbook.execution.log import Event, Log
from testrun_operator.kinds.playbook.execution.structure.execution_view import ExecutionView
from testrun_operator.kinds.playbook.spec import Settling
from testrun_operator.masking import Masker
from testrun_operator.runner.journal import Journal
from testrun_operator.runner.problem import CannotJudge

_NAMED = 5
"""So many of the things that are missing are named in a message; the others are counted."""
_UNSEEN_SECONDS = 15.0
"""How long the first event is waited for at least, though servers write it before they answer to a start."""
_LOGGED_EVENTS = 500
"""So many events are written to the pod's log; the others are counted."""


class EventLog(Protocol):
    """A source of event logs: NoETL's database, or its server."""

    def read(self, root: int, *, until: float) -> Log:
        """Read what can be seen of an execution and of all that it started.

        Args:
            root: id of the execution.
            until: when to give up at the latest, in seconds of the clock ``time.monotonic``.

        Raises:
            CannotJudge: the log cannot be read.
        """


class EventsIncomplete(CannotJudge):
    """The execution says that it is over, but something is missing from its event log and does not come."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureClass.DEPENDENCY, Reason.EVENTS_INCOMPLETE, message)


class ExecutionCancelled(CannotJudge):
    """Somebody else cancelled the execution, so that its outcome tells nothing about the playbook.

    Args:
        view: the execution.
        masker: keeps secrets out of the message.
    """

    def __init__(self, view: ExecutionView, masker: Masker) -> None:
        message = f"execution {view.execution} was cancelled before it came to an end, by somebody or by the server"
        for event, _ in view.terminal[:1]:
            said = mapping(mapping(event.result).get("context"))
            if reason := said.get("reason"):
                message += f": {masker.excerpt(str(reason))}"
            if replacement := read_id(said.get("restarted_execution_id")):
                message += f", which is {replacement}"
        super().__init__(FailureClass.DEPENDENCY, Reason.EXECUTION_CANCELLED, message)


class OutOfTime(LocalError):
    """The case's time was over before the event log was complete.

    Args:
        decision: what was known about the log when it was read for the last time.
    """

    def __init__(self, decision: Decision) -> None:
        super().__init__(
            f"{list_missing(decision.missing)} is missing"
            if decision.missing
            else f"nothing is missing, but further events were waited for ({decision.quiet:.2g} s without any)"
        )
        self.decision = decision

    @property
    def failure_class(self) -> FailureClass:
        """Where to look for the cause.

        If all that is missing is work that no worker has claimed, the playbook is not at fault. If nothing is missing,
        the execution is over as far as its log tells, and the case has too little time to make sure of that.
        """
        missing = self.decision.missing
        if not missing:
            return FailureClass.CONFIGURATION
        is_for_want_of_a_worker = set(missing) == set(self.decision.examination.waiting_for_worker)
        return FailureClass.DEPENDENCY if is_for_want_of_a_worker else FailureClass.TEST


class LogPoller:
    """Reads the event log of one execution until it is complete.

    Args:
        execution: id of the execution.
        event_log: where its log is read.
        settling: the field ``settle`` of the case.
        journal: receives progress and events.
        clock: returns seconds, as ``time.monotonic``.
        sleep: waits for a number of seconds.
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
        """The log as it was read last; None before that."""
        self._event_log = event_log
        self._settling = settling
        self._completeness = CompletenessTracker(settling)
        self._journal = journal
        self._clock = clock
        self._sleep = sleep
        self._reported: set[int] = set()
        self._began: datetime | None = None
        self._doing = ""

    def poll(self, until: float) -> Log:
        """Read the log until it is complete.

        Args:
            until: when the time is over, in seconds of the clock.

        Returns:
            The complete log.

        Raises:
            EventsIncomplete: the log will not become complete.
            OutOfTime: the time is over.
            CannotJudge: the log cannot be read.
        """
        self._journal.progress(f"waiting for the events of execution {self.execution}")
        began = self._clock()
        unseen_seconds = max(self._settling.limit.total_seconds(), _UNSEEN_SECONDS)
        while True:
            before = self._clock()
            log = self._event_log.read(self.execution, until=until)
            now = self._clock()
            decision = self._completeness.observe(log, now)
            self.log = log
            self._report(log, decision)
            rest = until - self._clock()
            if decision.state is State.SETTLED:
                return log
            if decision.state is State.INCOMPLETE:
                raise EventsIncomplete(self._say_incomplete(decision, f"{self._settling.limit.total_seconds():g} s"))
            if not log.events and (rest <= 0 or now - began >= unseen_seconds):
                raise EventsIncomplete(self._say_unseen(now - began))
            if rest <= 0:
                if decision.examination.will_stay_incomplete:
                    raise EventsIncomplete(self._say_incomplete(decision, "the rest of the case's time"))
                raise OutOfTime(decision)
            # Reading and examining a log of very many events takes a while. At least as long is waited in between, so
            # that the server, or its database, is not busy with this alone.
            self._sleep(min(max(decision.poll_after, self._clock() - before), rest))

    def _say_incomplete(self, decision: Decision, time_: str) -> str:
        return (
            f"execution {self.execution} says that it is over, but its event log stayed incomplete for {time_}: "
            f"{list_missing(decision.missing)} is missing"
        )

    def _say_unseen(self, seconds: float) -> str:
        return (
            f"the server started execution {self.execution}, and {seconds:.0f} s later no event of it can be seen; is "
            "the event log that of this server?"
        )

    def _report(self, log: Log, decision: Decision) -> None:
        for event in log.events:
            if event.id not in self._reported:
                self._reported.add(event.id)
                self._journal.count_step()
                self._log_event(event, log.root)
        doing = f"waiting for {list_missing(decision.missing)} of execution {self.execution}"
        if not decision.missing:
            doing = f"waiting whether execution {self.execution} has further events"
        if doing != self._doing:
            self._doing = doing
            self._journal.progress(doing)

    def _log_event(self, event: Event, root: int) -> None:
        count = len(self._reported)
        if count > _LOGGED_EVENTS:
            if count == _LOGGED_EVENTS + 1:
                self._journal.log("Further events are not written here.")
            return
        self._began = self._began or event.created
        seconds = (event.created - self._began).total_seconds()
        child = "" if event.execution == root else f" (execution {event.execution})"
        error = f": {event.error}" if event.error else ""
        self._journal.log(f"{seconds:8.3f} s  {event.type} {event.status} {event.node}{child}{error}")


def list_missing(missing: tuple[str, ...]) -> str:
    """Join what is missing into a text; after the first five things the others are counted."""
    named = ", ".join(one.rstrip(",") for one in missing[:_NAMED])
    more = len(missing) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
