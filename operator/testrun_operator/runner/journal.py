"""What a case tells while it runs: lines of the log, details, and what it is doing at the moment.

The case runs in a child process. Details and progress go to its parent at once, so that they are known even if the
case has to be killed; see ``supervisor.py``.
"""

from collections.abc import Callable

from testrun_operator.api.report import (
    MAX_DETAIL_BYTES,
    MAX_DETAILS,
    Detail,
    DetailKind,
    ExecutionReport,
    left_out,
    size_of,
)
from testrun_operator.masking import Masker, mask_execution

_MAX_COUNT = MAX_DETAILS // 2
"""Of what passed, and as many again of what failed, the detail included that says how many others there were."""
MAX_LOG_CHARACTERS = 1024 * 1024
"""More than this is not written to the log, for the same reason."""
_MAX_TEXT = 1000


class Journal:
    """Takes what a case tells, and masks it.

    Args:
        masker: keeps secrets out.
        write_line: takes a line of the log.
        tell_detail: takes a detail.
        tell_progress: takes what the case is doing, and the number of steps so far.
        tell_execution: takes the execution of a playbook.
    """

    def __init__(
        self,
        masker: Masker,
        *,
        write_line: Callable[[str], None],
        tell_detail: Callable[[Detail], None],
        tell_progress: Callable[[str, int], None],
        tell_execution: Callable[[ExecutionReport], None] = lambda _: None,
    ) -> None:
        self._masker = masker
        self._write_line = write_line
        self._tell_detail = tell_detail
        self._tell_progress = tell_progress
        self._tell_execution = tell_execution
        self._bytes_of_passed = 0
        self._bytes_of_kept = 0
        self._count_of_passed = 0
        self._count_of_kept = 0
        self._left_out_passed = 0
        self._left_out_failed = 0
        self._log_characters = 0
        self.step_count = 0

    def log(self, text: str) -> None:
        """Write one line to the log."""
        if self._log_characters > MAX_LOG_CHARACTERS:
            return
        line = self._masker.excerpt(text, _MAX_TEXT)
        self._log_characters += len(line)
        self._write_line(line)
        if self._log_characters > MAX_LOG_CHARACTERS:
            self._write_line("Further lines are left out: there are too many of them. The report has the details.")

    def progress(self, text: str) -> None:
        """Say what the case is doing now, as in ``waiting for the answer to GET http://…``."""
        self._tell_progress(self._masker.excerpt(text, _MAX_TEXT), self.step_count)

    def execution(self, execution: ExecutionReport) -> None:
        """Say which execution of a playbook the case started; what is said last counts."""
        self._tell_execution(mask_execution(execution, self._masker))

    def count_step(self) -> None:
        """Count a request, page, event or test."""
        self.step_count += 1

    def detail(self, detail: Detail, *, is_logged: bool = True) -> None:
        """Keep a detail, as long as there are not too many.

        What failed is kept longest, then assertions, then all else.

        Args:
            detail: the detail.
            is_logged: whether an assertion is written to the log, too.
        """
        shortened = detail.model_copy(
            update={
                field: self._masker.excerpt(getattr(detail, field), _MAX_TEXT)
                for field in ("name", "expected", "actual", "message", "location")
            }
        )
        if detail.kind is DetailKind.ASSERTION and is_logged:
            self.log(_assertion_line(shortened))
        if self._has_room(shortened):
            self._tell_detail(shortened)

    def end(self) -> None:
        """Say how many details were left out, as a detail."""
        for told in left_out(self._left_out_failed, self._left_out_passed):
            self._tell_detail(told)

    def _has_room(self, detail: Detail) -> bool:
        size = max(len(detail.model_dump_json(exclude_defaults=True)), size_of(detail))
        fits = self._bytes_of_passed + size <= MAX_DETAIL_BYTES and self._count_of_passed < _MAX_COUNT
        if detail.passed and fits:
            self._bytes_of_passed += size
            self._count_of_passed += 1
            return True
        is_needed = not detail.passed or detail.kind is DetailKind.ASSERTION
        # Of the room for what failed, what passed gets a half at most.
        share = 2 if detail.passed else 1
        fits = self._bytes_of_kept + size <= MAX_DETAIL_BYTES // share and self._count_of_kept < _MAX_COUNT // share - 1
        if is_needed and fits:
            self._bytes_of_kept += size
            self._count_of_kept += 1
            return True
        self._leave_out(detail)
        return False

    def _leave_out(self, detail: Detail) -> None:
        if detail.passed:
            self._left_out_passed += 1
        else:
            self._left_out_failed += 1
        if (self._left_out_passed if detail.passed else self._left_out_failed) == 1:
            what = "passed" if detail.passed else "failed"
            self.log(f"Details of what {what} are left out from here on: there are too many of them.")


def _assertion_line(detail: Detail) -> str:
    if detail.passed:
        return f"✔ {detail.name}: {detail.actual or detail.expected}"
    return f"✘ {detail.name}: {detail.message or f'expected {detail.expected}, got {detail.actual}'}"
