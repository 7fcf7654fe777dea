"""The event log as it is read from a real PostgreSQL while it is being written, and from real servers."""

import random
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.integration.postgres import PASSWORD, PostgresServer, running_postgres
from tests.unit.kinds.playbook.replay import TIMELINES, dialect_of, load

from support.noetl import NoetlServer
from support.recorded_log import Recording
from testrun_operator.kinds.playbook.execution.completeness import CompletenessTracker, Decision, State
from testrun_operator.kinds.playbook.execution.eventlog.api import ApiEventLog
from testrun_operator.kinds.playbook.execution.eventlog.postgres import PostgresEventLog
from testrun_operator.kinds.playbook.execution.log import Dialect, Log, WorkState
from testrun_operator.kinds.playbook.execution.status import final_status
from testrun_operator.kinds.playbook.spec import PlaybookStatus, Settling
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

pytestmark = pytest.mark.postgres

_PLAYBOOKS = Path(__file__).parent / "playbooks"
_ENDING = ("hello_world", "variables", "late_failure", "loop", "start_with_action", "composition", "open_end")
_STATUSES = {"late_failure": PlaybookStatus.FAILED}
_GROWS_WITHIN_SECONDS = 3.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this module's own: a test restarts it."""
    with running_postgres() as server:
        yield server


def _poll(reader: PostgresEventLog, root: int, seconds: float = 60.0) -> tuple[Decision, Log, float]:
    """Look at a log until it is decided; say when."""
    settler = CompletenessTracker(Settling())
    until = time.monotonic() + seconds
    while True:
        log = reader.read(root)
        decision = settler.observe(log, time.monotonic())
        if decision.state is not State.OPEN or time.monotonic() > until:
            return decision, log, time.monotonic()
        time.sleep(decision.poll_after)


def _recording(postgres: PostgresServer, name: str, delays: float = 0.0) -> Recording:
    recording = Recording(name, postgres.dsn(postgres.new_database()))
    chance = random.Random(name)
    recording.delays = [chance.uniform(0, delays) for _ in recording.rows]
    recording.create()
    return recording


_WRITTEN = (
    *("late_failure-1.8.0", "loop-1.8.0", "retry-1.8.0", "composition-1.8.0"),
    *("open_end-2.5.5", "composition-2.5.5", "late_failure-2.5.5"),
    *("hello_world-4.26.0", "composition-4.26.0", "open_end-4.26.0", "loop-4.26.0", "cancelled-4.26.0"),
)


@pytest.mark.parametrize(
    ("name", "delay"), [*((name, 1.5) for name in _WRITTEN), ("hello_world-4.26.0", 0.0), ("loop-1.8.0", 0.0)]
)
def test_a_log_that_is_being_written_is_settled_when_its_last_row_is_there(
    postgres: PostgresServer, name: str, delay: float
) -> None:
    """As the replays have it, with a real database in between, and rows that come late one by one."""
    recording = _recording(postgres, name, delay)
    writer = threading.Thread(target=recording.write)
    writer.start()
    try:
        with PostgresEventLog(recording.dsn, recording.dialect) as reader:
            decision, log, at = _poll(reader, recording.root)
    finally:
        writer.join()
    complete = load(TIMELINES / f"{name}.json").complete
    assert decision.state is State.SETTLED
    assert at >= recording.last_written
    assert [event.id for event in log.events] == [event.id for event in complete.events]
    assert final_status(log) == final_status(complete)
    assert all(work.state is WorkState.ENDED for work in log.work) or name.startswith("cancelled")


def test_a_log_is_read_exactly_as_it_is(postgres: PostgresServer) -> None:
    """Ids above 2^53, children, results and errors; the same as what the replays are made of."""
    recording = _recording(postgres, "composition_of_failure-4.26.0")
    recording.at_once()
    recording.write()
    complete = load(TIMELINES / "composition_of_failure-4.26.0.json").complete
    with PostgresEventLog(recording.dsn, recording.dialect) as reader:
        log = reader.read(recording.root)
        assert log.events == complete.events
        assert sorted(log.work, key=lambda one: one.id) == sorted(complete.work, key=lambda one: one.id)
        assert {one.execution: one for one in log.server_states} == {
            one.execution: one for one in complete.server_states
        }
        assert min(event.id for event in log.events) > 2**53
        # What is known is not read again, and is the same.
        assert reader.read(recording.root).events is log.events


def test_executions_of_others_are_not_read(postgres: PostgresServer) -> None:
    """Two executions of the same playbook at once, in one database."""
    recording = _recording(postgres, "hello_world-2.5.5")
    recording.at_once()
    recording.write()
    other = Recording("late_failure-2.5.5", recording.dsn)
    other.at_once()
    other.write()
    with PostgresEventLog(recording.dsn, recording.dialect) as reader:
        assert reader.read(recording.root).executions == (recording.root,)
        assert final_status(reader.read(other.root)).status is PlaybookStatus.FAILED
        assert reader.read(12345).events == ()


def test_rows_that_come_late_with_lower_ids_are_found(postgres: PostgresServer) -> None:
    """The row of a slow transaction appears long after rows with higher ids."""
    recording = _recording(postgres, "variables-2.5.5")
    recording.at_once()
    recording.rows = [row for number, row in enumerate(recording.rows) if number % 3]
    recording.delays = []
    recording.write()
    with PostgresEventLog(recording.dsn, recording.dialect) as reader:
        few = len(reader.read(recording.root).events)
        full = Recording(recording.name, recording.dsn)
        full.at_once()
        full.write()
        events = reader.read(recording.root).events
    assert few < len(events) == len(full.rows)
    assert [event.id for event in events] == sorted(event.id for event in events)


def test_a_database_that_is_being_restarted_is_waited_for(postgres: PostgresServer) -> None:
    """It is away for a second or two; what was read before is not read again."""
    recording = _recording(postgres, "hello_world-1.8.0")
    recording.at_once()
    recording.write()
    with PostgresEventLog(recording.dsn, recording.dialect) as reader:
        before = reader.read(recording.root).events
        postgres.stop("fast")  # "immediate" would lose what the tests' server has not written yet
        back = threading.Timer(1.0, postgres.start)
        back.start()
        try:
            assert reader.read(recording.root).events is before
        finally:
            back.join()


def test_a_database_that_stays_away_makes_the_case_errored() -> None:
    """With the cause, and without the password."""
    dsn = f"host=127.0.0.1 port=1 dbname=noetl user=somebody password={PASSWORD}"
    with PostgresEventLog(dsn, Dialect.BATCH, grace=0.5) as reader, pytest.raises(ConnectionFailed) as caught:
        reader.read(1)
    assert "127.0.0.1" in caught.value.message
    assert PASSWORD not in caught.value.message


@pytest.mark.parametrize("dsn", ["host=x password='unended", "postgresql://u:secret-word@[h/db"])
def test_a_dsn_that_cannot_be_read_is_not_repeated(dsn: str) -> None:
    """There is a password in it."""
    with pytest.raises(InvalidCase) as caught:
        PostgresEventLog(dsn, Dialect.BATCH)
    assert "unended" not in caught.value.message
    assert "secret-word" not in caught.value.message


def test_what_is_no_database_of_noetl_is_a_wrong_configuration(postgres: PostgresServer) -> None:
    """As is one whose tables must not be read."""
    empty = postgres.dsn(postgres.new_database())
    with PostgresEventLog(empty, Dialect.BATCH) as reader, pytest.raises(InvalidCase, match=r"no table noetl\.event"):
        reader.read(1)
    recording = _recording(postgres, "hello_world-2.5.5")
    user = postgres.new_user()
    database = psycopg.conninfo.conninfo_to_dict(recording.dsn)["dbname"]
    dsn = postgres.dsn(str(database), user=user)
    with PostgresEventLog(dsn, Dialect.COMMAND) as reader, pytest.raises(InvalidCase, match="permission denied"):
        reader.read(1)


@dataclass
class _Api:
    """A server's API, as the reader asks it."""

    url: str

    def get(self, path: str, parameters: Mapping[str, str]) -> object:
        try:
            answer = httpx.get(f"{self.url}{path}", params=dict(parameters), timeout=10)
        except httpx.HTTPError as error:
            raise ConnectionFailed(str(error)) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise ConnectionFailed(f"{path}: {answer.status_code}")
        return answer.json()


def _start(noetl: NoetlServer, name: str) -> int:
    for used in (name, "composition_child") if name == "composition" else (name,):
        noetl.register((_PLAYBOOKS / noetl.release.version / f"{used}.yaml").read_text())
    return int(noetl.execute(f"testrun/{name}"))


def _status_of(noetl: NoetlServer, name: str) -> PlaybookStatus:
    # For those in Rust a program that fails is a result: the run completes.
    statuses = {} if noetl.release.version.startswith("rust") else _STATUSES
    return statuses.get(name, PlaybookStatus.COMPLETED)


@pytest.mark.parametrize("way", ["database", "server"])
def test_real_executions_do_not_grow_after_they_were_settled(noetl: NoetlServer, way: str) -> None:
    """Several at once on one worker, each judged as soon as it is settled, by its events or through the server."""
    folder = _PLAYBOOKS / noetl.release.version
    names = [name for name in _ENDING if (folder / f"{name}.yaml").exists()]
    started = {name: _start(noetl, name) for name in names}
    dialect = dialect_of(noetl.release.version)

    def judge(name: str) -> tuple[Decision, Log]:
        if way == "server":
            decision, log, _ = _poll(ApiEventLog(_Api(noetl.url), dialect), started[name], 120)
        else:
            with PostgresEventLog(noetl.events_dsn, dialect) as reader:
                decision, log, _ = _poll(reader, started[name], 120)
        return decision, log

    with ThreadPoolExecutor(len(names)) as pool:
        judged = dict(zip(names, pool.map(judge, names), strict=True))
    time.sleep(_GROWS_WITHIN_SECONDS)
    with PostgresEventLog(noetl.events_dsn, dialect) as reader:
        for name, (decision, log) in judged.items():
            assert decision.state is State.SETTLED, f"{name}: {decision.missing}"
            assert decision.examination.suspected == (), name
            later = reader.read(started[name])
            assert [event.id for event in log.events] == [event.id for event in later.events], name
            assert final_status(log).status is _status_of(noetl, name), name


def test_a_log_that_nobody_works_on_stays_open_and_says_so(noetl: NoetlServer) -> None:
    """There is no worker; when there is one, the execution goes on and is judged."""
    dialect = dialect_of(noetl.release.version)
    noetl.stop_workers()
    try:
        execution = _start(noetl, "hello_world")
        with PostgresEventLog(noetl.events_dsn, dialect) as reader:
            decision, _, _ = _poll(reader, execution, 3)
            assert decision.state is State.OPEN
            assert decision.examination.waiting_for_worker
            noetl.start_workers()
            decision, log, _ = _poll(reader, execution, 90)
        assert decision.state is State.SETTLED
        assert final_status(log).status is PlaybookStatus.COMPLETED
    finally:
        noetl.stop_workers()
        noetl.start_workers()
