"""What an http case sends."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from testrun_operator import __version__
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict

Run = Callable[..., Any]


def test_a_request_says_who_it_comes_from(api: Any, run_http: Run) -> None:
    """Each attempt at each case of each execution is a client of its own for servers that count by client."""
    run_http({}, attempt=3)
    (asked,) = api.asked
    assert asked.method == "GET"
    assert asked.headers["user-agent"] == f"testrun-operator/{__version__}"
    assert asked.headers["x-test-run"] == "508709863430554191.example.3"


def test_path_query_and_headers_are_rendered(api: Any, run_http: Run) -> None:
    """All of them may be templates, and values of the query are escaped."""
    run_http(
        {
            "request": {
                "path": "/users/{{ vars.user }}?fixed=1&kept=a%20b",
                "query": {"fixed": "{{ vars.user }}", "q": "a&b=c é"},
                "headers": {"X-Revision": "{{ run.revision }}", "x-test-run": "mine"},
            }
        },
        variables={"user": "7"},
    )
    (asked,) = api.asked
    assert asked.path == "/users/7?kept=a%20b&fixed=7&q=a%26b%3Dc%20%C3%A9"
    assert asked.headers["x-revision"] == "4f2c1d"
    assert asked.headers["x-test-run"] == "mine"


def test_the_path_is_below_the_connections_address(api: Any, run_http: Run) -> None:
    """The address may have a path of its own, and may be a template."""
    connections = {"api": {"url": "{{ vars.base }}/v1/"}}
    run_http({"request": {"path": "/users"}}, connections=connections, variables={"base": api.url})
    assert api.asked[0].path == "/v1/users"


@pytest.mark.parametrize(
    ("body", "sent", "content_type"),
    [
        ("plain {{ vars.x }}", b"plain 7", "text/plain; charset=utf-8"),
        ({"id": "{{ vars.x }}", "n": [1]}, b'{"id": "7", "n": [1]}', "application/json"),
        ({"count": "{{ cases['first'].outputs.count }}"}, b'{"count": 35}', "application/json"),
        ([], b"[]", "application/json"),
        (False, b"false", "application/json"),
        ("é", "é".encode(), "text/plain; charset=utf-8"),
    ],
)
def test_a_text_is_sent_as_it_is_and_anything_else_as_json(
    api: Any, run_http: Run, body: Any, sent: bytes, content_type: str
) -> None:
    """Texts inside may be templates."""
    cases = {"first": {"outputs": {"count": 35}}}
    run_http({"request": {"method": "POST", "body": body}}, variables={"x": "7"}, cases=cases)
    (asked,) = api.asked
    assert (asked.method, asked.body, asked.headers["content-type"]) == ("POST", sent, content_type)


def test_the_content_type_of_the_case_wins(api: Any, run_http: Run) -> None:
    """Whatever the case of its name."""
    run_http({"request": {"method": "POST", "body": "<a/>", "headers": {"content-type": "text/xml"}}})
    assert api.asked[0].headers["content-type"] == "text/xml"


def test_headers_of_the_connection_are_sent_and_the_requests_win(api: Any, run_http: Run) -> None:
    """Also over those from Secrets, so that a wrong password can be tested."""
    connection = {
        "url": api.url,
        "headers": {"X-A": "{{ vars.a }}", "X-B": "connection"},
        "secretHeaders": [{"name": "Authorization", "prefix": "Bearer ", "variable": "TOKEN"}],
    }
    environment = {"TOKEN": "s3cret-token\n"}
    run_http(connections={"api": connection}, variables={"a": "1"}, environment=environment)
    run_http(
        {"request": {"headers": {"x-b": "request", "authorization": "wrong"}}},
        connections={"api": connection},
        variables={"a": "1"},
        environment=environment,
    )
    first, second = (asked.headers for asked in api.asked)
    assert (first["x-a"], first["x-b"], first["authorization"]) == ("1", "connection", "Bearer s3cret-token")
    assert (second["x-a"], second["x-b"], second["authorization"]) == ("1", "request", "wrong")


def test_redirects_are_not_followed(api: Any, run_http: Run, answer: Any) -> None:
    """A test sees what the API says."""
    api.answers = [answer(status=302, headers={"Location": f"{api.url}/elsewhere"})]
    assert run_http({"expect": {"status": 302}}).conclusion.verdict is Verdict.PASSED
    assert len(api.asked) == 1


def test_a_secret_that_is_missing_is_a_matter_of_configuration(api: Any, run_http: Run) -> None:
    """Nothing is sent, and the message names the header."""
    connection = {"url": api.url, "secretHeaders": [{"name": "Authorization", "variable": "TOKEN"}]}
    outcome = run_http(connections={"api": connection})
    assert (outcome.conclusion.verdict, outcome.conclusion.failure_class) == (
        Verdict.ERRORED,
        FailureClass.CONFIGURATION,
    )
    assert "connections.api.headersFrom: the secret for the header Authorization" in outcome.message
    assert not api.asked


@pytest.mark.parametrize("secret", ["s3cret-token", 's3"cret\\token', "s3cret/to+ken=="])
@pytest.mark.parametrize("status", [200, 500])
def test_a_secret_never_leaves_the_pod(api: Any, run_http: Run, answer: Any, secret: str, status: int) -> None:
    """Not even if the API sends it back: in bodies, in links, as JSON."""
    body = {"echo": secret, "items": [{"id": secret}, {"id": secret}], "next": f"/x?token={secret}"}
    api.answers = [
        answer(json.dumps(body).encode(), status, {"Link": f'</?t={secret}>; rel="next"', "Content-Type": secret}),
        answer(secret.encode() * 50),
    ]
    connection = {
        "url": api.url,
        "dsnVariable": "DSN",
        "secretHeaders": [{"name": "Authorization", "prefix": "Bearer ", "variable": "TOKEN"}],
    }
    for paginate in ({"paginate": {"style": "link", "items": "items", "nextLink": "next"}}, {}):
        api.asked.clear()
        outcome = run_http(
            {
                **paginate,
                "outputs": {"stolen": "@"},
                "expect": {
                    "jmespath": [{"expression": "echo", "equals": "x"}],
                    "jsonSchema": {"properties": {"echo": {"type": "number"}}},
                    **({"unique": "id"} if paginate else {}),
                },
            },
            connections={"api": connection},
            environment={"TOKEN": secret, "DSN": "postgres://u:p@h/db"},
        )
        assert api.asked[0].headers["authorization"] == f"Bearer {secret}"
        assert outcome.conclusion.verdict is Verdict.FAILED
        for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert form not in outcome.everything
        assert "***" in outcome.everything


@pytest.mark.parametrize(
    ("http", "others", "problem"),
    [
        (
            {"connection": "none"},
            {},
            "http.connection: 'none' is neither a connection nor a test server; there are: api",
        ),
        (
            {"request": {"path": "{{ vars.x }}"}},
            {},
            "http.request.path: the template cannot be rendered: vars has no 'x'",
        ),
        ({"request": {"path": "{{ 'x' }}"}}, {}, "http.request.path: must begin with '/'"),
        ({"request": {"path": "/a b"}}, {}, "http.request.path: must not contain spaces"),
        ({"request": {"headers": {"X": "{{ vars.x }}"}}}, {}, "http.request.headers.X: the template"),
        ({"request": {"headers": {"X": "a\nb"}}}, {}, "http.request.headers: the value of X must be printable ASCII"),
        ({"request": {"headers": {"X": "é"}}}, {}, "http.request.headers: the value of X must be printable ASCII"),
        ({"request": {"headers": {"X Y": "a"}}}, {}, "http.request.headers: 'X Y' is no name of a header"),
        ({"request": {"query": {"q": "{{"}}}, {}, "http.request.query.q: the template"),
        ({"request": {"body": {"a": ["{{ vars.x }}"]}}}, {}, "http.request.body.a[0]: the template"),
        ({"paginate": {"style": "page", "items": "a["}}, {}, "http.paginate.items: 'a[' is no JMESPath"),
        ({"paginate": {"style": "page", "items": "a", "size": 0}}, {}, "http.paginate.size: must be at least 1"),
        ({"paginate": {"style": "page", "items": "a", "size": "{{ vars.x }}"}}, {}, "http.paginate.size: the template"),
        ({"expect": {"status": "{{ 'ok' }}"}}, {}, "http.expect.status: must render to a whole number"),
        ({"expect": {"items": 1}}, {}, "http.expect.items: needs http.paginate"),
        ({"expect": {"unique": "id"}}, {}, "http.expect.unique: needs http.paginate"),
        ({"expect": {"jsonSchema": {"type": "x"}}}, {}, "http.expect.jsonSchema.type: 'x' is not valid"),
        ({"expect": {"jmespath": [{"expression": "a[", "equals": 1}]}}, {}, "http.expect.jmespath[0].expression"),
        ({"expect": {"jmespath": [{"expression": "a", "equals": "{{ x }}"}]}}, {}, "http.expect.jmespath[0].equals"),
        ({"outputs": {"o": "a["}}, {}, "http.outputs.o: 'a[' is no JMESPath"),
        ({}, {"connections": {"api": {"url": "{{ 'ftp://x' }}"}}}, "connections.api.url: must begin with http://"),
        (
            {},
            {"connections": {"api": {"url": "http://{{ 'u:p@' }}x"}}},
            "connections.api.url: must not contain credentials",
        ),
        ({}, {"connections": {"api": {"url": "http://x:99999"}}}, "connections.api.url: Port out of range"),
        ({}, {"connections": {"api": {"url": "http://x/?a=b"}}}, "connections.api.url: must not contain '?'"),
        ({}, {"connections": {"api": {"dsnVariable": "DSN"}}}, "connections.api.url: is needed by http cases"),
    ],
)
def test_a_mistake_in_the_case_is_found_before_the_first_request(
    api: Any, run_http: Run, http: dict[str, Any], others: dict[str, Any], problem: str
) -> None:
    """It is a matter of configuration, and the message begins with the field."""
    outcome = run_http(http, **others)
    conclusion = outcome.conclusion
    assert (conclusion.verdict, conclusion.failure_class, conclusion.reason) == (
        Verdict.ERRORED,
        FailureClass.CONFIGURATION,
        Reason.INVALID_CASE,
    )
    assert outcome.message.startswith(problem)
    assert not api.asked
    assert outcome.step_count == 0
