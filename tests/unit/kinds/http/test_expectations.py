"""What came is judged against what the case expects."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import DetailKind
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.kinds.http.execution import client

Run = Callable[..., Any]


def pages(answer: Any, *contents: Any) -> list[Any]:
    """Return answers with pages of these items, of which all but the last say that more follow."""
    return [
        answer(json.dumps({"data": items, "more": number < len(contents)}).encode())
        for number, items in enumerate(contents, start=1)
    ]


WALK = {"paginate": {"style": "page", "items": "data", "hasMore": "more"}}


def test_a_case_without_expectations_expects_a_good_status(api: Any, run_http: Run, answer: Any) -> None:
    """Any from 200 to 299."""
    api.answers = [answer(b"no json", 204), answer(b"", 299), answer(b"", 300)]
    verdicts = [run_http().conclusion.verdict for _ in range(3)]
    assert verdicts == [Verdict.PASSED, Verdict.PASSED, Verdict.FAILED]


def test_a_wrong_status_is_told_with_the_beginning_of_the_body_and_nothing_else(
    api: Any, run_http: Run, answer: Any
) -> None:
    """Other expectations would only repeat that the answer is not the expected one."""
    api.answers = [answer(b'{"error": "boom"}', 500)]
    outcome = run_http(
        {"expect": {"status": 200, "jmespath": [{"expression": "a", "equals": 1}], "jsonSchema": {"type": "array"}}}
    )
    conclusion = outcome.conclusion
    assert (conclusion.verdict, conclusion.failure_class, conclusion.reason) == (
        Verdict.FAILED,
        FailureClass.TEST,
        Reason.EXPECTATION_NOT_MET,
    )
    assert outcome.message == f'status: expected 200, got 500 with the body {{"error": "boom"}} (GET {api.url}/)'
    assert outcome.assertion("jmespath a").message == "not judged because the status is another"
    assert outcome.assertion("jsonSchema").message == "not judged because the status is another"


def test_an_expected_error_passes_and_its_body_is_judged(api: Any, run_http: Run, answer: Any) -> None:
    """A test may want a 404."""
    api.answers = [answer(b'{"error": "none"}', 404)]
    outcome = run_http({"expect": {"status": "{{ 400 + 4 }}", "jmespath": [{"expression": "error", "equals": "none"}]}})
    assert outcome.conclusion.verdict is Verdict.PASSED
    assert outcome.conclusion.outputs == {"items": 0, "pages": 1, "status": 404}


def test_a_complete_walk_is_judged_as_a_whole(api: Any, run_http: Run, answer: Any) -> None:
    """Items, pages, uniqueness, order, schema and expressions over all pages."""
    api.answers = pages(answer, [{"id": 1}, {"id": 2}], [{"id": 3}])
    outcome = run_http(
        {
            **WALK,
            "expect": {
                "items": "{{ vars.total }}",
                "pages": 2,
                "unique": "id",
                "ordered": "id",
                "jsonSchema": {"required": ["data"]},
                "jmespath": [
                    {"expression": "items[-1].id", "equals": 3.0},
                    {"expression": "length(pages)", "equals": 2},
                    {"expression": "pages[0].more", "equals": True},
                ],
                "maxDuration": "10s",
            },
            "outputs": {"last": "items[-1].id"},
        },
        variables={"total": "3"},
    )
    assert outcome.conclusion.verdict is Verdict.PASSED
    assert outcome.conclusion.reason is Reason.EXPECTATIONS_MET
    assert outcome.conclusion.outputs == {"items": 3, "pages": 2, "status": 200, "last": 3}
    assert all(detail.passed for detail in outcome.details)
    assert [page.location for page in outcome.of_kind(DetailKind.PAGE)] == [
        f"GET {api.url}/?page=1",
        f"GET {api.url}/?page=2",
    ]
    assert any(line.startswith("✔ items: 3") for line in outcome.log)


def test_every_failing_expectation_says_what_was_expected_what_came_and_where(
    api: Any, run_http: Run, answer: Any
) -> None:
    """The message names the first failures; the details have all of them."""
    api.answers = pages(answer, [{"id": 2}, {"id": 1}], [{"id": 1}])
    outcome = run_http(
        {
            **WALK,
            "expect": {
                "items": 35,
                "pages": 4,
                "unique": "id",
                "ordered": "-id",
                "jsonSchema": {"properties": {"data": {"minItems": 2}}},
                "jmespath": [{"expression": "items[0].id", "equals": "2"}],
                "maxDuration": "0s",
            },
        }
    )
    message = outcome.message
    assert f"items: expected 35, got 3 (after page 2: GET {api.url}/?page=2)" in message
    assert f"pages: expected 4, got 2 (after page 2: GET {api.url}/?page=2)" in message
    assert "unique: expected each id once, got 1 is item 2 on page 1 and again item 1 on page 2" in message
    assert "ordered" not in message
    assert (
        f"jsonSchema: expected valid, got $.data: [{{'id': 1}}] is too short (page 2: GET {api.url}/?page=2)" in message
    )
    assert 'jmespath items[0].id: expected "2", got 2' in message
    assert "maxDuration: expected at most 0 s, got 0." in message
    assert any(line.startswith("✘ items: expected 35, got 3") for line in outcome.log)
    assert outcome.assertion("ordered").passed


def test_the_message_is_bounded_and_counts_what_it_leaves_out(api: Any, run_http: Run, answer: Any) -> None:
    """1024 characters are what a status can carry."""
    api.answers = [answer(json.dumps({"a": "x" * 5000}).encode())]
    values = [{"expression": "a", "equals": f"{number}{'y' * 300}"} for number in range(50)]
    outcome = run_http({"expect": {"jmespath": values}})
    assert len(outcome.message) <= 1024
    told = outcome.message.count("jmespath a:")
    assert outcome.message.endswith(f"; and {50 - told} more")
    assert len([detail for detail in outcome.details if not detail.passed]) == 50


def test_a_walk_that_stops_does_not_flood_the_report_with_consequences(api: Any, run_http: Run, answer: Any) -> None:
    """What the pages seen show to be wrong by themselves is still told."""
    api.answers = [*pages(answer, [{"id": 1}, {"id": 1}], []), answer(b'{"error": 1}', 500)]
    api.answers[1] = api.answers[2]
    outcome = run_http(
        {
            **WALK,
            "expect": {
                "items": 35,
                "pages": 4,
                "unique": "id",
                "ordered": "id",
                "jsonSchema": {"type": "object"},
                "jmespath": [{"expression": "length(items)", "equals": 35}],
                "maxDuration": "10s",
            },
        }
    )
    assert outcome.message == (
        f'status: expected 200 to 299, got 500 with the body {{"error": 1}} (page 2: GET {api.url}/?page=2); '
        "unique: expected each id once, got 1 is item 1 on page 1 and again item 2 on page 1"
    )
    for name in ("items", "pages", "ordered", "jsonSchema", "jmespath length(items)", "maxDuration"):
        assert outcome.assertion(name).message == "not judged because page 2 failed"
    first, second = outcome.of_kind(DetailKind.PAGE)
    assert (first.passed, second.passed, second.message) == (True, False, "status 500")


def test_a_walk_that_goes_wrong_says_on_which_page(api: Any, run_http: Run, answer: Any) -> None:
    """The problem is told once."""
    api.answers = [*pages(answer, [1], [2])[:1], answer(b"<html>")]
    outcome = run_http({**WALK, "expect": {"items": 2}})
    assert outcome.message == (
        "paginate: expected a list of items at data, got no JSON but application/json: <html> "
        f"(page 2: GET {api.url}/?page=2)"
    )


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"<html>" + b"x" * 1000, "text/html", "no JSON but text/html: <html>xxx"),
        (b"", "text/plain", "an empty body (text/plain)"),
        (b'{"a": NaN}', "application/json", "no JSON but application/json"),
        (b"\xff\xfe\xfa", "application/octet-stream", "no JSON but application/octet-stream"),
        (b"[" * 500 + b"]" * 500, "application/json", "JSON that is nested more than 100 levels deep"),
        (b"[" * 100_000, "application/json", "no JSON but application/json: [[[["),
    ],
)
def test_a_body_that_is_no_json_where_json_is_needed_fails_once(
    api: Any, run_http: Run, answer: Any, body: bytes, content_type: str, said: str
) -> None:
    """With its content type and its beginning; expressions over it are not judged."""
    api.answers = [answer(body, headers={"Content-Type": content_type})]
    values = [{"expression": "a", "equals": 1}, {"expression": "b", "equals": 1}]
    outcome = run_http({"expect": {"jmespath": values, "jsonSchema": {}}})
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert outcome.message.startswith(f"body: expected JSON, got {said}")
    assert "jmespath" not in outcome.message
    assert len(outcome.message) < 500


def test_json_in_utf_8_with_a_mark_and_in_utf_16_is_read(api: Any, run_http: Run, answer: Any) -> None:
    """As RFC 8259 allows readers to."""
    expect = {"expect": {"jmespath": [{"expression": "a", "equals": "é"}]}}
    for encoding in ("utf-8-sig", "utf-16"):
        api.asked.clear()
        api.answers = [answer('{"a": "é"}'.encode(encoding))]
        assert run_http(expect).conclusion.verdict is Verdict.PASSED


def test_a_body_that_is_too_large_fails(api: Any, run_http: Run, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end."""
    monkeypatch.setattr(client, "MAX_BODY_BYTES", 1024 * 1024)
    api.answers = [answer(b'"' + b"x" * 3_000_000 + b'"')]
    outcome = run_http({"expect": {"jmespath": [{"expression": "@", "equals": 1}]}})
    assert outcome.message.startswith("body: expected JSON, got a body of more than 1 MiB")


def test_a_body_with_a_broken_encoding_fails(api: Any, run_http: Run, answer: Any) -> None:
    """The API says gzip, and it is none."""
    api.answers = [answer(b"plain", headers={"Content-Encoding": "gzip"})]
    outcome = run_http({"expect": {"jsonSchema": {}}})
    assert outcome.message.startswith("body: expected JSON, got a body that its Content-Encoding does not describe")


def test_an_expression_that_does_not_fit_the_answer_fails(api: Any, run_http: Run, answer: Any) -> None:
    """The answer is not as expected; the case is not wrong."""
    api.answers = [answer(b'{"a": 1}')]
    outcome = run_http({"expect": {"jmespath": [{"expression": "length(a)", "equals": 1}]}})
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert "jmespath length(a): expected 1, got an error: " in outcome.message


@pytest.mark.parametrize("expression", ["nofunction(a)", "length(a, a)"])
def test_an_expression_that_can_never_work_is_a_mistake_in_the_case(run_http: Run, expression: str) -> None:
    """Whatever the API answers."""
    outcome = run_http({"expect": {"jmespath": [{"expression": expression, "equals": 1}]}})
    assert outcome.conclusion.reason is Reason.INVALID_CASE
    assert outcome.message.startswith("http.expect.jmespath[0].expression")


def test_values_to_compare_with_are_rendered_with_their_types(api: Any, run_http: Run, answer: Any) -> None:
    """A variable is a text; a filter makes a number of it."""
    api.answers = [answer(b'{"n": 35, "s": "35"}')]
    values = [
        {"expression": "n", "equals": "{{ vars.expected | int }}"},
        {"expression": "s", "equals": "{{ vars.expected }}"},
        {"expression": "@", "equals": {"n": 35, "s": "{{ vars.expected }}"}},
    ]
    assert run_http({"expect": {"jmespath": values}}, variables={"expected": "35"}).conclusion.verdict is Verdict.PASSED


def test_schema_errors_are_told_for_each_page_up_to_a_bound(api: Any, run_http: Run, answer: Any) -> None:
    """Twenty pages are told, the others are counted."""
    api.answers = pages(answer, *([1] for _ in range(30)))
    outcome = run_http({**WALK, "expect": {"jsonSchema": {"required": ["x"]}}})
    found = [detail for detail in outcome.details if detail.name == "jsonSchema"]
    assert len(found) == 21
    assert found[0].actual == "$: 'x' is a required property"
    assert found[-1].actual == "errors on 10 further pages"


def test_outputs_can_replace_the_built_in_ones(api: Any, run_http: Run, answer: Any) -> None:
    """items, pages and status are there unless the case says otherwise."""
    api.answers = [answer(b'{"token": "abc"}')]
    outcome = run_http({"outputs": {"status": "token", "token": "token", "none": "missing"}})
    assert outcome.conclusion.outputs == {"items": 0, "pages": 1, "status": "abc", "token": "abc", "none": None}


def test_outputs_that_are_too_large_are_a_matter_of_configuration(api: Any, run_http: Run, answer: Any) -> None:
    """The case should pick less."""
    api.answers = [answer(json.dumps("é" * 600).encode())]
    outcome = run_http({"outputs": {"all": "@"}})
    assert outcome.conclusion.verdict is Verdict.ERRORED
    assert outcome.conclusion.reason is Reason.OUTPUTS_TOO_LARGE


def test_an_output_that_the_answer_does_not_have_in_that_form_fails(api: Any, run_http: Run, answer: Any) -> None:
    """Cases that need it could not go on."""
    api.answers = [answer(b"plain")]
    outcome = run_http({"outputs": {"token": "token"}})
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert outcome.message.startswith(
        "outputs.token: expected a value of token, got no JSON but application/json: plain"
    )


def test_a_head_request_has_no_body_and_passes(api: Any, run_http: Run) -> None:
    """Nothing is expected of it but its status."""
    assert run_http({"request": {"method": "HEAD"}}).conclusion.verdict is Verdict.PASSED
    assert api.asked[0].method == "HEAD"
