"""Ids of executions have their time in them, in each generation at another place."""

import time

import pytest

from testrun_operator.kinds.playbook.execution.ids import check_is_new, time_of
from testrun_operator.kinds.playbook.execution.log import Dialect
from testrun_operator.runner.problem import ConnectionFailed

_EPOCH = 1_704_067_200
_BITS = {Dialect.QUEUE: 23, Dialect.COMMAND: 23, Dialect.BATCH: 23, Dialect.RUST: 22}


def _id(dialect: Dialect, seconds: float) -> int:
    return int((seconds - _EPOCH) * 1000) << _BITS[dialect] | 4711


@pytest.mark.parametrize("dialect", Dialect)
def test_the_time_of_an_id_is_that_at_which_it_was_given(dialect: Dialect) -> None:
    """To the millisecond."""
    now = time.time()
    assert abs(time_of(dialect, _id(dialect, now)) - now) < 0.01


@pytest.mark.parametrize("dialect", Dialect)
def test_an_execution_that_was_there_long_before_the_start_is_another_run_s(dialect: Dialect) -> None:
    """A server that answers with it, or something before the server, is not to be believed; clocks differ a little."""
    now = time.time()
    check_is_new(dialect, _id(dialect, now), 0)
    check_is_new(dialect, _id(dialect, now - 50), _id(dialect, now))
    with pytest.raises(ConnectionFailed, match="which is of another run"):
        check_is_new(dialect, _id(dialect, now - 70), _id(dialect, now))


def test_what_a_release_before_those_in_rust_left_in_the_database_is_no_newer_run() -> None:
    """Their ids are twice as large: after an upgrade every new execution would seem to be years older than they are."""
    now = time.time()
    check_is_new(Dialect.RUST, _id(Dialect.RUST, now), _id(Dialect.BATCH, now - 86_400))
