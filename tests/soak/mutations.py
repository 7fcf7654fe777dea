"""``make soak-mutations``: undoes what was mended, one thing at a time, and shows that the soak finds each.

A mutation is a change of the operator's source, made in a copy of it. A text that is not found any more fails loudly:
then the source has changed, and the mutation has to follow.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Change:
    """A text of the source that is replaced; it must be there once."""

    file: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """What was mended, undone."""

    name: str
    undone: str
    changes: tuple[Change, ...]


_OF_LABELS = """    if owner is None:
        own = metadata.get("labels") or {}
        name, uid = own.get(labels.RUN), own.get(labels.RUN_UID)
        return RunReference(str(metadata["namespace"]), str(name), str(uid)) if uid else None
    if owner is None or"""

MUTATIONS = (
    Mutation(
        "forged-record",
        "a ConfigMap with the right labels and name is believed, whatever is in it",
        (
            Change(
                "controller/execution_register.py",
                "if not is_left_over and not self._is_bound(view, stored):",
                "if False:",
            ),
        ),
    ),
    Mutation(
        "other-namespaces",
        "Jobs and records are joined to a run by labels alone, from whatever namespace",
        (
            Change("kube/belonging.py", "    if owner is None or", _OF_LABELS),
            Change(
                "controller/cache.py",
                "tuple(self.jobs_index.get((namespace, run_id), ()))",
                "tuple(job for key in self.jobs_index if key[1] == run_id for job in self.jobs_index.get(key, ()))",
            ),
        ),
    ),
    Mutation(
        "lost-node",
        "whoever runs for too long by the operator's clock is blamed, though its node is silent",
        (
            Change(
                "engine/judging.py",
                "    if pod.node_silent:\n        given_up_at = deadline",
                "    if False:\n        given_up_at = deadline",
            ),
            Change("engine/judging.py", "pod.running_seen_at, now), confirm=True)", "pod.running_seen_at, now))"),
        ),
    ),
    Mutation(
        "silent-watch",
        "nothing is read before an attempt is stopped for its time, and the stop is not conditional",
        (
            Change(
                "controller/action_executor.py",
                "must_read = stop.cause in {StopCause.JUDGED, StopCause.RUN_TIMEOUT}",
                "must_read = False",
            ),
            Change(
                "controller/action_executor.py",
                "stop_patch(outcome, stop.job.resource_version, ",
                'stop_patch(outcome, "", ',
            ),
        ),
    ),
    Mutation(
        "new-list",
        "when kopf's watch of runs or suites begins with a new list, nothing is read anew",
        (
            Change(
                "controller/watches.py",
                "                self.restart.set()\n\n    def note_refusal",
                "\n    def note_refusal",
            ),
        ),
    ),
    Mutation(
        "clock-of-a-node",
        "how long a container has run is counted from what its node's clock said",
        (
            Change(
                "engine/judging.py",
                "deadline = (pod.running_seen_at or now) +",
                "deadline = (pod.running_since or now) +",
            ),
        ),
    ),
    Mutation(
        "clock-of-the-operator",
        "the operator goes by the clock of its own machine",
        (Change("kube/clock.py", "            self._offset = offset\n", "            pass\n"),),
    ),
    Mutation(
        "any-conflict",
        "every 409 is taken for AlreadyExists",
        (Change("controller/action_executor.py", "if not error.already_exists:", "if not error.is_conflict:"),),
    ),
    Mutation(
        "unauthorized",
        "a 401 is taken for a fault of what was sent",
        (Change("kube/answers.py", "    if status == _UNAUTHORIZED:", "    if False:"),),
    ),
    Mutation(
        "sidecar",
        "a pod is left alone though its case has ended and a sidecar goes on",
        (Change("engine/planning.py", "if job.pod.lingers and job.decided is None:", "if False:"),),
    ),
    Mutation(
        "reader",
        "a container case is judged by its JUnit files",
        (
            Change(
                "engine/left_behind.py",
                "return replace(outcome, message=message)\n\n",
                "return replace(outcome, verdict=report.verdict, failure_class=report.failure_class)\n\n",
            ),
        ),
    ),
    Mutation(
        "deadline-before-end",
        "the pod's own deadline is looked at before how its container ended",
        (
            Change(
                "engine/judging.py",
                "    if is_disturbed(pod) and not _ended_undisturbed(kind, pod, terminated):",
                "    if is_disturbed(pod):",
            ),
        ),
    ),
    Mutation(
        "told-forgotten",
        "what the process before this one has told of cases is not taken note of",
        (Change("controller/runs.py", "            if not state.has_recalled:", "            if False:"),),
    ),
    Mutation(
        "unfenced",
        "whoever has led once writes on, whether or not the Lease was renewed",
        (Change("kube/client.py", "        if self.fence is None or verb in", "        if True or verb in"),),
    ),
    Mutation(
        "store-unfenced",
        "whoever has led once stores on, whether or not the Lease was renewed",
        (Change("store/writer.py", "        if not self._may_write():", "        if False:"),),
    ),
    Mutation(
        "lease-stolen",
        "whoever waits for the Lease takes it, though it is renewed",
        (Change("kube/lease.py", "        return now - self._seen[1] > float", "        return True or float"),),
    ),
    Mutation(
        "time-unknown",
        "an operator judges before it knows the API server's clock",
        (Change("kube/client.py", "for _ in range(_MOST_QUESTIONS):", "for _ in ():"),),
    ),
    Mutation(
        "foreign-server",
        "a Deployment that has the name of a run's test server is taken for it",
        (
            Change(
                "controller/servers.py",
                "found if found is not None and found.owner_uid == owner else None",
                "found",
            ),
            Change("controller/indexing.py", "or run_of(body) is not None:", "or True:"),
        ),
    ),
    Mutation(
        "server-without-service",
        "a test server is taken for ready without its Service",
        (Change("controller/servers.py", "and service is not None and service.ready", ""),),
    ),
    Mutation(
        "server-by-name",
        "whatever has the name of a test server is deleted with its run",
        (Change("controller/servers.py", "if run_of(body) == server.owner:", "if True:"),),
    ),
    Mutation(
        "server-not-mended",
        "a test server that was ready once is not looked at again",
        (
            Change(
                "controller/runs.py",
                "ready, problem = await bring_up(",
                "ready, problem = (True, None) if state.plan_state.attempts else await bring_up(",
            ),
        ),
    ),
    Mutation(
        "log-believed",
        "what is between the marks in a log is believed, whatever the termination message says of it",
        (Change("api/large_report.py", "if digest.hexdigest() != sha256:", "if False:"),),
    ),
    Mutation(
        "late-log",
        "the log of an attempt is read when its case is over, however long its pod is gone then",
        (Change("controller/recording.py", "            self._read_early(state)", "            pass"),),
    ),
    Mutation(
        "details-dropped",
        "of a case that reported just as it was asked to end only the verdict is kept",
        (Change("engine/judging.py", "else _with_details(job, job.decided)", "else Ended(job.decided)"),),
    ),
    Mutation(
        "newer-fields",
        "a status with a field of a newer release is none",
        (
            Change(
                "controller/indexing.py",
                'return TestRunStatus.model_validate(known, extra="ignore"), ""',
                'return TestRunStatus.model_validate(known, extra="forbid"), ""',
            ),
        ),
    ),
    Mutation(
        "older-status",
        "an execution that a status without records names is none",
        (
            Change(
                "controller/execution_register.py",
                "        if status.records is None:",
                "        if False:",
            ),
        ),
    ),
    Mutation(
        "removed-unnamed",
        "a Job is removed before the status names its case",
        (
            Change(
                "controller/removal.py",
                "        if entry is not None and entry.without_jobs == state.naming.text:\n            state.freed",
                "        if entry is not None:\n            state.freed",
            ),
        ),
    ),
    Mutation(
        "removed-unstored",
        "a Job is removed before its case is in Postgres",
        (Change("engine/removal.py", "and (stored is None or name in stored)", ""),),
    ),
    Mutation(
        "removed-needed",
        "a Job is removed though a case that needs its outputs has not ended",
        (Change("engine/removal.py", "and name not in needed and", "and"),),
    ),
    Mutation(
        "removed-flaky",
        "a case that passed at another attempt counts as one that passed at once",
        (
            Change(
                "engine/removal.py",
                " and not outcome.flaky and [a.attempt for a in outcome.attempts] == [1]",
                "",
            ),
            Change("engine/removal.py", "return is_under_way or job.attempt != 1", "return is_under_way"),
        ),
    ),
    Mutation(
        "removed-early",
        "a Job is removed when its case has passed, whether or not the Job is over",
        (Change("engine/removal.py", "return is_under_way or job.attempt != 1", "return job.attempt != 1"),),
    ),
    Mutation(
        "names-forgotten",
        "the next operator does not read which Jobs may be gone",
        (
            Change(
                "controller/execution_register.py",
                "read_cases(entry.without_jobs if entry is not None else None, state.cases_by_name)",
                "read_cases(None, state.cases_by_name)",
            ),
        ),
    ),
    Mutation(
        "last-jobs-left",
        "the Jobs of the last cases, which are over a moment after these, are not waited for",
        (
            Change(
                "controller/runs.py",
                "if is_kept and self._remover.choose_last(",
                "if False and self._remover.choose_last(",
            ),
        ),
    ),
    Mutation(
        "seen-end-forgotten",
        "the end of a container does not count any more when its pod is deleted before its JUnit files are read",
        (Change("engine/judging.py", "    if pod.ended_undisturbed:", "    if False:"),),
    ),
    Mutation(
        "pod-not-shown",
        "a pod that no watch shows is gone, and nothing is read before its details are given up",
        (
            Change(
                "engine/judging.py",
                "return MustStop(attempts.outcome(job, Verdict.PASSED,",
                "return Ended(attempts.outcome(job, Verdict.PASSED,",
            ),
        ),
    ),
    Mutation(
        "lingers-after-the-end",
        "of an execution whose end was told no pod is ended",
        (
            Change(
                "engine/planning.py",
                "if job.pod.lingers and job.decided is None:",
                "if job.pod.lingers and job.decided is None and not self._controls.over:",
            ),
        ),
    ),
    Mutation(
        "announced-end",
        "a Job is over when it says that it is about to be",
        (
            Change(
                "kube/observe.py",
                'condition.get("type") in {"Complete", "Failed"}:',
                'condition.get("type") in {"SuccessCriteriaMet", "FailureTarget"}:\n'
                '            state = "Complete" if condition["type"] == "SuccessCriteriaMet" else "Failed"\n'
                '            condition = dict(condition) | {"type": state}',
            ),
        ),
    ),
)


def apply(mutation: Mutation, package: Path) -> None:
    """Change a copy of the operator's source.

    Raises:
        SystemExit: a text is not there, or more than once.
    """
    for change in mutation.changes:
        path = package / change.file
        text = path.read_text()
        if text.count(change.before) != 1:
            sys.exit(f"{mutation.name}: {change.file} has {text.count(change.before)} times {change.before!r}")
        path.write_text(text.replace(change.before, change.after))


def find(mutation: Mutation, seeds: int) -> tuple[str, float]:
    """Run the soak against a mutation.

    Returns:
        The first line of what was found, or an empty text; and the seconds that it took.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        package = Path(folder, "testrun_operator")
        shutil.copytree(_ROOT / "operator" / "testrun_operator", package)
        apply(mutation, package)
        path = os.pathsep.join([folder, str(_ROOT / "tests")])
        done = subprocess.run(
            [sys.executable, "-m", "soak", "--seeds", str(seeds), "--failures", "1", "--forget"],
            env=os.environ | {"PYTHONPATH": path},
            check=False,
            capture_output=True,
            text=True,
        )
    told = [line.strip() for line in done.stdout.splitlines() if line.startswith("seed ") or "WRONG" in line]
    if done.returncode not in {0, 1} or (done.returncode == 1 and not told):
        sys.exit(done.stdout + done.stderr)
    return " ".join(told[:2])[:260], time.monotonic() - began


def main() -> int:
    """Try all mutations.

    Returns:
        The exit code: 1 if the soak has missed one.
    """
    parser = argparse.ArgumentParser(prog="make soak-mutations", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="within how many each has to be found (default 1000)")
    parser.add_argument("--only", default="", help="one of them, by its name")
    given = parser.parse_args()
    missed = []
    for mutation in MUTATIONS:
        if given.only not in {"", mutation.name}:
            continue
        found, seconds = find(mutation, given.seeds)
        if not found:
            missed.append(mutation.name)
        print(f"{mutation.name}: {mutation.undone}\n  {found or 'NOT FOUND'} ({seconds:.0f} s)", flush=True)
    print(f"missed: {', '.join(missed)}" if missed else "every one was found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
