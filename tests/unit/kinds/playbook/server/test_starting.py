"""What may have been started is never started again."""

import time
from typing import Any

import pytest
from tests.unit.kinds.playbook.server.fake import NOT_FOUND, PLAYBOOK, Clock, FakeNoetl, answer

from testrun_operator.kinds.playbook.execution.server.client import NoetlServer, StartUncertain
from testrun_operator.masking import Masker
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

_EXECUTE = "POST /api/execute"
_BIG = 765978687610028042


def _id(seconds_ago: float) -> int:
    """Make an id as NoETL does."""
    return int((time.time() - seconds_ago - 1_704_067_200) * 1000) << 23


@pytest.mark.parametrize("identity", [str(_BIG), _BIG])
def test_an_execution_is_exact_as_a_number_and_as_a_text(
    fake: FakeNoetl, server: NoetlServer, identity: object
) -> None:
    """It is larger than a float can hold."""
    fake.answers[_EXECUTE] = answer({"execution_id": identity, "status": "started"})
    assert server.start(PLAYBOOK, {"n": 1}, None).execution == _BIG
    assert fake.bodies(_EXECUTE) == [{"catalog_id": PLAYBOOK.catalog_id, "payload": {"n": 1}}]


@pytest.mark.parametrize(("merge", "sent"), [(None, True), (True, True), (False, False)])
def test_the_first_generation_has_another_route_and_is_told_to_merge(
    fake: FakeNoetl, server: NoetlServer, merge: bool | None, sent: bool
) -> None:
    """Otherwise it forgets the values that the playbook has itself."""
    fake.describe("1.8.0")
    fake.answers["POST /api/run/playbook"] = answer({"execution_id": "7"})
    assert server.start(PLAYBOOK, {"n": 1}, merge).execution == 7
    (body,) = fake.bodies("POST /api/run/playbook")
    assert (body["args"], body["merge"], body["catalog_id"]) == ({"n": 1}, sent, PLAYBOOK.catalog_id)


@pytest.mark.parametrize(
    "said",
    [
        None,
        answer({"detail": "nats: timeout"}, 500),
        answer(text="<h1>Gateway Timeout</h1>", status=504, kind="text/html"),
        answer(text="<html>", kind="text/html"),
        answer({"execution_id": None}),
        answer({"execution_id": 1.5e18}),
        answer({"execution_id": "abc"}),
        answer({"execution_id": "9" * 30}),
        answer([1]),
        answer(None),
        b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"execution',
        b"what is this\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + b"[" * 100_000,
    ],
)
def test_an_answer_that_got_lost_is_not_asked_for_again(
    fake: FakeNoetl, server: NoetlServer, said: bytes | None
) -> None:
    """It may run. The case ends with what is known."""
    fake.answers[_EXECUTE] = said
    with pytest.raises(StartUncertain, match="nobody knows whether 'tests/hello' was started") as failure:
        server.start(PLAYBOOK, {}, None)
    assert failure.value.execution is None
    assert len(failure.value.message) < 1000
    assert fake.count(_EXECUTE) == 1


def test_what_may_have_been_started_is_looked_for(fake: FakeNoetl, server: NoetlServer) -> None:
    """The newest of the same playbook, since then, that no other playbook started."""
    wanted = _id(1)
    fake.answers[_EXECUTE] = answer({"detail": "nats: timeout"}, 500)
    fake.answers["GET /api/executions"] = answer(
        [
            {"path": "tests/other", "execution_id": str(wanted + 9)},
            {"path": "tests/hello", "execution_id": str(wanted + 5), "parent_execution_id": "4"},
            "nonsense",
            {"path": "tests/hello", "execution_id": 1.5},
            {"path": "tests/hello", "execution_id": wanted},
            {"path": "tests/hello", "execution_id": str(_id(60))},
        ]
    )
    with pytest.raises(StartUncertain, match=f"nats: timeout; execution {wanted} of it began") as failure:
        server.start(PLAYBOOK, {}, None)
    assert failure.value.execution == wanted


def test_one_that_began_long_ago_is_not_it(fake: FakeNoetl, server: NoetlServer) -> None:
    """Nobody is told to look at the run of another day."""
    fake.answers[_EXECUTE] = None
    fake.answers["GET /api/executions"] = answer([{"path": "tests/hello", "execution_id": _id(60)}])
    with pytest.raises(StartUncertain, match="no execution of it was found"):
        server.start(PLAYBOOK, {}, None)


def test_a_server_that_does_not_answer_in_time_leaves_time_to_say_so(
    fake: FakeNoetl, server: NoetlServer, clock: Clock
) -> None:
    """As one that cannot reach its NATS."""
    server.dialect()
    clock.remaining = 2.0

    def slow(_: Any) -> bytes:
        time.sleep(3)
        return answer({"execution_id": "7"})

    fake.answers[_EXECUTE] = slow
    started = time.monotonic()
    with pytest.raises(StartUncertain, match=r"no answer within 1\.4 s"):
        server.start(PLAYBOOK, {}, None)
    assert time.monotonic() - started < 3


def test_a_connection_that_was_refused_started_nothing(fake: FakeNoetl, clock: Clock) -> None:
    """So it may be tried again, and is a plain failure at last."""
    with NoetlServer(fake.url, {}, Masker([]), remaining_seconds=clock) as server:
        server.dialect()
        clock.remaining = 4.0
        server._transport._url = "http://127.0.0.1:1"
        with pytest.raises(ConnectionFailed, match="connection failed") as failure:
            server.start(PLAYBOOK, {}, None)
    assert not isinstance(failure.value, StartUncertain)


def test_the_start_has_a_connection_of_its_own(fake: FakeNoetl, server: NoetlServer) -> None:
    """One that was kept open may have been closed by a restart, and nobody would know what became of the request."""
    fake.answers["GET /api/executions/1"] = answer({})
    fake.answers[_EXECUTE] = answer({"execution_id": "7"})
    server.dialect()
    server.start(PLAYBOOK, {}, None)
    server.get("/api/executions/1", {})
    described, started, read = (asked.connection for asked in fake.asked)
    assert described == read != started


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (NOT_FOUND, r"playbook.path: the server refuses to start 'tests/hello' \(status 404\): Not Found"),
        (
            answer({"detail": "404: Playbook not found: x"}, 500),
            "playbook.path: 'tests/hello' cannot be started: 404: P",
        ),
        (
            answer({"detail": "payload: should be a dict"}, 422),
            r"playbook: the server refuses.*\(status 422\): payload",
        ),
        (answer({}, 401), r"playbook.connection: POST .*asks for authentication .*see headersFrom"),
        (answer({}, 403), "playbook.connection: .*forbids"),
        (b"HTTP/1.1 307 X\r\nlocation: https://x/\r\ncontent-length: 0\r\n\r\n", "redirected to https://x/; use that"),
    ],
)
def test_a_refusal_is_the_fault_of_the_case(fake: FakeNoetl, server: NoetlServer, said: bytes, message: str) -> None:
    """Nothing was started."""
    fake.answers[_EXECUTE] = said
    with pytest.raises(InvalidCase, match=message):
        server.start(PLAYBOOK, {}, None)


def test_too_many_requests_started_nothing(fake: FakeNoetl, server: NoetlServer) -> None:
    """429 comes before anything is done."""
    fake.answers[_EXECUTE] = answer({"detail": "slow down"}, 429)
    with pytest.raises(ConnectionFailed, match="status 429: slow down") as failure:
        server.start(PLAYBOOK, {}, None)
    assert not isinstance(failure.value, StartUncertain)
