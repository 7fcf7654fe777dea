"""Where a container case leaves JUnit XML: a folder, and a pattern for the files in it.

The operator mounts an empty folder there, the reader in the case's pod (``runner/junit_reader``) looks into it when the
case has ended.
"""

from typing import Annotated

from pydantic import Field

READER = "junit-reader"
"""Name of the container that reads the files: a native sidecar of the case's pod."""
READER_PATH = "/var/run/testrun/junit"
"""Where the reader sees the folder, whatever its path is for the case."""
PATTERN_VARIABLE = "TESTRUN_JUNIT_PATTERN"
"""Environment variable of the reader with the case's ``junit``."""
CASE_VARIABLE = "TESTRUN_CASE_NAME"
ATTEMPT_VARIABLE = "TESTRUN_ATTEMPT"
"""Environment variables with the case and the number of the attempt; a case's own container has them, too."""

_SEGMENT = r"/\.?[A-Za-z0-9_-][A-Za-z0-9._@+-]*"
_PATTERN = r"(/\.?[A-Za-z0-9_*?-][A-Za-z0-9._@+*?-]*)+"

JUnitPattern = Annotated[str, Field(pattern=f"^{_SEGMENT}{_PATTERN}$", max_length=253)]
"""An absolute path whose last parts may have ``*``, ``?`` and ``**``; the first part names a folder."""


def split_pattern(pattern: str) -> tuple[str, str]:
    """Split the pattern of a case into the folder that is mounted and what its files are to match.

    ``/reports/unit/**/*.xml`` becomes ``/reports/unit`` and ``**/*.xml``; ``/reports/junit.xml`` becomes ``/reports``
    and ``junit.xml``.
    """
    segments = pattern.strip("/").split("/")
    fixed = next((index for index, part in enumerate(segments) if "*" in part or "?" in part), len(segments))
    count = min(fixed, len(segments) - 1)
    return "/" + "/".join(segments[:count]), "/".join(segments[count:])
