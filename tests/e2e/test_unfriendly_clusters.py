"""Nodes, the API server and quotas fail for a while in the middle of runs: no verdict is wrong, and none is lost.

A process of the node that is stopped (SIGSTOP) keeps its connections and says nothing, as a node that is cut off does.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.cluster import (
    SYSTEM_NAMESPACE,
    Namespace,
    condition,
    container,
    kubectl,
    operator_pod,
    refuse_company,
    wait_until,
)

pytestmark = pytest.mark.alone
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "small"},
    "spec": {"hard": {"pods": "1"}},
}


def pids_of(program: str) -> list[int]:
    """Return the processes of this machine that run a program of the cluster."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if Path((entry / "cmdline").read_bytes().split(b"\0")[0].decode()).name == program:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@contextmanager
def silenced(program: str) -> Iterator[None]:
    """Stop a process of the node, and let it go on at the end."""
    refuse_company()
    pids = pids_of(program)
    if not pids:
        pytest.skip(f"{program} is no process of this machine: the cluster is not the native one")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def restarts_of_operator() -> int:
    """Return how often the operator's container was restarted."""
    return int(operator_pod()["status"]["containerStatuses"][0]["restartCount"])


def test_a_node_that_is_silent_for_a_while_makes_no_time_out(namespace: Namespace) -> None:
    """The container had ended with 0 within its timeout, and its kubelet could not say so."""
    run = namespace.run("silent-node", container("one", "sleep 20", timeout="40s"))
    namespace.wait_for_running(run, "one")
    with silenced("kubelet"):
        time.sleep(75)
    status = namespace.wait_for_end(run, seconds=120)
    assert (status["phase"], status["cases"]["passed"], status["failures"]) == ("Passed", 1, [])
    assert len(namespace.jobs(run)) == 1


def test_a_case_that_takes_too_long_is_timed_out_though_its_node_was_silent(namespace: Namespace) -> None:
    """The kubelet confirms it when it is back."""
    run = namespace.run("slow-node", container("one", "sleep 300", timeout="10s"))
    namespace.wait_for_running(run, "one")
    with silenced("kubelet"):
        time.sleep(25)
    status = namespace.wait_for_end(run, seconds=120)
    [failure] = status["failures"]
    assert (status["phase"], failure["verdict"], failure["reason"]) == ("Failed", "TimedOut", "CaseTimeout")


def test_an_api_server_that_is_away_for_a_while_ends_nothing(namespace: Namespace) -> None:
    """Neither the operator, which waits, nor a case, which ends meanwhile."""
    before = restarts_of_operator()
    run = namespace.run("no-api", container("one", "sleep 15"), container("two", "true", needs=["one"]))
    namespace.wait_for_running(run, "one")
    with silenced("kube-apiserver"):
        time.sleep(30)
    status = namespace.wait_for_end(run, seconds=120)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 2)
    assert restarts_of_operator() == before


def test_a_watch_that_is_cut_without_a_word_is_made_anew(namespace: Namespace) -> None:
    """What the API server sends to the operator's connections as they are is dropped; new ones work."""
    refuse_company()
    if not pids_of("kubelet"):
        pytest.skip("the packets of the operator do not pass this machine")
    address = operator_pod()["status"]["podIP"]
    run = namespace.run("cut", *(container(f"case-{number}", "sleep 5") for number in range(3)))
    wait_until("the run has begun", lambda: namespace.jobs(run))
    rule = ["FORWARD", "-d", address, "-p", "tcp", "-m", "conntrack", "--ctstate", "ESTABLISHED"]
    rule += ["--ctdir", "REPLY", "-j", "DROP"]
    os.system(f"iptables -I {' '.join(rule)}; iptables -I OUTPUT {' '.join(rule[1:])}")  # noqa: S605 - words of our own
    try:
        time.sleep(20)
    finally:
        os.system(f"iptables -D {' '.join(rule)}; iptables -D OUTPUT {' '.join(rule[1:])}")  # noqa: S605 - as above
    status = namespace.wait_for_end(run, seconds=120)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 3)


def test_a_quota_that_is_used_up_is_waited_for(namespace: Namespace) -> None:
    """One pod at a time: nobody is to blame for that, and nothing ends as Errored."""
    namespace.kubectl("apply", "-f", "-", text=json.dumps(QUOTA))
    run = namespace.run("quota", *(container(f"case-{number}", "sleep 1") for number in range(4)), parallelism=4)
    told = wait_until(
        "the status says what is waited for",
        lambda: condition(namespace.status(run), "Reconciling").get("reason") == "WaitingForQuota",
        seconds=60,
    )
    assert told
    status = namespace.wait_for_end(run, seconds=240)
    assert (status["phase"], status["cases"]["passed"]) == ("Passed", 4)
    assert len(namespace.jobs(run)) == 4


def test_the_operators_rights_are_what_it_needs_after_all_of_this() -> None:
    """None of the roundabout ways takes a call that its Role does not have."""
    log = kubectl("-n", SYSTEM_NAMESPACE, "logs", operator_pod()["metadata"]["name"], "--since=20m")
    assert "cannot " not in "\n".join(line for line in log.splitlines() if "forbidden" in line)
