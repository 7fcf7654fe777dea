"""What a case tells is masked and bounded, and its report leaves the pod whole."""

from dataclasses import replace
from pathlib import Path

import pytest

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import (
    MAX_DETAIL_BYTES,
    MAX_DETAILS,
    MAX_TERMINATION_BYTES,
    Detail,
    DetailKind,
    ExecutionReport,
    Report,
    decode,
    decode_from_log,
    encode,
)
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.masking import Masker
from testrun_operator.runner.context import Conclusion
from testrun_operator.runner.journal import MAX_LOG_CHARACTERS, Journal
from testrun_operator.runner.reporting import mask_conclusion, write_report

MASKER = Masker(["s3cret"])


def report_with(details: tuple[Detail, ...], message: str = "") -> Report:
    """Return a report of a case that failed."""
    return Report(
        case="example",
        attempt=1,
        verdict=Verdict.FAILED,
        failure_class=FailureClass.TEST,
        reason=Reason.EXPECTATION_NOT_MET,
        message=message,
        duration_milliseconds=12,
        outputs={"token": "s3cret"},
        details=details,
    )


def detail(name: str = "page 1", *, kind: DetailKind = DetailKind.PAGE, passed: bool = True, text: str = "") -> Detail:
    """Return a detail."""
    return Detail(kind=kind, name=name, passed=passed, actual=text)


def test_a_small_report_is_the_termination_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Masked once more, whatever came before."""
    write_report(report_with((detail(text="a s3cret b"),), "s3cret!"), MASKER, tmp_path / "log")
    written = decode((tmp_path / "log").read_text())
    assert written.message == "***!"
    assert written.outputs == {"token": "***"}
    assert written.details[0].actual == "a *** b"
    assert capsys.readouterr().out == ""


def test_a_megabyte_of_details_goes_through_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The termination message says so, and both are found again among the lines of the case."""
    details = tuple(detail(f"page {number}", text=f"{number * 7919} {'x' * 900}") for number in range(1100))
    report = report_with(details, "x" * 5000)
    print("a line of the case, without an end", end="")  # noqa: T201 - as a case would
    write_report(report, MASKER, tmp_path / "log")
    print("another line")  # noqa: T201 - as another container process would
    message = (tmp_path / "log").read_bytes()
    assert len(message) <= MAX_TERMINATION_BYTES
    short = decode(message.decode())
    assert short.verdict is Verdict.FAILED
    assert short.details == ()
    assert short.details_in_log is not None
    assert short.details_in_log.bytes > 1_000_000
    whole = decode_from_log(capsys.readouterr().out, short.details_in_log)
    assert whole.details == details
    assert whole.message == "x" * 1024


def test_texts_of_details_are_masked_and_bounded() -> None:
    """An API decides what is in them."""
    details: list[Detail] = []
    lines: list[str] = []
    journal = Journal(MASKER, write_line=lines.append, tell_detail=details.append, tell_progress=lambda *_: None)
    journal.detail(detail(text="s3cret\n" * 1000))
    journal.log("a s3cret\nb")
    assert "s3cret" not in details[0].actual
    assert len(details[0].actual) <= 1001
    assert lines == ["a *** b"]


def test_details_of_pages_are_bounded_and_assertions_are_kept() -> None:
    """A log that is cut at 10 MiB must still hold the whole report."""
    details: list[Detail] = []
    lines: list[str] = []
    journal = Journal(MASKER, write_line=lines.append, tell_detail=details.append, tell_progress=lambda *_: None)
    for number in range(10_000):
        journal.detail(detail(f"page {number}", text="x" * 900))
    journal.detail(detail("items", kind=DetailKind.ASSERTION, passed=False))
    assert sum(len(one.model_dump_json(exclude_defaults=True)) for one in details) <= MAX_DETAIL_BYTES + 1000
    assert details[-1].name == "items"
    assert [line for line in lines if "left out" in line] == [lines[0]]


def test_what_failed_is_kept_where_what_passed_is_left_out() -> None:
    """A case may have a hundred thousand rows; the failures are what is looked for."""
    details: list[Detail] = []
    lines: list[str] = []
    journal = Journal(MASKER, write_line=lines.append, tell_detail=details.append, tell_progress=lambda *_: None)
    for number in range(10_000):
        passed = number % 5 > 0
        journal.detail(detail(f"row {number}", kind=DetailKind.ROW, passed=passed, text="x" * 900), is_logged=False)
    assert sum(not one.passed for one in details) == 2000
    assert sum(len(one.model_dump_json(exclude_defaults=True)) for one in details) <= 2 * MAX_DETAIL_BYTES
    assert [line for line in lines if "what passed are left out" in line] == lines
    for number in range(10_000):
        journal.detail(detail(f"row {number}", kind=DetailKind.ROW, passed=False, text="x" * 900), is_logged=False)
    assert sum(len(one.model_dump_json(exclude_defaults=True)) for one in details) <= 2 * MAX_DETAIL_BYTES
    assert "what failed are left out" in lines[-1]
    assert len(lines) == 2


def test_a_report_says_how_many_details_were_left_out() -> None:
    """What the operator keeps of a report is bounded in number, so that the runner sends no more than that."""
    details: list[Detail] = []
    journal = Journal(MASKER, write_line=lambda _: None, tell_detail=details.append, tell_progress=lambda *_: None)
    for number in range(30_000):
        journal.detail(detail(f"row {number}", kind=DetailKind.ROW, passed=number % 2 > 0, text=""), is_logged=False)
    journal.end()
    sent, told = details[:-1], details[-1]
    assert len(details) <= MAX_DETAILS
    failed, passed = (15_000 - sum(one.passed is kind for one in sent) for kind in (False, True))
    assert told.message == (
        f"{failed + passed} more details are left out: {failed} of what failed, {passed} of what passed"
    )
    message, block = encode(report_with(tuple(details)))
    reference = decode(message.decode()).details_in_log
    assert reference is not None
    assert decode_from_log(block, reference).details == tuple(details)


def test_nothing_is_said_of_details_that_were_not_left_out() -> None:
    """As in nearly every report."""
    details: list[Detail] = []
    journal = Journal(MASKER, write_line=lambda _: None, tell_detail=details.append, tell_progress=lambda *_: None)
    journal.detail(detail("page 1"))
    journal.end()
    assert [one.name for one in details] == ["page 1"]


def test_assertions_that_passed_leave_room_for_those_that_fail() -> None:
    """Though they are kept longer than pages."""
    details: list[Detail] = []
    journal = Journal(MASKER, write_line=lambda _: None, tell_detail=details.append, tell_progress=lambda *_: None)
    for passed in (True, False):
        for number in range(20_000):
            journal.detail(detail(f"check {number}", kind=DetailKind.ASSERTION, passed=passed, text="x" * 900))
    assert sum(not one.passed for one in details) > 1000


def test_the_log_is_bounded() -> None:
    """The report that comes after it must not be rotated away."""
    lines: list[str] = []
    journal = Journal(MASKER, write_line=lines.append, tell_detail=lambda _: None, tell_progress=lambda *_: None)
    for _ in range(10_000):
        journal.log("x" * 900)
    assert sum(len(line) for line in lines) <= MAX_LOG_CHARACTERS + 2000
    assert lines[-1].startswith("Further lines are left out")


def test_an_execution_is_told_masked() -> None:
    """To the parent of the process that runs the case, which may not know all secrets."""
    told: list[ExecutionReport] = []
    journal = Journal(
        MASKER,
        write_line=lambda _: None,
        tell_detail=lambda _: None,
        tell_progress=lambda *_: None,
        tell_execution=told.append,
    )
    journal.execution(ExecutionReport(id="1", events={"s3cret": 1}))
    assert told == [ExecutionReport(id="1", events={"***": 1})]


def test_a_conclusion_is_masked_with_what_the_case_came_to_know() -> None:
    """A payload may hold secrets that only the process that rendered it knows."""
    execution = ExecutionReport(id="1", status="s3cret")
    conclusion = Conclusion.failed(Reason.EXPECTATION_NOT_MET, "got s3cret", {"token": ["s3cret"]})
    masked = mask_conclusion(replace(conclusion, execution=execution), MASKER)
    assert (masked.message, masked.outputs) == ("got ***", {"token": ["***"]})
    assert masked.execution == ExecutionReport(id="1", status="***")
    assert (masked.verdict, masked.reason) == (conclusion.verdict, conclusion.reason)


def test_a_report_has_its_execution_masked(tmp_path: Path) -> None:
    """Once more, whatever came before."""
    report = report_with(()).model_copy(update={"execution": ExecutionReport(id="1", status="s3cret")})
    write_report(report, MASKER, tmp_path / "log")
    assert decode((tmp_path / "log").read_text()).execution == ExecutionReport(id="1", status="***")
