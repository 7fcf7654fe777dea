"""Headers of requests: whose they are, and how they are merged."""

import re

from testrun_operator.runner.problem import InvalidCase

CLIENT_HEADER = "X-Test-Run"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def merge_headers(*sources: dict[str, str], field: str = "http.request.headers") -> dict[str, str]:
    """Merge headers; a later one replaces an earlier one of the same name in whatever case.

    Args:
        sources: headers by name.
        field: the field that they stand in, for messages.

    Raises:
        InvalidCase: a name or a value is none that a header can have.
    """
    merged: dict[str, tuple[str, str]] = {}
    for source in sources:
        for name, value in source.items():
            if not _HEADER_NAME.fullmatch(name):
                raise InvalidCase(field, f"{name!r} is no name of a header")
            if any((ord(character) < 32 and character != "\t") or ord(character) > 126 for character in value):  # noqa: PLR2004 - printable ASCII
                # The value is not shown: it may be a secret.
                raise InvalidCase(field, f"the value of {name} must be printable ASCII on one line")
            merged[name.lower()] = (name, value.strip())
    return dict(merged.values())
