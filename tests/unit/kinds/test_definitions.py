"""What each kind says of a case: what is wrong with it, what its pod needs, what it is about.

A case is read from its suite, and its rules are tried as those of the whole suite: so messages have their paths. Rules
that hold for cases of every kind are tried in ``unit/engine/test_validation.py``.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from support.builders import container_case, http_case, playbook_case, sql_case, suite_of
from testrun_operator.api.base import Model
from testrun_operator.api.reason import Reason
from testrun_operator.engine.validation import check_suite
from testrun_operator.kinds.case_kind import CaseKind, ConnectionUse, OwnContainer, SuiteNames
from testrun_operator.resources.suite import Case

ONE = "spec.cases[0]"
DATABASES = {
    "api": {"url": "http://api"},
    "db": {"dsnFrom": {"secretKeyRef": {"name": "a", "key": "dsn"}}},
    "both": {"url": "http://b", "dsnFrom": {"secretKeyRef": {"name": "b", "key": "dsn"}}},
}
KNOWN = "connections with dsnFrom are: both, db"
SERVER = [{"name": "server", "pagination": {}}]


def problems_of(*cases: Mapping[str, Any], **fields: Any) -> tuple[str, ...]:
    """Return what is wrong with a suite."""
    return check_suite(suite_of(*cases, **fields))


def http(**fields: Any) -> dict[str, Any]:
    """Return a case of kind http with these fields of its own."""
    return {"name": "one", "http": {"connection": "api"} | fields}


def sql(**fields: Any) -> dict[str, Any]:
    """Return a case of kind sql with these fields of its own."""
    return {"name": "one", "sql": {"connection": "db", "source": {"inline": "# TEST CASE"}} | fields}


def config_map(*paths: str, **fields: Any) -> dict[str, Any]:
    """Return a case of kind sql with the keys of a ConfigMap as files at these paths."""
    items = [{"key": f"key-{index}", "path": path} for index, path in enumerate(paths)]
    return sql(source={"configMap": {"name": "files", "items": items} | fields})


def not_relative(place: str, found: str) -> str:
    """Return what is said of a path that may lead out of the files."""
    return f"{place}: must be a relative path without '..', as in 'tests/booking.stt'; found {found!r}"


ALONE = "choose a folder for the files alone, such as '/reports'"


def in_another_mount(folder: str, index: int, path: str) -> str:
    """Return what is said of a folder for JUnit files that gets into the way of another mount."""
    return (
        f"{ONE}.container.junit: the folder {folder!r} is mounted for the files, and volumeMounts[{index}] mounts "
        f"{path!r}; choose a folder that is not in another mount, and has none in it"
    )


def container(**fields: Any) -> dict[str, Any]:
    """Return a case of kind container with these fields of its own."""
    return {"name": "one", "container": {"image": "busybox"} | fields}


def test_right_cases_of_kind_sql_have_no_problems() -> None:
    """Each source, a connection that has an address besides, templates, dots in names, combinations and needs."""
    assert () == problems_of(
        sql_case("inline"),
        sql_case("map", {"configMap": {"name": "files", "items": [{"key": "a", "path": "a..b/..c/.d"}], "path": "a"}}),
        sql_case("git", {"git": {"url": "{{ vars.repo }}", "ref": "{{ run.revision }}", "path": "{{ vars.a }}/b"}}),
        sql_case("each", matrix={"schema": ["a", "b"]}, needs=["inline"]),
        {"name": "other", "sql": {"connection": "both", "source": {"inline": "x"}}, "needs": ["each-a"]},
        connections=DATABASES,
    )


PROBLEMS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[str]]] = {
    "a connection that does not exist": (
        [http(connection="shop")],
        {"testServers": [{"name": "server", "pagination": {}}]},
        ["spec.cases[0].http.connection: there is no connection or test server 'shop'; there is: api, server"],
    ),
    "no connection at all": (
        [http(connection="shop")],
        {"connections": {}},
        ["spec.cases[0].http.connection: there is no connection or test server 'shop'; there is: none"],
    ),
    "a connection without url": (
        [http()],
        {"connections": {"api": {"dsnFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}}},
        ["spec.cases[0].http.connection: the connection 'api' has no url"],
    ),
    "expectations of a walk without one": (
        [http(expect={"items": 1, "pages": 1, "unique": "id", "ordered": "id", "status": 200})],
        {},
        [
            f"{ONE}.http.expect.{field}: needs {ONE}.http.paginate, which says how to walk over the pages"
            for field in ("items", "pages", "unique", "ordered")
        ],
    ),
    "a database that does not exist": (
        [sql(connection="ledger")],
        {"connections": DATABASES},
        [f"{ONE}.sql.connection: there is no connection 'ledger'; connections with dsnFrom are: both, db"],
    ),
    "no database at all": (
        [sql()],
        {},
        [f"{ONE}.sql.connection: there is no connection 'db'; connections with dsnFrom are: none"],
    ),
    "an address instead of a database": (
        [sql(connection="api")],
        {"connections": DATABASES},
        [f"{ONE}.sql.connection: the connection 'api' has no dsnFrom, which says how to reach a database; {KNOWN}"],
    ),
    "a test server instead of a database": (
        [sql(connection="server")],
        {"connections": DATABASES, "testServers": SERVER},
        [f"{ONE}.sql.connection: 'server' is a test server and no database; connections with dsnFrom are: both, db"],
    ),
    "paths that lead out of a ConfigMap": (
        [config_map("tests/../../a", "/etc/passwd", "..", "a/b", "", path="a/..")],
        {"connections": DATABASES},
        [
            not_relative(f"{ONE}.sql.source.configMap.path", "a/.."),
            not_relative(f"{ONE}.sql.source.configMap.items[0].path", "tests/../../a"),
            not_relative(f"{ONE}.sql.source.configMap.items[1].path", "/etc/passwd"),
            not_relative(f"{ONE}.sql.source.configMap.items[2].path", ".."),
            not_relative(f"{ONE}.sql.source.configMap.items[4].path", ""),
        ],
    ),
    "two keys for one file": (
        [config_map("a", "b", "a")],
        {"connections": DATABASES},
        [f"{ONE}.sql.source.configMap.items[2].path: 'a' is used before; each key needs a file of its own"],
    ),
    "a path that leads out of a repository": (
        [sql(source={"git": {"url": "https://git.example.com/a.git", "path": "../a"}})],
        {"connections": DATABASES},
        [not_relative(f"{ONE}.sql.source.git.path", "../a")],
    ),
    "a volume that does not exist": (
        [container(volumeMounts=[{"name": "data", "mountPath": "/data"}])],
        {},
        ["spec.cases[0].container.volumeMounts[0].name: there is no volume 'data' in spec.cases[0].container.volumes"],
    ),
    "a path out of its volume": (
        [
            container(
                volumes=[{"name": "data", "emptyDir": {}}],
                volumeMounts=[{"name": "data", "mountPath": "/data", "subPath": "a/../../b"}],
            )
        ],
        {},
        ["spec.cases[0].container.volumeMounts[0].subPath: must not contain '..'"],
    ),
    "JUnit files where nothing can be mounted": (
        [container(junit="/proc/self/*.xml")],
        {},
        [
            f"{ONE}.container.junit: nothing can be mounted at '/proc/self'; {ALONE}",
        ],
    ),
    "JUnit files in another mount": (
        [
            container(
                junit="/data/reports/*.xml",
                volumes=[{"name": "data", "emptyDir": {}}],
                volumeMounts=[{"name": "data", "mountPath": "/data/"}],
            )
        ],
        {},
        [
            in_another_mount("/data/reports", 0, "/data/"),
        ],
    ),
    "another mount in the folder of JUnit files": (
        [
            container(
                junit="/data/*.xml",
                volumes=[{"name": "data", "emptyDir": {}}],
                volumeMounts=[{"name": "data", "mountPath": "/data-2"}, {"name": "data", "mountPath": "/data/a"}],
            )
        ],
        {},
        [
            in_another_mount("/data", 1, "/data/a"),
        ],
    ),
    "a volume without source": (
        [container(volumes=[{"name": "data"}])],
        {},
        [f"{ONE}.container.volumes[0]: give exactly one of emptyDir, configMap, secret and persistentVolumeClaim"],
    ),
    "a volume with two sources": (
        [container(volumes=[{"name": "data", "emptyDir": {}, "configMap": {"name": "a"}}])],
        {},
        [f"{ONE}.container.volumes[0]: give exactly one of emptyDir, configMap, secret and persistentVolumeClaim"],
    ),
    "a variable with a value and a source": (
        [container(env=[{"name": "A", "value": "1", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}])],
        {},
        ["spec.cases[0].container.env[0]: give exactly one of value and valueFrom"],
    ),
    "a variable without value": (
        [container(env=[{"name": "A"}])],
        {},
        ["spec.cases[0].container.env[0]: give exactly one of value and valueFrom"],
    ),
    "a source that is none": (
        [container(env=[{"name": "A", "valueFrom": {}}])],
        {},
        ["spec.cases[0].container.env[0].valueFrom: give exactly one of secretKeyRef and configMapKeyRef"],
    ),
    "a name of ours": (
        [container(env=[{"name": "TESTRUN_RUN_ID", "value": "1"}])],
        {},
        ["spec.cases[0].container.env[0].name: names that begin with TESTRUN_ are set by the operator"],
    ),
    "all of nothing": (
        [container(envFrom=[{"prefix": "A_"}])],
        {},
        ["spec.cases[0].container.envFrom[0]: give exactly one of secretRef and configMapRef"],
    ),
}


@pytest.mark.parametrize(("cases", "fields", "expected"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_is_told_with_its_place(
    cases: list[dict[str, Any]], fields: dict[str, Any], expected: list[str]
) -> None:
    """One message for each problem: the field, what is wrong, and what would be right."""
    assert tuple(expected) == problems_of(*cases, **fields)


def case_of(document: Mapping[str, Any], **fields: Any) -> Case:
    """Return a case as its suite has it."""
    (case,) = suite_of(document, **fields).cases
    return case


def test_right_cases_of_kind_http_have_no_problems() -> None:
    """A test server is as good as a connection, and what is expected of pages needs a walk over them."""
    walk = {"paginate": {"style": "page", "items": "data"}, "expect": {"items": 3, "unique": "id"}}
    assert problems_of(http(), testServers=SERVER) == ()
    assert problems_of(http(connection="server", **walk), testServers=SERVER) == ()


def test_right_cases_of_kind_container_have_no_problems() -> None:
    """Variables of each sort, volumes that are mounted, and JUnit files beside them."""
    case = container(
        junit="/reports/*.xml",
        env=[
            {"name": "A", "value": ""},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
        ],
        envFrom=[{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "a"}}],
        volumes=[{"name": "data", "emptyDir": {}}],
        volumeMounts=[{"name": "data", "mountPath": "/data", "subPath": "a/..b"}],
    )
    assert problems_of(case) == ()


SUBJECTS: dict[str, tuple[dict[str, Any], str]] = {
    "a request without its query": (
        http(request={"method": "POST", "path": "/orders?token=secret"}),
        "POST /orders",
    ),
    "a repository": (
        sql(source={"git": {"url": "https://git.example.com/a.git"}}),
        "git https://git.example.com/a.git@HEAD",
    ),
    "a folder of a repository, without the query of its address": (
        sql(source={"git": {"url": "https://git.example.com/a.git?token=secret", "path": "tests", "ref": "v1"}}),
        "git https://git.example.com/a.git//tests@v1",
    ),
    "a ConfigMap": (sql(source={"configMap": {"name": "files"}}), "configmap/files"),
    "a folder of a ConfigMap": (sql(source={"configMap": {"name": "files", "path": "a/b"}}), "configmap/files/a/b"),
    "a text in the suite": (sql(source={"inline": "# TEST CASE"}), "inline"),
    "a playbook": (playbook_case("one"), "examples/hello"),
    "a version of a playbook": (playbook_case("one", own={"version": 3}), "examples/hello@3"),
    "an image": (container(image="busybox:1"), "busybox:1"),
}


@pytest.mark.parametrize(("document", "subject"), SUBJECTS.values(), ids=SUBJECTS)
def test_a_case_says_in_one_line_what_it_is_about(document: dict[str, Any], subject: str) -> None:
    """For tables and for the row in Postgres; never with what could be a secret."""
    case = case_of(document)
    assert case.kind.subject(case.spec) == subject


QUERIES = [{"name": name, "query": "SELECT true", "connection": name} for name in ("db", "noetl", "db", "other")]
CONNECTIONS: dict[str, tuple[dict[str, Any], tuple[ConnectionUse, ...]]] = {
    "an http case: the address": (http_case("one"), (ConnectionUse("api", address=True),)),
    "an sql case: the database": (sql_case("one"), (ConnectionUse("db", database=True),)),
    "a playbook: the server, and its database": (
        playbook_case("one"),
        (ConnectionUse("noetl", address=True, database=True),),
    ),
    "a playbook with queries: each of their databases, once": (
        playbook_case("one", own={"expect": {"sql": [{"name": "own", "query": "SELECT true"}, *QUERIES]}}),
        (
            ConnectionUse("noetl", address=True, database=True),
            ConnectionUse("db", database=True),
            ConnectionUse("other", database=True),
        ),
    ),
    "a container: none": (container_case("one"), ()),
}


@pytest.mark.parametrize(("document", "uses"), CONNECTIONS.values(), ids=CONNECTIONS)
def test_a_case_names_the_connections_that_travel_into_its_pod(
    document: dict[str, Any], uses: tuple[ConnectionUse, ...]
) -> None:
    """What it does not name is not in its pod, so that no secret is where it is not needed."""
    case = case_of(document)
    assert case.kind.connections(case.spec) == uses


def test_files_are_those_of_the_project_or_of_the_playbooks_that_are_registered() -> None:
    """A ConfigMap of them is mounted, and the credentials of a repository become variables."""
    source = {"configMap": {"name": "files"}}
    for document in (sql(source=source), playbook_case("one", own={"register": source})):
        case = case_of(document)
        files = case.kind.files(case.spec)
        assert files is not None
        assert files.config_map is not None
        assert files.config_map.name == "files"
    for document in (http_case("one"), playbook_case("one"), container_case("one")):
        case = case_of(document)
        assert case.kind.files(case.spec) is None


def test_credentials_are_the_secrets_of_those_that_a_playbook_needs_in_their_order() -> None:
    """The place of a Secret is in the names of its variables; so none is left out, and one may be there twice."""
    credentials = [
        {"name": name, "type": "postgres", "secretRef": {"name": f"of-{name[0]}"}} for name in ("b", "a", "bb")
    ]
    case = case_of(playbook_case("one", own={"credentials": credentials}))
    assert case.kind.credentials(case.spec) == ("of-b", "of-a", "of-b")
    others = [case_of(document) for document in (http_case("one"), sql_case("one"), container_case("one"))]
    assert [case.kind.credentials(case.spec) for case in others] == [(), (), ()]


def test_a_container_of_the_users_own_takes_the_place_of_the_runner() -> None:
    """With the pattern of the files that it leaves behind, if it does."""
    case = case_of(container(junit="/reports/*.xml"))
    assert case.own_container == OwnContainer(case.spec, "/reports/*.xml")
    assert case_of(container_case("one")).own_container == OwnContainer(case_of(container_case("one")).spec, None)
    others = [case_of(document) for document in (http_case("one"), sql_case("one"), playbook_case("one"))]
    assert [case.own_container for case in others] == [None, None, None]
    assert [case.kind.has_report for case in [case, *others]] == [False, True, True, True]


@pytest.mark.parametrize("status", ["Completed", "Failed", "Cancelled"])
def test_the_execution_of_a_playbook_that_passes_ends_as_its_case_says(status: str) -> None:
    """A case passes, too, when an execution fails that was expected to; reports say how it ended in these words."""
    case = case_of(playbook_case("one", own={"expect": {"status": status, "noErrors": False}}))
    assert case.kind.status_when_passed(case.spec) == status.upper()
    assert status.upper() in case.kind.execution_statuses


def test_other_kinds_have_no_executions_of_their_own() -> None:
    """There is no status to expect of them, and a time-out is never that of a dependency that was not reached."""
    others = [case_of(document) for document in (http_case("one"), sql_case("one"), container_case("one"))]
    assert [case.kind.status_when_passed(case.spec) for case in others] == [None, None, None]
    assert [case.kind.execution_statuses for case in others] == [frozenset(), frozenset(), frozenset()]
    assert [case.kind.reports_execution for case in others] == [False, False, False]
    assert case_of(playbook_case("one")).kind.reports_execution


def test_what_is_left_of_a_case_that_passed_says_why_in_the_words_of_its_kind() -> None:
    """An exit code is all that is known of a container; of the others, that their expectations are met."""
    documents = (http_case("one"), sql_case("one"), playbook_case("one"), container_case("one"))
    reasons = [case_of(document).kind.passed_reason for document in documents]
    assert reasons == [Reason.EXPECTATIONS_MET] * 3 + [Reason.EXIT_CODE_ZERO]


def test_the_fields_of_a_case_are_not_to_be_had_as_those_of_another_kind() -> None:
    """The type checker cannot see which model belongs to which kind."""
    case = case_of(http_case("one"))
    assert case.spec_as(type(case.spec)) is case.spec
    with pytest.raises(TypeError, match="one is a case of kind http, and has no ContainerCase"):
        case.spec_as(type(case_of(container_case("one")).spec))


class Plain(CaseKind[Model]):
    """A kind that says nothing of itself."""


def test_a_kind_that_says_nothing_uses_nothing_and_refuses_nothing() -> None:
    """Only what its cases are about has to be said, of which there is no default."""
    kind, spec = Plain(), Model()
    assert list(kind.check(spec, SuiteNames({}, frozenset()), "spec.cases[0].plain")) == []
    assert (kind.connections(spec), kind.files(spec), kind.credentials(spec)) == ((), None, ())
    assert (kind.own_container(spec), kind.status_when_passed(spec), kind.has_report) == (None, None, False)
    assert (kind.steps.count(1), kind.steps.count(2)) == ("1 step done", "2 steps done")
    with pytest.raises(NotImplementedError):
        kind.subject(spec)
