"""Which module runs which kind of case. A new kind is one more folder and one more line here."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from testrun_operator.api.suite import CaseKind
from testrun_operator.runner.context import Conclusion, Context
from testrun_operator.runner.problem import InvalidCase

RunCase = Callable[[Context], Conclusion]

_MODULES = {
    CaseKind.HTTP: "testrun_operator.runner.http.case",
    CaseKind.SQL: "testrun_operator.runner.sql.case",
    CaseKind.PLAYBOOK: "testrun_operator.runner.playbook.case",
}
"""Each module has a function ``run_case(context)``. They are named, not imported: only one is needed, and the libraries
that the others use would cost each case's pod its start-up time."""


def find_kind(kind: CaseKind) -> RunCase:
    """Return the function that runs cases of this kind.

    Raises:
        InvalidCase: this runner does not run such cases.
    """
    if kind not in _MODULES:
        raise InvalidCase(kind.value, f"the runner runs cases of the kinds {', '.join(_MODULES)}")
    return cast("RunCase", import_module(_MODULES[kind]).run_case)


def describe_steps(kind: CaseKind, count: int) -> str:
    """Say how far a case came: ``3 requests sent``, ``1 test run``."""
    what = _STEPS.get(kind, ("step", "done"))
    return f"{count} {what[0]}{'' if count == 1 else 's'} {what[1]}"


_STEPS = {CaseKind.HTTP: ("request", "sent"), CaseKind.SQL: ("test", "run"), CaseKind.PLAYBOOK: ("event", "seen")}
