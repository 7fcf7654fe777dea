"""Cases of kind sql on a real cluster: against a real Postgres, with files from the suite, a ConfigMap and Git."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.cluster import (
    ROOT,
    SYSTEM_NAMESPACE,
    Body,
    Namespace,
    classes,
    condition,
    details,
    failure,
    kubectl,
    operator_metrics,
    query,
    wait_for_storing,
    wait_until,
)
from support.sql_cluster import (
    LEDGER,
    GitServer,
    OwnDatabase,
    add_secret,
    own_database,
    sql,
)

EXAMPLES = ROOT / "examples" / "sql"
CONNECTIONS = {"connections": {"db": {"dsnFrom": {"secretKeyRef": {"name": "database", "key": "dsn"}}}}}
NEVER_ENDING = """\
# TEST CASE
A test that waits.

## TEST
It answers at once.
```sql
SELECT 1;
```

## TEST
It waits for something that does not come.
```sql
SELECT pg_sleep(600) AS {marker};
```
"""
FAILING = """\
# TEST CASE
Three tests.

## TEST
This one holds.
```sql
SELECT 1;
```

## TEST
This one does not.
```sql
SELECT 1;
```

### ASSERTION [true]
One is two.
```sql
SELECT 1 = 2;
```

## TEST [skip: waits for the new index]
This one is left out.
```sql
SELECT no_such_column;
```
"""


@pytest.fixture
def database(namespace: Namespace) -> Iterator[OwnDatabase]:
    """A database of the test's own; its connection string is in the Secret ``database``."""
    with own_database() as made:
        add_secret(namespace, "database", dsn=made.dsn())
        yield made


def load(path: Path) -> Body:
    """Return the only document of a file."""
    document: Body = yaml.safe_load(path.read_text())
    return document


def test_the_example_of_a_config_map_passes(namespace: Namespace, database: OwnDatabase) -> None:
    """`kubectl apply -f examples/sql/configmap/`: a packed project, a selection of it, and a test case in the suite."""
    add_secret(namespace, "ledger-database", dsn=database.dsn())
    namespace.kubectl("apply", "-f", str(EXAMPLES / "configmap"))
    status = namespace.wait_for_end("ledger", seconds=180)
    assert status["phase"] == "Passed", status.get("failures")
    wait_for_storing(namespace, "ledger")
    paths = query(
        "SELECT playbook_name, kind, playbook_path FROM noetl_test.regression_results"
        f" WHERE test_run_id = {status['runId']} ORDER BY 1"
    )
    assert paths == [
        ["answers", "sql", "inline"],
        ["ledger", "sql", "configmap/ledger-tests"],
        ["transfers", "sql", "configmap/ledger-tests"],
    ]
    found = details(status, "playbook_name, location, passed")
    assert all(passed == "t" for _, _, passed in found)
    places = {(case, *location.split(":")) for case, location, _ in found if location}
    assert all(len(place) == 3 and place[2].isdecimal() for place in places), places
    assert {place[:2] for place in places if place[0] != "answers"} == {
        ("ledger", "tests/balance.stt"),
        ("ledger", "tests/entries.stt"),
        ("ledger", "tests/transfer.stt"),
        ("transfers", "tests/transfer.stt"),
    }


def test_the_example_of_a_repository_passes(namespace: Namespace, database: OwnDatabase, git: GitServer) -> None:
    """`examples/sql/git`: with a password, at the revision of the run, in three copies of the database at once."""
    add_secret(namespace, "ledger-database", dsn=database.dsn())
    add_secret(namespace, "ledger-repository", username=git.username, password=git.password)
    suite, run = (load(EXAMPLES / "git" / f"{name}.yaml") for name in ("suite", "run"))
    namespace.apply("TestSuite", suite["metadata"]["name"], suite["spec"])
    name = namespace.apply(
        "TestRun",
        run["metadata"]["name"],
        run["spec"] | {"variables": {"repository": git.url("private/ledger.git")}},
    )
    status = namespace.wait_for_end(name, seconds=180)
    assert status["phase"] == "Passed", status.get("failures")
    wait_for_storing(namespace, name)
    assert query(f"SELECT playbook_path FROM noetl_test.regression_results WHERE test_run_id = {status['runId']}") == [
        ["git {{ vars.repository }}@{{ run.revision }}"]
    ]
    assert database.others() == []


@pytest.mark.usefixtures("database")
def test_the_commit_of_a_repository_is_recorded(namespace: Namespace, git: GitServer) -> None:
    """A branch as it is then, a commit that is not the last, over HTTP and HTTPS, with and without a password."""
    first = git.commit("public/moving.git", EXAMPLES / "division")
    last = git.commit("public/moving.git", LEDGER)
    password = {"username": git.username, "password": git.password}
    add_secret(namespace, "repository", **password)
    add_secret(namespace, "trusted", **password, ca__crt=git.authority)
    private, public = "private/ledger.git", git.url("public/moving.git")
    run = namespace.run(
        "commits",
        sql("branch", {"git": {"url": public, "ref": "main"}}),
        sql("head", {"git": {"url": public}}),
        sql("pinned", {"git": {"url": public, "ref": first, "path": "tests/arithmetic.stt"}}),
        sql("http", {"git": {"url": git.url(private), "secretRef": {"name": "repository"}}}),
        sql("https", {"git": {"url": git.url(private, "https"), "secretRef": {"name": "trusted"}}}),
        suite=CONNECTIONS,
        parallelism=1,
    )
    status = namespace.wait_for_end(run, seconds=240)
    assert status["phase"] == "Passed", status.get("failures")
    wait_for_storing(namespace, run)
    found = details(status, "playbook_name, actual", "kind = 'source'")
    commits = {name: commit for name, commit in found if name in {"branch", "head", "pinned"}}
    assert commits == {"branch": last, "head": last, "pinned": first}
    assert {name for name, _ in found} == {"branch", "head", "pinned", "http", "https"}


@pytest.mark.usefixtures("database")
def test_a_failing_test_is_told_with_file_and_line(namespace: Namespace) -> None:
    """In the status, and in a row of its own; a test that was left out has one, too."""
    run = namespace.run("failing", sql("three", FAILING), suite=CONNECTIONS)
    status = namespace.wait_for_end(run)
    line = 1 + FAILING.splitlines().index("This one does not.")
    told = failure(status, "three")
    assert (told["verdict"], told["reason"]) == ("Failed", "ExpectationNotMet")
    assert "inline.stt:" in told["message"]
    assert "One is two." in told["message"]
    wait_for_storing(namespace, run)
    tests = details(status, "name, passed, skipped, location", "kind = 'test'")
    assert [row[:3] for row in tests] == [
        ["This one holds.", "t", "f"],
        ["This one does not.", "f", "f"],
        ["This one is left out.", "t", "t"],
    ]
    assert tests[1][3] in {f"inline.stt:{line - 1}", f"inline.stt:{line}"}
    ((assertion, message, location),) = details(
        status, "name, message, location", "kind = 'assertion' AND NOT passed AND NOT skipped"
    )
    assert "One is two." in assertion + message
    assert location.startswith("inline.stt:")
    assert details(status, "message", "skipped") == [["waits for the new index"]]


def test_a_database_that_cannot_be_used_is_no_failure_of_a_test(namespace: Namespace, database: OwnDatabase) -> None:
    """Refused, unknown, and closed to this password: the cause is elsewhere, and no password is told."""
    add_secret(namespace, "refused", dsn=database.dsn(port=1))
    add_secret(namespace, "unknown", dsn=f"postgresql://u:{database.password}@no-such-host.invalid/db")
    add_secret(namespace, "closed", dsn=database.dsn().replace(database.password, f"{database.password}x"))
    names = ("refused", "unknown", "closed")
    connections = {name: {"dsnFrom": {"secretKeyRef": {"name": name, "key": "dsn"}}} for name in names}
    cases = [sql(name, "# TEST CASE\nOne.\n\n## TEST\nTwo.\n```\nSELECT 1\n```\n") for name in names]
    for case in cases:
        case["sql"]["connection"] = case["name"]
    run = namespace.run("unreachable", *cases, suite={"connections": connections})
    status = namespace.wait_for_end(run, seconds=120)
    assert status["phase"] == "Errored"
    wait_for_storing(namespace, run)
    found = classes(status)
    assert {name: found[name][:2] for name in names} == dict.fromkeys(names, ("Errored", "Dependency"))
    assert found["refused"][2] == "ConnectionFailed"
    assert database.password not in str(status)


@pytest.mark.usefixtures("database")
def test_files_that_are_missing_are_told_at_once(namespace: Namespace) -> None:
    """No ConfigMap, no such key, no such ref, no Secret: each says what is missing, and nothing waits for minutes."""
    namespace.kubectl("create", "configmap", "files", "--from-literal=a.stt=# TEST CASE")
    keys = [{"key": "a.stt", "path": "tests/a.stt"}, {"key": "b.stt", "path": "tests/b.stt"}]
    run = namespace.run(
        "missing",
        sql("map", {"configMap": {"name": "no-such-map", "items": keys}}),
        sql("key", {"configMap": {"name": "files", "items": keys}}),
        sql("secret", {"git": {"url": "http://git-server/a.git", "secretRef": {"name": "no-such-secret"}}}),
        sql("host", {"git": {"url": "http://no-such-host.invalid/a.git"}}),
        suite=CONNECTIONS,
    )
    status = namespace.wait_for_end(run, seconds=90)
    wait_for_storing(namespace, run)
    assert classes(status) == {
        "map": ("Errored", "Configuration", "InvalidCase"),
        "key": ("Errored", "Configuration", "InvalidCase"),
        "secret": ("Errored", "Configuration", "ContainerConfigError"),
        "host": ("Errored", "Dependency", "SourceUnavailable"),
    }
    assert "there is no ConfigMap no-such-map" in failure(status, "map")["message"]
    assert "has no key 'b.stt'" in failure(status, "key")["message"]
    assert "no-such-secret" in failure(status, "secret")["message"]


@pytest.mark.usefixtures("database")
def test_what_a_repository_refuses_is_told(namespace: Namespace, git: GitServer) -> None:
    """A wrong password, a repository, a ref and a path that do not exist: the suite or its Secret is wrong."""
    add_secret(namespace, "wrong", username=git.username, password="not the password")
    public = git.url("public/ledger.git")
    run = namespace.run(
        "refused",
        sql("password", {"git": {"url": git.url("private/ledger.git"), "secretRef": {"name": "wrong"}}}),
        sql("repository", {"git": {"url": git.url("public/other.git")}}),
        sql("ref", {"git": {"url": public, "ref": "no-such-branch"}}),
        sql("path", {"git": {"url": public, "path": "no/such/folder"}}),
        sql("authority", {"git": {"url": git.url("public/ledger.git", "https")}}),
        suite=CONNECTIONS,
    )
    status = namespace.wait_for_end(run, seconds=120)
    wait_for_storing(namespace, run)
    found = classes(status)
    for case in ("password", "repository", "ref", "path"):
        assert found[case][:2] == ("Errored", "Configuration"), failure(status, case)
    assert found["authority"][0] == "Errored"
    assert "no-such-branch" in failure(status, "ref")["message"]
    assert "no/such/folder" in failure(status, "path")["message"]
    assert "not the password" not in str(status)


def test_a_statement_that_hangs_is_ended_by_the_timeout(namespace: Namespace, database: OwnDatabase) -> None:
    """The message has the statement and its place, and the server does not go on with it."""
    text = NEVER_ENDING.format(marker="hanging")
    run = namespace.run("hanging", sql("hanging", text, timeout="8s"), suite=CONNECTIONS)
    wait_until("the statement runs", lambda: database.statements("AS hanging"))
    status = namespace.wait_for_end(run)
    told = failure(status, "hanging")
    assert (told["verdict"], told["reason"]) == ("TimedOut", "CaseTimeout")
    assert "pg_sleep(600)" in told["message"]
    assert "inline.stt:" in told["message"]
    wait_until("it is gone", lambda: not database.statements("AS hanging"), seconds=10)
    wait_for_storing(namespace, run)
    # What held before is kept.
    assert ["It answers at once.", "t"] in details(status, "name, passed", "kind = 'test'")


def test_a_statement_of_a_cancelled_run_is_ended_on_the_server(namespace: Namespace, database: OwnDatabase) -> None:
    """Its pod is gone; the server notices that nobody waits for the answer."""
    run = namespace.run("cancelled", sql("one", NEVER_ENDING.format(marker="cancelled")), suite=CONNECTIONS)
    wait_until("the statement runs", lambda: database.statements("AS cancelled"))
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"cancel": true}}')
    status = namespace.wait_for_end(run)
    assert status["phase"] == "Cancelled"
    wait_until("it is gone", lambda: not database.statements("AS cancelled"), seconds=30)


def test_copies_of_the_database_go_away_with_a_cancelled_run(namespace: Namespace, database: OwnDatabase) -> None:
    """Its pod is asked to end, and drops what it made before it does."""
    case = sql("one", NEVER_ENDING.format(marker="copied"), isolation="database")
    run = namespace.run("cancelled-copies", case, suite=CONNECTIONS)
    wait_until("the statement runs", lambda: database.statements("AS copied"))
    assert len(database.others()) == 2  # the template and the copy
    namespace.kubectl("patch", "testrun", run, "--type=merge", "-p", '{"spec": {"cancel": true}}')
    assert namespace.wait_for_end(run)["phase"] == "Cancelled"
    wait_until("the copies are gone", lambda: not database.others(), seconds=30)


@pytest.mark.usefixtures("database")
def test_files_and_a_document_too_large_for_a_variable_go_together(namespace: Namespace) -> None:
    """Both are ConfigMaps, and one is mounted inside the folder of the other."""
    text = "# TEST CASE\nA file.\n\n## TEST\nIt is there.\n```\nSELECT 1\n```\n"
    namespace.kubectl("create", "configmap", "files", f"--from-literal=one.stt={text}")
    items = [{"key": "one.stt", "path": "tests/deep/one.stt"}]
    variables = {f"text_{number}": "x" * 4096 for number in range(30)}
    run = namespace.run(
        "large",
        sql("items", {"configMap": {"name": "files", "items": items}}),
        sql("file", {"configMap": {"name": "files", "path": "one.stt"}}),
        suite=CONNECTIONS | {"variables": variables},
    )
    status = namespace.wait_for_end(run)
    assert status["phase"] == "Passed", status.get("failures")
    documents = [found for found in namespace.objects("configmaps") if "case.json" in found.get("data", {})]
    assert len(documents) == 2


def test_no_secret_of_a_case_is_told_anywhere(namespace: Namespace, database: OwnDatabase, git: GitServer) -> None:
    """The database's password and the repository's are in no status, Event, Job, log, metric or row."""
    files = {"git": {"url": git.url("private/ledger.git"), "secretRef": {"name": "repository"}}}
    add_secret(namespace, "repository", username=git.username, password=git.password)
    run = namespace.run(
        "secretive",
        sql("failing", FAILING),
        sql("fetched", files),
        sql("unknown", {"git": files["git"] | {"ref": "no-such-branch"}}),
        suite=CONNECTIONS,
    )
    status = namespace.wait_for_end(run, seconds=120)
    assert {found["case"] for found in status["failures"]} == {"failing", "unknown"}
    wait_for_storing(namespace, run)
    pods = [pod["metadata"]["name"] for pod in namespace.objects("pods", f"testrun.dev/run={run}")]
    assert len(pods) == 3
    tables = ("regression_results", "regression_attempts", "regression_details")
    said = [
        namespace.kubectl("get", "testruns,jobs,configmaps,events", "-o", "yaml"),
        *(namespace.kubectl("logs", pod) for pod in pods),
        *(namespace.kubectl("get", "pod", pod, "-o", "yaml") for pod in pods),
        kubectl("-n", SYSTEM_NAMESPACE, "logs", "deployment/testrun-testrun-operator", "--since=5m"),
        operator_metrics(),
        *(str(query(f"SELECT * FROM noetl_test.{table} WHERE test_run_id = {status['runId']}")) for table in tables),
    ]
    for secret in (database.password, git.password, git.password.replace(" ", "%20")):
        assert [secret in text for text in said] == [False] * len(said)
    assert condition(status, "Succeeded")["status"] == "False"
