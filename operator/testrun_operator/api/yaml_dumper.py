"""Writing YAML that Kubernetes reads as it was meant.

kubectl and the API server read YAML by a library in Go, which takes some plain words for numbers or truth values that
PyYAML takes for texts, and writes without quotes: the commit ``4511e07`` would become 45110000000
(``findings/pyyaml-commit-as-number.sh``).
"""

import re

import yaml

_STARTS_OF_NUMBERS = list("-+0123456789.")


class KubernetesDumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which quotes every text that a reader in Go would take for something else."""


KubernetesDumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?$"),
    _STARTS_OF_NUMBERS,
)
KubernetesDumper.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?0(?:[oO][0-7_]+|[bB][01_]+|[xX][0-9a-fA-F_]+)$"), _STARTS_OF_NUMBERS
)
KubernetesDumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
