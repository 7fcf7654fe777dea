"""A trial: a namespace, a run, a fault in the middle of it, and what has become of both."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from uuid import uuid4

from chaos import machine
from chaos.comparison import Outcome, Row, Seen, compare
from chaos.faults import Fault
from chaos.report import Trial
from chaos.scene import Scene, operators_ready, tolerant, until
from chaos.truth import SQL_DSN, SQL_SECRET, Suite
from support.cluster import SYSTEM_NAMESPACE, condition, kubectl, query, temporary_namespace
from support.sql_cluster import add_secret

RUN = "trial"
OPERATORS = "app.kubernetes.io/component=operator"
STORING_SECONDS = 120.0
CREATED = 201


def trials_of(fault: Fault, rng: random.Random, rounds: int) -> Iterator[Trial]:
    """Inject a fault: once, or in as many runs as it takes to inject it ``rounds`` times."""
    injected = 0
    while True:
        trial = _trial(fault, rng, rounds - injected)
        yield trial
        injected += trial.injections
        if not fault.repeated or injected >= rounds:
            return


def _trial(fault: Fault, rng: random.Random, wanted: int) -> Trial:
    until(lambda: len(operators_ready()) == 1, "the operator is ready", 180)
    began = time.monotonic()
    suite = fault.suite()
    with temporary_namespace(f"chaos-{fault.name[:30]}-{uuid4().hex[:5]}") as namespace, ExitStack() as cleanup:
        add_secret(namespace, SQL_SECRET, dsn=SQL_DSN)
        scene = Scene(namespace, RUN, rng, ExitStack(), wanted)
        cleanup.enter_context(scene.cleanup)
        namespace.run(RUN, *suite.cases, **dict(suite.spec))
        trouble = _inject_and_wait(fault, scene)
        scene.cleanup.close()
        seen = _what_is_seen(scene)
        outcome = compare(suite.truth, seen) if seen else _everything_lost(suite)
        seconds = time.monotonic() - began
        trial = Trial(fault.name, scene.injections, tuple(scene.injected), outcome, seconds, tuple(trouble))
        as_expected = trial.holds and not outcome.not_found_out
        return trial if as_expected else replace(trial, evidence=_evidence(scene))


def _inject_and_wait(fault: Fault, scene: Scene) -> list[str]:
    """Do what the fault does; what went wrong with that is a line of the report, not the end of the program."""
    try:
        fault.inject(scene)
        until(scene.over, "the run is over", fault.limit_seconds)
    except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as trouble:
        return [str(trouble)]
    return []


def _what_is_seen(scene: Scene) -> Seen | None:
    try:
        until(scene.over, "the run is over", 5)
        until(lambda: _is_stored(scene), "the results are stored", STORING_SECONDS)
    except TimeoutError:
        return None
    status = scene.status()
    where = f"WHERE test_run_id = {int(status['runId'])}"
    columns = "playbook_name, verdict, coalesce(failure_class, ''), coalesce(reason, '')"
    results = query(f"SELECT {columns} FROM noetl_test.regression_results {where}")
    attempts = query(f"SELECT {columns}, attempt FROM noetl_test.regression_attempts {where}")
    return Seen(
        str(status.get("phase", "")),
        status.get("cases", {}),
        {failure["case"]: failure["verdict"] for failure in status.get("failures", [])},
        [Row(case, verdict, kind, reason) for case, verdict, kind, reason in results],
        [Row(case, verdict, kind, why, int(attempt)) for case, verdict, kind, why, attempt in attempts],
        list(_jobs_created(scene.namespace.name)),
        frozenset(scene.run_ids),
    )


def _evidence(scene: Scene) -> str:
    """Return what is needed to find out why: the run's objects, and what the operator logged meanwhile."""
    objects = tolerant(lambda: scene.namespace.kubectl("get", "testruns,jobs,pods,configmaps,events", "-o", "yaml"))
    logs = [_log_of_operators("--previous"), _log_of_operators("--all-containers")]
    return "\n---\n".join([objects or "", *logs])


def _log_of_operators(option: str) -> str:
    words = ("-n", SYSTEM_NAMESPACE, "logs", "-l", OPERATORS, "--prefix", "--tail=4000", option)
    return str(tolerant(lambda: kubectl(*words)) or "")


def _is_stored(scene: Scene) -> bool:
    return bool(condition(scene.status(), "ResultsStored").get("status") == "True")


def _jobs_created(namespace: str) -> Iterator[str]:
    """Give the name of each Job that was created in a namespace, as the API server's audit log has it."""
    for line in machine.audit_lines(namespace):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the API server was killed while it wrote this line
        about = entry.get("objectRef", {})
        made = entry.get("verb") == "create" and entry.get("responseStatus", {}).get("code") == CREATED
        if made and about.get("resource") == "jobs" and about.get("namespace") == namespace:
            yield str(about.get("name", ""))


def _everything_lost(suite: Suite) -> Outcome:
    return Outcome(len(suite.truth), lost=tuple(f"{case}: the run did not end" for case in suite.truth))
