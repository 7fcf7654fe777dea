"""A case runs in a child process, which is ended when its time is over, whatever it does."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Detail, DetailKind, ExecutionReport
from testrun_operator.runner.context import Conclusion
from testrun_operator.runner.messages import Received, Sender
from testrun_operator.runner.supervisor import Supervisor

PASSED = Conclusion.passed(Reason.EXPECTATIONS_MET, {"n": 1})
DETAIL = Detail(kind=DetailKind.PAGE, name="page 1", passed=True, duration_milliseconds=3)
EXECUTION = ExecutionReport(id="765993903060157424", status="RUNNING", events={"step.exit": 3})


def in_seconds(seconds: float) -> float:
    """Return a deadline."""
    return time.monotonic() + seconds


def test_what_the_child_tells_arrives() -> None:
    """Details, progress and the conclusion, unchanged."""

    def work(sender: Sender) -> None:
        sender.tell_progress("waiting", 2)
        sender.tell_detail(DETAIL)
        sender.tell_conclusion(PASSED)

    ending = Supervisor().run(work, in_seconds(5))
    assert (ending.timed_out, ending.exit_code) == (False, 0)
    assert ending.received.conclusion == PASSED
    assert ending.received.details == [DETAIL]
    assert (ending.received.doing, ending.received.step_count) == ("waiting", 2)


def loop_forever() -> None:
    """Keep the interpreter busy."""
    while True:
        pass


def hold_the_interpreter() -> None:
    """Stay in one instruction of C, which lets no other thread run, for longer than anybody waits."""
    _ = 9**9**9


def ignore_signals_and_sleep() -> None:
    """Be deaf to polite requests."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


@pytest.mark.parametrize("stuck", [loop_forever, hold_the_interpreter, ignore_signals_and_sleep])
def test_a_child_is_killed_when_its_time_is_over(stuck: Callable[[], None]) -> None:
    """Also in a busy loop, and in C code that holds the interpreter; what it told before is kept."""

    def work(sender: Sender) -> None:
        sender.tell_detail(DETAIL)
        sender.tell_execution(ExecutionReport(id="1"))
        sender.tell_execution(EXECUTION)
        sender.tell_progress("being stuck", 7)
        stuck()

    started = time.monotonic()
    ending = Supervisor().run(work, in_seconds(0.3))
    assert 0.3 <= time.monotonic() - started < 3
    assert ending.timed_out
    assert ending.received.conclusion is None
    assert (ending.received.doing, ending.received.step_count) == ("being stuck", 7)
    assert ending.received.execution == EXECUTION
    assert ending.received.details == [DETAIL]


def test_a_deadline_that_has_passed_ends_the_child_at_once() -> None:
    """A timeout of zero is no reason to hang."""
    assert Supervisor().run(lambda _: time.sleep(60), in_seconds(-1)).timed_out


def test_a_child_that_concluded_but_does_not_end_is_not_timed_out() -> None:
    """Its conclusion counts."""

    def work(sender: Sender) -> None:
        sender.tell_conclusion(PASSED)
        time.sleep(60)

    ending = Supervisor().run(work, in_seconds(0.3))
    assert not ending.timed_out
    assert ending.received.conclusion == PASSED


@pytest.mark.parametrize(
    ("end", "exit_code"),
    [
        (lambda: os._exit(7), 7),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), 137),
        (lambda: sys.exit(3), 3),
        (lambda: int("none"), 1),
    ],
)
def test_a_child_that_dies_without_a_conclusion_is_seen(
    end: Callable[[], object], exit_code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """By its exit code, as a shell would give it."""

    def work(_: Sender) -> None:
        end()

    ending = Supervisor().run(work, in_seconds(5))
    capfd.readouterr()
    assert (ending.timed_out, ending.exit_code, ending.received.conclusion) == (False, exit_code, None)


def test_many_details_arrive_complete() -> None:
    """More than a pipe can hold at once."""
    details = [DETAIL.model_copy(update={"name": f"page {number}", "message": "x" * 500}) for number in range(3000)]

    def work(sender: Sender) -> None:
        for detail in details:
            sender.tell_detail(detail)
        sender.tell_conclusion(PASSED)

    assert Supervisor().run(work, in_seconds(30)).received.details == details


@given(st.lists(st.text(max_size=20), max_size=10), st.integers(min_value=1, max_value=50))
def test_messages_survive_any_cut(texts: list[str], size: int) -> None:
    """A pipe cuts where it likes, also within a character."""
    reading, writing = os.pipe()
    sender = Sender(writing)
    for text in texts:
        sender.tell_progress(text, len(text))
    sender.tell_conclusion(PASSED)
    os.close(writing)
    received = Received()
    while data := os.read(reading, size):
        received.feed(data, 1.0)
    os.close(reading)
    assert received.conclusion == PASSED
    if texts:
        assert (received.doing, received.step_count) == (texts[-1], len(texts[-1]))


def test_a_child_that_tidies_up_is_given_the_time_to_do_so(tmp_path: Path) -> None:
    """A pod that is deleted must not leave statements and copies of databases behind on a server."""
    tidied, ready = tmp_path / "tidied", tmp_path / "ready"

    def tidy(*_: object) -> None:
        time.sleep(0.3)
        tidied.touch()
        raise SystemExit(0)

    def work(_: Sender) -> None:
        signal.signal(signal.SIGTERM, tidy)
        ready.touch()
        time.sleep(60)

    supervisor = os.fork()
    if supervisor == 0:
        own = Supervisor()
        own.install()
        own.run(work, in_seconds(60))
        os._exit(0)
    while not ready.exists():
        time.sleep(0.01)
    os.kill(supervisor, signal.SIGTERM)
    _, status = os.waitpid(supervisor, 0)
    assert os.waitstatus_to_exitcode(status) == 143
    assert tidied.exists()


def test_a_conclusion_may_bring_an_execution() -> None:
    """Unchanged, as all else of it."""
    conclusion = replace(PASSED, execution=EXECUTION)
    ending = Supervisor().run(lambda sender: sender.tell_conclusion(conclusion), in_seconds(5))
    assert ending.received.conclusion == conclusion
