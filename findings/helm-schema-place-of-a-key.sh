#!/usr/bin/env bash
# Versions:     helm-python-sdk 0.2.2 (Helm 4.2.3 as a library); Helm 3.19.0 says the same, 3.22.0 and 4.3.2 the place
# Expectation:  what Helm says of values that values.schema.json refuses names the place: at '/pod/labels'. Keys of a
#               map are ruled by `propertyNames`, which JSON Schema has for that.
# Observed:     a key that propertyNames refuses is told at '', with no place at all. The same rule written as
#               `patternProperties` with `additionalProperties: false` is told with its place.
# Why it matters: in a chart with five maps of labels and annotations nobody knows which of them is meant. Charts that
#               are installed by Helm before 3.22 and 4.3 say it by patternProperties.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check helm-python-sdk==0.2.2
cat > finding.py <<'PY'
import json
import pathlib
from importlib.metadata import version

import helm_python

KEY = "^[a-z.]+$"
RULES = {
    "propertyNames": {"propertyNames": {"pattern": KEY}},
    "patternProperties": {"patternProperties": {KEY: {}}, "additionalProperties": False},
}

print("helm-python-sdk", version("helm-python-sdk"), helm_python.helm_sdk_version())
for name, rule in RULES.items():
    chart = pathlib.Path(name)
    chart.mkdir()
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: trial\nversion: 1.0.0\n")
    labels = {"type": "object", "properties": {"labels": {"type": "object", **rule}}}
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"pod": labels}}
    (chart / "values.schema.json").write_text(json.dumps(schema))
    with helm_python.Chart.load(chart) as loaded:
        try:
            loaded.validate_schema({"pod": {"labels": {"UPPER": "x"}}})
        except helm_python.HelmValuesError as error:
            print(f"{name}: {error.detail.strip()}")
PY
venv/bin/python finding.py | tee answer
diff answer - <<'EXPECTED'
helm-python-sdk 0.2.2 v4.2.3
propertyNames: trial:
- at '': invalid propertyName 'UPPER'
  - at '': 'UPPER' does not match pattern '^[a-z.]+$'
patternProperties: trial:
- at '/pod/labels': additional properties 'UPPER' not allowed
EXPECTED
