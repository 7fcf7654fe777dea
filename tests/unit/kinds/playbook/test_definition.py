"""Cases of kind playbook as they are written in a suite."""

from typing import Any

import pytest

from support.builders import playbook_case, suite_document
from testrun_operator.errors import InvalidSpec
from testrun_operator.kinds.playbook.spec import PlaybookCase, PlaybookStatus
from testrun_operator.resources.parsing import parse_suite

WHERE = "spec.cases[0].playbook"


def parsed(**own: Any) -> PlaybookCase:
    """Read a case with these fields."""
    (case,) = parse_suite(suite_document(playbook_case("one", own=own))).cases
    assert case.kind.name == "playbook"
    assert case.playbook is not None
    return case.playbook


def test_a_case_that_says_nothing_expects_a_run_to_its_end_without_errors() -> None:
    """The shortest case: a connection and a path."""
    case = parsed()
    assert case.expect.status is PlaybookStatus.COMPLETED
    assert case.expect.no_errors is None  # true, since Completed is expected
    assert (case.version, case.register, dict(case.payload)) == (None, None, {})
    assert (case.settle.quiet.total_seconds(), case.settle.limit.total_seconds()) == (0.25, 30)


def test_a_case_with_everything_is_read() -> None:
    """Each field by its name in YAML."""
    case = parsed(
        version=3,
        payload={"pg_auth": "pg_k8s", "big": 2**62, "deep": [{"a": None}]},
        merge=False,
        register={"configMap": {"name": "playbooks"}},
        credentials=[{"name": "pg", "type": "postgres", "secretRef": {"name": "pg"}}],
        expect={
            "status": "Failed",
            "noErrors": False,
            "minEvents": 5,
            "maxEvents": 5,
            "maxDuration": "30s",
            "events": [{"type": "step.exit", "status": "FAILED", "node": "save", "min": 0, "max": 0}],
            "steps": {"ran": ["a"], "notRan": ["b"], "inOrder": ["a", "c"]},
            "jmespath": [{"expression": "result.rows", "equals": None}],
            "sql": [{"name": "rows", "query": "SELECT true", "connection": "db", "allowNoRows": True}],
        },
        settle={"quiet": "1s", "limit": "2m"},
        outputs={"rows": "result.rows"},
    )
    assert case.payload["big"] == 2**62
    assert (case.expect.events[0].min, case.expect.events[0].max) == (0, 0)
    assert case.expect.steps.in_order == ("a", "c")
    assert case.expect.sql[0].allow_no_rows
    assert case.credentials[0].secret_ref.name == "pg"


NO_EVENTS = "min must not be more than max; for none at all, give min: 0 and max: 0"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no path": ({"path": None}, f"{WHERE}.path: "),
    "a version of zero": ({"version": 0}, f"{WHERE}.version: "),
    "a payload that is a list": ({"payload": [1]}, f"{WHERE}.payload: "),
    "no files to register": ({"register": {}}, f"{WHERE}.register: give exactly one of inline, configMap and git"),
    "an unknown status": ({"expect": {"status": "COMPLETED"}}, f"{WHERE}.expect.status: 'COMPLETED' is not known"),
    "fewest beyond most": (
        {"expect": {"minEvents": 3, "maxEvents": 2}},
        f"{WHERE}.expect: minEvents must not be more than maxEvents",
    ),
    "fewest beyond most of a type": (
        {"expect": {"events": [{"type": "a", "min": 3, "max": 2}]}},
        f"{WHERE}.expect.events[0]: {NO_EVENTS}",
    ),
    "no events of a type, by the default of min": (
        {"expect": {"events": [{"type": "a", "max": 0}]}},
        f"{WHERE}.expect.events[0]: {NO_EVENTS}",
    ),
    "a failure without errors": (
        {"expect": {"status": "Failed", "noErrors": True}},
        f"{WHERE}.expect: noErrors: true cannot hold where status is Failed",
    ),
    "a limit in words": ({"settle": {"limit": "long"}}, f"{WHERE}.settle.limit: 'long' is no duration"),
    "an output with a dash": ({"outputs": {"a-b": "c"}}, f"{WHERE}.outputs.a-b: 'a-b' must match"),
    "a field of another kind": ({"paginate": {}}, f"{WHERE}.paginate: is not a field of this version"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_refused_with_its_field(what: str) -> None:
    """Before anything is started on somebody's server."""
    own, beginning = REFUSED[what]
    with pytest.raises(InvalidSpec) as refused:
        parsed(**own)
    assert any(problem.startswith(beginning) for problem in refused.value.problems), refused.value.problems


@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
def test_errors_can_be_excluded_where_a_run_need_not_fail(status: str) -> None:
    """Only a run that is to fail must have an error."""
    assert parsed(expect={"status": status, "noErrors": True}).expect.no_errors
