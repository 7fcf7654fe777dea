"""Which execution of a playbook is the example."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from tests.unit.kinds.playbook.replay import all_timelines

from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.kinds.playbook.commands import history
from testrun_operator.kinds.playbook.commands.history import ExecutionHistory, read_histories
from testrun_operator.kinds.playbook.commands.server import Execution
from testrun_operator.kinds.playbook.execution.log import Log
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed
from testrun_operator.terminal.errors import CannotDo

LOGS = {timeline.name.removesuffix("-4.26.0"): timeline.complete for timeline in all_timelines()}
GOOD, FAILED, OPEN = LOGS["hello_world"], LOGS["late_failure"], LOGS["no_worker"]
UNSAID = LOGS["open_end"]


@dataclass
class Logs:
    """Event logs by execution; those with several change from look to look."""

    looks: Mapping[int, list[Log | Exception]]
    read_so_far: list[int] = field(default_factory=list)

    def read(self, root: int, *, until: float) -> Log:
        """Give the next look, or the last one again."""
        del until
        count = self.read_so_far.count(root)
        self.read_so_far.append(root)
        found = self.looks[root][min(count, len(self.looks[root]) - 1)]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_UNCHANGED_SECONDS", 0.0)


def _root(look: Log | Exception, place: int) -> int:
    return look.root if isinstance(look, Log) else place


def _read_history(*looks: list[Log | Exception], old_version: int | None = None) -> tuple[ExecutionHistory, Logs]:
    logs = Logs({_root(look[0], place): look for place, look in enumerate(looks)})
    executions = {"a/b": [Execution(execution, old_version) for execution in logs.looks]}
    return read_histories(logs, executions, lambda _: None)["a/b"], logs


def test_the_first_good_one_is_taken_and_no_other_read() -> None:
    """Those before it failed, or run."""
    found, logs = _read_history([FAILED], [OPEN], [GOOD], [LOGS["variables"]], old_version=3)
    assert found.good is not None
    assert found.good.execution == GOOD.root
    assert (found.bad, found.old_version) == (None, 3)
    assert logs.read_so_far == [FAILED.root, OPEN.root, GOOD.root]


def test_the_newest_failure_is_told_where_nothing_was_good() -> None:
    """One that runs is none."""
    found, _ = _read_history([OPEN], [FAILED], [LOGS["retry_exhausted"]])
    assert found.good is None
    assert found.bad is not None
    assert found.bad.execution == FAILED.root
    assert _read_history([OPEN])[0] == ExecutionHistory(looked_at=1)
    assert _read_history()[0] == ExecutionHistory()


def test_what_does_not_say_that_it_is_over_must_not_change() -> None:
    """It is read again at the end."""
    found, logs = _read_history([UNSAID])
    assert found.good is not None
    assert logs.read_so_far == [UNSAID.root, UNSAID.root]
    last = UNSAID.events[-1]
    longer = replace(UNSAID, events=(*UNSAID.events, replace(last, id=last.id + 1)))
    assert _read_history([UNSAID, longer])[0].good is None


def test_a_log_that_is_too_large_is_passed_over() -> None:
    """A lost server is not."""
    too_large = CannotJudge(FailureClass.TEST, Reason.INVALID_CASE, "more than 200000 events")
    assert _read_history([too_large], [GOOD])[0].good is not None
    with pytest.raises(CannotDo, match="execution 0 cannot be read: gone"):
        _read_history([ConnectionFailed("gone")], [GOOD])
