"""From the chart of the release before to this one."""

import shutil
import tarfile
from pathlib import Path
from typing import Any

import helm
import helm_python
import pytest
import yaml

from support.cluster import RELEASE_BEFORE
from testrun_operator.resources.parsing import parse_suite
from unit.chart.conftest import VALUE_SETS, Rendering

Object = dict[str, Any]

BEFORE_VALUES = {
    name: values
    for name, values in VALUE_SETS.items()
    if name not in {"two replicas", "user ids of the cluster's choice", "a platform"}
}
"""What people could set before."""


@pytest.fixture(scope="module")
def chart_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of the release before, unpacked."""
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(RELEASE_BEFORE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "testrun-operator"


def render_from(chart: Path, values: Object) -> Rendering:
    """Render a chart as Helm does for a release in a cluster of today."""
    return Rendering(helm.render(chart, "trial", "testing", values, kube_version="v1.37.2"))


def key_of(found: Object) -> tuple[str, str | None, str]:
    """Return what makes an object the same one after an upgrade."""
    return found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]


@pytest.mark.parametrize("name", BEFORE_VALUES)
def test_what_was_set_before_is_still_taken_and_nothing_is_left_behind(
    chart_before: Path, chart: Path, name: str
) -> None:
    """No value was renamed, and no object: what an upgrade does not find in the new chart, Helm deletes."""
    values = BEFORE_VALUES[name]

    before, after = (render_from(folder, values).objects for folder in (chart_before, chart))

    assert {key_of(found) for found in before} <= {key_of(found) for found in after}


@pytest.mark.parametrize("name", BEFORE_VALUES)
def test_what_cannot_be_changed_was_not(chart_before: Path, chart: Path, name: str) -> None:
    """The API server refuses another selector, or another template of volumes, and the upgrade with it."""
    before, after = (render_from(folder, BEFORE_VALUES[name]) for folder in (chart_before, chart))

    for found in before.of_kind("Deployment", "StatefulSet"):
        now = after.one(found["kind"], found["metadata"]["name"])["spec"]
        for field in ("selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"):
            assert found["spec"].get(field) == now.get(field), field
    roles = {key_of(found): found["roleRef"] for found in after.of_kind("RoleBinding", "ClusterRoleBinding")}
    for found in before.of_kind("RoleBinding", "ClusterRoleBinding"):
        assert found["roleRef"] == roles[key_of(found)]


def test_an_upgrade_with_the_same_values_does_not_restart_postgres(chart_before: Path, chart: Path) -> None:
    """Its pod's template is what it was, unless somebody asks for something else."""
    before, after = (render_from(folder, {}).one("StatefulSet", "trial-postgresql") for folder in (chart_before, chart))

    assert before["spec"]["template"] == after["spec"]["template"]


def test_the_definitions_lose_no_field_that_is_stored(chart_before: Path, chart: Path) -> None:
    """A field that is gone from the schema is pruned from every stored object at its next write."""
    before, after = (render_from(folder, {}) for folder in (chart_before, chart))

    for found in before.of_kind("CustomResourceDefinition"):
        now = after.one("CustomResourceDefinition", found["metadata"]["name"])
        old_version, new_version = (crd["spec"]["versions"][0] for crd in (found, now))
        assert (old_version["name"], now["spec"]["versions"][0]["storage"]) == (new_version["name"], True)
        old_fields, new_fields = (set(fields_of(v["schema"]["openAPIV3Schema"])) for v in (old_version, new_version))
        assert old_fields - new_fields == set()


def fields_of(schema: Object, place: str = "") -> list[str]:
    """Return the places of all fields of a schema."""
    found = [place]
    for name, field in schema.get("properties", {}).items():
        found += fields_of(field, f"{place}.{name}")
    for kind in ("items", "additionalProperties"):
        if isinstance(schema.get(kind), dict):
            found += fields_of(schema[kind], f"{place}[]")
    return found


def test_values_of_the_release_before_alone_are_told_what_to_do(
    chart_before: Path, chart: Path, tmp_path: Path
) -> None:
    """`helm upgrade --reuse-values` puts all old values, defaults included, in the place of the new ones."""
    mixed = tmp_path / "chart"
    shutil.copytree(chart, mixed)
    shutil.copy(chart_before / "values.yaml", mixed / "values.yaml")

    with pytest.raises(helm_python.HelmError, match="use --reset-then-reuse-values in place of --reuse-values"):
        render_from(mixed, {})


def test_every_group_of_values_that_is_new_is_looked_for(chart_before: Path, chart: Path) -> None:
    """Otherwise the message would be one of templates, which helps nobody."""
    before, now = (yaml.safe_load((folder / "values.yaml").read_text()) for folder in (chart_before, chart))

    helpers = (chart / "templates" / "_helpers.tpl").read_text()

    for group in now.keys() - before.keys():
        assert f'"{group}"' in helpers


def test_the_run_of_helm_test_of_the_release_before_is_valid(chart_before: Path) -> None:
    """A suite that was stored before is one that the operator of today takes."""
    trial = yaml.safe_load((chart_before / "files" / "trial" / "testrun.yaml").read_text())

    assert parse_suite(trial["spec"]["suite"]).cases[0].name == "all-pages"
