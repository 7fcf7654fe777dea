"""What is said of a spec that is wrong: which field it is, what is wrong with it, and what would be right."""

from typing import Any

import pytest

from support.builders import container_case, http_case, suite_document
from testrun_operator.errors import InvalidSpec
from testrun_operator.kinds import FOLDERS
from testrun_operator.resources.parsing import format_path, parse_run, parse_suite

ONE_KIND = f"give exactly one of {', '.join(FOLDERS)}"
DEEP: dict[str, Any] = {}
_innermost = DEEP
for _ in range(2000):
    _innermost["a"] = {}
    _innermost = _innermost["a"]


def problems_of(spec: object) -> tuple[str, ...]:
    """Return what is wrong with a suite."""
    with pytest.raises(InvalidSpec) as caught:
        parse_suite(spec)
    return caught.value.problems


def problems_of_run(spec: object) -> tuple[str, ...]:
    """Return what is wrong with a run."""
    with pytest.raises(InvalidSpec) as caught:
        parse_run(spec)
    return caught.value.problems


def one(**fields: Any) -> dict[str, Any]:
    """Return a suite of one case, with fields as in YAML."""
    return suite_document(http_case("one", **fields))


def http(**fields: Any) -> dict[str, Any]:
    """Return a suite of one case, with fields of its request as in YAML."""
    return one(http={"connection": "api"} | fields)


def sql(source: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a suite of one case of kind sql, with its source and further fields as in YAML."""
    return suite_document({"name": "one", "sql": {"connection": "db", "source": source} | fields})


BAD_SUITES = {
    "an unknown style": (
        suite_document(
            *(http_case(f"case-{number}") for number in range(3)),
            http_case("case-3", http={"connection": "api", "paginate": {"style": "pages", "items": "data"}}),
        ),
        "spec.cases[3].http.paginate.style: 'pages' is not known; use one of 'page', 'offset', 'cursor' or 'link'",
    ),
    "no cases": ({"cases": []}, "spec.cases: must have at least 1"),
    "cases missing": ({}, "spec.cases: is required"),
    "cases that are null": ({"cases": None}, "spec.cases: must be a list, not None"),
    "cases that are a text": ({"cases": "all"}, "spec.cases: must be a list, not 'all'"),
    "a case that is a number": ({"cases": [5]}, "spec.cases[0]: must be an object, not 5"),
    "a case without a name": ({"cases": [{"http": {"connection": "api"}}]}, "spec.cases[0].name: is required"),
    "a misspelt field": (one(timeuot="5m"), "spec.cases[0].timeuot: is not a field of this version"),
    "a field in the wrong place": (one(paginate={}), "spec.cases[0].paginate: is not a field of this version"),
    "a name in capitals": (suite_document(http_case("ONE")), "spec.cases[0].name: 'ONE' must match ^[a-z0-9]"),
    "a name with a line break": (suite_document(http_case("one\n")), r"spec.cases[0].name: 'one\n' must match"),
    "a name with a zero byte": (suite_document(http_case("one\0")), r"spec.cases[0].name: 'one\x00' must match"),
    "a name of 64 characters": (suite_document(http_case("a" * 64)), "spec.cases[0].name: string should have at most"),
    "an empty name": (suite_document(http_case("")), "spec.cases[0].name: "),
    "half of a surrogate pair": (one(description="\ud800"), "spec.cases[0].description: "),
    "no kind": (
        suite_document({"name": "one"}),
        f"spec.cases[0]: {ONE_KIND}; found none",
    ),
    "two kinds": (
        one(container={"image": "busybox"}),
        f"spec.cases[0]: {ONE_KIND}; found http and container",
    ),
    "a number as a duration": (one(timeout=30), "spec.cases[0].timeout: must be a text such as '30s'"),
    "words as a duration": (one(timeout="five minutes"), "spec.cases[0].timeout: 'five minutes' is no duration"),
    "a duration beyond all bounds": (one(timeout="9" * 31 + "h"), "spec.cases[0].timeout: "),
    "a fraction of a retry": (one(retries=1.5), "spec.cases[0].retries: "),
    "too many retries": (one(retries=11), "spec.cases[0].retries: input should be less than or equal to 10, not 11"),
    "a text as a list": (one(tags="smoke"), "spec.cases[0].tags: "),
    "a tag with a space": (one(tags=["fine", "not fine"]), "spec.cases[0].tags[1]: 'not fine' must match"),
    "a matrix without values": (one(matrix={"size": []}), "spec.cases[0].matrix.size: "),
    "a matrix with a number": (one(matrix={"size": [5]}), "spec.cases[0].matrix.size[0]: "),
    "a variable with a dash": (suite_document(http_case("one"), variables={"a-b": "1"}), "spec.variables.a-b: 'a-b'"),
    "a variable that is a number": (suite_document(http_case("one"), variables={"size": 5}), "spec.variables.size: "),
    "variables with the names of types": (
        suite_document(http_case("one"), variables={"int": 5, "str": [1]}),
        "spec.variables.str: ",
    ),
    "a connection with the name of a type": (
        suite_document(http_case("one"), connections={"str": {"url": "ftp://host"}}),
        "spec.connections.str.url: 'ftp://host' must match",
    ),
    "a field with its name in Python": (suite_document(http_case("one"), test_servers=[]), "spec.test_servers: is not"),
    "a connection without address": (suite_document(http_case("one"), connections={"api": {}}), "spec.connections.api"),
    "another scheme": (
        suite_document(http_case("one"), connections={"api": {"url": "file:///etc/passwd"}}),
        "spec.connections.api.url: 'file:///etc/passwd' must match",
    ),
    "credentials in an address": (
        suite_document(http_case("one"), connections={"api": {"url": "http://me:secret@host/"}}),
        "spec.connections.api: url must not contain credentials",
    ),
    "an unknown operator": (one(when=[{"key": "k", "operator": "Is"}]), "spec.cases[0].when[0].operator: 'Is' is not"),
    "values for Exists": (
        one(when=[{"key": "k", "operator": "Exists", "values": ["v"]}]),
        "spec.cases[0].when[0]: values are needed by In and NotIn",
    ),
    "a status in words": (http(expect={"status": "fine"}), "spec.cases[0].http.expect.status: 'fine' is neither"),
    "a negative count": (http(expect={"items": -1}), "spec.cases[0].http.expect.items: must not be negative"),
    "a path that is none": (http(request={"path": "here"}), "spec.cases[0].http.request.path: 'here' must match"),
    "an unknown method": (http(request={"method": "get"}), "spec.cases[0].http.request.method: 'get' is not known"),
    "a body that nests too deep": (http(request={"body": DEEP}), "spec.cases[0].http.request.body"),
    "a selection that is none": (sql({"inline": "x"}, select={"test": ["a"]}), "spec.cases[0].sql.select.test: is not"),
    "no source": (sql({}), "spec.cases[0].sql.source: give exactly one of inline, configMap and git"),
    "two sources": (
        sql({"inline": "x", "configMap": {"name": "a"}}),
        "spec.cases[0].sql.source: give exactly one of inline, configMap and git",
    ),
    "an absolute path": (
        sql({"configMap": {"name": "a", "path": "/etc"}}),
        "spec.cases[0].sql.source.configMap.path: '/etc' must match",
    ),
    "credentials of a repository": (
        sql({"git": {"url": "https://me:secret@host/a.git"}}),
        "spec.cases[0].sql.source.git: url must not contain credentials; use secretRef",
    ),
    "a repository of this machine": (
        sql({"git": {"url": "file:///etc"}}),
        "spec.cases[0].sql.source.git.url: 'file:///etc' must match",
    ),
    "an unknown isolation": (sql({"inline": "x"}, isolation="some"), "spec.cases[0].sql.isolation: 'some' is not"),
    "test cases at once that share a database": (
        sql({"inline": "x"}, isolation="rollback", parallel=2),
        "spec.cases[0].sql: parallel needs isolation: database",
    ),
    "a server of no kind": (
        suite_document(http_case("one"), testServers=[{"name": "server"}]),
        "spec.testServers[0].pagination: is required",
    ),
}


@pytest.mark.parametrize("what", BAD_SUITES)
def test_a_bad_suite_is_refused_with_the_path_of_the_field(what: str) -> None:
    """Whoever wrote the suite learns which field is wrong, and why."""
    spec, beginning = BAD_SUITES[what]
    problems = problems_of(spec)
    assert any(problem.startswith(beginning) for problem in problems), problems


BAD_RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "no suite": ({}, "spec: give exactly one of suiteRef and suite"),
    "two suites": (
        {"suiteRef": {"name": "regression"}, "suite": suite_document(http_case("one"))},
        "spec: give exactly one of suiteRef and suite",
    ),
    "a bad inline suite": ({"suite": {"cases": [{"name": "A B"}]}}, "spec.suite.cases[0].name: 'A B' must match"),
    "no parallelism": ({"suiteRef": {"name": "regression"}, "parallelism": 0}, "spec.parallelism: "),
    "an unknown rerun": ({"suiteRef": {"name": "regression"}, "rerun": "failed"}, "spec.rerun: 'failed' is not known"),
    "a name with a slash": ({"suiteRef": {"name": "../other"}}, "spec.suiteRef.name: '../other' must match"),
    "a field with its name in Python": ({"suiteRef": {"name": "r"}, "fail_fast": True}, "spec.fail_fast: is not"),
    "a selection by an unknown field": ({"suiteRef": {"name": "r"}, "select": {"tag": []}}, "spec.select.tag: is not"),
    "a switch in words": ({"suiteRef": {"name": "r"}, "failFast": "perhaps"}, "spec.failFast: "),
}


@pytest.mark.parametrize("what", BAD_RUNS)
def test_a_bad_run_is_refused_with_the_path_of_the_field(what: str) -> None:
    """The same for a run, and for a suite within it."""
    spec, beginning = BAD_RUNS[what]
    problems = problems_of_run(spec)
    assert any(problem.startswith(beginning) for problem in problems), problems


@pytest.mark.parametrize("spec", [None, [], "cases", 5])
def test_a_spec_that_is_no_object_is_missing(spec: object) -> None:
    """A resource may come without a spec."""
    assert problems_of(spec) == ("spec: is missing",)
    assert problems_of_run(spec) == ("spec: is missing",)


def test_a_list_whose_items_are_wrong_is_not_also_too_short() -> None:
    """Only the cause is told: pydantic counts the valid items alone and would say that there are none."""
    assert [problem.partition(":")[0] for problem in problems_of({"cases": [{"name": "A"}]})] == ["spec.cases[0].name"]


def test_a_list_that_is_too_short_is_told_beside_other_problems() -> None:
    """The list is silent only where its own items are the cause."""
    paths = [problem.partition(":")[0] for problem in problems_of({"cases": [], "variables": {"a-b": ""}})]
    assert sorted(paths) == ["spec.cases", "spec.variables.a-b"]


@pytest.mark.parametrize(("count", "told"), [(1, 1), (10, 10), (11, 11), (13, 11), (500, 11)])
def test_ten_problems_are_told_at_most(count: int, told: int) -> None:
    """A suite that is wrong from end to end does not fill the status; how many more there are is said."""
    problems = problems_of({"cases": [http_case("A") for _ in range(count)]})
    assert len(problems) == told
    if count > 10:
        assert problems[-1] == f"and {count - 10} more"


def test_all_problems_are_told_at_once() -> None:
    """Nobody has to apply a suite once for each mistake in it."""
    problems = problems_of({"cases": [http_case("A", timeout="x"), http_case("b", tags="c")], "nothing": 1})
    paths = {problem.partition(":")[0] for problem in problems}
    assert paths == {"spec.cases[0].name", "spec.cases[0].timeout", "spec.cases[1].tags", "spec.nothing"}


def test_a_long_value_is_cut_where_it_is_quoted() -> None:
    """A value of a megabyte does not get into the message."""
    (problem,) = problems_of(one(category="!" * 1_000_000))
    assert len(problem) < 300


def test_an_error_is_one_text_of_all_problems() -> None:
    """The log has them in one line."""
    error = InvalidSpec(("spec.a: is required", "spec.b: is required"))
    assert str(error) == "spec.a: is required; spec.b: is required"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ((), "spec"),
        (("cases", 3, "http", "paginate", "style"), "spec.cases[3].http.paginate.style"),
        (("variables", "a-b", "[key]"), "spec.variables.a-b"),
    ],
)
def test_a_path_is_written_as_in_yaml(location: tuple[int | str, ...], path: str) -> None:
    """Places in a list stand in brackets, as in the messages of the API server."""
    assert format_path(location) == path


def test_a_right_suite_becomes_a_model_with_all_defaults() -> None:
    """What is left out has the documented default."""
    suite = parse_suite(suite_document(http_case("one")))
    assert suite.cases[0].name == "one"
    assert str(suite.defaults.timeout) == "0:05:00"
    assert parse_run({"suiteRef": {"name": "regression"}}).parallelism == 10


def test_a_case_knows_its_kind_by_the_field_it_has() -> None:
    """Nobody has to write it twice."""
    suite = parse_suite(suite_document(http_case("one"), container_case("two")))
    assert [case.kind.name for case in suite.cases] == ["http", "container"]


def test_a_spec_is_not_changed_by_being_read() -> None:
    """Others share what is handed over here: kopf keeps it in its own memory."""
    spec = suite_document(http_case("one", tags=["smoke"]), variables={"size": "5"})
    before = repr(spec)
    parse_suite(spec)
    assert repr(spec) == before
