"""Container cases that leave JUnit files behind, on a real cluster: what the kubelet really does with the reader."""

from typing import Any

import pytest

from support.cluster import (
    ROOT,
    Body,
    Namespace,
    container,
    details,
    failure,
    kill_operator,
    query,
    wait_for_storing,
    wait_until,
)

GOOD = '<testcase classname="shop.Cart" name="total" time="0.25"/>'
VAT = '<testcase classname="shop.Cart" name="vat" time="1,234.5">'
BAD = f'{VAT}<failure message="19 != 7">at cart:3</failure></testcase>'
CUT = (
    "expected exit code 0, got 1; 1 of 1 test failed: shop.Cart.vat; "
    "/reports/a.xml is no XML at line 1, column 126: unclosed token"
)
DECLARED = "/reports/a.xml declares a document type, which JUnit XML does not have, and was not read"
NONE = "no test in 1 file of /reports/*.xml"
NEVERTHELESS = "expected exit code 0, got 1, though no test failed: 1 test passed; last line: coverage is 12 %"


def case(name: str, script: str, junit: str = "/reports/*.xml", **more: Any) -> Body:
    """Make a case whose script may write JUnit files."""
    made = container(name, script, **more)
    return made | {"container": made["container"] | {"junit": junit}}


def write(*tests: str, path: str = "/reports/a.xml") -> str:
    """Return a command that writes a file with these tests."""
    return f"mkdir -p $(dirname {path}); echo '<testsuite name=\"s\">{''.join(tests)}</testsuite>' > {path}"


def messages(run_id: str) -> dict[str, tuple[str, str]]:
    """Return verdict and message of the last attempt of each case."""
    rows = query(
        "SELECT playbook_name, verdict, message FROM noetl_test.regression_attempts"
        f" WHERE test_run_id = {run_id} ORDER BY playbook_name, attempt"
    )
    return {name: (verdict, message) for name, verdict, message in rows}


def test_the_example_passes_and_its_tests_are_stored(namespace: Namespace) -> None:
    """`kubectl apply -f examples/junit/` ends as Passed; every test in the files is a row."""
    namespace.kubectl("apply", "-f", str(ROOT / "examples" / "junit" / "suite.yaml"))
    namespace.kubectl("apply", "-f", str(ROOT / "examples" / "junit" / "run.yaml"))
    status = namespace.wait_for_end("junit", seconds=120)
    assert status["phase"] == "Passed", status["failures"]
    wait_for_storing(namespace, "junit")
    assert messages(status["runId"]) == {
        "one-file": ("Passed", "2 of 3 tests passed, 1 skipped"),
        "many-files-cart": ("Passed", "4 tests passed"),
        "many-files-checkout": ("Passed", "4 tests passed"),
    }
    assert details(status, "name, passed, skipped, message, duration_ms", "playbook_name = 'one-file'") == [
        ["tests.test_cart.test_total", "t", "f", "", "12"],
        ["tests.test_cart.test_vat", "t", "f", "", "31"],
        ["tests.test_cart.test_slow", "t", "t", "takes an hour", "0"],
    ]


def test_the_exit_code_judges_and_the_files_are_told(namespace: Namespace) -> None:
    """Passed and failed, each with and without what its tests say; files that are none, or not there."""
    run = namespace.run(
        "told",
        case("passed", write(GOOD)),
        case("failed", f"{write(GOOD, BAD)}; exit 3"),
        case("passed-nevertheless", write(GOOD, BAD)),
        case("failed-nevertheless", f"{write(GOOD)}; echo coverage is 12 %; exit 1"),
        case("none", "exit 1"),
        case("cut", "echo '<testsuite>" + BAD + "<testcase name=' > /reports/a.xml; exit 1"),
        case("other", "echo '<html/>' > /reports/a.xml"),
        case("declared", "echo '<!DOCTYPE testsuite [<!ENTITY a \"b\">]><testsuite/>' > /reports/a.xml"),
        case("linked", "ln -s /etc/hostname /reports/a.xml; mkfifo /reports/p.xml"),
        case("private", f"umask 077; {write(GOOD, path='/reports/deep/er/a.xml')}", junit="/reports/**/*.xml"),
        parallelism=5,
    )
    status = namespace.wait_for_end(run, seconds=180)
    assert status["phase"] == "Failed"
    wait_for_storing(namespace, run)
    assert messages(status["runId"]) == {
        "passed": ("Passed", "1 test passed"),
        "failed": ("Failed", "expected exit code 0, got 3; 1 of 2 tests failed: shop.Cart.vat"),
        "passed-nevertheless": ("Passed", "exit code 0, though 1 of 2 tests failed: shop.Cart.vat"),
        "failed-nevertheless": ("Failed", NEVERTHELESS),
        "none": ("Failed", "expected exit code 0, got 1; no file fits /reports/*.xml"),
        "cut": ("Failed", CUT),
        "other": ("Passed", f"{NONE}; /reports/a.xml is no JUnit XML: its root element is 'html'"),
        "declared": ("Passed", f"{NONE}; {DECLARED}"),
        "linked": ("Passed", "no regular file fits /reports/*.xml, only 2 links or special files"),
        "private": ("Passed", "1 test passed"),
    }
    assert failure(status, "failed")["message"].endswith("1 of 2 tests failed: shop.Cart.vat")
    rows = details(status, "name, passed, replace(message, chr(10), ' / '), duration_ms", "playbook_name = 'failed'")
    assert rows == [["shop.Cart.total", "t", "", "250"], ["shop.Cart.vat", "f", "19 != 7 / at cart:3", "1234500"]]
    tails = query(
        "SELECT trim(log_tail, chr(10)) FROM noetl_test.regression_attempts"
        f" WHERE test_run_id = {status['runId']} AND playbook_name = 'failed-nevertheless'"
    )
    assert tails == [["coverage is 12 %"]]


def test_of_a_case_that_is_killed_by_its_timeout_the_files_are_read(namespace: Namespace) -> None:
    """One that ends when it is told to, and one that has to be killed, after which the reader has two seconds."""
    run = namespace.run(
        "killed",
        case("obedient", f"trap 'exit 0' TERM; {write(GOOD, BAD)}; sleep 600 & wait", timeout="3s"),
        case("deaf", f"trap '' TERM; {write(GOOD, BAD)}; sleep 600", timeout="3s"),
        case("empty", "sleep 600", timeout="3s"),
    )
    status = namespace.wait_for_end(run, seconds=120)
    wait_for_storing(namespace, run)
    told = messages(status["runId"])
    assert {verdict for verdict, _ in told.values()} == {"TimedOut"}
    assert told["obedient"][1].endswith("its timeout of 3s; 1 of 2 tests failed: shop.Cart.vat")
    assert told["deaf"][1].endswith("its timeout of 3s; 1 of 2 tests failed: shop.Cart.vat")
    assert told["empty"][1].endswith("no file fits /reports/*.xml")
    assert details(status, "playbook_name, name, passed") == [
        ["deaf", "shop.Cart.total", "t"],
        ["deaf", "shop.Cart.vat", "f"],
        ["obedient", "shop.Cart.total", "t"],
        ["obedient", "shop.Cart.vat", "f"],
    ]


def test_a_large_report_is_read_from_the_log_of_the_reader(namespace: Namespace) -> None:
    """More tests than a termination message holds, of a case that failed, and of one that was killed."""
    test = '<testcase classname="shop.Cart" name="test-%s"><failure message="19 != 7"/></testcase>'
    loop = f"for n in $(seq 1000); do printf '{test}' $n; done"
    script = f"(echo '<testsuite>'; {loop}; echo '</testsuite>') > /reports/a.xml"
    run = namespace.run(
        "large", case("failed", f"{script}; exit 1"), case("killed", f"{script}; sleep 600", timeout="5s")
    )
    status = namespace.wait_for_end(run, seconds=60)
    wait_for_storing(namespace, run)
    assert "; 1000 of 1000 tests failed: shop.Cart.test-1, " in failure(status, "failed")["message"]
    assert "; 1000 of 1000 tests failed: shop.Cart.test-1, " in failure(status, "killed")["message"]
    assert len(details(status, "name", "NOT passed AND playbook_name = 'failed'")) == 1000
    # The pod of a case that was killed is deleted, and its log with it: sometimes before anybody has read that.
    killed = details(status, "name, message", "playbook_name = 'killed'")
    assert killed[0] == ["shop.Cart.test-1", "19 != 7"]
    if len(killed) < 1000:
        assert len(killed) > 10
        assert killed[-1][0] == "details"
        assert killed[-1][1].startswith("the other details are lost: pods ")


@pytest.mark.alone
def test_a_restart_between_the_container_and_its_reader_changes_nothing(namespace: Namespace) -> None:
    """The operator is killed while the case runs, and comes back after it has ended."""
    run = namespace.run("restarted", case("one", f"sleep 3; {write(GOOD, BAD)}; exit 1"), case("two", "sleep 20"))
    namespace.wait_for_running(run, "one")
    kill_operator()
    status = namespace.wait_for_end(run, seconds=120)
    wait_for_storing(namespace, run)
    message = "expected exit code 0, got 1; 1 of 2 tests failed: shop.Cart.vat"
    assert messages(status["runId"])["one"] == ("Failed", message)
    assert details(status, "name, passed", "playbook_name = 'one'") == [
        ["shop.Cart.total", "t"],
        ["shop.Cart.vat", "f"],
    ]
    wait_until("its Jobs are over", lambda: all(job["status"].get("conditions") for job in namespace.jobs(run)))
