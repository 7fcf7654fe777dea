"""What a case tells while it runs: lines of the log, details, and what it is doing at the moment.

The case runs in a child process. Details and progress go to its parent at once, so that they are known even if the
case has to be killed; see ``supervisor.py``.
"""

from collections.abc import Callable

from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.runner.masking import Masker

MAX_DETAIL_BYTES = 4 * 1024 * 1024
"""More than this of details about pages and requests is left out: a container's log is usually cut at 10 MiB, and
the report must be whole. Assertions are always kept; there are few."""
_MAX_TEXT = 1000


class Journal:
    """Takes what a case tells, and masks it.

    Args:
        masker: keeps secrets out.
        write_line: takes a line of the log.
        tell_detail: takes a detail.
        tell_progress: takes what the case is doing, and the number of requests sent so far.
    """

    def __init__(
        self,
        masker: Masker,
        *,
        write_line: Callable[[str], None],
        tell_detail: Callable[[Detail], None],
        tell_progress: Callable[[str, int], None],
    ) -> None:
        self._masker = masker
        self._write_line = write_line
        self._tell_detail = tell_detail
        self._tell_progress = tell_progress
        self._detail_bytes = 0
        self._left_out = 0
        self.step_count = 0

    def log(self, text: str) -> None:
        """Write one line to the log."""
        self._write_line(self._masker.excerpt(text, _MAX_TEXT))

    def progress(self, text: str) -> None:
        """Say what the case is doing now, as in ``waiting for the answer to GET http://…``."""
        self._tell_progress(self._masker.excerpt(text, _MAX_TEXT), self.step_count)

    def count_step(self) -> None:
        """Count a request, page or event."""
        self.step_count += 1

    def detail(self, detail: Detail) -> None:
        """Keep a detail, and write an assertion to the log."""
        shortened = detail.model_copy(
            update={
                field: self._masker.excerpt(getattr(detail, field), _MAX_TEXT)
                for field in ("name", "expected", "actual", "message", "location")
            }
        )
        if detail.kind is DetailKind.ASSERTION:
            self.log(_assertion_line(shortened))
        else:
            self._detail_bytes += len(shortened.model_dump_json(exclude_defaults=True))
            if self._detail_bytes > MAX_DETAIL_BYTES:
                self._leave_out()
                return
        self._tell_detail(shortened)

    def _leave_out(self) -> None:
        self._left_out += 1
        if self._left_out == 1:
            self.log(f"Details of further pages are left out: there are more than {MAX_DETAIL_BYTES} bytes of them.")


def _assertion_line(detail: Detail) -> str:
    if detail.passed:
        return f"✔ {detail.name}: {detail.actual or detail.expected}"
    return f"✘ {detail.name}: {detail.message or f'expected {detail.expected}, got {detail.actual}'}"
