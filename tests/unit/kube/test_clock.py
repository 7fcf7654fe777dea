"""The API server's clock: when it is followed, and what does not move it."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from support.builders import NOON
from testrun_operator.kube.clock import ServerClock


class Clocks:
    """A node whose clock is off, and answers of an API server whose clock is right."""

    def __init__(self, ahead: float) -> None:
        self.ticks = 1000.0
        self.clock = ServerClock(lambda: NOON + timedelta(seconds=ahead), lambda: self.ticks)

    def answer(self, off: float = 0.0, took: float = 0.1) -> None:
        """Let the API server answer; its header is so many seconds off the truth."""
        asked_at = self.ticks
        self.ticks += took
        written = NOON + timedelta(seconds=self.ticks - 1000 + off)
        self.clock.note(format_datetime(written, usegmt=True), asked_at)

    @property
    def error(self) -> float:
        """How many seconds the clock tells too much."""
        return (self.clock.now() - NOON).total_seconds() - (self.ticks - 1000)


@pytest.mark.parametrize("ahead", [-3600, -90, 4, 240, 86400])
def test_a_clock_that_is_off_is_corrected_after_three_answers(ahead: int) -> None:
    """Now and what Kubernetes writes can be compared then."""
    clocks = Clocks(ahead)
    for _ in range(2):
        clocks.answer()
        assert clocks.error == pytest.approx(ahead, abs=1e-6)
    clocks.answer()
    assert abs(clocks.error) < 2


@pytest.mark.parametrize("ahead", [-1.4, 0, 1.2])
def test_a_clock_that_is_right_is_left_alone(ahead: float) -> None:
    """A header has whole seconds: following it would make time go back and forth."""
    clocks = Clocks(ahead)
    for _ in range(50):
        clocks.answer()
        clocks.ticks += 0.37
        assert clocks.error == pytest.approx(ahead, abs=1e-6)


def test_one_or_two_odd_answers_move_nothing() -> None:
    """A cache in between, or another API server whose clock is wrong."""
    clocks = Clocks(0)
    for off in (0, 0, 0, 5000, 0, 0, 0, -300, -300, 0, 0, 0):
        clocks.answer(off)
        assert clocks.error == pytest.approx(0, abs=1e-6)


def test_slow_answers_and_odd_headers_say_nothing() -> None:
    """Nobody knows when within that time they were written."""
    clocks = Clocks(0)
    for _ in range(5):
        clocks.answer(-20, took=20)
    for header in (None, "", "yesterday", "Thu, 99 Jan 2026 00:00:00 GMT"):
        clocks.clock.note(header, clocks.ticks)
    assert clocks.error == pytest.approx(0, abs=1e-6)


def test_a_clock_that_drifts_is_corrected_in_steps_of_more_than_two_seconds() -> None:
    """Also where the API server's clock is set: what lasts is followed."""
    clocks = Clocks(0)
    for _ in range(5):
        clocks.answer()
    for _ in range(5):
        clocks.answer(600)
    assert clocks.error == pytest.approx(600, abs=2)
