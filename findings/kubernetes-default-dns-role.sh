#!/usr/bin/env bash
# Versions:     Kubernetes 1.37.2 (Go module k8s.io/kubernetes)
# Expectation:  the default ClusterRole for DNS, system:kube-dns, bound by default to the service account kube-dns in
#               kube-system, lets a DNS server see what it answers from. Endpoints are deprecated since 1.33, and today's
#               DNS servers watch EndpointSlices, as kube-proxy does, whose default role has them.
# Observed:     system:kube-dns allows list and watch of endpoints and services alone. A DNS server that has this role
#               gets 403 for endpointslices.discovery.k8s.io. system:node-proxier, the role of kube-proxy, has all three.
# Why it matters: whoever writes or replaces a cluster's DNS has to bring a role along, though there is one of that name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=v1.37.2
cat > go.mod <<MOD
module example.com/finding

go 1.26.0

require k8s.io/kubernetes $version
MOD
# Its staging modules are required as v0.0.0; each is published by itself, as v0.X.Y.
own=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
sed -n 's|^\s*\(k8s.io/[a-z-]*\) => ./staging.*|replace \1 => \1 v0.37.2|p' "$own" >> go.mod
cat > main.go <<'GO'
package main

import (
	"fmt"
	"slices"

	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

func main() {
	for _, role := range bootstrappolicy.ClusterRoles() {
		if role.Name != "system:kube-dns" && role.Name != "system:node-proxier" {
			continue
		}
		for _, resource := range []string{"services", "endpoints", "endpointslices"} {
			allowed := false
			for _, rule := range role.Rules {
				allowed = allowed || slices.Contains(rule.Resources, resource) && slices.Contains(rule.Verbs, "list")
			}
			fmt.Printf("%s may list %s: %t\n", role.Name, resource, allowed)
		}
	}
}
GO
go mod tidy > /dev/null 2>&1
echo "k8s.io/kubernetes $version"
go run . | sort | tee answer
diff answer - <<'EXPECTED'
system:kube-dns may list endpoints: true
system:kube-dns may list endpointslices: false
system:kube-dns may list services: true
system:node-proxier may list endpoints: true
system:node-proxier may list endpointslices: true
system:node-proxier may list services: true
EXPECTED
