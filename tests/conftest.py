"""What all tests share."""

import signal
from collections.abc import Iterator

import pytest

from support.hypothesis_profiles import WHAT_TO_DO_WITH_A_FIND, is_searching, load_profile

load_profile()


@pytest.fixture
def foreground() -> Iterator[None]:
    """Heed SIGINT as a program in the foreground does; the tests themselves may be in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what to do with what `make search` has found."""
    if is_searching() and terminalreporter.stats.get("failed"):
        terminalreporter.section("a find")
        terminalreporter.write_line(WHAT_TO_DO_WITH_A_FIND)
