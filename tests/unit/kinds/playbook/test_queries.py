"""Queries of a case before there is an execution; for what databases say of them see the integration tests."""

from collections.abc import Callable

import pytest

from testrun_operator.kinds.playbook.execution.queries import Query, render_queries, validate_queries
from testrun_operator.kinds.playbook.spec import PlaybookCase
from testrun_operator.resources.document import CaseDocument
from testrun_operator.runner.problem import InvalidCase
from testrun_operator.runner.templates import Templates

_DSNS = {"db": "postgresql://user@db.example/app", "file": "sqlite:///app.db", "bad": "carrier-pigeon://home"}


def _case(*queries: dict[str, object]) -> PlaybookCase:
    return PlaybookCase.model_validate({"connection": "noetl", "path": "p", "expect": {"sql": queries}})


def test_queries_are_rendered_and_go_to_the_playbooks_own_database_by_default(
    document: Callable[..., CaseDocument],
) -> None:
    """They may name the execution, whose id is exact."""
    case = _case(
        {"name": "one", "query": "SELECT {{ execution.id }} > 0 AS ok"},
        {"name": "two", "query": "SELECT '{{ vars.city }}' = 'x'", "connection": "db", "allowNoRows": True},
    )
    templates = Templates(document({}, variables={"city": "Baku"})).having({"execution": {"id": str(2**63 - 1)}})
    assert render_queries(case, templates) == (
        Query("one", "SELECT 9223372036854775807 > 0 AS ok", "noetl", "playbook.expect.sql[0]"),
        Query("two", "SELECT 'Baku' = 'x'", "db", "playbook.expect.sql[1]", allow_no_rows=True),
    )


def test_a_template_that_is_wrong_names_its_query(document: Callable[..., CaseDocument]) -> None:
    """There may be sixteen of them."""
    case = _case({"name": "one", "query": "SELECT 1"}, {"name": "two", "query": "{{ vars.nothing }}"})
    with pytest.raises(InvalidCase, match=r"playbook\.expect\.sql\[1\]\.query"):
        render_queries(case, Templates(document({})))


@pytest.mark.parametrize(
    ("connection", "text", "problem"),
    [
        ("db", "SELECT 1; SELECT 2", r"playbook\.expect\.sql\[3\]\.query: it must be one query; these are 2"),
        ("db", "-- SELECT 1", r"playbook\.expect\.sql\[3\]\.query: it must be one query; these are 0"),
        ("file", " \n", r"playbook\.expect\.sql\[3\]\.query: it must be one query; these are 0"),
        ("bad", "SELECT 1", r"connections\.bad\.dsnFrom: .*no known form"),
        ("none", "SELECT 1", r"connections\.none\.dsnFrom: is needed by playbook\.expect\.sql\[3\]"),
    ],
)
def test_what_is_wrong_with_a_query_is_known_before_a_playbook_is_started(
    connection: str, text: str, problem: str
) -> None:
    """Its effects would be there for nothing."""
    with pytest.raises(InvalidCase, match=problem):
        validate_queries([Query("q", text, connection, "playbook.expect.sql[3]")], _DSNS)


def test_queries_that_can_be_asked_are_let_through() -> None:
    """With a semicolon at the end, within texts and in comments."""
    texts = ("SELECT 1;", "SELECT ';' -- ; and ;\n", "SELECT $$a;b$$ = 'x'")
    validate_queries([Query("q", text, "db", "f") for text in texts], _DSNS)
    validate_queries([Query("q", "SELECT 1 AS test_passed", "file", "f")], _DSNS)
