"""``testrun sql run`` as it is typed, against a real PostgreSQL."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from tests.integration.postgres import PASSWORD, PostgresServer, running_postgres

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]
TESTRUN = Path(sys.executable).with_name("testrun")
SCHEMA = ROOT / "tests" / "unit" / "kinds" / "sql" / "reports" / "junit.xsd"
DEADLINE_SECONDS = 60

PASSES = "# TEST CASE\nIt is there.\n\n## TEST\nIt answers.\n```\nSELECT 1;\n```\n"
FAILS = """\
# TEST CASE
Sums.

## TEST
It can add.
```
SELECT 1 + 1;
```

### ASSERTION [true]
Two and two.
```
SELECT 2 + 2 = 4;
```

## TEST
It cannot.
```
SELECT 1 +
  nothing;
```

## TEST [skip: later]
It is skipped.
```
SELECT 1;
```
"""
SLEEPS = """\
# TEST CASE
Slow things.

## TEST
It is quick.
```
SELECT 1;
```

## TEST
It sleeps.
```
SELECT pg_sleep(600);
```
"""
CATCHES = SLEEPS.replace(
    "SELECT pg_sleep(600)",
    "DO $$ BEGIN FOR number IN 1..600 LOOP"
    " BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$",
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a server for all of these tests."""
    with running_postgres() as running:
        yield running


@pytest.fixture
def database(server: PostgresServer) -> str:
    """Make an empty database."""
    return server.new_database()


@pytest.fixture
def environment(server: PostgresServer, database: str) -> Mapping[str, str]:
    """Give the environment of a developer with a database."""
    return os.environ | {
        "DB_URL": f"jdbc:postgresql://127.0.0.1:{server.port}/{database}",
        "DB_USER": "admin",
        "DB_PASSWORD": PASSWORD,
        "LC_ALL": "C.UTF-8",
    }


def write(folder: Path, **files: str) -> Path:
    """Write the test case files of a project, and return its folder."""
    (folder / "tests").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "tests" / f"{name}.stt").write_text(text)
    return folder


def run(environment: Mapping[str, str], *arguments: str | Path) -> tuple[int, str, str]:
    """Run the command in a pipe; give its exit code, its output and its errors."""
    done = subprocess.run(
        [TESTRUN, "sql", "run", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    return done.returncode, done.stdout, done.stderr


def without_times(text: str) -> str:
    """Replace durations."""
    return re.sub(r"\d+\.\d+ s\b", "T s", text)


@contextmanager
def started(
    environment: Mapping[str, str], *arguments: str | Path, sigint: str = "default"
) -> Iterator[subprocess.Popen[str]]:
    """Start the command in a pipe, with SIGINT as in the foreground of a terminal, or ignored as in the background.

    These tests may themselves be in the background of a script, where SIGINT is ignored; programs inherit that.
    """
    process = subprocess.Popen(
        ["env", f"--{sigint}-signal=INT", TESTRUN, "sql", "run", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the output of a process up to a line with some text."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return read
    raise AssertionError(f"there was no {text!r} in {read!r}")


def slow_statements(server: PostgresServer) -> int:
    """Count the slow statements that run."""
    found = server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%'"
        " AND pid <> pg_backend_pid()"
    )
    return int(str(found[0][0]))


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_project_that_passes(environment: Mapping[str, str], tmp_path: Path) -> None:
    """One line for each file, and one that sums it up; nothing else, and exit code 0."""
    project = write(tmp_path, a=PASSES, b=PASSES)
    code, output, errors = run(environment, project)
    assert (code, errors) == (0, "")
    assert without_times(output) == (
        "2 tests in 2 files\n"
        "passed   tests/a.stt  1 passed in T s\n"
        "passed   tests/b.stt  1 passed in T s\n"
        "2 passed in T s\n"
    )


def test_a_project_that_fails(environment: Mapping[str, str], tmp_path: Path) -> None:
    """Exit code 1, and what is needed to find the fault; both reports have it, too."""
    project = write(tmp_path / "ledger", a=FAILS)
    junit, html = tmp_path / "report.xml", tmp_path / "report.html"
    code, output, errors = run(environment, project, "--junit", junit, "--html", html)
    assert (code, errors) == (1, "")
    place = f"{project}/tests/a.stt"
    assert f"✘ {place}:16  It cannot.\n    {place}:20  body\n" in output
    assert 'column "nothing" does not exist' in output
    assert "1 skipped: later\n" in output
    assert output.endswith(" s\n")
    assert "1 failed, 1 passed, 1 skipped in " in output.splitlines()[-1]
    assert "\x1b" not in output
    xmlschema.XMLSchema(SCHEMA).validate(junit)
    root = ET.parse(junit).getroot()  # noqa: S314 - our own
    assert [(test.get("name"), [child.tag for child in test]) for test in root.iter("testcase")] == [
        ("It can add.", []),
        ("It cannot.", ["failure"]),
        ("It is skipped.", ["skipped"]),
    ]
    page = html.read_text()
    assert "<mark>  nothing;</mark>" in page
    assert re.findall(r'<article class="test ([a-z-]+)">', page) == ["passed", "failed", "skipped"]
    assert "PostgreSQL" in page


def test_tests_are_selected_by_an_expression(environment: Mapping[str, str], tmp_path: Path) -> None:
    """Those that are left out do not appear; one that selects nothing is an error that says what there is."""
    project = write(tmp_path, a=FAILS)
    assert run(environment, project, "-k", "add or skipped")[0] == 0
    code, _, errors = run(environment, project, "-k", "subtract")
    assert code == 2
    assert "It can add." in errors


def test_the_schema_is_loaded_unless_it_is_left_out(
    environment: Mapping[str, str], server: PostgresServer, database: str, tmp_path: Path
) -> None:
    """A schema that cannot be loaded ends the execution: failed, since it is a part of what is tested."""
    project = write(tmp_path, a=PASSES.replace("SELECT 1", "INSERT INTO users VALUES (1)"))
    (project / "schema.sql").write_text("CREATE TABLE users (id integer);\n")
    assert run(environment, project, "--isolation", "rollback")[0] == 0
    assert server.execute("SELECT count(*) FROM users", database) == [(0,)]
    code, output, _ = run(environment, project)
    assert code == 1
    assert f"Ended before the last test: script failed\n    {project}/schema.sql:1\n" in output
    assert "            1 > CREATE TABLE users (id integer);\n" in output
    assert run(environment, project, "--skip-schema-load")[0] == 0
    assert server.execute("SELECT count(*) FROM users", database) == [(1,)]


def test_test_cases_run_in_parallel_in_copies(
    environment: Mapping[str, str], server: PostgresServer, tmp_path: Path
) -> None:
    """Which are gone afterwards."""
    before = server.execute("SELECT datname FROM pg_database ORDER BY 1")
    project = write(tmp_path, **{f"t{number}": PASSES for number in range(4)})
    code, output, _ = run(environment, project, "--isolation", "database", "--parallel", "3")
    assert (code, output.splitlines()[0]) == (0, "4 tests in 4 files")
    assert server.execute("SELECT datname FROM pg_database ORDER BY 1") == before


def test_a_database_that_cannot_be_reached_is_neither_passed_nor_failed(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    """Exit code 2; the reports of an earlier run are not left to be taken for this one's."""
    project = write(tmp_path, a=PASSES)
    junit, html = tmp_path / "report.xml", tmp_path / "report.html"
    assert run(environment, project, "--junit", junit, "--html", html)[0] == 0
    address = f"postgresql://admin:{quote(PASSWORD, safe='')}@127.0.0.1:1/nowhere"
    code, output, errors = run(environment, project, "--junit", junit, "--html", html, "--dsn", address)
    assert code == 2
    assert "127.0.0.1" in output
    assert output.splitlines()[-1].startswith("could not run: 1 not run in")
    told = output + errors + junit.read_text() + html.read_text()
    assert "<error" in junit.read_text()
    assert "Could not run" in html.read_text()
    assert PASSWORD not in told
    assert quote(PASSWORD, safe="") not in told


def test_a_wrong_password_is_not_told(environment: Mapping[str, str], tmp_path: Path) -> None:
    """Nor is a right one that a database repeats."""
    project = write(tmp_path, a=PASSES.replace("SELECT 1", f"DO $$ BEGIN RAISE EXCEPTION '{PASSWORD} was it'; END $$"))
    code, output, _ = run(environment, project)
    assert code == 1
    assert "*** was it" in output
    assert PASSWORD not in output
    wrong = "a-wrong-password"
    code, output, errors = run({**environment, "DB_PASSWORD": wrong}, project)
    assert code == 2
    assert wrong not in output + errors


@pytest.mark.parametrize("isolation", ["none", "rollback", "database"])
def test_ctrl_c_ends_the_statement_on_the_server(
    environment: Mapping[str, str], server: PostgresServer, tmp_path: Path, isolation: str
) -> None:
    """Says what was done, with exit code 130; copies are dropped."""
    before = server.execute("SELECT datname FROM pg_database ORDER BY 1")
    with started(environment, write(tmp_path, a=SLEEPS), "--isolation", isolation) as process:
        wait_until(lambda: slow_statements(server) == 1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert output.endswith("interrupted: 1 passed\n")
    assert process.returncode == 130
    assert slow_statements(server) == 0
    assert server.execute("SELECT datname FROM pg_database ORDER BY 1") == before


def test_a_statement_that_catches_its_end_is_ended_with_its_connection(
    environment: Mapping[str, str], server: PostgresServer, tmp_path: Path
) -> None:
    """The command does not wait for it, and the server notices that nobody else does."""
    with started(environment, write(tmp_path, a=CATCHES)) as process:
        wait_until(lambda: slow_statements(server) == 1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert output.endswith("interrupted: 1 passed\n")
    assert process.returncode == 143
    wait_until(lambda: slow_statements(server) == 0)


def test_the_time_is_limited(environment: Mapping[str, str], server: PostgresServer, tmp_path: Path) -> None:
    """The statement is ended, and named with its place; exit code 1."""
    code, output, _ = run(environment, write(tmp_path, a=SLEEPS), "--timeout", "2s")
    assert code == 1
    assert "Ended before the last test: timed out\n" in output
    assert f"{tmp_path}/tests/a.stt:13" in output
    assert "pg_sleep(600)" in output
    assert slow_statements(server) == 0


def test_changed_files_run_again(environment: Mapping[str, str], tmp_path: Path) -> None:
    """A test case file alone, everything after another file; a broken file does not end it, Ctrl-C does."""
    project = write(tmp_path, a=PASSES, b=PASSES)
    (project / "src").mkdir()
    waiting = "waiting for changes"
    with started(environment, project, "--watch") as process:
        assert "2 passed in" in read_until(process, waiting)
        write(project, b=FAILS)
        read = read_until(process, waiting)
        assert "tests/a.stt" not in read
        assert "1 failed, 1 passed, 1 skipped in" in read
        (project / "src" / "a.sql").write_text("SELECT 1;")
        assert "1 failed, 2 passed, 1 skipped in" in read_until(process, waiting)
        shutil.move(project / "tests", project / "moved")
        assert "Error: Nothing to run" in read_until(process, waiting)
        shutil.move(project / "moved", project / "tests")
        assert "1 failed, 2 passed, 1 skipped in" in read_until(process, waiting)
        write(project, b="# TEST CA")
        assert "1 failed in" in read_until(process, waiting)
        write(project, b=PASSES)
        assert "1 passed in" in read_until(process, waiting)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 0


def test_in_the_background_of_a_script_ctrl_c_is_meant_for_others(
    environment: Mapping[str, str], server: PostgresServer, tmp_path: Path
) -> None:
    """What is started with SIGINT ignored goes on, whether it waits or runs tests, and says what ends it: SIGTERM."""
    project = write(tmp_path, a=PASSES)
    with started(environment, project, "--watch", sigint="ignore") as process:
        assert "waiting for changes; SIGTERM ends" in read_until(process, "waiting for changes")
        process.send_signal(signal.SIGINT)
        write(project, a=SLEEPS)
        wait_until(lambda: slow_statements(server) == 1)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert output.endswith("interrupted: 1 passed\n")
    assert process.returncode == 143
    assert slow_statements(server) == 0


def test_watching_in_the_background_is_ended_by_sigterm_while_nothing_runs(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    """As any other program is."""
    with started(environment, write(tmp_path, a=PASSES), "--watch", sigint="ignore") as process:
        read_until(process, "waiting for changes")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == -signal.SIGTERM


def on_a_terminal(environment: Mapping[str, str], *arguments: str | Path) -> tuple[int, str]:
    """Run the command on a terminal; give its exit code and all that it wrote there."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(TESTRUN, [str(TESTRUN), "sql", "run", *map(str, arguments)], dict(environment))  # noqa: S606 - in the place of this one
    written = b""
    while select.select([terminal], [], [], DEADLINE_SECONDS)[0]:
        try:
            written += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_a_line_that_is_gone_at_the_end(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    """And no control character of what was tested."""
    fails = FAILS.replace("SELECT 1 +", "SELECT E'\\x1b]0;title\\x07'::integer +")
    terminal = {**environment, "TERM": "xterm-256color", "COLUMNS": "80"}
    terminal.pop("NO_COLOR", None)
    code, written = on_a_terminal(terminal, write(tmp_path, a=fails), "--timeout", "1m")
    assert code == 1
    assert "of 3 tests" in written
    shown = written.rpartition("\x1b[2K")[2]
    assert "of 3 tests" not in shown
    assert "\x1b[31m✘ " in shown
    assert "\x1b]0;" not in written
    assert "\x07" not in written
