#!/usr/bin/env bash
# Versions:     PyYAML 6.0.4; sigs.k8s.io/yaml 1.6.0, by which kubectl, Helm and the Kubernetes libraries in Go read
# Expectation:  yaml.safe_dump puts a text in quotes where it would be read as something else. It does so for 1234567,
#               1e+3, true, 012 and 2026-01-01.
# Observed:     it does so for what PyYAML itself would read as something else, by YAML 1.1. The abbreviated commit
#               4511e07 is written bare, and is the number 45110000000 to Kubernetes; y becomes true, 0o14 becomes 12.
#               PyYAML reads its own file back as it was, so that a test in Python of what was written sees nothing.
# Why it matters: commits go into labels, annotations and image tags. About one abbreviated commit of seven digits in
#               110 is such a number (counted), and then the API server refuses a manifest that was right for weeks, or
#               a field without a type of its own holds a number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyyaml==6.0.4
cat > finding.py <<'PY'
import sys

import yaml

texts = {"commit": "4511e07", "answer": "y", "mode": "0o14", "build": "1234567", "day": "2026-01-01", "old": "012"}
written = yaml.safe_dump(texts, sort_keys=False)
assert yaml.safe_load(written) == texts
print("PyYAML", yaml.__version__, file=sys.stderr)
print(written, end="")
PY
cat > go.mod <<'MOD'
module example.com/finding

go 1.24

require sigs.k8s.io/yaml v1.6.0
MOD
cat > main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	read, err := yaml.YAMLToJSON(text)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(read))
}
GO
go mod tidy > /dev/null 2>&1
go list -m sigs.k8s.io/yaml
venv/bin/python finding.py > written.yaml
{ cat written.yaml; go run . < written.yaml; } | tee answer
diff answer - <<'EXPECTED'
commit: 4511e07
answer: y
mode: 0o14
build: '1234567'
day: '2026-01-01'
old: '012'
{"answer":true,"build":"1234567","commit":45110000000,"day":"2026-01-01","mode":12,"old":"012"}
EXPECTED
