"""Rules that tie the fields of a playbook case to each other and to the suite."""

from typing import Any

import pytest

from support.builders import playbook_case, suite_of
from testrun_operator.engine.validation import check_suite

WHERE = "spec.cases[0].playbook"
CONNECTIONS = {
    "noetl": {"url": "http://noetl:8082", "dsnFrom": {"secretKeyRef": {"name": "events", "key": "dsn"}}},
    "server": {"url": "http://noetl:8082"},
    "db": {"dsnFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}},
}
WITH_URL = "connections with url are: noetl, server"
REACH = "which says how to reach a database"
WITH_DSN = "connections with dsnFrom are: db, noetl"
RIGHT_PATH = "must be a relative path without '..', as in 'tests/booking.stt'"


def problems_of(**own: Any) -> tuple[str, ...]:
    """Return what is wrong with a suite of one playbook case."""
    servers = [{"name": "paginated-api", "pagination": {}}]
    return check_suite(suite_of(playbook_case("one", own=own), connections=CONNECTIONS, testServers=servers))


def credential(name: str) -> dict[str, Any]:
    """Return a credential."""
    return {"name": name, "type": "postgres", "secretRef": {"name": "pg"}}


def sql(*connections: str | None) -> dict[str, Any]:
    """Return expectations with a query against each of these connections."""
    queries = [
        {"name": "rows", "query": "SELECT true"} | ({"connection": name} if name else {}) for name in connections
    ]
    return {"sql": queries}


RIGHT: dict[str, dict[str, Any]] = {
    "the shortest": {},
    "without a database": {"connection": "server"},
    "queries of a server without a database": {"connection": "server", "expect": sql("db")},
    "queries of each database": {"expect": sql(None, "db", "noetl")},
    "playbooks of a repository": {"register": {"git": {"url": "{{ vars.repo }}", "path": "a/b"}}},
    "credentials": {"credentials": [credential("a"), credential("b")]},
    "steps": {"expect": {"steps": {"ran": ["a", "b"], "inOrder": ["a", "b", "a"], "notRan": ["c"]}}},
}


@pytest.mark.parametrize("what", RIGHT)
def test_a_right_case_has_no_problems(what: str) -> None:
    """Everything that can be meant is allowed."""
    assert problems_of(**RIGHT[what]) == ()


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no such connection": (
        {"connection": "other"},
        [f"{WHERE}.connection: there is no connection 'other'; {WITH_URL}"],
    ),
    "a database only": (
        {"connection": "db"},
        [f"{WHERE}.connection: the connection 'db' has no url, which says where the NoETL server is; {WITH_URL}"],
    ),
    "a test server": (
        {"connection": "paginated-api"},
        [f"{WHERE}.connection: 'paginated-api' is a test server and no NoETL server; {WITH_URL}"],
    ),
    "queries of connections that are no databases": (
        {"expect": sql("db", "server", "other", "paginated-api")},
        [
            f"{WHERE}.expect.sql[1].connection: the connection 'server' has no dsnFrom, {REACH}; {WITH_DSN}",
            f"{WHERE}.expect.sql[2].connection: there is no connection 'other'; {WITH_DSN}",
            f"{WHERE}.expect.sql[3].connection: 'paginated-api' is a test server and no database; {WITH_DSN}",
        ],
    ),
    "a query of a server without a database": (
        {"connection": "server", "expect": sql(None)},
        [
            f"{WHERE}.expect.sql[0].connection: is needed, since the playbook's connection 'server' has no dsnFrom",
        ],
    ),
    "a credential twice": (
        {"credentials": [credential("a"), credential("b"), credential("a")]},
        [f"{WHERE}.credentials[2].name: 'a' is used before; names must be unique"],
    ),
    "a path out of the files": (
        {"register": {"git": {"url": "https://git.example.com/a.git", "path": "../a"}}},
        [f"{WHERE}.register.git.path: {RIGHT_PATH}; found '../a'"],
    ),
    "a step that must run and must not": (
        {"expect": {"steps": {"ran": ["a", "b"], "notRan": ["c", "b"], "inOrder": ["c", "a"]}}},
        [
            f"{WHERE}.expect.steps.notRan[0]: 'c' is in inOrder, too, and cannot both run and not run",
            f"{WHERE}.expect.steps.notRan[1]: 'b' is in ran, too, and cannot both run and not run",
        ],
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_case_is_refused_with_what_would_be_right(what: str) -> None:
    """Each problem names its field."""
    own, problems = WRONG[what]
    assert list(problems_of(**own)) == problems
