#!/usr/bin/env python3
"""Measures playbook cases on real NoETL servers: `make bench-playbook`, or `bench/playbook.py --help`.

A mix of playbooks is run, several at once, through the whole case: started, followed, judged. Then, and not before a
minute has gone by, the database is asked what became of them:

- wrong: verdicts other than what is known of the playbook on that release.
- grown: executions whose log had more events in the end than were judged.
- lag: the time from the last event that could be seen by others to the verdict.
- the framework before, on the same executions: the rule that it has, at its times, and what it would have said.
- processor time and queries of the reader of event logs, per execution.

Needs Python 3.12 or later for NoETL (not for this), Debian's postgresql, and nats-server or an apt that can fetch it.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from playbook_truth import RULES, Database, Row, Rule, Truth, mix_of

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from tests.integration.pagination_server import running_test_server  # noqa: E402 - the same

from support.noetl import RELEASES as INSTALLABLE  # noqa: E402 - of the tests, found by the path above
from support.noetl import NoetlServer, installed, running_noetl  # noqa: E402 - the same
from support.playbook_cases import document_of, playbook_text, run_here  # noqa: E402 - the same
from testrun_operator.kinds.playbook.execution import case as playbook_case  # noqa: E402 - after the path
from testrun_operator.kinds.playbook.execution.eventlog.postgres import PostgresEventLog  # noqa: E402 - after the path
from testrun_operator.kinds.playbook.execution.log import Log  # noqa: E402 - after the path

RELEASES = ("1.8.0", "2.5.5", "4.26.0")
_GROWS_WITHIN_SECONDS = 60.0
_TIMEOUT = "180s"
_NAMED = 3


@dataclass
class _Reading:
    """What the reader of event logs did in this process, since it was asked last."""

    looks: int = 0
    queries: int = 0
    processor: float = 0.0
    last_at: float = 0.0
    executions: tuple[int, ...] = ()
    events: int = 0


_reading = _Reading()


class _MeasuredEventLog(PostgresEventLog):
    """The reader as it is, with its time and its looks counted."""

    def read(self, root: int, *, until: float = float("inf")) -> Log:
        before = time.thread_time()
        log = super().read(root, until=until)
        _reading.processor += time.thread_time() - before
        _reading.looks += 1
        _reading.last_at = time.time()
        _reading.executions = log.executions
        _reading.events = len(log.events)
        return log


def _measure_reader() -> None:
    """Have the reader of this process measured; statements are counted where the library sends them."""
    playbook_case.PostgresEventLog = _MeasuredEventLog  # type: ignore[attr-defined]
    execute = psycopg.Cursor.execute

    def counted(cursor: psycopg.Cursor[Any], *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        _reading.queries += 1
        return execute(cursor, *arguments, **options)

    psycopg.Cursor.execute = counted  # type: ignore[method-assign, assignment]


@dataclass(frozen=True)
class Run:
    """A case that was run, with what was read of its execution."""

    truth: Truth
    verdict: str
    reason: str
    message: str
    execution: int
    status: str
    inferred: bool
    seconds: float
    decided_at: float
    judged_at: float
    processor: float
    reading: _Reading
    log: list[str] = field(repr=False)

    @property
    def is_right(self) -> bool:
        """Whether it is what is known of the playbook."""
        return (self.verdict, self.status) == (self.truth.verdict, self.truth.status)


def run_one(truth: Truth, url: str, dsn: str, payload: dict[str, str]) -> Run:
    """Run a case in this process."""
    global _reading  # noqa: PLW0603 - what the library's hooks count has no other place
    _reading = _Reading()
    playbook = {"path": f"testrun/{truth.name}", "payload": payload, "expect": truth.expect}
    before = time.process_time()
    outcome = run_here(document_of(url, playbook, timeout=_TIMEOUT), {"TESTRUN_DSN": dsn})
    judged_at = time.time()
    execution = outcome.execution if outcome.executions else None
    return Run(
        truth=truth,
        verdict=outcome.conclusion.verdict.value,
        reason=outcome.conclusion.reason.value,
        message=outcome.conclusion.message,
        execution=int(execution.id) if execution else 0,
        status=execution.status if execution else "",
        inferred=execution.inferred if execution else False,
        seconds=outcome.seconds,
        decided_at=_reading.last_at,
        judged_at=judged_at,
        processor=time.process_time() - before,
        reading=_reading,
        log=outcome.log,
    )


def run_all(noetl: NoetlServer, number: int, parallelism: int, payload: dict[str, str]) -> list[Run]:
    """Run so many cases, some at once, in processes of their own as in pods."""
    mix = mix_of(noetl.release.version, number)
    for name in dict.fromkeys(name for truth in mix for name in (*truth.starts, truth.name)):
        noetl.register(playbook_text(noetl, name))
    random.Random(number).shuffle(mix)  # noqa: S311 - so that playbooks meet in every way
    with ProcessPoolExecutor(parallelism, initializer=_measure_reader) as pool:
        running = [pool.submit(run_one, truth, noetl.url, noetl.events_dsn, payload) for truth in mix]
        return [one.result() for one in running]


def examine(noetl: NoetlServer, runs: Sequence[Run]) -> dict[str, Any]:
    """Ask the database what became of the executions, and compare."""
    database = Database(noetl.owner_dsn)
    wrong = [run for run in runs if not run.is_right]
    grown, lags, decisions, of_rows = [], defaultdict(list), [], []
    slowest: list[tuple[float, str]] = []
    before: dict[str, Counter[str]] = {rule.name: Counter() for rule in RULES}
    for run in runs:
        events = database.events(run.reading.executions)
        if len(events) != run.reading.events:
            grown.append(run)
        if not events:
            continue
        last = max(row.visible_at for row in events)
        lags["all"].append(run.judged_at - last)
        lags["no last event" if run.inferred else "last event"].append(run.judged_at - last)
        slowest.append((round(run.judged_at - last, 3), f"{run.truth.name} {run.execution}"))
        decisions.append(run.decided_at - last)
        of_rows.append(run.judged_at - max(last, database.last_change(run.reading.executions)))
        own = [row for row in events if row.execution == run.execution]
        for rule in RULES:
            before[rule.name].update(_try_rule(rule, own, completes=run.truth.status == "COMPLETED"))
    unjudged = database.count() - sum(run.reading.events for run in runs)
    database.close()
    for run in (*wrong, *grown):
        tell(run)
    return {
        "executions": len(runs),
        "verdicts": dict(Counter(run.verdict for run in runs)),
        "reasons": dict(Counter(run.reason for run in runs)),
        "playbooks": dict(Counter(run.truth.name for run in runs)),
        "inferred": sum(run.inferred for run in runs),
        "wrong": [f"{run.truth.name} {run.execution}: {run.verdict} {run.status}: {run.message}" for run in wrong],
        "grown": [f"{run.truth.name} {run.execution}" for run in grown],
        "events_judged": sum(run.reading.events for run in runs),
        "events_that_nobody_judged": unjudged,
        "seconds": spread([run.seconds for run in runs]),
        "lag_seconds": {kind: spread(values) for kind, values in lags.items()},
        "longest_lags": sorted(slowest, reverse=True)[:_NAMED],
        "lag_of_the_decision_seconds": spread(decisions),
        "lag_after_the_last_row_of_any_table_seconds": spread(of_rows),
        "before": {name: dict(counts) for name, counts in before.items()},
        "reader": {
            "looks": spread([run.reading.looks for run in runs]),
            "queries": spread([run.reading.queries for run in runs]),
            "processor_seconds": spread([run.reading.processor for run in runs]),
            "processor_seconds_of_the_whole_case": spread([run.processor for run in runs]),
        },
    }


def _try_rule(rule: Rule, own: Sequence[Row], *, completes: bool) -> list[str]:
    found = rule.look(own)
    if found is None:
        return ["never looks"]
    passes, is_complete = found
    said = ["looked too early"] if not is_complete else []
    if passes == completes:
        return [*said, "right"]
    return [*said, "wrongly passed" if passes else "wrongly not passed"]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Give the median, two high quantiles and the ends."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {
        "min": round(ordered[0], 3),
        "median": round(statistics.median(ordered), 3),
        "p95": round(_quantile(ordered, 0.95), 3),
        "p99": round(_quantile(ordered, 0.99), 3),
        "max": round(ordered[-1], 3),
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def tell(run: Run) -> None:
    """Print what has to be understood."""
    print(f"--- {run.truth.name}, execution {run.execution}: {run.verdict} {run.reason} {run.status}: {run.message}")
    print(*run.log, sep="\n", flush=True)


def bench(release: str, number: int, parallelism: int) -> dict[str, Any]:
    """Run the cases on one release."""
    with running_noetl(release) as noetl, running_test_server() as api:
        began = time.monotonic()
        runs = run_all(noetl, number, parallelism, {"api_url": api.url})
        seconds = time.monotonic() - began
        time.sleep(_GROWS_WITHIN_SECONDS)
        return {"release": release, "makespan_seconds": round(seconds, 1)} | examine(noetl, runs)


def main() -> int:
    """Measure, print, and write the numbers to a file; 1 where a verdict was wrong or a log grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=60, help="executions, over all releases (60)")
    parser.add_argument("--parallelism", type=int, default=4, help="how many at once (4)")
    parser.add_argument("--releases", nargs="+", choices=RELEASES, default=RELEASES, help="of NoETL (all three)")
    parser.add_argument("--output", type=Path, help="write the numbers as JSON to this file")
    arguments = parser.parse_args()
    for release in arguments.releases:
        try:
            installed(INSTALLABLE[release])
        except RuntimeError as error:
            # For want of a Python that NoETL can run on, as a rule.
            print(f"bench/playbook.py: NoETL {release} cannot be run here: {error}", file=sys.stderr)
            return 2
    number = -(-arguments.executions // len(arguments.releases))
    results = []
    for release in arguments.releases:
        results.append(bench(release, number, arguments.parallelism))
        print(json.dumps(results[-1], indent=2), flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n")
    return 1 if any(one["wrong"] or one["grown"] or one["events_that_nobody_judged"] for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
