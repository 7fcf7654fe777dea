"""Every word of the published vocabularies is explained where it is defined."""

import ast
import inspect
import re
from enum import StrEnum
from types import ModuleType

import pytest

from testrun_operator.api import phase, reason, report, verdict
from testrun_operator.api.phase import Phase
from testrun_operator.api.reason import ConditionReason, Reason
from testrun_operator.resources import run, suite

MODULES = (phase, reason, report, run, suite, verdict)
EXPLAINED_BY_THEIR_NAMES = {"WhenOperator"}
"""The operators of a label selector, as Kubernetes defines them."""


def explanations_in(module: ModuleType) -> dict[str, dict[str, str | None]]:
    """Return the docstring below each member of each enum of a module; None where there is none."""
    found: dict[str, dict[str, str | None]] = {}
    for definition in ast.parse(inspect.getsource(module)).body:
        if not isinstance(definition, ast.ClassDef):
            continue
        if not any(isinstance(base, ast.Name) and base.id == "StrEnum" for base in definition.bases):
            continue
        members = found.setdefault(definition.name, {})
        for statement, following in zip(definition.body, [*definition.body[1:], None], strict=True):
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                members[statement.targets[0].id] = text_of(following)
    return found


def text_of(statement: ast.stmt | None) -> str | None:
    """Return the text of a statement that is nothing but a text."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return statement.value.value if isinstance(statement.value.value, str) else None
    return None


MEMBERS = {
    f"{name}.{member}": explanation
    for module in MODULES
    for name, members in explanations_in(module).items()
    if name not in EXPLAINED_BY_THEIR_NAMES
    for member, explanation in members.items()
}


def test_all_members_are_looked_at() -> None:
    """The reading of the source misses none."""
    enums = {
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, StrEnum) and value.__module__ == module.__name__
    }
    names = {f"{enum.__name__}.{member.name}" for enum in enums for member in enum}
    assert {name for name in names if name.partition(".")[0] not in EXPLAINED_BY_THEIR_NAMES} == set(MEMBERS)


@pytest.mark.parametrize("member", MEMBERS)
def test_every_word_has_its_sentence(member: str) -> None:
    """The reference pages are made of these sentences."""
    explanation = MEMBERS[member]
    assert explanation, f"{member} has no docstring below it"
    assert explanation[0].isupper() or explanation[0] == "`"
    assert explanation.endswith(".")


@pytest.mark.parametrize("word", [*Reason, *ConditionReason])
def test_reasons_are_words_in_camel_case(word: str) -> None:
    """The API conventions of Kubernetes ask for it, and people filter by them."""
    assert re.fullmatch(r"([A-Z][a-z]+)+", word)


def test_four_phases_are_final() -> None:
    """An execution is over when it passed, failed, could not be judged or was cancelled."""
    assert {phase for phase in Phase if phase.is_final} == {
        Phase.PASSED,
        Phase.FAILED,
        Phase.ERRORED,
        Phase.CANCELLED,
    }
