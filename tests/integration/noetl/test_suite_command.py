"""``testrun noetl suite`` against real NoETL servers: what it writes is valid, and its cases pass."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.unit.kinds.playbook.replay import dialect_of
from typer.testing import CliRunner, Result

from support.noetl import NoetlServer, releases_under_test, running_noetl
from support.playbook_cases import PLAYBOOKS, document_of, playbook_text, run_here
from testrun_operator.api.verdict import Verdict
from testrun_operator.cli.application import application
from testrun_operator.engine.validation import check_suite
from testrun_operator.kinds.playbook.commands import server
from testrun_operator.kinds.playbook.commands.history import summarize
from testrun_operator.kinds.playbook.execution import registration
from testrun_operator.kinds.playbook.execution.eventlog.postgres import PostgresEventLog
from testrun_operator.kinds.playbook.spec import PlaybookStatus
from testrun_operator.resources.parsing import parse_suite
from testrun_operator.resources.suite import TestSuiteSpec
from testrun_operator.sources.fetching import fetch_files

pytestmark = pytest.mark.postgres

_GOOD = ("hello_world", "variables", "loop", "composition", "composition_child", "start_with_action")
_BAD = ("late_failure", "composition_of_failure")
_SECONDS = 180
_SHELL = """
apiVersion: noetl.io/v2
kind: Playbook
metadata: {name: cleanup, path: testrun/cleanup}
workflow:
  - step: start
    tool: {kind: shell, cmds: [ls]}
    next: {arcs: [{step: end}]}
  - step: end
    tool: {kind: noop}
"""
_DATABASE = """
apiVersion: noetl.io/v2
kind: Playbook
metadata: {name: database, path: testrun/database}
workload: {pg_auth: "NAME"}
workflow:
  - step: start
    tool: {kind: postgres, auth: "{{ workload.pg_auth }}", query: SELECT 1}
    next: {arcs: [{step: end}]}
  - step: end
    tool: {kind: noop}
"""


_RELEASES = [release for release in ("1.8.0", "4.26.0", "rust-3.54.0") if release in releases_under_test()]


@pytest.fixture(scope="module", params=_RELEASES)
def noetl(request: pytest.FixtureRequest) -> Iterator[NoetlServer]:
    """A NoETL in whose catalog all playbooks are, most of them executed."""
    with running_noetl(request.param, workers=2) as running:
        for file in sorted((PLAYBOOKS / request.param).glob("*.yaml")):
            running.register(file.read_text())
        _wait_until_over(running, [running.execute(f"testrun/{name}") for name in (*_GOOD, *_BAD)])
        yield running


def _wait_until_over(noetl: NoetlServer, executions: Iterable[str]) -> None:
    """Wait until executions, and those that they started, are over and have written all of their events."""
    dialect = dialect_of(noetl.release.version)
    until = time.monotonic() + _SECONDS
    with PostgresEventLog(noetl.events_dsn, dialect) as event_log:
        for execution in executions:
            while summarize(event_log.read(int(execution))) is None:
                assert time.monotonic() < until, f"execution {execution} goes on and on: {noetl.logs()}"
                time.sleep(0.2)


def _invoke(*arguments: str) -> Result:
    result = CliRunner().invoke(application, ["noetl", "suite", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _read(result: Result) -> TestSuiteSpec:
    assert result.exit_code == 0, result.stderr
    document = list(yaml.safe_load_all(result.stdout))[-1]
    suite = parse_suite(document["spec"])
    assert not check_suite(suite)
    return suite


def _verdicts(noetl: NoetlServer, suite: TestSuiteSpec, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Run cases as the operator's pods would."""
    verdicts = {}
    for case in suite.cases:
        assert case.playbook is not None
        if case.playbook.path.removeprefix("testrun/") in names:
            fields = case.playbook.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            fields.pop("connection")
            outcome = run_here(document_of(noetl.url, fields), {"TESTRUN_DSN": noetl.events_dsn})
            verdicts[case.playbook.path] = outcome.conclusion.verdict, outcome.conclusion.message
    assert len(verdicts) == len(names)
    return verdicts


@pytest.mark.parametrize("has_dsn", [True, False], ids=["dsn", "api"])
def test_what_was_good_is_expected_again_and_passes(
    noetl: NoetlServer, monkeypatch: pytest.MonkeyPatch, *, has_dsn: bool
) -> None:
    """With the events, the steps and the time of the execution that is named."""
    if has_dsn:
        monkeypatch.setenv("TESTRUN_NOETL_DSN", noetl.events_dsn)
    result = _invoke("--server", noetl.url, "--from-run")
    suite = _read(result)
    by_path = {case.playbook.path: case for case in suite.cases if case.playbook is not None}
    assert set(by_path) >= {f"testrun/{name}" for name in (*_GOOD, *_BAD)}
    greeting = by_path["testrun/hello_world"].playbook
    assert greeting is not None
    assert "greet" in greeting.expect.steps.in_order
    assert greeting.expect.min_events
    assert greeting.expect.max_duration
    assert len(re.findall(r"# As in execution [0-9]{15,}", result.stdout)) == len(_GOOD)
    # What failed is told of, and not taken for right.
    assert by_path["testrun/late_failure"].playbook is not None
    assert by_path["testrun/late_failure"].playbook.expect.status is PlaybookStatus.COMPLETED
    assert re.search(r"No execution went well: the newest, [0-9]+, [a-z ]+ step 'third'", result.stderr)
    assert re.search(r"completed with an error at step 'third'", result.stderr)
    assert "testrun/slow: It was never executed." in result.stderr
    assert "broken" not in result.stdout
    # How long one takes depends on what else this machine has to do; three times that is for others.
    suite = _read(_invoke("--server", noetl.url, "--from-run", "--no-duration"))
    verdicts = _verdicts(noetl, suite, _GOOD)
    assert {verdict for verdict, _ in verdicts.values()} == {Verdict.PASSED}, verdicts


def test_failures_are_expected_when_asked_for(noetl: NoetlServer) -> None:
    """Also those of what completes with an error."""
    suite = _read(_invoke("--server", noetl.url, "--from-run", "--expect-failures", "--no-duration"))
    assert all(case.playbook is not None and case.playbook.expect.max_duration is None for case in suite.cases)
    verdicts = _verdicts(noetl, suite, _BAD)
    assert {verdict for verdict, _ in verdicts.values()} == {Verdict.PASSED}, verdicts


def test_credentials_are_looked_for_on_the_server(noetl: NoetlServer) -> None:
    """The newest version counts; a shell stays out."""
    noetl.register(_DATABASE.replace("NAME", "pg_there"))
    noetl.register(_SHELL)
    result = _invoke("--server", noetl.url, "--match", "testrun/cleanup", "--match", "testrun/database")
    assert (
        "skipped without credentials: testrun/database: the credential 'pg_there' is not on the server" in result.stderr
    )
    assert "left out: testrun/cleanup: step 'start' uses the tool 'shell'" in result.stderr
    (case,) = _read(result).cases
    assert case.tags == ("needs-credentials",)
    body = {"name": "pg_there", "type": "postgres", "data": {"db_host": "nowhere"}}
    httpx.post(f"{noetl.url}/api/credentials", json=body).raise_for_status()
    assert not _read(_invoke("--server", noetl.url, "--match", "testrun/database")).cases[0].when
    noetl.register(_DATABASE.replace("NAME", "other/name?"))
    result = _invoke("--server", noetl.url, "--match", "testrun/database")
    assert _read(result).cases[0].when
    assert "other/name?" in result.stderr


def test_an_older_version_is_an_example_until_there_is_a_newer_one(noetl: NoetlServer) -> None:
    """And the suite says which version it was."""
    text = playbook_text(noetl, "start_with_action").replace("testrun/start_with_action", "testrun/versions")
    noetl.register(text)
    old = noetl.execute("testrun/versions")
    _wait_until_over(noetl, [old])
    noetl.register(text + "# changed\n")
    arguments = ("--server", noetl.url, "--from-run", "--match", "testrun/versions")
    assert f"# As in execution {old} of version 1, which took" in _invoke(*arguments).stdout
    new = noetl.execute("testrun/versions")
    _wait_until_over(noetl, [new])
    assert f"# As in execution {new}, which took" in _invoke(*arguments).stdout


def test_all_pages_of_executions_are_read(noetl: NoetlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are fewer here than a page of the size that is asked for has."""
    whole = _invoke("--server", noetl.url, "--from-run", "--no-duration").stdout
    monkeypatch.setattr(server, "_PAGE_SIZE", 2)
    assert _invoke("--server", noetl.url, "--from-run", "--no-duration").stdout == whole


def test_what_runs_is_no_example(noetl: NoetlServer) -> None:
    """Its log is not complete."""
    execution = noetl.execute("testrun/slow")
    result = _invoke("--server", noetl.url, "--from-run", "--match", "testrun/slow")
    assert "No execution of it is over." in result.stderr
    assert execution not in result.stdout
    _wait_until_over(noetl, [execution])
    assert execution in _invoke("--server", noetl.url, "--from-run", "--match", "testrun/slow").stdout


def test_a_folder_is_registered_and_runs(noetl: NoetlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the ConfigMap that is written beside the suite, as its volume has it; with what it starts."""
    folder, mount = tmp_path / "books", tmp_path / "mount"
    for name in ("hello_world", "composition", "composition_child"):
        file = folder / name / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(playbook_text(noetl, name).replace("testrun/", "folder/"))
    result = _invoke(str(folder), "--server", noetl.url, "--register", "configMap")
    suite = _read(result)
    config_map = next(iter(yaml.safe_load_all(result.stdout)))
    monkeypatch.setattr(registration, "fetch_files", partial(fetch_files, mount=mount))
    for case in suite.cases:
        assert case.playbook is not None
        assert case.playbook.register is not None
        files = case.playbook.register.config_map
        assert files is not None
        mount.mkdir()
        for key in [item.key for item in files.items] or config_map["data"]:
            (mount / key).write_text(config_map["data"][key])
        fields = case.playbook.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        fields.pop("connection")
        outcome = run_here(document_of(noetl.url, fields), {"TESTRUN_DSN": noetl.events_dsn})
        assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion
        for key in mount.iterdir():
            key.unlink()
        mount.rmdir()


def test_a_server_that_is_none_is_said_in_plain_words(noetl: NoetlServer) -> None:
    """Soon, and with the exit code 2."""
    started = time.monotonic()
    port = noetl.postgres.port
    for address in (f"http://127.0.0.1:{port}", f"{noetl.url}/nothing", "http://nowhere.invalid", "nonsense"):
        result = _invoke("--server", address)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("Error: ")
        assert "Traceback" not in result.stderr
    assert time.monotonic() - started < 40
