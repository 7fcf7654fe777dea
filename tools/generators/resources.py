"""The CustomResourceDefinitions: for people in `crds/`, and for the chart with an annotation of Helm's."""

from pathlib import Path

from generators.repository import CHART, ROOT
from testrun_operator.resources.crds import build_crds
from testrun_operator.resources.crds import render as render_crd

_NOTE = "# Generated from the models in operator/testrun_operator/api by `make generate`; do not edit.\n"


def crd_files() -> dict[Path, str]:
    """Return all files with CustomResourceDefinitions and their contents."""
    files = {}
    for crd in build_crds():
        name = f"{crd['spec']['names']['plural']}.yaml"
        files[ROOT / "crds" / name] = _NOTE + render_crd(crd)
        metadata = crd["metadata"] | {"annotations": {"helm.sh/resource-policy": "keep"}}
        files[CHART / "files" / "crds" / name] = render_crd(crd | {"metadata": metadata})
    return files
