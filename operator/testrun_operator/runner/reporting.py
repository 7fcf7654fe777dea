"""How a report leaves the pod: the termination message, and the log for what does not fit into it."""

import sys
from dataclasses import replace
from pathlib import Path

from testrun_operator.api.report import MAX_MESSAGE_CHARACTERS, Report, encode
from testrun_operator.masking import Masker, mask_execution
from testrun_operator.runner.context import Conclusion

DEFAULT_TERMINATION_LOG = "/dev/termination-log"


def write_report(report: Report, masker: Masker, termination_log: Path, *, with_first_failures: bool = False) -> None:
    """Mask a report and write it.

    Args:
        report: the report.
        masker: what keeps secrets out of it.
        termination_log: where the termination message is written.
        with_first_failures: whether a message that refers to the log has some of the details as well.

    The block for the log is flushed before the termination message is written: whoever sees the message can rely on
    the block.

    Raises:
        OSError: the termination message cannot be written.
    """
    message, block = encode(mask_report(report, masker), with_first_failures=with_first_failures)
    if block:
        sys.stdout.write(f"\n{block}")
        sys.stdout.flush()
    termination_log.write_bytes(message)


def mask_conclusion(conclusion: Conclusion, masker: Masker) -> Conclusion:
    """Return the conclusion without secrets."""
    return replace(
        conclusion,
        message=masker.text(conclusion.message),
        outputs={name: masker.value(value) for name, value in conclusion.outputs.items()},
        execution=mask_execution(conclusion.execution, masker) if conclusion.execution is not None else None,
    )


def mask_report(report: Report, masker: Masker) -> Report:
    """Return the report without secrets, with a message of at most 1024 characters."""
    return report.model_copy(
        update={
            "message": masker.text(report.message)[:MAX_MESSAGE_CHARACTERS],
            "outputs": masker.value(report.outputs),
            "execution": mask_execution(report.execution, masker) if report.execution is not None else None,
            "details": tuple(
                detail.model_copy(
                    update={
                        field: masker.text(getattr(detail, field))
                        for field in ("name", "expected", "actual", "message", "location")
                    }
                )
                for detail in report.details
            ),
        }
    )
