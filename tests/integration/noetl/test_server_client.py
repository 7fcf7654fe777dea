"""The client against real NoETL servers of the three generations."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.noetl import NoetlServer as RealNoetl
from support.noetl import releases_under_test, running_noetl
from testrun_operator.kinds.playbook.execution.ids import time_of
from testrun_operator.kinds.playbook.execution.log import Dialect
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer, StartUncertain
from testrun_operator.masking import Masker
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

pytestmark = pytest.mark.postgres

_PLAYBOOKS = Path(__file__).parent / "playbooks"
_DIALECTS = {"1.8.0": Dialect.QUEUE, "2.5.5": Dialect.COMMAND, "4.26.0": Dialect.BATCH, "rust-3.54.0": Dialect.RUST}


@contextmanager
def _client(noetl: RealNoetl, seconds: float = 60.0) -> Iterator[NoetlServer]:
    with NoetlServer(noetl.url, {}, Masker([]), remaining_seconds=lambda: seconds) as client:
        yield client


@pytest.fixture(scope="module", params=releases_under_test())
def noetl(request: pytest.FixtureRequest) -> Iterator[RealNoetl]:
    """A NoETL of this module's own: connections to its database are ended here, which the next caller would notice."""
    with running_noetl(request.param) as running:
        yield running


@pytest.fixture
def server(noetl: RealNoetl) -> Iterator[NoetlServer]:
    """The client, with a minute left."""
    with _client(noetl) as client:
        yield client


def _playbook(noetl: RealNoetl, name: str, path: str | None = None) -> str:
    text = (_PLAYBOOKS / noetl.release.version / f"{name}.yaml").read_text()
    return text.replace(f"path: testrun/{name}", f"path: {path}") if path else text


def _events(server: NoetlServer, execution: int) -> list[Mapping[str, Any]]:
    found = server.get(f"/api/executions/{execution}", {})
    assert isinstance(found, dict)
    events = found["events"]
    assert isinstance(events, list)
    return events


def _wait_for_text(server: NoetlServer, execution: int, text: str) -> None:
    until = time.monotonic() + 20
    while text not in str(_events(server, execution)):
        assert time.monotonic() < until, f"{text} is not in {_events(server, execution)}"
        time.sleep(0.1)


def test_a_playbook_is_registered_found_and_started(noetl: RealNoetl, server: NoetlServer) -> None:
    """The way of every case; the payload arrives, and two executions at once are two."""
    assert server.dialect() is _DIALECTS[noetl.release.version]
    registered = server.register(_playbook(noetl, "hello_world"), "hello_world.yaml")
    assert (registered.path, registered.version) == ("testrun/hello_world", 1)
    first = server.start(registered, {"name": "first"}, None).execution
    second = server.start(registered, {"name": "second"}, None).execution
    assert first < second
    for execution, name in ((first, "first"), (second, "second")):
        assert abs(time_of(server.dialect(), execution) - time.time()) < 60
        _wait_for_text(server, execution, f"hello, {name}")
        # Those written in Rust say it once, above the events.
        assert all(int(event.get("execution_id", execution)) == execution for event in _events(server, execution))


def test_the_same_content_is_registered_once_and_the_newest_is_found(noetl: RealNoetl, server: NoetlServer) -> None:
    """Also where the server remembers what was newest before, as 4.26.0 does."""
    path = "testrun/versions"
    contents = [_playbook(noetl, "hello_world", path) + f"# {number}\n" for number in (1, 2, 3)]
    versions = [server.register(content, "a.yaml") for content in contents for _ in range(2)]
    assert [registered.version for registered in versions] == [1, 1, 2, 2, 3, 3]
    assert server.find(path, None) == versions[-1]
    assert server.find(path, 2) == versions[2]
    # Back to the first one: it is not the newest any more.
    assert server.register(contents[0], "a.yaml").version == 4
    # Somebody else registers.
    with _client(noetl) as other:
        other.register(contents[1], "a.yaml")
    assert server.find(path, None).version == 5


def test_the_version_that_is_asked_for_runs(noetl: RealNoetl, server: NoetlServer) -> None:
    """Release 2.5.5 heeds no version, but an id."""
    path = "testrun/old"
    text = _playbook(noetl, "hello_world", path)
    server.register(text.replace("hello, ", "old, "), "a.yaml")
    server.register(text.replace("hello, ", "new, "), "a.yaml")
    execution = server.start(server.find(path, 1), {"name": "you"}, None).execution
    _wait_for_text(server, execution, "old, you")


def test_many_cases_that_register_the_same_at_once_all_get_it(noetl: RealNoetl) -> None:
    """They refuse each other's versions, and look again."""
    content = _playbook(noetl, "hello_world", "testrun/crowd")

    def register(_: int) -> int:
        with _client(noetl) as client:
            return client.register(content, "a.yaml").version

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(register, range(8)))
    assert 1 <= max(versions) <= 8
    with _client(noetl) as client:
        assert client.find("testrun/crowd", None).version == max(versions)


def test_what_the_server_refuses_to_register_is_the_fault_of_the_playbook(
    noetl: RealNoetl, server: NoetlServer
) -> None:
    """Broken YAML is a 500 in the releases in Python."""
    with pytest.raises(InvalidCase, match=r"^playbook\.register: a.yaml: the server refuses it.*flow sequence"):
        server.register("{ not: [yaml", "a.yaml")
    # 1.8.0 and those written in Rust take what is no playbook, and stumble when it is started.
    if noetl.release.version in ("2.5.5", "4.26.0"):
        broken = (
            "apiVersion: noetl.io/v2\nkind: Playbook\nmetadata: {name: x, path: testrun/broken}\nworkflow: nothing\n"
        )
        with pytest.raises(InvalidCase, match=r"^playbook\.register: a.yaml: the server refuses it"):
            server.register(broken, "a.yaml")


def test_a_playbook_that_there_is_not_is_the_fault_of_the_case(noetl: RealNoetl, server: NoetlServer) -> None:
    """With what there is instead."""
    server.register(_playbook(noetl, "hello_world"), "hello_world.yaml")
    with pytest.raises(InvalidCase, match=r"^playbook\.path: the server has no playbook 'hello_world'; similar: 'tes"):
        server.find("hello_world", None)
    with pytest.raises(InvalidCase, match=r"^playbook\.version: 'testrun/hello_world' has no version 99; there are: "):
        server.find("testrun/hello_world", 99)
    with pytest.raises(InvalidCase, match=r"^playbook\.version"):
        server.find("testrun/hello_world", 2**40)


def test_a_catalog_id_that_there_is_not_is_the_fault_of_the_case(noetl: RealNoetl, server: NoetlServer) -> None:
    """As after somebody deleted the playbook between two requests."""
    registered = server.register(_playbook(noetl, "hello_world"), "hello_world.yaml")
    gone = type(registered)("testrun/gone", 7, "123456789012345678")
    with pytest.raises(InvalidCase, match=r"^playbook\.path: .*'testrun/gone'"):
        server.start(gone, {}, None)


def test_a_credential_is_registered_and_replaced(server: NoetlServer) -> None:
    """Numbers are texts, as they come out of a Secret."""
    for password in ("first", "second"):
        fields = {"db_host": "db", "db_port": "5432", "db_password": password}
        server.register_credential("pg_tests", "postgres", fields)
        kept = server.get("/api/credentials/pg_tests", {"include_data": "true"})
        assert isinstance(kept, dict)
        assert (kept["type"], kept["data"]) == ("postgres", fields)


def test_an_execution_that_there_is_not_is_none(server: NoetlServer) -> None:
    """Release 1.8.0 says 200 and null, others 404; what is no id makes those in Python stumble."""
    assert server.get("/api/executions/1234567890123456789", {}) is None
    with pytest.raises(ConnectionFailed, match=r"status 500: .*invalid input syntax for type bigint|status 400"):
        server.get("/api/executions/abc", {})


def test_a_running_execution_is_cancelled_where_the_server_can(noetl: RealNoetl, server: NoetlServer) -> None:
    """Only 4.x can, and those written in Rust."""
    server.dialect()
    slow = server.register(_playbook(noetl, "slow"), "slow.yaml")
    execution = server.start(slow, {"seconds": 1}, None).execution
    written = {"4.26.0": "execution.cancelled", "rust-3.54.0": "playbook_cancelled"}.get(noetl.release.version)
    assert server.cancel(execution) is (written is not None)
    assert server.cancel(123456789012345678) is False
    if written is not None:
        _wait_for_text(server, execution, written)


def test_the_page_of_an_execution_is_named_only_where_it_is_served(noetl: RealNoetl, server: NoetlServer) -> None:
    """The releases before 4 bring it along, switched off here; those after it do not."""
    assert server.page_of(7) is None
    noetl.stop_server(kill=True)
    noetl.server.environment["NOETL_ENABLE_UI"] = "true"
    try:
        noetl.start_server()
        page = server.page_of(7)
    finally:
        noetl.stop_server(kill=True)
        noetl.server.environment["NOETL_ENABLE_UI"] = "false"
        noetl.start_server()
    if noetl.release.version in ("4.26.0", "rust-3.54.0"):
        assert page is None
    else:
        assert page == f"{noetl.url}/execution/7"
        assert server.page_of(7) is None


def test_a_server_that_is_restarted_is_waited_for(noetl: RealNoetl, server: NoetlServer) -> None:
    """Looking up, registering and starting go on where they were."""
    registered = server.register(_playbook(noetl, "hello_world"), "hello_world.yaml")
    server.dialect()
    noetl.stop_server(kill=True)
    with ThreadPoolExecutor(3) as pool, _client(noetl) as second, _client(noetl) as third:
        found = pool.submit(server.find, "testrun/hello_world", None)
        dialect = pool.submit(second.dialect)
        again = pool.submit(third.register, _playbook(noetl, "hello_world"), "hello_world.yaml")
        time.sleep(0.5)
        noetl.start_server()
        assert (found.result(), again.result()) == (registered, registered)
        assert dialect.result() is _DIALECTS[noetl.release.version]
    assert server.start(registered, {}, None).execution


def test_a_server_that_hangs_is_a_dependency_that_failed(noetl: RealNoetl, server: NoetlServer) -> None:
    """A connection it still takes."""
    server.dialect()
    noetl.server.pause()
    try:
        with _client(noetl, 1.0) as client, pytest.raises(ConnectionFailed, match="no answer within 1 s"):
            client.get("/api/health", {})
    finally:
        noetl.server.go_on()


@pytest.mark.parametrize("noetl", ["2.5.5", "4.26.0"], indirect=True)
def test_a_start_whose_answer_is_lost_is_told_with_the_execution_that_it_left(
    noetl: RealNoetl, server: NoetlServer
) -> None:
    """Without NATS 2.5.5 answers 500 and 4.26.0 nothing: both leave an execution behind."""
    assert noetl.nats is not None
    registered = server.register(_playbook(noetl, "hello_world", "testrun/orphan"), "a.yaml")
    before = server.start(registered, {}, None).execution
    noetl.nats.stop()
    try:
        with _client(noetl, 9.0) as client, pytest.raises(StartUncertain) as failure:
            client.start(registered, {}, None)
    finally:
        noetl.nats.start()
    assert failure.value.execution is not None
    assert failure.value.execution > before
    assert f"execution {failure.value.execution} of it began" in failure.value.message
    assert _events(server, failure.value.execution)


def test_without_its_database_the_server_is_a_dependency_that_failed(noetl: RealNoetl, server: NoetlServer) -> None:
    """Not the playbook's fault, though the server words it so; and it is waited for."""
    path = "testrun/without_database"
    server.dialect()
    noetl.postgres.stop("immediate")
    try:
        with _client(noetl, 1.0) as client:
            with pytest.raises(ConnectionFailed):
                client.find("testrun/hello_world", None)
            with pytest.raises(ConnectionFailed):
                client.register(_playbook(noetl, "hello_world", path), "a.yaml")
            with pytest.raises(ConnectionFailed):
                client.register("{ not: [yaml", "a.yaml")
        with ThreadPoolExecutor(1) as pool:
            registered = pool.submit(server.register, _playbook(noetl, "hello_world", path), "a.yaml")
            time.sleep(0.3)
            noetl.postgres.start()
            assert registered.result().path == path
    finally:
        if not noetl.postgres.is_running():
            noetl.postgres.start()
    assert server.find(path, None) == registered.result()
