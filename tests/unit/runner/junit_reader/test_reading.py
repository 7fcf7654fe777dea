"""The report of the reader: counts, names of what failed, and what is the matter with files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.runner.junit_reader.dialects import GO, PYTEST, SUREFIRE

from testrun_operator.api.junit import split_pattern
from testrun_operator.api.report import MAX_MESSAGE_CHARACTERS, Detail, Report, decode, decode_from_log
from testrun_operator.api.verdict import Verdict
from testrun_operator.kube.pods import READER_COMMAND
from testrun_operator.runner.junit_reader import reading
from testrun_operator.runner.junit_reader.reading import read_and_report, read_files

PATTERN = "/reports/*.xml"
FAILED_IN_BOTH = [
    "tests.test_cart.TestVat.test_rate[19]",
    "tests.test_cart.test_database",
    "example.com/shop/cart.TestVat/seven",
]


def suite(*tests: str) -> str:
    """Return a document with these tests."""
    return f"<testsuite>{''.join(tests)}</testsuite>"


def a_test(name: str, inner: str = "") -> str:
    """Return a test, with what is in it."""
    return f'<testcase name="{name}">{inner}</testcase>'


def report_of(folder: Path, pattern: str = PATTERN, **files: str) -> Report:
    """Return the report about these files, by their names without .xml."""
    for name, content in files.items():
        (folder / f"{name}.xml").write_text(content)
    return read_files(folder, pattern).report("one", 2)


@pytest.mark.parametrize(
    ("documents", "verdict", "message"),
    [
        ([suite(a_test("a"))], Verdict.PASSED, "1 test passed"),
        ([suite(a_test("a"), a_test("b"))], Verdict.PASSED, "2 tests passed"),
        ([suite(a_test("a"), a_test("b", "<skipped/>"))], Verdict.PASSED, "1 of 2 tests passed, 1 skipped"),
        ([suite(a_test("a", "<failure/>"))], Verdict.FAILED, "1 of 1 test failed: a"),
        (
            [PYTEST, GO],
            Verdict.FAILED,
            f"3 of 8 tests failed, 3 skipped: {', '.join(FAILED_IN_BOTH)}",
        ),
        ([], Verdict.ERRORED, "no file fits /reports/*.xml"),
        ([suite()], Verdict.ERRORED, "no test in 1 file of /reports/*.xml"),
        (["PASS"], Verdict.ERRORED, "/reports/file0.xml is no XML at line 1, column 0: syntax error"),
        (
            [suite(a_test("a", "<failure/>")), "", "PASS"],
            Verdict.FAILED,
            "1 of 1 test failed: a; /reports/file1.xml is empty, and 1 more of that kind",
        ),
    ],
)
def test_a_report_says_how_many_tests_there_were_and_which_failed(
    tmp_path: Path, documents: list[str], verdict: Verdict, message: str
) -> None:
    """In one line, for people who look at the status of a run."""
    report = report_of(tmp_path, **{f"file{number}": text for number, text in enumerate(documents)})
    assert report.verdict is verdict
    assert report.message.endswith(message)
    assert (report.case, report.attempt) == ("one", 2)


def test_each_test_is_a_detail(tmp_path: Path) -> None:
    """With its message, its place and its time, in the order of the files."""
    report = report_of(tmp_path, a=SUREFIRE, b=GO)
    assert report.step_count == len(report.details) == 7
    first, failed, skipped = report.details[:3]
    assert (first.name, first.passed, first.skipped, first.duration_milliseconds) == (
        "org.example.CartTest.flaky",
        True,
        False,
        12,
    )
    assert (failed.passed, failed.skipped, failed.message.split("\n")[0]) == (False, False, "boom")
    assert (skipped.passed, skipped.skipped, skipped.message) == (True, True, "@Disabled")


def test_what_is_the_matter_with_a_file_is_a_detail(tmp_path: Path) -> None:
    """A link is none of the case's troubles; a file that was cut is."""
    (tmp_path / "b.xml").symlink_to("a.xml")
    report = report_of(tmp_path, a=SUREFIRE[:-20])
    problems = [detail for detail in report.details if detail.kind == "file"]
    assert [(detail.name, detail.passed, detail.skipped) for detail in problems] == [
        ("/reports/a.xml", False, False),
        ("/reports/b.xml", True, True),
    ]
    assert "/reports/a.xml is no XML at line" in report.message
    assert "b.xml" not in report.message


def test_links_alone_are_told(tmp_path: Path) -> None:
    """Otherwise nobody would see why nothing was found."""
    (tmp_path / "b.xml").symlink_to("a.xml")
    assert report_of(tmp_path).message == "no regular file fits /reports/*.xml, only 1 link or special file"


def test_of_many_failures_the_first_are_named(tmp_path: Path) -> None:
    """A message has an end, and says how many it leaves out."""
    tests = [a_test(f"test-number-{number}", "<failure/>") for number in range(200)]
    message = report_of(tmp_path, a=suite(*tests)).message
    assert message.startswith("200 of 200 tests failed: test-number-0, test-number-1, ")
    assert message.endswith(" more")
    named = message.partition(": ")[2].rpartition(" and ")[0].split(", ")
    assert f" and {200 - len(named)} more" in message
    assert len(report_of(tmp_path, a=suite(a_test("n" * 9999, "<error/>"))).message) <= MAX_MESSAGE_CHARACTERS


def test_files_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before counts."""
    monkeypatch.setattr(reading, "MAX_BYTES", 160)
    one = suite(*[a_test("a")] * 3)
    report = report_of(tmp_path, a=one, b=one, c=one)
    assert report.step_count == 4
    assert "/reports/b.xml is too large: what comes after" in report.message
    assert "and 1 more of that kind" in report.message


def test_reading_has_a_limit_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet kills what does not end within the grace period, and nothing would be reported."""
    monkeypatch.setattr(reading, "_LONGEST", -1.0)
    report = report_of(tmp_path, a=suite(a_test("a")), b=suite(a_test("b")))
    assert report.step_count == 1
    assert "what comes after a.xml was not read" in report.message


@pytest.mark.parametrize(
    ("pattern", "folder", "inner"),
    [
        ("/reports/*.xml", "/reports", "*.xml"),
        ("/reports/unit/**/*.xml", "/reports/unit", "**/*.xml"),
        ("/reports/a?/b/*.xml", "/reports", "a?/b/*.xml"),
        ("/reports/junit.xml", "/reports", "junit.xml"),
        ("/a/b/c/junit.xml", "/a/b/c", "junit.xml"),
    ],
)
def test_the_folder_of_a_pattern_is_what_stands_before_the_first_star(pattern: str, folder: str, inner: str) -> None:
    """That is what can be mounted; a name alone is not."""
    assert split_pattern(pattern) == (folder, inner)


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of a reader that writes its report into a folder."""
    return {
        "TESTRUN_JUNIT_PATTERN": PATTERN,
        "TESTRUN_CASE_NAME": "one",
        "TESTRUN_ATTEMPT": "1",
        "TESTRUN_TERMINATION_LOG": str(folder / "termination-log"),
    }


def test_a_large_report_goes_into_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the runner's own: the termination message says that it is there."""
    (tmp_path / "a.xml").write_text(suite(*(a_test(f"test {number}", "<failure/>") for number in range(500))))
    assert read_and_report(environment(tmp_path), tmp_path) == 0
    short = decode((tmp_path / "termination-log").read_text())
    assert short.details_in_log is not None
    assert short.message.startswith("500 of 500 tests failed")
    assert 10 < len(short.details) < 100
    assert [detail.name for detail in short.details] == [f"test {number}" for number in range(len(short.details))]
    whole = decode_from_log(capsys.readouterr().out, short.details_in_log)
    assert len(whole.details) == 500
    assert isinstance(whole.details[0], Detail)


def test_a_reader_that_cannot_report_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its last line becomes the termination message, and the operator tells it."""
    assert read_and_report(environment(tmp_path / "none"), tmp_path) == 1
    assert "No such file or directory" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("delay", [0.0, 0.6])
def test_the_process_waits_until_it_is_told_to_end(tmp_path: Path, delay: float) -> None:
    """What is written in between is read; a signal that comes while it is still starting is not lost."""
    command = [sys.executable, *READER_COMMAND[1:]]
    # The first process of a container does not end of a signal that it has no handler for; this one would, and so
    # begins with it blocked.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        reader = subprocess.Popen(command, env=os.environ | environment(tmp_path))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    time.sleep(delay)
    reader.send_signal(signal.SIGTERM)
    assert reader.wait(20) == 0
    # The folder of a pod is not there.
    assert "the folder cannot be read" in decode((tmp_path / "termination-log").read_text()).message
