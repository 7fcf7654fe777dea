#!/usr/bin/env bash
# Versions:     kopf 1.45.2, Python 3.11 (later ones raise OSError instead of KeyError)
# Expectation:  an operator runs under any user id that a cluster gives it, as OpenShift does; and with standalone=True,
#               where there are no peers to tell apart, kopf needs no identity of its own.
# Observed:     kopf makes an identity at the start all the same, with the user's name in it. A user id without an entry
#               in /etc/passwd has none, and the operator ends with `getpwuid(): uid not found`. With the environment
#               variable POD_ID, with USER set to anything, or with an identity that is handed over, it starts.
# Why it matters: the image works in every test where it runs as a user that was made in the Dockerfile, and not on
#               clusters that choose ids. Set POD_ID, from metadata.name, in the Deployment, with peering or without.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check kopf==1.45.2
cat > finding.py <<'PY'
import asyncio
import os

import kopf


async def start() -> None:
    """Start an operator without handlers, and stop it as soon as it asks for a cluster."""
    registry = kopf.OperatorRegistry()
    stop = asyncio.Event()

    @kopf.on.login(registry=registry)
    def login(**_: object) -> kopf.ConnectionInfo:
        stop.set()
        return kopf.ConnectionInfo(server="http://127.0.0.1:9")

    await kopf.operator(registry=registry, standalone=True, clusterwide=True, stop_flag=stop)


try:
    asyncio.run(start())
    print(f"user {os.getuid()}: starts")
except (KeyError, OSError) as error:
    print(f"user {os.getuid()}: {error}")
PY
unset POD_ID USER LOGNAME LNAME USERNAME
venv/bin/pip list 2> /dev/null | grep '^kopf '
for setting in NOTHING=set POD_ID=operator-0 USER=somebody; do
  echo "$setting: $(env "$setting" unshare --user --map-user=1000710000 venv/bin/python finding.py 2> log)"
done | tee answer
diff answer - <<'EXPECTED'
NOTHING=set: user 1000710000: 'getpwuid(): uid not found: 1000710000'
POD_ID=operator-0: user 1000710000: starts
USER=somebody: user 1000710000: starts
EXPECTED
