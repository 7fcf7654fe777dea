"""The exit codes of the commands that tell how something ended; scripts and CI go by them."""

from enum import IntEnum


class Exit(IntEnum):
    """How a run ended, or whether files are valid."""

    PASSED = 0
    """The run passed; the files are valid."""
    FAILED = 1
    """The run failed; a file breaks a rule."""
    UNKNOWN = 2
    """It could not be found out: errored, cancelled, invalid, no cluster, a wrong option, an unreadable file."""
    NOT_FINISHED = 3
    """The run is not over."""
    INTERRUPTED = 130
    """Somebody pressed Ctrl-C; the number that a shell gives."""
