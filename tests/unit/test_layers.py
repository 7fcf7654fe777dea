"""The shape of the code: who may import whom, and how long a module may be."""

import graphlib
import subprocess
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "operator").rglob("*.py"))
MOST_LINES = 400


def test_no_layer_imports_what_it_must_not_know() -> None:
    """The contracts in pyproject.toml are kept: the engine is pure, the runner knows only the models, and so on."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_no_modules_import_one_another_in_a_circle() -> None:
    """Two that need each other are one, or lack a third; imports inside of functions count as well."""
    graph = grimp.build_graph("testrun_operator", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(tuple(graphlib.TopologicalSorter(imports).static_order())) == len(graph.modules)


def test_a_module_is_about_one_thing() -> None:
    """Whatever needs more than 400 lines is about two."""
    lengths = {str(module.relative_to(ROOT)): len(module.read_text().splitlines()) for module in MODULES}
    assert {} == {name: length for name, length in lengths.items() if length > MOST_LINES}


def test_the_modules_are_there() -> None:
    """The rules above are not kept by a folder that is empty."""
    assert len(MODULES) > 50
