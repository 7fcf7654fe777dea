"""The examples are right: they are the first thing that a user applies."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from testrun_operator.engine.validation import check_run, check_suite
from testrun_operator.resources.parsing import parse_run, parse_suite

EXAMPLES = Path(__file__).parents[3] / "examples"
FOLDERS = ("container", "failing", "junit", "pagination")
DOCS = Path(__file__).parents[3] / "docs"


def load(path: Path) -> dict[str, Any]:
    """Return the only document of a file."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


@pytest.mark.parametrize(
    "path", [path for folder in FOLDERS for path in sorted((EXAMPLES / folder).glob("*.yaml"))], ids=str
)
def test_an_example_can_be_applied_in_any_namespace(path: Path) -> None:
    """It has our version and kind, a fixed name, and no namespace."""
    document = load(path)
    assert document["apiVersion"] == "testrun.dev/v1alpha1"
    assert document["kind"] in {"TestSuite", "TestRun"}
    assert set(document["metadata"]) == {"name"}
    assert document["metadata"]["name"] == path.parent.name


@pytest.mark.parametrize("folder", ["container", "junit", "pagination"])
def test_the_suite_and_the_run_of_an_example_fit_each_other(folder: str) -> None:
    """Both follow all rules, and the run names the suite."""
    suite = parse_suite(load(EXAMPLES / folder / "suite.yaml")["spec"])
    run = parse_run(load(EXAMPLES / folder / "run.yaml")["spec"])
    assert check_suite(suite) == ()
    assert check_run(run, suite) == ()
    assert run.suite_ref is not None
    assert run.suite_ref.name == folder


def test_the_example_of_playbooks_fits_together() -> None:
    """Suite, run and ConfigMap; each playbook that a case registers is there, and has the path that the case runs."""
    folder = EXAMPLES / "playbook"
    suite = parse_suite(load(folder / "suite.yaml")["spec"])
    run = parse_run(load(folder / "run.yaml")["spec"])
    assert check_suite(suite) == ()
    assert check_run(run, suite) == ()
    playbooks = load(folder / "playbooks.yaml")
    paths = {key: yaml.safe_load(text)["metadata"]["path"] for key, text in playbooks["data"].items()}
    registered = set()
    for case in suite.cases:
        if case.playbook is None:
            continue
        assert case.playbook.register is not None
        files = case.playbook.register.config_map
        assert files is not None
        assert files.name == playbooks["metadata"]["name"]
        keys = {item.key for item in files.items} or {files.path or ""}
        assert case.playbook.path in {paths[key] for key in keys}
        registered |= keys
    assert registered == set(paths)


def test_the_failing_example_has_a_suite_of_its_own() -> None:
    """It follows all rules too: what it shows is seen at run time."""
    run = parse_run(load(EXAMPLES / "failing" / "run.yaml")["spec"])
    assert run.suite is not None
    assert check_suite(run.suite, "spec.suite") == ()


PAGES = [DOCS / "cases" / "http.md", DOCS / "cases" / "container.md", DOCS / "test-server.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_yaml_on_a_page_about_cases_follows_the_rules(page: Path) -> None:
    """What a reader copies works: whole resources, and parts of a suite."""
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        document = yaml.safe_load(block)
        if isinstance(document, list):
            document = {"cases": document}
        if document.get("kind") == "TestRun":
            parse_run(document["spec"])
            continue
        spec = document.get("spec", document)
        suite = parse_suite({"cases": [{"name": "some", "container": {"image": "x"}}]} | spec)
        assert [problem for problem in check_suite(suite) if ".connection: there is no" not in problem] == []
