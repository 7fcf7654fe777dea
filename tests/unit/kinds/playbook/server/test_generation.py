"""Which generation of NoETL answers is found out from what the server says."""

import socket
import threading
import time

import pytest
from tests.unit.kinds.playbook.server.fake import NOT_FOUND, Clock, FakeNoetl, answer

from testrun_operator.kinds.playbook.execution.log import Dialect
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer
from testrun_operator.masking import Masker
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase


@pytest.mark.parametrize(
    ("release", "dialect"), [("1.8.0", Dialect.QUEUE), ("2.5.5", Dialect.COMMAND), ("4.26.0", Dialect.BATCH)]
)
def test_routes_tell_the_generation(fake: FakeNoetl, server: NoetlServer, release: str, dialect: Dialect) -> None:
    """The version in the description is the same in all releases."""
    fake.describe(release)
    assert server.dialect() is dialect
    assert server.dialect() is dialect
    assert fake.count("GET /openapi.json") == 1


@pytest.mark.parametrize(
    ("routes", "dialect"),
    [
        (("/api/execute",), Dialect.COMMAND),
        (("/api/execute", "/api/events/batch"), Dialect.BATCH),
        (("/api/execute", "/api/events/batch", "/api/execute/batch"), Dialect.RUST),
    ],
)
def test_a_server_that_does_not_describe_itself_is_known_by_what_it_lets_one_post(
    fake: FakeNoetl, server: NoetlServer, routes: tuple[str, ...], dialect: Dialect
) -> None:
    """As those written in Rust, and others whose description was switched off."""
    fake.answers = {f"GET {route}": answer({}, 405) for route in routes}
    assert server.dialect() is dialect


@pytest.mark.parametrize("description", [{"paths": {}}, {"paths": {"/pets": {}}}, {}, [], None, {"paths": ["x"]}])
def test_another_server_is_the_fault_of_the_case(fake: FakeNoetl, server: NoetlServer, description: object) -> None:
    """It does not get better by waiting."""
    fake.answers["GET /openapi.json"] = answer(description)
    with pytest.raises(InvalidCase, match=r"^playbook.connection: http\S* is not the address of a NoETL server"):
        server.dialect()


def test_a_web_site_is_no_noetl_server(fake: FakeNoetl, server: NoetlServer) -> None:
    """A page instead of JSON."""
    fake.answers["GET /openapi.json"] = answer(text="<html>Welcome</html>", kind="text/html")
    with pytest.raises(ConnectionFailed, match="no JSON but text/html: <html>Welcome"):
        server.dialect()


def test_a_site_without_anything_of_noetl_is_no_noetl_server(fake: FakeNoetl, server: NoetlServer) -> None:
    """All of it 404."""
    fake.answers = {"GET /openapi.json": NOT_FOUND}
    with pytest.raises(InvalidCase, match="not the address of a NoETL server"):
        server.dialect()


def test_a_server_that_is_being_restarted_is_waited_for(fake: FakeNoetl, server: NoetlServer) -> None:
    """Connections break, gateways answer 502 and 503, and then it is there."""
    fake.answers["GET /openapi.json"] = [
        None,
        answer(text="Bad Gateway", status=502, kind="text/html"),
        answer(None, 503),
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        answer({"paths": {"/api/execute": {}}}),
    ]
    assert server.dialect() is Dialect.COMMAND


def test_a_server_that_is_not_there_is_waited_for(clock: Clock) -> None:
    """It comes within the time."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    served = threading.Event()

    def serve() -> None:
        time.sleep(0.5)
        with socket.create_server(("127.0.0.1", port)) as listener:
            connection, _ = listener.accept()
            connection.recv(10_000)
            connection.sendall(answer({"paths": {"/api/execute": {}}}))
            served.wait(5)
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with NoetlServer(f"http://127.0.0.1:{port}", {}, Masker([]), remaining_seconds=clock) as server:
        assert server.dialect() is Dialect.COMMAND
    served.set()
    thread.join()


def test_no_server_at_all_is_a_dependency_that_failed(clock: Clock) -> None:
    """After the time that there is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    clock.remaining = 1.2
    started = time.monotonic()
    with (
        NoetlServer(f"http://127.0.0.1:{port}", {}, Masker([]), remaining_seconds=clock) as server,
        pytest.raises(ConnectionFailed) as failure,
    ):
        server.dialect()
    assert time.monotonic() - started < 3
    assert failure.value.message.startswith(f"GET http://127.0.0.1:{port}/openapi.json: connection failed: ")
    assert failure.value.message.endswith("(tried for 1 s)")
