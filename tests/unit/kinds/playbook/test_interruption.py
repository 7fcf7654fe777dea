"""A signal ends what a case is doing, but not between a request to start and the id that it answers."""

import os
import signal

import pytest

from testrun_operator.kinds.playbook.execution.interruption import Interrupted, Interruption


def _send() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_is_raised_wherever_the_case_is() -> None:
    """Whatever it was waiting for, it can tidy up."""
    with Interruption().handling_sigterm(), pytest.raises(Interrupted):
        _send()


def test_a_signal_that_is_put_off_is_raised_after_the_block() -> None:
    """The answer with the id of the execution was still taken."""
    interruption = Interruption()
    taken = []

    def start() -> None:
        with interruption.deferred():
            _send()
            taken.append("the answer")

    with interruption.handling_sigterm(), pytest.raises(Interrupted):
        start()
    assert taken == ["the answer"]


def test_a_second_signal_does_not_disturb_the_tidying_up() -> None:
    """Who is impatient can kill the process; the supervisor does so itself after some seconds."""
    tidied = []

    def work() -> None:
        try:
            _send()
        finally:
            _send()
            tidied.append("everything")

    with Interruption().handling_sigterm(), pytest.raises(Interrupted):
        work()
    assert tidied == ["everything"]


def test_an_error_in_a_block_that_puts_it_off_is_not_hidden() -> None:
    """What the server said matters more than that we were to end."""
    interruption = Interruption()

    def refuse() -> None:
        with interruption.deferred():
            _send()
            raise ValueError("the server refused")

    with interruption.handling_sigterm(), pytest.raises(ValueError, match="the server"):
        refuse()


def test_the_handler_of_before_is_back_after_it() -> None:
    """What else runs in the process ends as it did."""
    before = signal.getsignal(signal.SIGTERM)
    with Interruption().handling_sigterm():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
