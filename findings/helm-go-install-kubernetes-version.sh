#!/usr/bin/env bash
# Versions:     Helm 3.22.0 (the same in 3.19.0; no longer in 4.3.2), installed by `go install`
# Expectation:  `helm template` without a cluster assumes the Kubernetes release of the client library that Helm was
#               built with (1.37 for 3.22), as the binary that is released does; how it was built does not matter.
# Observed:     the release is put in by the linker's flags in Helm's Makefile. What `go install` builds from the same
#               source assumes Kubernetes 1.20.0: a chart with `kubeVersion: >=1.34.0-0` is refused, and templates that
#               ask .Capabilities.KubeVersion render what was meant for 2020, without a word.
# Why it matters: builds that cannot download releases get their tools from package registries, and render other
#               manifests than everybody else with "the same Helm". Say --kube-version wherever there is no cluster.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=v3.22.0
mkdir -p plain flags trial/templates
cat > trial/Chart.yaml <<'YAML'
apiVersion: v2
name: trial
version: 1.0.0
YAML
echo 'assumed: {{ .Capabilities.KubeVersion }}' > trial/templates/version.yaml
library=helm.sh/helm/v3/pkg/chartutil
GOBIN=$folder/plain go install "helm.sh/helm/v3/cmd/helm@$version" 2> log || { cat log; exit 1; }
GOBIN=$folder/flags go install -ldflags "-X $library.k8sVersionMajor=1 -X $library.k8sVersionMinor=37" \
  "helm.sh/helm/v3/cmd/helm@$version" 2> log || { cat log; exit 1; }
{
  for built in plain flags; do
    echo "helm $version, built with: $built"
    "$built/helm" template trial trial | grep assumed
  done
  echo 'kubeVersion: ">=1.34.0-0"' >> trial/Chart.yaml
  plain/helm template trial trial 2>&1 | grep Error || true
  plain/helm template trial trial --kube-version 1.37.0 | grep assumed
} | tee answer
diff answer - <<'EXPECTED'
helm v3.22.0, built with: plain
assumed: v1.20.0
helm v3.22.0, built with: flags
assumed: v1.37.0
Error: chart requires kubeVersion: >=1.34.0-0 which is incompatible with Kubernetes v1.20.0
assumed: v1.37.0
EXPECTED
