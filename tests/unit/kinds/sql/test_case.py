"""A case of kind sql in its pod: from its files to its conclusion, against a real SQLite."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.case_runs import Outcome, run_document
from support.recording_database import RecordingDatabase
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import DetailKind
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.kinds.sql.execution import case as sql_case
from testrun_operator.resources.document import CaseDocument
from testrun_operator.sources.fetched import Fetched

RunSql = Callable[..., Outcome]
COMMIT = "4f2c1d" + "0" * 34

GOOD = """# TEST CASE
Arithmetic.

## TEST
It adds.
```
SELECT 1 + 1;
```
### ASSERTION [true]
Two.
```
SELECT 1 + 1 = 2;
```
### RESULT
The sum.
```
SELECT 1 + 1 AS sum;
```
| sum |
| --- |
| 2   |
"""
BAD = GOOD.replace("| 2   |", "| 3   |").replace("1 + 1 = 2", "1 + 1 = 3")
HANGS = """# TEST CASE
Slow.

## TEST
It counts.
```
SELECT 1;
```

## TEST
It never ends.
```
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;
```
"""


@pytest.fixture
def run_sql(tmp_path: Path) -> RunSql:
    """Return a function that runs a case against a database of its own.

    Its first argument is the text of the only file; ``sql`` are further fields of the case.
    """

    def run(
        inline: str = GOOD,
        *,
        dsn: str | None = None,
        timeout: str = "20s",
        environment: Mapping[str, str] | None = None,
        others: Mapping[str, Any] | None = None,
        **sql: Any,
    ) -> Outcome:
        document = {
            "run": {
                "id": "1",
                "name": "nightly",
                "namespace": "tests",
                "suite": "ledger",
                "revision": "4f2c1d",
                "startTime": "2025-01-01T00:00:00Z",
            },
            "attempt": 1,
            "timeout": timeout,
            "case": {"name": "ledger", "sql": {"connection": "db", "source": {"inline": inline}} | sql},
            "connections": {"db": {"dsnVariable": "TESTRUN_DSN"}},
        }
        variables = {"TESTRUN_DSN": dsn or f"sqlite:///{tmp_path}/test.db"} | dict(environment or {})
        return run_document(CaseDocument.model_validate(document | dict(others or {})), **variables)

    return run


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingDatabase]:
    """Have cases run on a database that only notes what it is asked for."""
    recording = RecordingDatabase()
    monkeypatch.setattr(sql_case, "open_database", lambda *_: recording)
    return recording


def test_a_case_whose_tests_pass_has_passed(run_sql: RunSql) -> None:
    """Each test, assertion and result is a detail with its place and duration."""
    outcome = run_sql()
    assert outcome.conclusion.verdict is Verdict.PASSED
    assert outcome.conclusion.reason is Reason.EXPECTATIONS_MET
    assert outcome.conclusion.outputs == {"tests": 1, "passed": 1, "failed": 0, "skipped": 0}
    assert outcome.step_count == 1
    assert [(detail.kind, detail.name, detail.location) for detail in outcome.details] == [
        (DetailKind.TEST, "It adds.", "inline.stt:4"),
        (DetailKind.ASSERTION, "It adds.: Two.", "inline.stt:9"),
        (DetailKind.RESULT, "It adds.: The sum.", "inline.stt:14"),
    ]
    assert all(detail.passed and not detail.skipped for detail in outcome.details)
    assert all(detail.duration_milliseconds is not None for detail in outcome.details)
    assert any(line.startswith("✔ inline.stt:4 It adds. (") for line in outcome.log)


def test_a_case_with_a_failed_test_has_failed(run_sql: RunSql) -> None:
    """The message names what failed, with file and line."""
    outcome = run_sql(BAD + GOOD.partition("\n\n")[2].replace("It adds", "It still adds"))
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert outcome.conclusion.failure_class is FailureClass.TEST
    assert outcome.conclusion.reason is Reason.EXPECTATION_NOT_MET
    assert outcome.message.startswith("inline.stt:9: It adds.: Assertion failure: Two. Expected true in the column")
    assert outcome.conclusion.outputs["failed"] == 1
    failed = [detail for detail in outcome.details if not detail.passed]
    assert [(detail.kind, detail.location) for detail in failed] == [
        (DetailKind.TEST, "inline.stt:4"),
        (DetailKind.ASSERTION, "inline.stt:9"),
        (DetailKind.RESULT, "inline.stt:21"),
    ]
    assert (failed[2].expected, failed[2].actual) == ("1 row", "1 row")
    assert "expected value '3' in the column sum, but received '2'" in failed[2].message


def test_the_message_names_the_first_failures_and_how_many_there_are(run_sql: RunSql) -> None:
    """It has at most 1024 characters."""
    body = BAD.partition("\n\n")[2]
    text = BAD.partition("\n\n")[0] + "\n\n" + "".join(body.replace("It adds", f"Test {n} adds") for n in range(40))
    outcome = run_sql(text)
    assert "Test 0 adds" in outcome.message
    assert "Test 1 adds" in outcome.message
    assert "more" in outcome.message[-15:]
    assert len(outcome.message) <= 1024


def test_what_is_malformed_is_a_failure_with_its_place(run_sql: RunSql) -> None:
    """A file, and a test in it; no test was run."""
    outcome = run_sql("nonsense")
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert outcome.message.startswith("inline.stt:1: ")
    assert {(detail.kind, detail.location, detail.passed) for detail in outcome.details} == {
        (DetailKind.FILE, "inline.stt:1", False)
    }
    test = run_sql("# TEST CASE\nBroken.\n\n## TEST\nNo body.\n")
    assert test.message.startswith("inline.stt:4: No body.: ")
    assert [(detail.kind, detail.passed) for detail in test.details] == [(DetailKind.TEST, False)]
    assert outcome.step_count == test.step_count == 0


def test_a_skipped_test_is_a_detail_with_its_reason(run_sql: RunSql) -> None:
    """It was left out on purpose."""
    outcome = run_sql(GOOD.replace("## TEST", "## TEST [skip: later]"))
    assert outcome.conclusion.verdict is Verdict.PASSED
    assert outcome.conclusion.outputs["skipped"] == 1
    (detail,) = outcome.details
    assert (detail.passed, detail.skipped, detail.message) == (True, True, "later")
    assert outcome.step_count == 0


def test_a_statement_that_hangs_is_cancelled_and_named(run_sql: RunSql) -> None:
    """The case has timed out, by its own account; what ended before is kept."""
    outcome = run_sql(HANGS, timeout="2s")
    conclusion = outcome.conclusion
    assert (conclusion.verdict, conclusion.reason) == (Verdict.TIMED_OUT, Reason.CASE_TIMEOUT)
    assert conclusion.failure_class is FailureClass.TEST
    assert outcome.message.startswith(
        "the case did not end within 2s: inline.stt:13: the time was over after this had run"
    )
    assert "WITH RECURSIVE n(i)" in outcome.message
    assert "with 2 tests run" in outcome.message
    assert [detail.passed for detail in outcome.details] == [True, False]
    assert any("WITH RECURSIVE" in text for text in outcome.progress)


def test_a_selection_is_rendered_and_run(run_sql: RunSql) -> None:
    """What is not selected does not appear; a selection that matches nothing is an error of the case."""
    text = GOOD + GOOD.partition("\n\n")[2].replace("It adds", "It refunds")
    outcome = run_sql(text, select={"tests": ["*{{ run.suite | replace('ledger', 'refund') }}*"]})
    assert outcome.conclusion.outputs["tests"] == 1
    nothing = run_sql(text, select={"tests": ["typo"]})
    assert nothing.conclusion.verdict is Verdict.ERRORED
    assert nothing.conclusion.failure_class is FailureClass.CONFIGURATION
    assert nothing.message.startswith("sql.select: no test has a name that matches 'typo'; there are: 'It adds.'")
    wrong = run_sql(text, select={"tests": ["{{ nonsense"]})
    assert wrong.message.startswith("sql.select.tests[0]: ")


def test_the_text_of_the_tests_is_not_a_template(run_sql: RunSql) -> None:
    """``{{`` may well stand in SQL."""
    outcome = run_sql(GOOD.replace("SELECT 1 + 1;", "SELECT '{{ vars.x }}';"))
    assert outcome.conclusion.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"others": {"connections": {"other": {}}}}, "sql.connection: 'db' is no connection; there are: other"),
        ({"others": {"connections": {"db": {"url": "http://x"}}}}, "connections.db.dsnFrom: is needed by sql cases"),
        (
            {"others": {"connections": {"db": {"dsnVariable": "GONE"}}}},
            "connections.db.dsnFrom: the secret is not in the environment variable GONE",
        ),
        ({"dsn": "nonsense"}, "connections.db.dsnFrom: the database's address has no known form"),
        (
            {"isolation": "rollback", "inline": "", "source": {"inline": "x"}, "connection": "no"},
            "sql.connection: 'no'",
        ),
    ],
)
def test_a_case_that_cannot_be_run_as_written_says_which_field(
    run_sql: RunSql, changes: dict[str, Any], message: str
) -> None:
    """It is errored, and the configuration is what is wrong."""
    outcome = run_sql(**changes)
    assert outcome.conclusion.verdict is Verdict.ERRORED
    assert outcome.conclusion.failure_class is FailureClass.CONFIGURATION
    assert outcome.conclusion.reason is Reason.INVALID_CASE
    assert outcome.message.startswith(message)


def test_a_database_that_cannot_do_it_is_an_error_of_the_case(run_sql: RunSql, database: RecordingDatabase) -> None:
    """The isolation is what must be changed."""
    database.has_copies = False
    outcome = run_sql(isolation="database")
    assert outcome.conclusion.failure_class is FailureClass.CONFIGURATION
    assert outcome.message == "sql.isolation: copies need the right to make them"


def test_a_database_that_cannot_be_reached_is_a_dependency(run_sql: RunSql, database: RecordingDatabase) -> None:
    """Nobody knows whether the tests would pass."""
    database.is_reachable = False
    outcome = run_sql()
    assert outcome.conclusion.verdict is Verdict.ERRORED
    assert outcome.conclusion.failure_class is FailureClass.DEPENDENCY
    assert outcome.conclusion.reason is Reason.CONNECTION_FAILED
    assert "nobody is there" in outcome.message
    (detail,) = outcome.details
    assert (detail.passed, detail.skipped) == (False, True)


def test_a_connection_that_is_lost_after_a_failure_is_errored_and_tells_both(
    run_sql: RunSql, database: RecordingDatabase
) -> None:
    """Whether the rest would pass nobody knows."""
    assert database.is_reachable
    text = GOOD.partition("## TEST")[0] + "## TEST\nOne.\n```\nFAIL 1 wrong\n```\n## TEST\nTwo.\n```\nLOSE\n```\n"
    outcome = run_sql(text)
    assert outcome.conclusion.verdict is Verdict.ERRORED
    assert outcome.message.startswith("inline.stt:12: the database does not answer: it went away LOSE; ")
    assert "inline.stt:7: One.: wrong" in outcome.message


class TestProjects:
    """Projects, as they come from a ConfigMap or from Git."""

    FILES = {  # noqa: RUF012 - not changed
        "schema.sql": "CREATE TABLE t (a integer);",
        "src/fill.sql": "INSERT INTO t VALUES (1);",
        "tests/a.stt": GOOD,
        "tests/sub/b.stt": BAD,
        "tests/fixtures/setup/x.sql": "",
    }

    @pytest.fixture
    def fetched(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Have the files come from a repository; return what was asked for."""
        asked: dict[str, Any] = {"files": dict(self.FILES)}

        def fetch(source: Any, environment: Mapping[str, str], folder: Path, **_: Any) -> Fetched:
            asked.update(source=source, folder=folder, environment=environment)
            for path, text in asked["files"].items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text)
            return Fetched(folder, "https://git.example/ledger.git", COMMIT, ("a submodule was not fetched",))

        monkeypatch.setattr(sql_case, "fetch_files", fetch)
        return asked

    def run(self, run_sql: RunSql, **fields: Any) -> Outcome:
        """Run the project from Git."""
        git = {"url": "https://git.example/{{ run.suite }}.git", "ref": "{{ run.revision }}", "path": "{{ run.name }}"}
        return run_sql(source={"git": git}, **fields)

    def test_the_commit_is_recorded(self, run_sql: RunSql, fetched: dict[str, Any]) -> None:
        """As an output, and as a detail; what is fetched is rendered, and the folder is gone afterwards."""
        outcome = self.run(run_sql, select={"paths": ["a.stt"]})
        assert outcome.conclusion.verdict is Verdict.PASSED
        assert outcome.conclusion.outputs["commit"] == COMMIT
        (source,) = outcome.of_kind(DetailKind.SOURCE)
        assert (source.name, source.actual, source.location) == ("commit", COMMIT, "https://git.example/ledger.git")
        git = fetched["source"].git
        assert (git.url, git.ref, git.path) == ("https://git.example/ledger.git", "4f2c1d", "nightly")
        assert any("a submodule was not fetched" in line for line in outcome.log)
        assert not fetched["folder"].exists()

    def test_failures_name_the_file(self, run_sql: RunSql, fetched: dict[str, Any]) -> None:
        """By its path in the project."""
        assert fetched
        outcome = self.run(run_sql)
        assert outcome.message.startswith("tests/sub/b.stt:9: It adds.: ")
        assert outcome.conclusion.outputs["tests"] == 2

    def test_a_schema_that_cannot_be_loaded_is_a_failure(self, run_sql: RunSql, fetched: dict[str, Any]) -> None:
        """The tests were not run, and say why."""
        fetched["files"]["schema.sql"] = "CREATE NONSENSE;"
        outcome = self.run(run_sql)
        assert outcome.conclusion.verdict is Verdict.FAILED
        assert outcome.message.startswith("schema.sql:1: Unable to load schema: ")
        (file,) = outcome.of_kind(DetailKind.FILE)
        assert (file.name, file.location, file.passed) == ("schema.sql", "schema.sql:1", False)
        assert [(test.passed, test.skipped) for test in outcome.of_kind(DetailKind.TEST)] == [(False, True)] * 2

    def test_the_schema_can_be_left_out(self, run_sql: RunSql, fetched: dict[str, Any]) -> None:
        """As asked for."""
        fetched["files"] = {"schema.sql": "CREATE NONSENSE;", "tests/a.stt": GOOD}
        assert self.run(run_sql, skipSchemaLoad=True).conclusion.verdict is Verdict.PASSED

    def test_a_fixture_that_fails_is_told_once(self, run_sql: RunSql, fetched: dict[str, Any]) -> None:
        """As the failure of its test, not of the case again."""
        fetched["files"]["tests/a.stt"] = GOOD.replace("## TEST", "## BEFORE EACH TEST\n- x\n\n## TEST")
        fetched["files"]["tests/fixtures/setup/x.sql"] = "NONSENSE;"
        outcome = self.run(run_sql)
        assert outcome.message.count("Unable to load the 'x' setup fixture") == 1
        assert len(outcome.of_kind(DetailKind.FIXTURE)) == 1
        assert outcome.of_kind(DetailKind.FILE) == []

    def test_a_folder_without_tests_is_an_error_of_the_case(self, run_sql: RunSql, fetched: dict[str, Any]) -> None:
        """Nothing was tested, so nothing passed."""
        fetched["files"] = {"schema.sql": ""}
        outcome = self.run(run_sql)
        assert outcome.conclusion.failure_class is FailureClass.CONFIGURATION
        assert outcome.message.startswith("sql.source: Nothing to run: ")


def test_no_secret_leaves_the_pod(
    run_sql: RunSql, database: RecordingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the database says, the password is not in it, however it was written in the address."""
    password, token = "p@ss/w:rd", "git-token-1234"
    said = f"FAIL 1 cannot log in with {password} or p%40ss%2Fw%3Ard or {token}"
    text = (
        GOOD.partition("## TEST")[0]
        + f"## TEST\nA test of {password}.\n```\n{said}\n```\n## TEST\nB.\n```\nLOSE\n```\n"
    )
    dsn = "postgresql://app:p%40ss%2Fw%3Ard@db.example/app"
    outcome = run_sql(text, dsn=dsn, environment={"TESTRUN_GIT_PASSWORD": token})
    monkeypatch.undo()
    assert database.log[0] == "reset"
    details = repr((outcome.details, outcome.log, outcome.progress))
    assert not [secret for secret in (password, "p%40ss%2Fw%3Ard", token) if secret in details]
    assert "***" in details
