#!/usr/bin/env bash
# Versions:     Helm 3.22.0 (`helm lint`; the same in 4.3.2); helm-python-sdk 0.2.2 (Helm 4.2.3 as a library)
# Expectation:  `helm lint --strict --kube-version X` fails for a chart whose Chart.yaml has a kubeVersion that excludes
#               X, as `helm template --kube-version X` does; and a library that renders refuses what Helm refuses.
# Observed:     lint takes any version: the option is for .Capabilities and for deprecated APIs alone. The library's
#               render() does not compare either, nor does its lint(kube_version=…).
# Why it matters: a wrong kubeVersion, or one without the -0 that vendors' versions (v1.34.1-gke.1) need, passes every
#               lint and every test that renders by the library, and is found by the first who installs. Compare it in a
#               test of your own, with semverCompare in a template, which is the same library.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p trial/templates
cat > trial/Chart.yaml <<'YAML'
apiVersion: v2
name: trial
version: 1.0.0
icon: https://example.com/icon.svg
kubeVersion: ">=1.99.0"
YAML
touch trial/values.yaml
cat > trial/templates/version.yaml <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata: {name: trial}
data: {assumed: "{{ .Capabilities.KubeVersion }}"}
YAML
GOBIN=$folder go install helm.sh/helm/v3/cmd/helm@v3.22.0 2> log || { cat log; exit 1; }
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check helm-python-sdk==0.2.2
cat > finding.py <<'PY'
from importlib.metadata import version

import helm_python

print("helm-python-sdk", version("helm-python-sdk"), helm_python.helm_sdk_version())
report = helm_python.lint("trial", {}, strict=True, kube_version="1.37.0")
print("lint:", report["messages"], report["errors"])
with helm_python.Chart.load("trial") as chart:
    print("render:", *(text.splitlines()[-1] for text in chart.render({}).values()))
PY
{
  echo "helm $(./helm version --template '{{.Version}}')"
  ./helm template trial trial --kube-version 1.37.0 2>&1 | grep Error || true
  ./helm lint trial --strict --kube-version 1.37.0 | tail -n 1
  venv/bin/python finding.py
} | tee answer
diff answer - <<'EXPECTED'
helm v3.22
Error: chart requires kubeVersion: >=1.99.0 which is incompatible with Kubernetes v1.37.0
1 chart(s) linted, 0 chart(s) failed
helm-python-sdk 0.2.2 v4.2.3
lint: [] []
render: data: {assumed: "v1.36.0"}
EXPECTED
