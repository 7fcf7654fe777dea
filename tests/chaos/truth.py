"""Suites of which it is known how every case ends, whatever happens to the cluster meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from support.cases import SHARED_SERVER, walk
from support.cluster import Body, container

SQL_SECRET = "database"
SQL_DSN = "sqlite:////tmp/case.db"
"""A database in the pod itself: no fault but one of the pod can touch it."""


@dataclass(frozen=True)
class Suite:
    """Cases, what their run says besides, and the verdict that is true for each of them."""

    cases: tuple[Body, ...]
    truth: Mapping[str, str]
    spec: Mapping[str, Any]


def of_containers(*, passing: int = 5, failing: int = 3, exceeding: int = 2, seconds: int = 4) -> Suite:
    """Make container cases that pass, fail and exceed their timeout, and one that passes after a while."""
    script = f"sleep {seconds}"
    cases = [container(f"passes-{number}", script) for number in range(passing)]
    cases += [container(f"fails-{number}", f"{script}; exit 1") for number in range(failing)]
    # Every other one ends with 0 when it is told to end, which is no passing; the others wait for the SIGKILL.
    scripts = ["trap 'exit 0' TERM; sleep 600 & wait", "sleep 600"]
    cases += [container(f"exceeds-{number}", scripts[number % 2], timeout=f"{seconds}s") for number in range(exceeding)]
    cases.append(container("in-time", "sleep 30", timeout="60s"))
    return _suite(cases, parallelism=4)


def mixed() -> Suite:
    """Make cases of the kinds that need no server of their own: container, http, sql."""
    containers = of_containers(passing=3, failing=2, exceeding=1)
    wrong = walk("fails-http")
    wrong["http"]["expect"] = {"items": 34}
    cases = [
        *containers.cases,
        walk("passes-http"),
        wrong,
        _sql("passes-sql", "SELECT 1;"),
        _sql("fails-sql", "SELECT no_such_column;"),
    ]
    dsn = {"dsnFrom": {"secretKeyRef": {"name": SQL_SECRET, "key": "dsn"}}}
    return _suite(cases, parallelism=5, suite={**SHARED_SERVER, "connections": {"db": dsn}})


def long_running() -> Suite:
    """Make cases that are at work while a node is lost: each passes in its time, or fails at once."""
    cases = [container(f"in-time-{number}", "sleep 45", timeout="2m") for number in range(2)]
    cases.append(container("fails-late", "sleep 45; exit 1", timeout="2m"))
    return _suite(cases, parallelism=3)


def _suite(cases: list[Body], **spec: Any) -> Suite:
    verdicts = {"passes": "Passed", "fails": "Failed", "exceeds": "TimedOut", "in": "Passed"}
    truth = {str(case["name"]): verdicts[str(case["name"]).split("-")[0]] for case in cases}
    return Suite(tuple(cases), truth, {"ttlAfterFinished": "1h", **spec})


def _sql(name: str, statement: str) -> Body:
    text = f"# TEST CASE\nOne statement.\n\n## TEST\nIt is well.\n```sql\n{statement}\n```\n"
    return {"name": name, "sql": {"connection": "db", "source": {"inline": text}}}
