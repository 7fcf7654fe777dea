"""`docs/reference/reasons.md`: the words that verdicts and conditions are said in, with the docstrings below them."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import StrEnum

from generators import markdown
from testrun_operator.api.phase import ConditionType, Phase
from testrun_operator.api.reason import ConditionReason, Reason
from testrun_operator.api.verdict import FailureClass, Verdict

_SECTIONS: tuple[tuple[str, type[StrEnum]], ...] = (
    ("Phases of a TestRun", Phase),
    ("Verdicts of a case", Verdict),
    ("Failure classes", FailureClass),
    ("Reasons of verdicts", Reason),
    ("Conditions", ConditionType),
    ("Reasons of conditions", ConditionReason),
)


def members_of(vocabulary: type[StrEnum]) -> Iterator[tuple[str, str]]:
    """Yield each member's value and the docstring below it.

    Raises:
        ValueError: a member has none: the page would have a word without a meaning.
    """
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(vocabulary))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - the source of a class is a class
    for statement, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            continue
        name = statement.targets[0].id
        if not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)):
            raise ValueError(f"{vocabulary.__name__}.{name} has no docstring below it")  # noqa: TRY004 - not about types
        yield vocabulary[name].value, inspect.cleandoc(str(following.value.value))


def render() -> str:
    """Render the page."""
    body: list[str] = []
    for title, vocabulary in _SECTIONS:
        rows = [(markdown.code(value), text) for value, text in members_of(vocabulary)]
        body += [f"## {title}", "", " ".join((vocabulary.__doc__ or "").split()).replace("``", "`"), ""]
        body += [*markdown.table(("word", "meaning"), rows), ""]
    return markdown.page(
        "Verdicts, reasons and conditions",
        "The words that status, Events, metrics and tables use. They are part of the API: none changes its meaning.",
        "the enums in `operator/testrun_operator/api`",
        body,
    )
