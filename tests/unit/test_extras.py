"""What pyproject.toml says is needed, for whom, and what the modules import."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from typer.main import get_command

from testrun_operator.cli.application import application
from testrun_operator.kinds import FOLDERS
from testrun_operator.terminal.extras import DISTRIBUTION, EXTRA_OF_COMMAND, LIBRARIES, describe_missing

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "operator"
PACKAGE = SOURCES / "testrun_operator"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: texts for name, texts in PROJECT["optional-dependencies"].items() if name != "dev"}
DEV = PROJECT["optional-dependencies"]["dev"]
WITH_DEV = ("tests", "tools", "ci", "bench")
EXECUTIONS = tuple(str(path.relative_to(PACKAGE)) for path in PACKAGE.glob("kinds/*/execution*"))
EXTRA_OF_KIND = {
    folder: str(import_module(f"testrun_operator.kinds.{folder}.commands").EXTRA)
    for folder in FOLDERS
    if (PACKAGE / "kinds" / folder / "commands").exists()
}
"""Of the kinds that have commands, the extra that these say they need."""
COMMANDS = {
    "cluster": ("cli/cluster.py", "cli/status.py", "cli/waiting.py", "cli/run.py", "cli/suites.py"),
    "postgres": ("cli/results.py", "kinds/playbook/execution/eventlog"),
    "sql": (
        *("kinds/sql/commands/running.py", "kinds/sql/commands/watching.py", "databases/postgresql"),
        *("databases/relational/mysql", "databases/relational/sqlite"),
    ),
    "oracle": ("databases/relational/oracle",),
    "runner": ("runner/main.py", "kinds/sql", "sources", *EXECUTIONS),
    "testserver": ("testserver",),
    "operator": ("controller",),
}
"""Where the code of a command begins; what it imports is followed from there."""
BASE = (
    *("cli/application.py", "cli/validate.py", "cli/cases.py", "cli/manifest.py", "kinds/playbook/commands"),
    *("kinds/sql/commands/checking.py", "kinds/sql/commands/writing.py"),
    *(f"kinds/{folder}/commands/__init__.py" for folder in EXTRA_OF_KIND),
)


def normal(requirement: str) -> str:
    """Return a requirement's name as packages are compared."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]).lower()


def declared(extra: str | None) -> set[str]:
    """Return what an extra names, with what it takes from others, and the base."""
    found = {normal(requirement) for requirement in PROJECT["dependencies"]}
    for requirement in EXTRAS[extra] if extra else ():
        if (own := re.fullmatch(rf"{DISTRIBUTION}\[(.*)\]", requirement)) is None:
            found.add(normal(requirement))
            # psycopg's own extra is a package of that name.
            found |= {"psycopg-pool"} if requirement.startswith("psycopg[binary,pool]") else set()
        else:
            found.update(*(declared(name) for name in own[1].split(",")))
    return found


def imports(path: Path, *, at_once: bool = False) -> Iterator[str]:
    """Yield the modules that a module imports, anywhere in it or, with ``at_once``, when it is imported itself."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for_the_type_checker = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not for_the_type_checker and not (at_once and later):
            waiting += ast.iter_child_nodes(node)


def module_file(name: str) -> Path | None:
    """Return the file of one of our modules."""
    path = SOURCES / Path(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


def reached(starts: tuple[str, ...]) -> set[Path]:
    """Return the modules below some files and folders, and all of ours that are imported with them."""
    waiting = [file for start in starts for file in files_of(PACKAGE / start)]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += [ours for name in imports(file, at_once=True) if (ours := module_file(name))]
    return found


def files_of(path: Path) -> list[Path]:
    """Return a module, or all of a folder."""
    assert path.exists(), path
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def python_in(folder: str) -> list[Path]:
    """Return the modules and scripts in Python below a folder of the repository."""
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [path for path in files if path.suffix == ".py" or (not path.suffix and is_python(path))]


def is_python(path: Path) -> bool:
    """Whether a file without a suffix says that Python runs it."""
    with path.open("rb") as file:
        return b"python" in file.readline(100)


def foreign(files: set[Path], *, at_once: bool = False) -> dict[str, str]:
    """Return the packages that modules import, by their names on package indexes, and who imports each."""
    owners = packages_distributions()
    found: dict[str, str] = {}
    for file in files:
        for name in imports(file, at_once=at_once):
            root = name.partition(".")[0]
            if root not in sys.stdlib_module_names and root != "testrun_operator":
                found[normal(owners[root][0])] = str(file.relative_to(SOURCES))
    # It is versioned with pydantic, which cannot be had without it.
    return {name: file for name, file in found.items() if name != "pydantic-core"}


def test_every_import_is_declared_somewhere() -> None:
    """What nobody declares is there by chance, and gone with the next release of whoever brought it."""
    allowed = declared("all") | declared("oracle")
    assert {} == {name: file for name, file in foreign({*PACKAGE.rglob("*.py")}).items() if name not in allowed}


def test_every_import_of_tests_tools_ci_and_benchmarks_is_declared() -> None:
    """They run with the extra ``dev``, which has all of the others; what it does not name is there by chance, too.

    Scripts without ``.py`` are read as well, and the programs in ``examples``, which readers copy, need nothing.
    """
    ours = {path.stem if path.is_file() else path.name for folder in WITH_DEV for path in python_in(folder)}
    ours |= {path.parent.name for folder in WITH_DEV for path in python_in(folder)} | {"testrun_operator"}
    owners = packages_distributions()
    allowed = declared("all") | {normal(requirement) for requirement in DEV}
    missing = {
        f"{path.relative_to(ROOT)}: {root}"
        for folder in (*WITH_DEV, "examples")
        for path in python_in(folder)
        for root in {name.partition(".")[0] for name in imports(path)} - sys.stdlib_module_names - ours
        if folder == "examples" or not allowed & {normal(owner) for owner in owners.get(root, [])}
    }
    assert set() == missing


def test_the_base_is_enough_for_what_needs_no_cluster_and_no_database() -> None:
    """None of the modules that these commands load imports what only an extra has."""
    needed = foreign(reached(BASE), at_once=True)
    assert {} == {name: file for name, file in needed.items() if name not in declared(None)}


@pytest.mark.parametrize("extra", COMMANDS)
def test_an_extra_has_everything_that_its_commands_import(extra: str) -> None:
    """Followed from the module in which the command begins, through all of ours that it imports."""
    needed = foreign(reached(COMMANDS[extra]))
    missing = {name: file for name, file in needed.items() if name not in declared(extra)}
    assert {} == missing


@pytest.mark.parametrize("folder", EXTRA_OF_KIND)
def test_the_extra_of_a_kind_has_everything_that_its_commands_import(folder: str) -> None:
    """Also what they import only when they are called: the kind says itself what that takes."""
    needed = foreign(reached((f"kinds/{folder}/commands",)))
    assert {} == {name: file for name, file in needed.items() if name not in declared(EXTRA_OF_KIND[folder])}


def test_the_libraries_of_the_error_message_are_those_of_the_extras() -> None:
    """Whoever adds a dependency to an extra is told how it is imported, here, and people are told what to install."""
    of_extras = (declared("all") | declared("oracle")) - declared(None)
    assert of_extras - {"psycopg-pool"} == {normal(name) for name in LIBRARIES.values()}


def test_every_command_that_needs_an_extra_exists_and_so_does_the_extra() -> None:
    """The table is by the first word of a command."""
    assert EXTRA_OF_COMMAND.keys() <= set(get_command(application).commands)
    assert set(EXTRA_OF_COMMAND.values()) <= EXTRAS.keys()


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("status", "kubernetes", "cluster"),
        ("results", "psycopg_pool", "postgres"),
        ("sql", "psycopg.conninfo", "sql"),
        ("noetl", "psycopg", "postgres"),
        ("sql", "oracledb", "oracle"),
        ("runner", "oracledb", "oracle"),
        ("operator", "kubernetes.aio", "operator"),
        ("testserver", "fastapi", "testserver"),
    ],
)
def test_a_missing_library_is_told_with_the_command_that_installs_it(command: str, module: str, extra: str) -> None:
    """What is missing, for what, and a line that can be pasted."""
    said = describe_missing(command, module)
    assert said is not None
    assert f"'testrun {command}' needs {LIBRARIES[module.partition('.')[0]]}, which is not installed" in said
    assert said.endswith(f"pip install 'testrun-operator[{extra}]'")


@pytest.mark.parametrize(("command", "module"), [("validate", "kopf"), ("status", "nonsense"), ("status", None)])
def test_anything_else_that_is_missing_is_a_defect_and_shown_as_one(command: str, module: str | None) -> None:
    """No extra would help, so that none is named."""
    assert describe_missing(command, module) is None
