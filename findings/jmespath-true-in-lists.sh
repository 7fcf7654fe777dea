#!/usr/bin/env bash
# Versions:     jmespath 1.1.0 (the library behind boto3)
# Expectation:  comparators compare JSON values: `true` is not the number 1. The library takes care of it, since it is
#               True == 1 in Python: `1 == true` is false.
# Observed:     it takes care of the outermost value alone. Inside of lists and objects true equals 1 and false equals
#               0; contains() finds `true` in [1] and 1 in [true]. to_number() reads what Python's int() and float()
#               read: "1_000" is 1000 and "nan" is a number that no JSON has.
# Why it matters: a check such as `flags == [true]` or contains(flags, `true`) passes on a service that answers with
#               numbers where its clients expect truth values.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check jmespath==1.1.0
cat > finding.py <<'PY'
import jmespath

print("jmespath", jmespath.__version__)
for value, expression in (
    (1, "@ == `true`"),
    ([1], "@ == `[true]`"),
    ({"a": 0}, '@ == `{"a": false}`'),
    ([1], "contains(@, `true`)"),
    ([True], "contains(@, `1`)"),
    ("1_000", "to_number(@)"),
    ("nan", "to_number(@)"),
):
    print(f"{value!r}: {expression} -> {jmespath.search(expression, value)!r}")
PY
venv/bin/python finding.py | tee answer
diff answer - <<'EXPECTED'
jmespath 1.1.0
1: @ == `true` -> False
[1]: @ == `[true]` -> True
{'a': 0}: @ == `{"a": false}` -> True
[1]: contains(@, `true`) -> True
[True]: contains(@, `1`) -> True
'1_000': to_number(@) -> 1000
'nan': to_number(@) -> nan
EXPECTED
