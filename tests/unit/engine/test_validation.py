"""The rules that tie one field to another: each message says where, what is wrong, and what would be right."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import container_case, http_case, run_of, sql_case, suite_of
from testrun_operator.engine.selection import expand_matrix
from testrun_operator.engine.validation import check_run, check_suite

ONE = "spec.cases[0]"
LONG = "x" * 60
DATABASES = {
    "api": {"url": "http://api"},
    "db": {"dsnFrom": {"secretKeyRef": {"name": "a", "key": "dsn"}}},
    "both": {"url": "http://b", "dsnFrom": {"secretKeyRef": {"name": "b", "key": "dsn"}}},
}
KNOWN = "connections with dsnFrom are: both, db"
SERVER = [{"name": "server", "pagination": {}}]
LINES = {"style": "page", "items": "data"}


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


def test_a_right_suite_has_no_problems() -> None:
    """Needs in any order, combinations by name, servers as connections."""
    assert () == problems_of(
        container_case("all", needs=["list-5", "one"]),
        http_case("one", http={"connection": "server", "paginate": LINES, "expect": {"items": 3}}),
        container_case("list", matrix={"size": ["5", "10"]}),
        testServers=[{"name": "server", "pagination": {}}],
    )


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


def test_the_largest_suite_that_is_allowed_has_no_problems() -> None:
    """Ten thousand cases, each of which needs as many combinations as it may, and the whole chain before it."""
    values = [str(value) for value in range(20)]
    cases = [container_case("case-0", matrix={"n": values})]
    cases += [
        container_case(
            f"case-{index}", matrix={"n": values}, needs=[f"case-{index - 1}-{value}" for value in values[:16]]
        )
        for index in range(1, 500)
    ]
    assert () == problems_of(*cases)


def test_a_name_may_have_the_length_of_a_dns_label() -> None:
    """63 characters, the values of the matrix included."""
    assert () == problems_of(container_case("one", matrix={"a": ["x" * 59]}))


PROBLEMS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[str]]] = {
    "a name twice": (
        [container_case("one"), container_case("two"), container_case("one")],
        {},
        ["spec.cases[2].name: 'one' is used before; names of cases must be unique"],
    ),
    "a server twice": (
        [container_case("one")],
        {"testServers": [{"name": "a", "pagination": {}}, {"name": "a", "pagination": {}}]},
        [
            "spec.testServers[0].name: 'a' is used twice; names must be unique",
            "spec.testServers[1].name: 'a' is used twice; names must be unique",
        ],
    ),
    "a server and a connection of one name": (
        [container_case("one")],
        {"testServers": [{"name": "api", "pagination": {}}]},
        ["spec.connections.api: a test server has this name too; give one of them another"],
    ),
    "too many combinations": (
        [container_case("one"), container_case("two", matrix={"a": list("abcdefg"), "b": [str(n) for n in range(37)]})],
        {},
        ["spec.cases[1].matrix: has 259 combinations; at most 256 are allowed for a case"],
    ),
    "too many cases": (
        [container_case(f"case-{index}", matrix={"n": [str(n) for n in range(256)]}) for index in range(40)],
        {},
        ["spec.cases: 10240 cases with all matrices expanded; at most 10000 are allowed"],
    ),
    "two combinations of one name": (
        [container_case("one", matrix={"a": ["X", "x"]})],
        {},
        ["spec.cases[0].matrix: expands to 'one-x', as cases[0] does; names must be unique"],
    ),
    "a combination named as another case": (
        [container_case("one-x"), container_case("one", matrix={"a": ["x"]})],
        {},
        ["spec.cases[1].matrix: expands to 'one-x', as cases[0] does; names must be unique"],
    ),
    "a name that is too long": (
        [container_case("one", matrix={"a": [LONG]})],
        {},
        [f"{ONE}.matrix: the name 'one-{LONG}' is longer than 63 characters; shorten the case's name or the values"],
    ),
    "a need that does not exist": (
        [container_case("one", needs=["two", "tow"]), container_case("two")],
        {},
        ["spec.cases[0].needs[1]: there is no case 'tow' in this suite"],
    ),
    "a case that needs itself": (
        [container_case("one", needs=["one"])],
        {},
        ["spec.cases[0].needs: 'one' needs itself, directly or by way of other cases"],
    ),
    "a combination that needs another of its own case": (
        [container_case("one", matrix={"a": ["x", "y"]}, needs=["one-x"])],
        {},
        ["spec.cases[0].needs: 'one' needs itself, directly or by way of other cases"],
    ),
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


def test_a_cycle_of_needs_is_told_once() -> None:
    """At one of its members, not at cases that merely need one of them."""
    problems = problems_of(
        container_case("outside", needs=["b"]),
        container_case("a", needs=["c"]),
        container_case("b", needs=["a"]),
        container_case("c", needs=["b"]),
    )
    assert 1 == len(problems)
    assert "spec.cases[0]" not in problems[0]
    assert problems[0].endswith("needs itself, directly or by way of other cases")


def test_problems_of_an_inline_suite_have_their_own_path() -> None:
    """They stand below spec.suite of the run."""
    suite = suite_of(container_case("one", needs=["two"]))
    assert ("spec.suite.cases[0].needs[0]: there is no case 'two' in this suite",) == check_suite(suite, "spec.suite")


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 6), max_size=4), st.lists(st.sampled_from("abc"), max_size=2, unique=True)),
        min_size=1,
        max_size=7,
    )
)
def test_a_suite_without_problems_can_be_executed(drawn: list[tuple[list[int], list[str]]]) -> None:
    """Whatever is accepted is expanded and ordered without an error, under unique names that are DNS labels."""
    cases = [
        container_case(f"case-{index}", needs=[f"case-{need}" for need in dict.fromkeys(needs)])
        | ({"matrix": {"m": values}} if values else {})
        for index, (needs, values) in enumerate(drawn)
    ]
    suite = suite_of(*cases)
    cyclic = _has_cycle(
        {index: [need for need in needs if need < len(drawn)] for index, (needs, _) in enumerate(drawn)}
    )
    unknown = any(need >= len(drawn) for needs, _ in drawn for need in needs)
    assert (cyclic or unknown) == bool(check_suite(suite))


def _has_cycle(needs: dict[int, list[int]]) -> bool:
    reached = {start: set(found) for start, found in needs.items()}
    for _ in needs:
        for found in reached.values():
            found |= {further for need in found for further in needs[need]}
    return any(start in found for start, found in reached.items())


# -- the run ------------------------------------------------------------------------------------------------------

SUITE = suite_of(
    container_case("one", category="shop", tags=["smoke"]), container_case("list", matrix={"size": ["5", "10"]})
)


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"select": {"names": ["one", "list", "list-5"]}},
        {"select": {"categories": ["shop"]}},
        {"select": {"tags": ["smoke"], "categories": ["elsewhere"]}},
        {"skip": {"names": ["list-10"], "tags": ["nowhere"]}},
    ],
)
def test_a_run_that_fits_its_suite_has_no_problems(run: dict[str, Any]) -> None:
    """Names of cases and of combinations; a skip that matches nothing does no harm."""
    assert () == check_run(run_of(**run), SUITE)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({"select": {"names": ["one", "tow"]}}, ["spec.select.names[1]: the suite has no case 'tow'"]),
        ({"skip": {"names": ["list-7"]}}, ["spec.skip.names[0]: the suite has no case 'list-7'"]),
        (
            {"select": {"names": ["a"]}, "skip": {"names": ["b"]}},
            ["spec.select.names[0]: the suite has no case 'a'", "spec.skip.names[0]: the suite has no case 'b'"],
        ),
        (
            {"select": {"tags": ["slow"], "categories": ["none"]}},
            ["spec.select: matches no case of the suite; its categories and tags are those of the cases"],
        ),
    ],
)
def test_a_slip_in_a_selection_is_told(run: dict[str, Any], expected: list[str]) -> None:
    """A name that does not exist, or a selection that matches nothing, must not look like success."""
    assert tuple(expected) == check_run(run_of(**run), SUITE)


def test_names_of_combinations_are_those_that_the_suite_expands_to() -> None:
    """The names that a run may select are the names that the cases get."""
    names = [variant.name for case in SUITE.cases for variant in expand_matrix(case)]
    assert () == check_run(run_of(select={"names": names}), SUITE)
