"""Rows that become visible late and out of order: no verdict before the last of them is there."""

import random

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kinds.playbook.replay import Timeline, all_timelines, replay

from testrun_operator.kinds.playbook.execution.completeness import State, examine
from testrun_operator.kinds.playbook.execution.status import final_status

_LONGEST_DELAY = 5.0
_INTERVALS = (None, 0.1, 0.25, 0.5, 1.0)


def _check(timeline: Timeline, delays: list[float], interval: float | None, phase: float) -> None:
    delayed = timeline.delayed(delays)
    outcome = replay(delayed, interval, phase)
    if examine(timeline.complete).missing:
        assert outcome.decision.state is State.OPEN
        return
    assert outcome.decision.state is State.SETTLED
    assert outcome.at >= delayed.end
    assert final_status(outcome.log) == final_status(timeline.complete)


@given(
    timeline=st.sampled_from(all_timelines()),
    seed=st.integers(0, 2**32),
    interval=st.sampled_from(_INTERVALS),
    phase=st.floats(0, 2),
)
def test_every_row_is_late_by_a_time_of_its_own(
    timeline: Timeline, seed: int, interval: float | None, phase: float
) -> None:
    """0 to 5 seconds, row by row."""
    chance = random.Random(seed)
    _check(timeline, [chance.uniform(0, _LONGEST_DELAY) for _ in range(timeline.length)], interval, phase)


@given(
    timeline=st.sampled_from(all_timelines()),
    seed=st.integers(0, 2**32),
    share=st.sampled_from((0.02, 0.1, 0.3)),
    interval=st.sampled_from(_INTERVALS),
)
def test_some_rows_are_late_and_the_rest_is_in_time(
    timeline: Timeline, seed: int, share: float, interval: float | None
) -> None:
    """Harder than all being late: what is in time hides that there is more."""
    chance = random.Random(seed)
    delays = [
        chance.uniform(0, _LONGEST_DELAY) if chance.random() < share else chance.uniform(0, 0.05)
        for _ in range(timeline.length)
    ]
    _check(timeline, delays, interval, 0.0)


@given(timeline=st.sampled_from(all_timelines()), data=st.data(), delay=st.floats(0, _LONGEST_DELAY))
def test_one_row_is_late(timeline: Timeline, data: st.DataObject, delay: float) -> None:
    """Nothing else is late, so that only the structure of the log tells of it."""
    delays = [0.0] * timeline.length
    delays[data.draw(st.integers(0, timeline.length - 1))] = delay
    _check(timeline, delays, None, 0.0)
