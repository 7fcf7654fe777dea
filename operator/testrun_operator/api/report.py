"""The report: what a case's pod says of itself, and how it reaches the operator.

A container may leave at most 4096 bytes in its termination message. A report that fits is there as one JSON document.
One that does not is written into the container's log, compressed, between two markers, and the termination message
has the same document without details and with ``detailsInLog``, from which the operator knows that it must read the
log, and whether what it read is whole. See ``docs/architecture.md``.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, ValidationError
from pydantic_core import PydanticSerializationError

from testrun_operator.api.base import Model
from testrun_operator.api.large_report import MAX_DOCUMENT_BYTES, DocumentReader, check_document
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.errors import MalformedReport

MAX_TERMINATION_BYTES = 4096
MAX_OUTPUT_BYTES = 1024
MAX_MESSAGE_CHARACTERS = 1024
MAX_DETAILS = 20_000
"""More details of a report are not kept: each of them is a row of ``regression_details``."""
MAX_DETAIL_BYTES = 4 * 1024 * 1024
"""Nor more than this of details about what passed, and this again of what failed: a container's log is usually cut at
10 MiB, and the report must be whole."""
LEFT_OUT = "left out"
"""Name of the detail that says how many others there were."""
_DETAIL_OVERHEAD = 80

MAX_EXECUTION_ID = 2**63 - 1
MAX_EVENT_TYPES = 200
MAX_LAST_EVENTS = 20
"""More of either is left out of a report: the first types and the last events are kept."""

_SHORT_TEXT = 160
_MAX_PAGE_CHARACTERS = 512
_MAX_STATUS_CHARACTERS = 50
_BEGIN = "-----BEGIN TESTRUN REPORT "
_END = "-----END TESTRUN REPORT-----"
_LINES_AROUND = 100
_BYTES_AROUND = 1024 * 1024
"""What else may be in the end of a log: the case's own last lines, which may come late."""
_LINE_LENGTH = 4000  # well below the 16 KiB at which container runtimes split a line of the log


class DetailKind(StrEnum):
    """What a detail is about."""

    ASSERTION = "assertion"
    """An expectation."""
    PAGE = "page"
    """A page of a paginated walk."""
    REQUEST = "request"
    """A request that was sent again."""
    TEST = "test"
    """A test of an SQL case or of a JUnit file, or a test case file that could not be run as a whole."""
    ROW = "row"
    """A row of a test's table."""
    RESULT = "result"
    """Rows that a query must return."""
    FIXTURE = "fixture"
    """A fixture that could not be loaded."""
    FILE = "file"
    """A file: the schema, a source, or one that cannot be used."""
    SOURCE = "source"
    """Where the files came from: the commit that was fetched."""


class Detail(Model):
    """One assertion, page, request, test or row: a row of ``regression_details``."""

    kind: DetailKind = Field(description="What this is about.")
    name: str = Field(description="Which one: 'status', 'items', 'page 2'.")
    passed: bool = Field(description="Whether it was as expected, or was left out on purpose.")
    skipped: bool = Field(False, description="Whether it was not run; the message says why.")
    expected: str = Field("", description="What was expected.")
    actual: str = Field("", description="What came.")
    message: str = Field("", description="Why it was not as expected, for people.")
    location: str = Field("", description="Where: the page and address, or a file and line.")
    duration_milliseconds: int | None = Field(None, ge=0, description="How long it took.")


def _check_execution_id(text: str) -> str:
    if int(text) > MAX_EXECUTION_ID:
        msg = "is more than 64 bits can hold"
        raise ValueError(msg)
    return text


ExecutionId = Annotated[str, Field(pattern=r"^[0-9]{1,19}$"), AfterValidator(_check_execution_id)]
"""The id of an execution: a whole number of 64 bits, as text, since JSON clients round such numbers."""


class ReportedEvent(Model):
    """An event of a playbook's event log."""

    type: str = Field(description="Type, as NoETL wrote it.")
    status: str = Field("", description="Status, as NoETL wrote it.")
    node: str = Field("", description="The step.")
    execution: ExecutionId | None = Field(None, description="Its execution, where that is a child of the one reported.")


class ExecutionReport(Model):
    """The execution of a playbook, as its event log showed it."""

    id: ExecutionId = Field(description="Its id.")
    status: str = Field("", description="How it ended: COMPLETED, FAILED or CANCELLED; empty where that is not known.")
    inferred: bool = Field(False, description="Whether the log does not say how it ended: it has no last event.")
    page: Annotated[str, Field(pattern=r"^https?://")] | None = Field(
        None, description="Address of NoETL's own page about it."
    )
    events: Annotated[
        dict[str, Annotated[int, Field(ge=0)]],
        AfterValidator(lambda counts: dict(list(counts.items())[:MAX_EVENT_TYPES])),
    ] = Field({}, description="How many events there were, by type.")
    last_events: Annotated[tuple[ReportedEvent, ...], AfterValidator(lambda events: events[-MAX_LAST_EVENTS:])] = Field(
        (), description="The last events."
    )


class LogReference(Model):
    """Says that the whole report is in the log."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the JSON document.")
    bytes: int = Field(ge=0, description="Length of the JSON document.")


class Report(Model):
    """What a case's pod says of one attempt."""

    case: str = Field(description="Name of the case.")
    attempt: Annotated[int, Field(ge=1)] = Field(description="Number of the attempt.")
    verdict: Verdict = Field(description="Passed, Failed, Errored or TimedOut.")
    failure_class: FailureClass | None = Field(None, description="Where the cause lies; None for Passed.")
    reason: Reason = Field(description="Why.")
    message: str = Field("", description="Why, for people: names the first failures.")
    duration_milliseconds: int = Field(ge=0, description="How long the case took, without the start of its pod.")
    step_count: int = Field(0, ge=0, description="Requests, pages, events or tests.")
    outputs: dict[str, JsonValue] = Field({}, description="Values for cases that need this one.")
    details: tuple[Detail, ...] = Field((), description="Every assertion, page, repeated request, test and row.")
    execution: ExecutionReport | None = Field(None, description="The execution of a playbook.")
    details_in_log: LogReference | None = Field(None, description="The whole report is in the log.")


def _to_json(document: Report | Detail) -> bytes:
    try:
        return document.model_dump_json(exclude_defaults=True).encode()
    except PydanticSerializationError:
        # Half of a surrogate pair, which JSON can write and UTF-8 cannot: an API may answer with one.
        fields = document.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(fields, ensure_ascii=False).encode(errors="replace")


def encode(report: Report, *, with_first_failures: bool = False) -> tuple[bytes, str]:
    """Render a report for its way out of the pod.

    Args:
        report: the report.
        with_first_failures: whether a message that refers to the log has the first details that failed, nevertheless,
            shortened and as many as fit: for a pod that is deleted, and its log with it, as soon as it has reported.

    Returns:
        The termination message, at most 4096 bytes; and the block to be printed to the log before the container ends,
        empty where the whole report fits into the message.
    """
    document = _to_json(report)
    if len(document) <= MAX_TERMINATION_BYTES:
        return document, ""
    reference = LogReference(sha256=hashlib.sha256(document).hexdigest(), bytes=len(document))
    short = report.model_copy(
        update={"details": (), "execution": _shorten(report.execution), "details_in_log": reference}
    )
    while len(message := _to_json(short)) > MAX_TERMINATION_BYTES:
        # Only the message can be this long; the outputs were bounded by the runner.
        shortened = short.message[: len(short.message) // 2]
        short = short.model_copy(update={"message": shortened} if shortened else {"outputs": {}, "message": ""})
    if with_first_failures:
        room = MAX_TERMINATION_BYTES - len(message)
        message = _to_json(short.model_copy(update={"details": tuple(_first_failures(report.details, room))}))
    encoded = base64.b64encode(zlib.compress(document)).decode()
    lines = [encoded[start : start + _LINE_LENGTH] for start in range(0, len(encoded), _LINE_LENGTH)]
    return message, "\n".join([f"{_BEGIN}{reference.sha256}-----", *lines, _END, ""])


def _first_failures(details: Iterable[Detail], room: int) -> Iterator[Detail]:
    """Yield the first details that failed, each shortened, as long as their JSON has room."""
    room -= len(b',"details":[]')
    for detail in details:
        if detail.passed:
            continue
        short = detail.model_copy(
            update={"message": detail.message[:_SHORT_TEXT], "expected": "", "actual": "", "location": ""}
        )
        room -= len(_to_json(short)) + 1
        if room < 0:
            return
        yield short


def _shorten(execution: ExecutionReport | None) -> ExecutionReport | None:
    """Keep which execution it is and how it ended, cut to what NoETL's ids and statuses may need."""
    if execution is None:
        return None
    page = execution.page if len(execution.page or "") <= _MAX_PAGE_CHARACTERS else None
    status = execution.status[:_MAX_STATUS_CHARACTERS]
    return execution.model_copy(update={"status": status, "page": page, "events": {}, "last_events": ()})


def decode(termination_message: str) -> Report:
    """Read a report from a termination message.

    Raises:
        MalformedReport: the text is no report; says why.
    """
    return _parse(termination_message, "the termination message")


def place_in_log(reference: LogReference) -> tuple[int, int]:
    """Return where the whole report is in a log.

    Returns:
        How many of the last lines have it, and how many bytes they have at most.

    Raises:
        MalformedReport: it is said to be larger than any report.
    """
    if reference.bytes > MAX_DOCUMENT_BYTES:
        raise MalformedReport(f"the report in the log is larger than {MAX_DOCUMENT_BYTES} bytes", is_final=True)
    # Base64 has four characters for three bytes; compressing what cannot be compressed makes it a little longer.
    lines = reference.bytes * 7 // (5 * _LINE_LENGTH) + 2
    return lines + _LINES_AROUND, lines * (_LINE_LENGTH + 1) + _BYTES_AROUND


def decode_from_log(log: str, reference: LogReference) -> Report:
    """Read the whole report from a container's log.

    It is read in pieces, and of more than 20,000 details, or 4 MiB of those that failed and 4 MiB of the others, only
    so many are kept: those that failed first, each group from its beginning. A detail at the end says how many more
    there were.

    Args:
        log: the log, or its end; lines of the case itself may surround the block.
        reference: what the termination message says of it.

    Raises:
        MalformedReport: the block is missing, cut, or not what the termination message announced.
    """
    begin = log.rfind(f"{_BEGIN}{reference.sha256}-----")
    end = log.find(_END, begin)
    if begin < 0 or end < 0:
        raise MalformedReport("the log does not contain the whole report that the termination message announces")
    packed = "".join(log[begin:end].splitlines()[1:])
    compressed = check_document(packed, reference.sha256, MAX_DOCUMENT_BYTES)
    what, kept, head = "the report in the log", KeptDetails(), dict[str, JsonValue]()
    try:
        for name, value in DocumentReader(compressed).members("details"):
            if name == "details" and isinstance(value, dict) and kept.is_full(passed=value.get("passed") is not False):
                kept.leave_out(passed=value.get("passed") is not False)
            elif name == "details":
                kept.add(Detail.model_validate(value, extra="ignore"))
            else:
                head[name] = value
        return _check(head, what).model_copy(update={"details": kept.all()})
    except ValidationError as error:
        raise _malformed(error, what) from None
    except (ValueError, RecursionError) as error:
        raise MalformedReport(f"{what} is no report: {error}", is_final=True) from None


class KeptDetails:
    """The details of a report that are kept: as many as can be stored, those that failed first."""

    def __init__(self) -> None:
        self._kept: dict[bool, dict[int, Detail]] = {False: {}, True: {}}
        self._bytes = {False: 0, True: 0}
        self._left_out = {False: 0, True: 0}
        self._count = 0

    def is_full(self, *, passed: bool) -> bool:
        """Whether no further detail of those that passed, or that failed, is kept."""
        return len(self._kept[passed]) >= MAX_DETAILS or self._left_out[passed] > 0

    def leave_out(self, *, passed: bool) -> None:
        """Count a detail that is not kept."""
        self._left_out[passed] += 1

    def add(self, detail: Detail) -> None:
        """Take a detail, in the order of the report."""
        size = size_of(detail)
        if self.is_full(passed=detail.passed) or self._bytes[detail.passed] + size > MAX_DETAIL_BYTES:
            self.leave_out(passed=detail.passed)
            return
        self._count += 1
        self._kept[detail.passed][self._count] = detail
        self._bytes[detail.passed] += size

    def all(self) -> tuple[Detail, ...]:
        """Return what is kept, in the order of the report, and at the end how many more there were."""
        failed, passed = self._kept[False], self._kept[True]
        room = MAX_DETAILS - len(failed)
        dropped = max(0, len(passed) - room)
        places = sorted([*failed, *list(passed)[:room]])
        details = [failed.get(place) or passed[place] for place in places]
        return (*details, *left_out(self._left_out[False], self._left_out[True] + dropped))


def size_of(detail: Detail) -> int:
    """Return how long a detail's texts are together, with what JSON needs around them."""
    texts = (detail.name, detail.expected, detail.actual, detail.message, detail.location)
    return _DETAIL_OVERHEAD + sum(len(text.encode(errors="replace")) for text in texts)


def left_out(failed: int, passed: int) -> tuple[Detail, ...]:
    """Return the detail that says how many details were left out; none if none were."""
    if not failed + passed:
        return ()
    message = f"{failed + passed} more details are left out: {failed} of what failed, {passed} of what passed"
    return (Detail(kind=DetailKind.ASSERTION, name=LEFT_OUT, passed=True, skipped=True, message=message),)


def _parse(document: str, what: str) -> Report:
    try:
        return Report.model_validate_json(document, extra="ignore")
    except ValidationError as error:
        raise _malformed(error, what) from None


def _check(document: dict[str, JsonValue], what: str) -> Report:
    try:
        return Report.model_validate(document, extra="ignore")
    except ValidationError as error:
        raise _malformed(error, what) from None


def _malformed(error: ValidationError, what: str) -> MalformedReport:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return MalformedReport(f"{what} is no report: {path}: {first['msg']}", is_final=True)
