"""Creates a TestRun with an HTTP POST to the API server, and watches it until it is over.

``python3 post_and_wait.py FILE.json`` needs nothing but Python. API, CA, TOKEN and NAMESPACE say where and who; in a
pod they are those of its ServiceAccount. The exit code is 0 for passed, 1 for failed, 2 for errored, cancelled,
invalid or refused, 3 for not over after TIMEOUT seconds (600).
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = os.environ.get("API", "https://kubernetes.default.svc")
TOKEN = os.environ.get("TOKEN") or (MOUNTED / "token").read_text().strip()
NAMESPACE = os.environ.get("NAMESPACE") or (MOUNTED / "namespace").read_text().strip()
RUNS = f"{API}/apis/testrun.dev/v1alpha1/namespaces/{NAMESPACE}/testruns"
TLS = ssl.create_default_context(cafile=os.environ.get("CA", str(MOUNTED / "ca.crt")))

FINAL = {"Passed", "Failed", "Errored", "Cancelled"}


def call(url: str, body: bytes | None = None) -> HTTPResponse:
    """Send a request; POST, if it has a body."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)
    answer: HTTPResponse = urllib.request.urlopen(request, context=TLS, timeout=70)
    return answer


def watch(name: str, deadline: float) -> Iterator[dict[str, Any]]:
    """Yield the TestRun as it is now, and whenever it has changed."""
    while (left := deadline - time.monotonic()) > 0:
        # Without a resourceVersion a watch begins with what there is, so it can be begun again at any time.
        query = f"watch=true&fieldSelector=metadata.name%3D{name}&timeoutSeconds={max(1, min(60, int(left)))}"
        try:
            with call(f"{RUNS}?{query}") as answer:
                yield from (event["object"] for event in map(json.loads, answer) if event["type"] != "ERROR")
        except (OSError, HTTPException) as error:
            print(f"{name}: {error}", file=sys.stderr)
            time.sleep(1)


def main() -> int:
    """Run it."""
    deadline = time.monotonic() + float(os.environ.get("TIMEOUT", "600"))
    try:
        with call(RUNS, Path(sys.argv[1]).read_bytes()) as answer:
            name = json.load(answer)["metadata"]["name"]
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return 2
    except (OSError, HTTPException) as error:  # an exit code of 1 would say that a test failed
        print(error, file=sys.stderr)
        return 2
    print(f"{name} created", file=sys.stderr)
    for run in watch(name, deadline):
        status = run.get("status", {})
        waits = {item["type"]: item for item in status.get("conditions", [])}.get("Reconciling", {})
        if waits.get("reason") in {"SuiteInvalid", "SuiteNotFound"}:
            print(f"{name}: {waits['message']}", file=sys.stderr)
            return 2
        is_current = status.get("observedGeneration") == run["metadata"]["generation"]
        if is_current and status["phase"] in FINAL:
            for failure in status.get("failures", []):
                print("{case}: {verdict}, {reason}: {message}".format_map(failure))
            print(f"{name}: {status['phase']}", file=sys.stderr)
            return {"Passed": 0, "Failed": 1}.get(status["phase"], 2)
    print(f"{name}: not over in time; it goes on", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main())
