"""Asking for executions, their page, and cancelling them."""

import time
from typing import Any

import pytest
from tests.unit.kinds.playbook.server.fake import NOT_FOUND, SECRET, FakeNoetl, answer

from testrun_operator.kinds.playbook.execution.server import transport
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed, InvalidCase

_PATH = "/api/executions/765978687610028042"
_PAGE = "<html><title>NoETL Dashboard</title></html>"


def test_numbers_of_64_bits_stay_exact(fake: FakeNoetl, server: NoetlServer) -> None:
    """And the query and headers arrive."""
    fake.answers[f"GET {_PATH}"] = answer(text='{"event_id": 765978687710691339}')
    assert server.get(_PATH, {"page": "1", "q": "a b&c"}) == {"event_id": 765978687710691339}
    assert fake.asked[-1].route == f"GET {_PATH}?page=1&q=a+b%26c"
    assert fake.asked[-1].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("said", [NOT_FOUND, answer(None), answer(text="null")])
def test_what_there_is_not_is_none(fake: FakeNoetl, server: NoetlServer, said: bytes) -> None:
    """Release 1.8.0 says so with 200 and null."""
    fake.answers[f"GET {_PATH}"] = said
    assert server.get(_PATH, {}) is None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (None, "connection failed: Server disconnected"),
        (answer(text="Detail: no\nsuch  thing", status=500), "status 500: Detail: no such thing"),
        (answer(status=500, text=""), "status 500: "),
        (answer({"detail": "gone"}, 410), "status 410: gone"),
        (answer(text="<html>sorry</html>", kind="text/html"), "the answer is no JSON but text/html: <html>sorry"),
        (answer(text="{'a': 1}"), "the answer is no JSON"),
        (answer(text="NaN"), "the answer is no JSON"),
        (answer(text=""), "the answer is an empty body"),
        (answer(text="[" * 200 + "]" * 200), "nested more than 100 levels"),
        (answer(text="[" * 100_000), "the answer is no JSON"),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"a":', "connection failed: peer closed connection"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx", "Content-Encoding"),
        (b"\x00\xff\xfe nonsense\r\n\r\n", "connection failed"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000, "connection failed"),
    ],
)
def test_nonsense_is_no_answer(fake: FakeNoetl, server: NoetlServer, said: bytes | None, message: str) -> None:
    """Whatever it is, it is told in a line."""
    fake.answers[f"GET {_PATH}"] = said
    with pytest.raises(ConnectionFailed) as failure:
        server.get(_PATH, {})
    assert message in failure.value.message
    assert failure.value.message.startswith(f"GET {fake.url}{_PATH}: ")
    assert "\n" not in failure.value.message
    assert len(failure.value.message) < 900


def test_an_answer_that_is_too_large_is_not_kept(
    fake: FakeNoetl, server: NoetlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded."""
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 2 * 1024 * 1024)
    fake.answers[f"GET {_PATH}"] = answer(["x" * 3_000_000])
    with pytest.raises(ConnectionFailed, match="the answer is a body of more than 2 MiB"):
        server.get(_PATH, {})


def test_an_answer_that_trickles_in_is_given_up(
    fake: FakeNoetl, server: NoetlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece in time, and all of them never."""
    monkeypatch.setattr(transport, "_BODY_SECONDS", -1.0)
    fake.answers[f"GET {_PATH}"] = answer({"a": 1})
    with pytest.raises(ConnectionFailed, match="comes too slowly"):
        server.get(_PATH, {})


def test_a_slow_server_is_told_from_one_that_is_down(fake: FakeNoetl, server: NoetlServer, clock: Any) -> None:
    """By how long it was waited for."""
    clock.remaining = 1.0

    def slow(_: object) -> bytes:
        time.sleep(2)
        return answer({})

    fake.answers[f"GET {_PATH}"] = slow
    with pytest.raises(ConnectionFailed, match="no answer within 1 s"):
        server.get(_PATH, {})


def test_secrets_that_a_server_repeats_are_masked(fake: FakeNoetl, server: NoetlServer) -> None:
    """In its text, and in where it sends us."""
    fake.answers[f"GET {_PATH}"] = answer({"detail": f"bad header Bearer {SECRET}"}, 500)
    with pytest.raises(ConnectionFailed, match=r"bad header Bearer \*\*\*$"):
        server.get(_PATH, {})
    fake.answers[f"GET {_PATH}"] = f"HTTP/1.1 302 X\r\nlocation: http://x/?t={SECRET}\r\n\r\n".encode()
    with pytest.raises(InvalidCase) as failure:
        server.get(_PATH, {})
    assert SECRET not in failure.value.message


def test_an_execution_is_cancelled_with_what_it_started(fake: FakeNoetl, server: NoetlServer) -> None:
    """Where the server can."""
    server.dialect()
    fake.answers[f"POST {_PATH}/cancel"] = answer({"status": "cancelled", "cancelled_executions": ["1"]})
    assert server.cancel(765978687610028042)
    assert fake.bodies(f"POST {_PATH}/cancel")[0]["cascade"] is True


@pytest.mark.parametrize(
    "said",
    [
        answer({"status": "already_completed", "cancelled_executions": []}),
        NOT_FOUND,
        answer({}, 500),
        None,
        answer(text="<html>"),
        answer([]),
        answer({}, 401),
        answer({"status": "cancelled"}, 422),
    ],
)
def test_cancelling_never_raises(fake: FakeNoetl, server: NoetlServer, said: bytes | None) -> None:
    """There is a verdict already, or nobody who would read one."""
    server.dialect()
    fake.answers[f"POST {_PATH}/cancel"] = said
    assert server.cancel(765978687610028042) is False


def test_cancelling_is_tried_twice(fake: FakeNoetl, server: NoetlServer) -> None:
    """A broken connection of its own costs the server one 500."""
    server.dialect()
    fake.answers[f"POST {_PATH}/cancel"] = [answer({}, 500), answer({"status": "cancelled"})]
    assert server.cancel(765978687610028042)


@pytest.mark.parametrize("release", ["1.8.0", "2.5.5"])
def test_a_server_that_cannot_cancel_is_not_asked_to(fake: FakeNoetl, server: NoetlServer, release: str) -> None:
    """Earlier releases have no such route."""
    fake.describe(release)
    server.dialect()
    assert server.cancel(1) is False
    assert fake.count("POST /api/executions/1/cancel") == 0


def test_the_page_of_an_execution_is_named_where_it_is_served(fake: FakeNoetl, server: NoetlServer) -> None:
    """By one look at it."""
    fake.answers["GET /execution/7"] = answer(text=_PAGE, kind="text/html; charset=utf-8")
    assert server.page_of(7) == f"{fake.url}/execution/7"


@pytest.mark.parametrize(
    "said",
    [
        NOT_FOUND,
        None,
        answer(text=_PAGE, status=500, kind="text/html"),
        answer(text="<html>It works!</html>", kind="text/html"),
        answer({"message": "NoETL API is running (Standalone GUI available externally)"}),
        answer({}, 401),
        b"HTTP/1.1 302 X\r\nlocation: /login\r\n\r\n",
    ],
)
def test_a_page_that_is_not_served_is_not_named(fake: FakeNoetl, server: NoetlServer, said: bytes | None) -> None:
    """No trouble with it is anybody's trouble."""
    fake.answers["GET /execution/7"] = said
    assert server.page_of(7) is None


def test_every_failure_is_one_that_ends_a_case(server: NoetlServer) -> None:
    """An address that cannot be one, too."""
    server._transport._url = "http://[broken"
    with pytest.raises(CannotJudge):
        server.get("/x", {})
