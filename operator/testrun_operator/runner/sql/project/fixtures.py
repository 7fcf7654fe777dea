"""Fixtures by their names: a sentence in a test case file, a path below ``tests/fixtures``."""

from testrun_operator.errors import CaseError


class FixtureMissing(CaseError):
    """No file stands for a fixture's name, or several do.

    Args:
        message: which name, what was looked for, and what there is instead.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
