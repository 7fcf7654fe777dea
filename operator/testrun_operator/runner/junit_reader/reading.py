"""From the files of a container case to a report, as the runner leaves one: the operator reads both the same way.

The verdict of such a report says what the tests are like, not the case: Passed, none failed; Failed, at least one did;
Errored, nothing is known of any. The case is judged by its exit code.
"""

import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from testrun_operator.api.environment import TERMINATION_LOG_VARIABLE
from testrun_operator.api.junit import ATTEMPT_VARIABLE, CASE_VARIABLE, PATTERN_VARIABLE, READER_PATH, split_pattern
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import MAX_MESSAGE_CHARACTERS, Detail, DetailKind, KeptDetails, Report
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.masking import Masker
from testrun_operator.runner.junit_reader.documents import Result, TestResult, UnreadableDocument, read_document
from testrun_operator.runner.junit_reader.folder import FolderProblem, FoundFile, find_files
from testrun_operator.runner.reporting import DEFAULT_TERMINATION_LOG, write_report

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of all files together; more are not read."""
_LONGEST = 5.0
"""Seconds after which no further file is begun: half of the pod's grace period."""
_MAX_NAMED = 700
"""Characters of the message that name tests which failed."""
_MAX_PROBLEM = 200


def read_and_report(environment: Mapping[str, str], folder: Path = Path(READER_PATH)) -> int:
    """Read the files of a case, and report.

    Args:
        environment: the environment variables, which say which case it is and where its files are.
        folder: where the case's folder is for this process.

    Returns:
        The exit code: 0, or 1 if no report could be written.
    """
    try:
        report = read_files(folder, environment[PATTERN_VARIABLE]).report(
            environment[CASE_VARIABLE], int(environment[ATTEMPT_VARIABLE])
        )
        path = Path(environment.get(TERMINATION_LOG_VARIABLE, DEFAULT_TERMINATION_LOG))
        # Whatever the files say is told; only what cannot be stored is taken out. The pod of a case that was killed by
        # its timeout is deleted, and its log may be gone before anybody has read it.
        write_report(report, Masker(()), path, with_first_failures=True)
    except Exception:  # noqa: BLE001 - its last line is what the operator tells
        sys.stderr.write(traceback.format_exc())
        return 1
    return 0


def read_files(folder: Path, pattern: str) -> "Findings":
    """Read all files that fit the pattern of a case.

    Args:
        folder: the folder that the pattern begins with, as this process sees it.
        pattern: the pattern.
    """
    found = Findings(pattern)
    give_up_at = time.monotonic() + _LONGEST
    root, inner = split_pattern(pattern)
    try:
        for file in find_files(folder, inner):
            found.read(file)
            if time.monotonic() > give_up_at:
                found.note(root, f"it took more than {_LONGEST:.0f} s; what comes after {file.path} was not read")
                break
    except FolderProblem as problem:
        found.note(root, str(problem))
    return found


class Findings:
    """What was found in the files of a case.

    Args:
        pattern: the pattern of the case.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._folder = split_pattern(pattern)[0]
        self._details = KeptDetails()
        self._counts = dict.fromkeys(Result, 0)
        self._failed: list[str] = []
        self._problems: list[str] = []
        self._files = 0
        self._left_out = 0
        self._bytes_left = MAX_BYTES
        self._started = time.monotonic()

    def read(self, file: FoundFile) -> None:
        """Read a file, or take note of why that is not possible."""
        path = f"{self._folder}/{file.path}"
        if file.descriptor is None:
            self._left_out += file.is_left_out
            self.note(path, file.problem, is_left_out=file.is_left_out)
            return
        self._files += 1
        with os.fdopen(file.descriptor, "rb", closefd=False) as stream:
            try:
                self._bytes_left -= read_document(stream, self._bytes_left, self._take)
            except UnreadableDocument as problem:
                self._bytes_left = max(0, self._bytes_left - stream.tell())
                self.note(path, str(problem))
            except OSError as error:
                self.note(path, f"cannot be read: {error.strerror}")

    def note(self, path: str, problem: str, *, is_left_out: bool = False) -> None:
        """Take note of what is the matter with a file or the folder."""
        if not is_left_out:
            self._problems.append(f"{path} {problem}" if path != self._folder else f"{path}: {problem}")
        self._details.add(
            Detail(kind=DetailKind.FILE, name=path, passed=is_left_out, skipped=is_left_out, message=problem)
        )

    def _take(self, test: TestResult) -> None:
        self._counts[test.result] += 1
        if test.result is Result.FAILED and len(self._failed) < _MAX_NAMED:
            self._failed.append(test.name)
        self._details.add(
            Detail(
                kind=DetailKind.TEST,
                name=test.name,
                passed=test.result is not Result.FAILED,
                skipped=test.result is Result.SKIPPED,
                message=test.message,
                location=test.location,
                duration_milliseconds=test.milliseconds,
            )
        )

    def report(self, case: str, attempt: int) -> Report:
        """Return the report."""
        failed, total = self._counts[Result.FAILED], sum(self._counts.values())
        verdict, failure_class, reason = Verdict.PASSED, None, Reason.EXPECTATIONS_MET
        if failed:
            verdict, failure_class, reason = Verdict.FAILED, FailureClass.TEST, Reason.EXPECTATION_NOT_MET
        elif not total:
            verdict, failure_class, reason = Verdict.ERRORED, FailureClass.INFRASTRUCTURE, Reason.NO_REPORT
        return Report(
            case=case,
            attempt=attempt,
            verdict=verdict,
            failure_class=failure_class,
            reason=reason,
            message=_cut("; ".join([self._tell_tests(total), *self._tell_problems()]), MAX_MESSAGE_CHARACTERS),
            duration_milliseconds=round((time.monotonic() - self._started) * 1000),
            step_count=total,
            details=self._details.all(),
        )

    def _tell_tests(self, total: int) -> str:
        if not total:
            return self._tell_nothing()
        failed, skipped = self._counts[Result.FAILED], self._counts[Result.SKIPPED]
        left = f", {skipped} skipped" if skipped else ""
        if not failed:
            passed = total - skipped
            return f"{passed} of {total} tests passed{left}" if left else f"{_count(total, 'test')} passed"
        return f"{failed} of {_count(total, 'test')} failed{left}: {self._name_failed(failed)}"

    def _tell_nothing(self) -> str:
        if self._files:
            return f"no test in {_count(self._files, 'file')} of {self._pattern}"
        if self._left_out:
            left = "1 link or special file" if self._left_out == 1 else f"{self._left_out} links or special files"
            return f"no regular file fits {self._pattern}, only {left}"
        return f"no file fits {self._pattern}"

    def _name_failed(self, failed: int) -> str:
        named: list[str] = []
        room = _MAX_NAMED
        for name in self._failed:
            room -= len(name) + 2
            if room < 0 and named:
                break
            named.append(name)
        more = failed - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")

    def _tell_problems(self) -> list[str]:
        if not self._problems:
            return []
        more = len(self._problems) - 1
        return [_cut(self._problems[0], _MAX_PROBLEM) + (f", and {more} more of that kind" if more else "")]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
