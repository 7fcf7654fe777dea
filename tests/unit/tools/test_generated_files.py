"""What is generated is up to date, and says what it should."""

import json
import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import generate
import pytest
import yaml
from chart_values import ChartValues
from generators import api_page, manifests, repository, vocabulary

from testrun_operator.api.reason import Reason


def test_every_generated_file_is_up_to_date() -> None:
    """`make generate` would write nothing: what is committed is what the models, the values and the chart say."""
    assert list(generate.differing({**generate.chart_files(), **generate.other_files()})) == []


def test_the_check_names_the_file_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever breaks it is told which file it is, what differs, and what mends it."""
    stale = repository.ROOT / "crds" / "testruns.yaml"

    generate.show_difference(stale, stale.read_text() + "one line more\n")

    shown = capsys.readouterr().out
    assert "crds/testruns.yaml is not up to date" in shown
    assert "+one line more" in shown
    missing = {tmp_path / "missing.md": "text"}
    assert generate.differing(missing) == missing


def test_generating_from_the_command_line_checks_without_writing() -> None:
    """`python tools/generate.py --check` ends with 0 when all is up to date, and prints nothing."""
    script = repository.ROOT / "tools" / "generate.py"

    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_the_charts_values_are_the_models_defaults() -> None:
    """`values.yaml` has every value but the one that Helm sets, each with the default that the model checks."""
    written = yaml.safe_load((repository.CHART / "values.yaml").read_text())

    assert written == ChartValues().model_dump(mode="json", exclude={"global_"})
    assert ChartValues.model_validate(written) == ChartValues()


def test_every_value_has_a_description() -> None:
    """A value that nobody explains is a value that nobody can set."""
    schema = json.loads((repository.CHART / "values.schema.json").read_text())

    own = [group for name, group in schema["definitions"].items() if not name.startswith("V1")]
    for group in (schema, *own):
        assert group["additionalProperties"] is False
        for name, value in group["properties"].items():
            assert "$ref" in value or value["description"].endswith((".", "`")), name


def test_both_crds_fit_into_an_annotation_of_kubectl() -> None:
    """`kubectl apply` keeps a copy in an annotation, which takes 256 kB; the design asks for 100 kB for both."""
    sizes = [
        len(json.dumps(yaml.safe_load(path.read_text()), separators=(",", ":")))
        for path in (repository.ROOT / "crds").glob("*.yaml")
    ]

    assert len(sizes) == 2
    assert sum(sizes) < 100_000


def test_the_api_reference_names_every_field_of_the_crds() -> None:
    """Each field of the schemas has its row, in the section of the object that it belongs to."""
    page = api_page.render()
    sections = {part.splitlines()[0]: part for part in page.split("\n### ")[1:]}

    def check(path: str, schema: dict[str, object]) -> None:
        for name, field in schema.get("properties", {}).items():
            assert f"`{name}`" in sections[path], (path, name)
            suffix, target = api_page._unwrap(field)
            if target.get("properties") and "(#testsuitespec)" not in row_of(sections[path], name):
                check(f"{path}.{name}{suffix}", target)

    for path in (repository.ROOT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(path.read_text())
        schema = api_page.schema_of(crd)
        for part in ("spec", "status"):
            check(f"{crd['spec']['names']['kind']}.{part}", schema["properties"][part])


def row_of(section: str, field: str) -> str:
    """Return a field's row of a section."""
    return next(line for line in section.splitlines() if re.match(rf"\| \**`{field}`", line))


def test_links_of_the_api_reference_lead_somewhere() -> None:
    """Every link is to a heading of the page."""
    page = api_page.render()

    headings = {api_page._anchor(line.lstrip("# ")) for line in page.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings


def test_words_are_explained_by_the_docstrings_below_them() -> None:
    """The reference page of reasons shows the sentence that stands below the member in the code."""
    assert dict(vocabulary.members_of(Reason))["CaseTimeout"] == "The case did not end within its timeout."
    assert len(dict(vocabulary.members_of(Reason))) == len(Reason)


def test_a_word_without_a_docstring_is_refused() -> None:
    """A page with a word that nobody explains is not written."""

    class Words(StrEnum):
        """Some words."""

        EXPLAINED = "Explained"
        """It is explained."""
        UNEXPLAINED = "Unexplained"

    with pytest.raises(ValueError, match="UNEXPLAINED has no docstring"):
        list(vocabulary.members_of(Words))


@pytest.mark.parametrize("name", ["install.yaml", "postgresql.yaml"])
def test_plain_manifests_are_the_charts_without_helm(name: str) -> None:
    """They have nothing that only Helm has a use for, and selectors still match the labels of their pods."""
    text = (repository.MANIFESTS / name).read_text()
    objects = [found for found in yaml.safe_load_all(text) if found]

    assert "helm" not in text.lower().replace("without helm", "")
    assert "app.kubernetes.io/instance" not in text
    for found in objects:
        assert found["metadata"].get("namespace", manifests.NAMESPACE) == manifests.NAMESPACE
        if found["kind"] in {"Deployment", "StatefulSet"}:
            selector = found["spec"]["selector"]["matchLabels"]
            assert selector
            assert selector.items() <= found["spec"]["template"]["metadata"]["labels"].items()


def test_plain_manifests_need_no_password() -> None:
    """No Secret is in them: a password in a public file would be none. The operator starts without one."""
    for path in repository.MANIFESTS.glob("*.yaml"):
        kinds = [found["kind"] for found in yaml.safe_load_all(path.read_text()) if found]
        assert "Secret" not in kinds
    install = yaml.safe_load_all((repository.MANIFESTS / "install.yaml").read_text())
    (deployment,) = [found for found in install if found and found["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (variable,) = [variable for variable in container["env"] if variable["name"] == "TESTRUN_OPERATOR_DSN"]
    assert variable["valueFrom"]["secretKeyRef"]["optional"] is True


def test_plain_manifests_come_in_the_order_in_which_they_work() -> None:
    """The namespace is first, then what others refer to: `kubectl apply` goes from top to bottom."""
    text = (repository.MANIFESTS / "install.yaml").read_text()
    kinds = [found["kind"] for found in yaml.safe_load_all(text) if found]

    assert kinds[0] == "Namespace"
    assert kinds.index("ServiceAccount") < kinds.index("Deployment")
    assert kinds.index("CustomResourceDefinition") < kinds.index("Deployment")
