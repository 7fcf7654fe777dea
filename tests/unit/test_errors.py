"""The tree of exceptions."""

import ast
import builtins
from pathlib import Path

import testrun_operator
from testrun_operator import errors

PACKAGE = Path(testrun_operator.__file__).parent
OUTSIDE = {
    "InvalidParameter": "the test server stands alone, and answers 400 with it",
    "Interrupted": "a BaseException, as KeyboardInterrupt is: nothing that catches errors may swallow a signal",
    "TimeOver": "the same: it ends the case from within whatever is running",
}
"""Exceptions outside of the tree, and why."""


def classes() -> dict[str, set[str]]:
    """Return the names of all classes of the package, with those of their bases."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(ast.unparse(base).rpartition(".")[2] for base in node.bases)
    return found


def ancestors(name: str, known: dict[str, set[str]]) -> set[str]:
    """Return the names of all classes above one."""
    bases = known.get(name, set()) - {name}
    return bases.union(*(ancestors(base, known) for base in bases))


def test_every_exception_is_in_the_tree() -> None:
    """So that one policy holds for each: retry, end the case or the run with a reason, leave it to the caller, stop."""
    known = classes()
    python = {
        name for name, item in vars(builtins).items() if isinstance(item, type) and issubclass(item, BaseException)
    }
    exceptions = {name for name in known if ancestors(name, known) & python}
    assert len(exceptions) > 30
    strangers = {name for name in exceptions if "TestrunError" not in ancestors(name, known) | {name}}
    assert OUTSIDE.keys() == strangers


def test_the_page_of_the_tree_names_its_branches() -> None:
    """A reader finds the policy of each branch there."""
    branches = [
        item for item in vars(errors).values() if isinstance(item, type) and errors.TestrunError in item.__bases__
    ]
    assert branches
    for branch in branches:
        assert f"── {branch.__name__}" in (errors.__doc__ or "")
    for item in vars(errors).values():
        if isinstance(item, type) and issubclass(item, errors.TestrunError):
            assert item.__name__ in (errors.__doc__ or "")
