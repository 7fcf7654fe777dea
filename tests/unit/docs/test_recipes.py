"""The recipes are right as far as that can be seen without a cluster; tests/e2e/test_recipes.py runs them."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from testrun_operator.cli.application import application
from testrun_operator.cli.documents import read_files
from testrun_operator.cli.validating import validate

ROOT = Path(__file__).resolve().parents[3]
RECIPES = ROOT / "examples" / "recipes"
CI = ROOT / "examples" / "ci"
PAGES = ROOT / "docs" / "recipes"
FILES = sorted(path for folder in (RECIPES, CI) for path in folder.rglob("*.*") if path.suffix != ".pyc")
MANIFESTS = [path for path in FILES if path.suffix == ".yaml" and CI not in path.parents]
SCRIPTS = [path for path in FILES if path.suffix == ".sh"]
WORKFLOW = yaml.safe_load((CI / "github-actions.yaml").read_text())
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
STEPS = WORKFLOW["jobs"]["regression"]["steps"]


def name_of(path: Path) -> str:
    """Name a file as pages do."""
    return str(path.relative_to(ROOT))


def shell_of_ci() -> Iterator[str]:
    """Yield the scripts in the files for CI servers."""
    yield from (step["run"] for step in STEPS if "run" in step)
    job = yaml.safe_load((CI / "gitlab-ci.yaml").read_text())["regression"]
    yield from (*job["script"], *job["after_script"])


def commands(script: str) -> Iterator[list[str]]:
    """Yield the calls of ``testrun`` in a script, as words."""
    for line in re.sub(r"\\\n", " ", script).splitlines():
        words = shlex.split(line.partition(" > ")[0], comments=True)
        for position, word in enumerate(words):
            if word == "testrun" and (position == 0 or words[position - 1] in {"--", "do"}):
                yield words[position + 1 :]


def test_every_suite_and_run_is_one_that_the_operator_accepts() -> None:
    """Each run fits its suite, too."""
    files = read_files([str(RECIPES)])
    assert {found.kind for found in files.objects} == {"TestSuite", "TestRun"}
    assert validate(files).problems == []


@pytest.mark.parametrize("path", MANIFESTS, ids=name_of)
def test_every_manifest_can_be_applied_in_any_namespace(path: Path) -> None:
    """The pages give the namespace on the command line."""
    for document in yaml.safe_load_all(path.read_text()):
        assert document["apiVersion"]
        assert document["kind"]
        assert "namespace" not in document["metadata"]


def test_the_body_of_the_post_is_the_run_of_the_page() -> None:
    """Who copies it from the page gets what was tried."""
    body = json.loads((RECIPES / "api" / "testrun.json").read_text())
    blocks = re.findall(r"```json\n(.*?)```", (PAGES / "api.md").read_text(), flags=re.DOTALL)
    assert [json.loads(block) for block in blocks] == [body]


def test_the_run_for_kubectl_is_that_of_the_page() -> None:
    """The same."""
    [block] = re.findall(r"```yaml\n(.*?)```", (PAGES / "kubectl.md").read_text(), flags=re.DOTALL)
    assert yaml.safe_load(block) == yaml.safe_load((RECIPES / "run.yaml").read_text())


def test_what_a_page_shows_of_a_file_for_ci_is_in_the_file() -> None:
    """Step by step; the file has more of them."""
    blocks = re.findall(r"```yaml\n(.*?)```", (PAGES / "ci.md").read_text(), flags=re.DOTALL)
    steps, job = (yaml.safe_load(block) for block in blocks)
    assert [step for step in steps if step not in STEPS] == []
    shown, whole = job["regression"], yaml.safe_load((CI / "gitlab-ci.yaml").read_text())["regression"]
    assert {key: whole[key] for key in ("image", "script")} == {key: shown[key] for key in ("image", "script")}
    assert shown["artifacts"].items() <= whole["artifacts"].items()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_is_on_a_page(path: Path) -> None:
    """A recipe that no page names is not found."""
    assert any(name_of(path) in page.read_text() for page in PAGES.glob("*.md"))


def test_every_file_that_a_page_names_exists() -> None:
    """Also where it is not a link."""
    for page in PAGES.glob("*.md"):
        for named in re.findall(r"(?<![\w/])examples/[-\w./]*\w", page.read_text()):
            assert (ROOT / named).exists(), f"{page.name}: {named}"


@pytest.mark.parametrize("script", list(shell_of_ci()), ids=lambda script: script.splitlines()[0][:40])
def test_every_command_in_a_file_for_ci_exists_with_its_options(script: str) -> None:
    """A workflow is run by others, later."""
    for words in commands(script):
        given = words[: words.index(">")] if ">" in words else words
        help_text = CliRunner().invoke(application, [given[0], "--help"])
        assert help_text.exit_code == 0
        assert [word for word in given if word.startswith("--") and word not in help_text.stdout] == []


def test_the_workflow_runs_the_suite_and_asks_for_the_report() -> None:
    """What the test above looks at is really there."""
    found = [words[0] for script in shell_of_ci() for words in commands(script)]
    assert found == ["validate", "run", "results", "run", "results"]


def test_the_command_of_the_cronjob_exists_with_its_options() -> None:
    """Its pod would fail each night."""
    [container] = yaml.safe_load((RECIPES / "cron" / "cronjob.yaml").read_text())["spec"]["jobTemplate"]["spec"][
        "template"
    ]["spec"]["containers"]
    help_text = CliRunner().invoke(application, ["run", "--help"]).stdout
    assert container["args"][:2] == ["run", "listing"]
    assert [word for word in container["args"] if word.startswith("--") and word not in help_text] == []


def test_every_action_is_pinned_to_a_full_version() -> None:
    """A tag such as v6 is moved on by others."""
    actions = [step["uses"] for step in STEPS if "uses" in step]
    assert actions
    assert [action for action in actions if not re.fullmatch(r"[-\w]+/[-\w]+@v\d+\.\d+\.\d+", action)] == []


def test_the_workflow_may_only_read() -> None:
    """It runs on pull requests of others."""
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_what_the_workflow_sets_are_values_of_the_chart() -> None:
    """A wrong one would be refused, in the middle of a build."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "charts" / "testrun-operator" / "values.yaml").read_text())
    [install] = [step["run"] for step in STEPS if "helm install" in step.get("run", "")]
    keys = re.findall(r"--set ([\w.]+)=", install)
    assert keys
    for key in keys:
        found: Any = values
        for part in key.split("."):
            found = found[part]


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_every_script_is_one_of_the_plain_shell(path: Path) -> None:
    """CI images have a small one, and nothing that only bash knows."""
    assert path.read_text().startswith("#!/bin/sh\n")
    assert path.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(path)], check=True)


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    """About the scripts, and about those in the files for CI servers."""
    for number, script in enumerate(shell_of_ci()):
        (tmp_path / f"{number}.sh").write_text(f"#!/bin/bash\n{script}\n")
    paths = [*SCRIPTS, *sorted(tmp_path.iterdir())]
    done = subprocess.run([SHELLCHECK, *map(str, paths)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
