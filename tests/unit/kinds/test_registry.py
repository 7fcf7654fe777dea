"""What every kind offers, and that nobody else knows kinds by their names."""

import ast
from importlib import import_module
from inspect import getmembers, isfunction
from pathlib import Path

import pytest

import testrun_operator
from testrun_operator.kinds.case_kind import CaseKind, StepWords
from testrun_operator.kinds.registry import KINDS
from testrun_operator.resources.suite import Case, CaseFields
from testrun_operator.runner.main import find_execution
from testrun_operator.runner.problem import InvalidCase

PACKAGE = Path(testrun_operator.__file__).parent
NAMES = frozenset(kind.name for kind in KINDS)
BY_NAME = {kind.name: kind for kind in KINDS}
WORDS_OF_OTHERS = {
    ("httpclient/exchange.py", "http"): "a scheme",
    ("httpclient/connection.py", "http"): "the field that messages name where no other kind is given",
    ("kube/servers.py", "http"): "the name of a port",
    ("sources/git_address.py", "http"): "a scheme",
    ("store/migrating.py", "sql"): "the text of a migration",
    ("store/reference.py", "sql"): "the text of a migration",
    ("databases/relational/mysql/blocks.py", "sql"): "a word of the language",
    ("kube/client.py", "container"): "a parameter of the API server",
    ("kube/pods.py", "container"): "the container of a pod",
}
"""What a search for the names of kinds finds in other modules, and why each is none of a kind's."""


def mentions(module: Path) -> set[str]:
    """Return the names of kinds in a module: as attributes, as texts, and in names of their classes."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        words = set()
        if isinstance(node, ast.Attribute):
            words = {node.attr}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = {node.value}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            words = {name.split(".")[2] for name in imported if name.startswith("testrun_operator.kinds.")}
        elif isinstance(node, ast.Name):
            words = {name for name in NAMES if node.id in {f"{name.capitalize()}Case", f"{name.capitalize()}Kind"}}
        found |= words & NAMES
    return found


def test_no_module_outside_the_kinds_knows_one_by_its_name() -> None:
    """What depends on the kind is asked of the kind; so a new one needs no change elsewhere."""
    modules = [path for path in PACKAGE.rglob("*.py") if "kinds" not in path.relative_to(PACKAGE).parts]
    assert len(modules) > 100
    found = {(str(path.relative_to(PACKAGE)), name) for path in modules for name in mentions(path)}
    assert set() == found - WORDS_OF_OTHERS.keys()
    assert set() == WORDS_OF_OTHERS.keys() - found


def test_no_kind_knows_another_one() -> None:
    """What two of them need is in a folder of its own: databases, sources, httpclient, api."""
    found = set()
    for path in (PACKAGE / "kinds").rglob("*.py"):
        own = path.relative_to(PACKAGE / "kinds").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            others = {name.split(".")[2] for name in imported if name.startswith("testrun_operator.kinds.")}
            found |= {(str(path), other) for other in (others & NAMES) - {own}}
    assert set() == found


def test_every_member_of_the_protocol_says_what_it_is() -> None:
    """Whoever adds a kind reads nothing else."""
    source = ast.parse((PACKAGE / "kinds" / "case_kind.py").read_text())
    (protocol,) = (node for node in source.body if isinstance(node, ast.ClassDef) and node.name == "CaseKind")
    for before, after in zip(protocol.body[1:], [*protocol.body[2:], None], strict=True):
        if isinstance(before, ast.AnnAssign):
            assert isinstance(after, ast.Expr), ast.unparse(before)
            assert isinstance(after.value, ast.Constant), ast.unparse(before)
        elif isinstance(before, ast.FunctionDef):
            assert ast.get_docstring(before), before.name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_is_complete(kind: CaseKind) -> None:
    """Its name is that of its folder and of its field; its modules, named as texts, are there."""
    assert import_module(f"testrun_operator.kinds.{kind.name}.definition").KIND is kind
    field = Case.model_fields[kind.name]
    assert (field.annotation, field.description) == (kind.spec | None, kind.summary)
    assert kind.name not in CaseFields.model_fields
    assert kind.summary.endswith(".")
    assert kind.subject.__qualname__ != CaseKind.subject.__qualname__
    public = {name for name, _ in getmembers(type(kind), isfunction) if not name.startswith("_")}
    assert public <= {name for name in dir(CaseKind) if not name.startswith("_")}, "a method that nobody calls"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.has_report], ids=lambda kind: kind.name)
def test_the_module_of_a_kind_has_a_function_that_runs_it(kind: CaseKind) -> None:
    """They are named as texts, which nothing else checks."""
    assert callable(find_execution(kind))


def test_a_kind_without_a_module_is_refused() -> None:
    """Containers run without the runner."""
    with pytest.raises(InvalidCase, match="http, sql"):
        find_execution(BY_NAME["container"])


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("http", 3, "3 requests sent"),
        ("http", 1, "1 request sent"),
        ("sql", 0, "0 tests run"),
        ("sql", 1, "1 test run"),
        ("playbook", 12, "12 events seen"),
    ],
)
def test_steps_are_called_by_what_they_are(name: str, count: int, expected: str) -> None:
    """A case that is killed says how far it came."""
    assert BY_NAME[name].steps.count(count) == expected


def test_steps_of_a_kind_without_words_of_its_own_are_steps() -> None:
    """Nothing has to be said by a kind that has nothing to say."""
    assert StepWords().count(2) == "2 steps done"
