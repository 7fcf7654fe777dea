"""The CustomResourceDefinitions: for people in `crds/`, and in two variants for the chart."""

from pathlib import Path

from generators.repository import CHART, ROOT
from testrun_operator.api.crds import build_crds
from testrun_operator.api.crds import render as render_crd

_NOTE = "# Generated from the models in operator/testrun_operator/api by `make generate`; do not edit.\n"


def crd_files() -> dict[Path, str]:
    """Return all files with CustomResourceDefinitions and their contents."""
    files = {}
    for with_rules in (True, False):
        for crd in build_crds(with_rules=with_rules):
            name = f"{crd['spec']['names']['plural']}.yaml"
            if with_rules:
                files[ROOT / "crds" / name] = _NOTE + render_crd(crd)
            metadata = crd["metadata"] | {"annotations": {"helm.sh/resource-policy": "keep"}}
            folder = CHART / "files" / ("crds" if with_rules else "crds-without-rules")
            files[folder / name] = render_crd(crd | {"metadata": metadata})
    return files
