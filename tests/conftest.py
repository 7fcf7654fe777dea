"""What all tests share."""

import pytest

from support.hypothesis_profiles import WHAT_TO_DO_WITH_A_FIND, is_searching, load_profile

load_profile()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what to do with what `make search` has found."""
    if is_searching() and terminalreporter.stats.get("failed"):
        terminalreporter.section("a find")
        terminalreporter.write_line(WHAT_TO_DO_WITH_A_FIND)
