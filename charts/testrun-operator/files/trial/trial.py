"""What `helm test` does: asks the operator whether it is ready, creates a TestRun, and waits until it has passed.

Arguments: the address of the operator's /readyz, the TestRun's namespace, and its name.
"""

# ruff: noqa: INP001, T201, PLR2004, S310 - a script that stands alone, in a ConfigMap

import sys
import time
import urllib.request
from pathlib import Path

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

TESTRUNS = {"group": "testrun.dev", "version": "v1alpha1", "plural": "testruns"}
FINAL_PHASES = {"Passed", "Failed", "Errored", "Cancelled"}
PATIENCE_SECONDS = 280


def main(ready_address: str, namespace: str, name: str) -> int:
    """Return 0 when the TestRun passed, 1 when it did not."""
    try:
        with urllib.request.urlopen(ready_address, timeout=10) as answer:
            print(f"the operator is ready: {ready_address} answered {answer.status}")
    except OSError as error:
        print(f"the operator is not ready: {ready_address}: {error}")
        return 1
    config.load_incluster_config()
    api = client.CustomObjectsApi()
    run = yaml.safe_load(Path(__file__).with_name("testrun.yaml").read_text())
    run["metadata"]["name"] = name
    delete(api, namespace, name)
    api.create_namespaced_custom_object(**TESTRUNS, namespace=namespace, body=run)
    print(f"created TestRun {namespace}/{name}")
    status = wait_for_end(api, namespace, name)
    if status.get("phase") == "Passed":
        print(f"passed in {status.get('durationSeconds')} s")
        delete(api, namespace, name)
        return 0
    print(f"the TestRun is left for you to look at: kubectl describe testrun -n {namespace} {name}")
    print(yaml.safe_dump({"status": status}, sort_keys=False))
    return 1


def wait_for_end(api: client.CustomObjectsApi, namespace: str, name: str) -> dict:
    """Return the TestRun's status once its phase is final, or as it is when patience ends."""
    status = {}
    phase = None
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and phase not in FINAL_PHASES:
        time.sleep(1)
        status = api.get_namespaced_custom_object(**TESTRUNS, namespace=namespace, name=name).get("status", {})
        if status.get("phase") != phase:
            phase = status.get("phase")
            print(f"phase {phase}", flush=True)
    return status


def delete(api: client.CustomObjectsApi, namespace: str, name: str) -> None:
    """Delete the TestRun of an earlier test, if there is one."""
    try:
        api.delete_namespaced_custom_object(**TESTRUNS, namespace=namespace, name=name)
    except ApiException as error:
        if error.status != 404:
            raise


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
