"""The suites of the ledger: they follow the rules, and their ConfigMap is the project as it is now."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from testrun_operator.engine.validation import check_run, check_suite
from testrun_operator.kinds.sql.project.packing import pack, render
from testrun_operator.resources.parsing import parse_run, parse_suite

EXAMPLES = Path(__file__).parents[4] / "examples" / "sql"


def load(path: Path) -> dict[str, Any]:
    """Return the only document of a file."""
    document: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return document


@pytest.mark.parametrize("folder", ["configmap", "git"])
def test_the_suite_and_the_run_fit_each_other(folder: str) -> None:
    """Both follow all rules, have no namespace, and the run names the suite."""
    suite, run = (load(EXAMPLES / folder / f"{name}.yaml") for name in ("suite", "run"))
    spec = parse_suite(suite["spec"])
    assert check_suite(spec) == ()
    assert check_run(parse_run(run["spec"]), spec) == ()
    assert run["spec"]["suiteRef"] == suite["metadata"] == {"name": suite["metadata"]["name"]}


def test_the_config_map_is_the_project() -> None:
    """Whoever changes the ledger packs it again: `testrun sql pack`, as its suite says."""
    packed = pack(EXAMPLES / "ledger", "ledger-tests")
    assert (EXAMPLES / "configmap" / "ledger-tests.yaml").read_text("utf-8") == render(packed).config_map
    cases = parse_suite(load(EXAMPLES / "configmap" / "suite.yaml")["spec"]).cases
    sources = [case.sql.source.config_map for case in cases if case.sql and case.sql.source.config_map]
    assert len(sources) == 2
    for source in sources:
        assert source.name == packed.name
        assert [(item.key, item.path) for item in source.items] == [(item.key, item.path) for item in packed.items]
