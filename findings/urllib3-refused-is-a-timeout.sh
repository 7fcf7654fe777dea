#!/usr/bin/env bash
# Versions:     urllib3 2.8.0
# Expectation:  TimeoutError and ConnectTimeoutError are raised where a server did not answer in time. A connection that
#               is refused at once, and a name that does not exist, are NewConnectionError and NameResolutionError.
# Observed:     these two are subclasses of ConnectTimeoutError: `except ConnectTimeoutError`, or `except TimeoutError`,
#               of urllib3 catches them, a millisecond after the call.
# Why it matters: who tells people why a server cannot be reached, or repeats what timed out and gives up on a wrong
#               address, has to ask for the narrower ones first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check urllib3==2.8.0
cat > finding.py <<'PY'
import socket
import time

import urllib3
from urllib3.exceptions import ConnectTimeoutError

print("urllib3", urllib3.__version__)
with socket.socket() as nobody:
    nobody.bind(("127.0.0.1", 0))  # a port on which nobody listens
    for host in (f"127.0.0.1:{nobody.getsockname()[1]}", "nowhere.invalid"):
        begun = time.monotonic()
        try:
            urllib3.PoolManager().request("GET", f"http://{host}/", retries=False, timeout=60)
        except ConnectTimeoutError as error:
            early = time.monotonic() - begun < 60
            print(f"{type(error).__name__}: a timeout, before its time: {early}")
PY
venv/bin/python finding.py | tee answer
diff answer - <<'EXPECTED'
urllib3 2.8.0
NewConnectionError: a timeout, before its time: True
NameResolutionError: a timeout, before its time: True
EXPECTED
