#!/usr/bin/env bash
# Versions:     hypothesis 6.170.17
# Expectation:  a profile of one's own, registered with nothing but max_examples and loaded for a nightly search, looks
#               at other examples each night, and keeps what failed, on a CI server as on a developer's machine.
# Observed:     where CI, GITHUB_ACTIONS, GITLAB_CI or the like is set (to anything, CI=false and CI= too), hypothesis
#               loads a profile "ci" when it is imported, and a profile that names no parent takes over from the one
#               that is loaded: derandomize=True, database=None. Every night has the same examples.
#               With settings.get_profile("default") as its parent it has not.
# Why it matters: a search that cannot find anything new is green for ever, and looks like one that could.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check hypothesis==6.170.17
cat > finding.py <<'PY'
import hashlib
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

parent = settings.get_profile("default") if "with-parent" in sys.argv else None
settings.register_profile("nightly", parent, max_examples=300)
settings.load_profile("nightly")
seen = []


@given(st.integers())
def night(number: int) -> None:
    seen.append(number)


night()
database = "a database" if settings.default.database else "no database"
print(f"{len(seen)} examples, {database}, {hashlib.sha256(repr(seen).encode()).hexdigest()}")
PY
cat > runs <<'RUNS'
CI=true
CI=false
CI=true with-parent
NOT_CI=true
RUNS
unset CI TF_BUILD BUILDKITE GITHUB_ACTIONS GITLAB_CI HEROKU_TEST_RUN_ID TEAMCITY_VERSION CIRCLECI CODEBUILD_BUILD_ID
unset __TOX_ENVIRONMENT_VARIABLE_ORIGINAL_CI CIRRUS_CI
venv/bin/pip list 2> /dev/null | grep hypothesis
while read -r variable argument; do
  first=$(env "$variable" venv/bin/python finding.py "$argument")
  second=$(env "$variable" venv/bin/python finding.py "$argument")
  same=$([ "$first" = "$second" ] && echo "the same" || echo "others")
  echo "$variable${argument:+ $argument}: ${first%,*}; the next night: $same"
done < runs | tee answer
diff answer - <<'EXPECTED'
CI=true: 300 examples, no database; the next night: the same
CI=false: 300 examples, no database; the next night: the same
CI=true with-parent: 300 examples, a database; the next night: others
NOT_CI=true: 300 examples, a database; the next night: others
EXPECTED
