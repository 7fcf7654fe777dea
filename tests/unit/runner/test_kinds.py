"""Which kinds of cases the runner runs, and how it says how far one came."""

import pytest

from testrun_operator.api.suite import CaseKind
from testrun_operator.runner.kinds import describe_steps, find_kind
from testrun_operator.runner.problem import InvalidCase


@pytest.mark.parametrize("kind", [CaseKind.HTTP, CaseKind.SQL, CaseKind.PLAYBOOK])
def test_the_module_of_a_kind_has_a_function_that_runs_it(kind: CaseKind) -> None:
    """They are named as texts, which nothing else checks."""
    assert callable(find_kind(kind))


def test_a_kind_without_a_module_is_refused() -> None:
    """Containers run without the runner."""
    with pytest.raises(InvalidCase, match="http, sql"):
        find_kind(CaseKind.CONTAINER)


@pytest.mark.parametrize(
    ("kind", "count", "expected"),
    [
        (CaseKind.HTTP, 3, "3 requests sent"),
        (CaseKind.HTTP, 1, "1 request sent"),
        (CaseKind.SQL, 0, "0 tests run"),
        (CaseKind.SQL, 1, "1 test run"),
        (CaseKind.PLAYBOOK, 12, "12 events seen"),
    ],
)
def test_steps_are_called_by_what_they_are(kind: CaseKind, count: int, expected: str) -> None:
    """A case that is killed says how far it came."""
    assert describe_steps(kind, count) == expected
