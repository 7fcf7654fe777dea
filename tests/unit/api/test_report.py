"""How a report leaves a pod, and how it is read again: whole, or not at all."""

import base64
import hashlib
import random
import re
import string
import tracemalloc
import zlib
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import report_of
from testrun_operator.api import large_report as large_report_module
from testrun_operator.api import report as module
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import (
    MAX_DETAIL_BYTES,
    MAX_DETAILS,
    MAX_DOCUMENT_BYTES,
    MAX_EVENT_TYPES,
    MAX_EXECUTION_ID,
    MAX_LAST_EVENTS,
    MAX_TERMINATION_BYTES,
    Detail,
    DetailKind,
    ExecutionReport,
    LogReference,
    Report,
    ReportedEvent,
    decode,
    decode_from_log,
    encode,
)
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.errors import MalformedReport

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))  # half of a surrogate pair is no text in UTF-8
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
DETAILS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(DetailKind),
        "name": TEXTS,
        "passed": st.booleans(),
        "expected": TEXTS,
        "actual": TEXTS,
        "message": TEXTS,
        "location": TEXTS,
        "duration_milliseconds": st.none() | st.integers(0, 2**53),
    }
).map(Detail.model_validate)
IDS = st.integers(0, MAX_EXECUTION_ID).map(str)
EVENTS = st.builds(ReportedEvent, type=TEXTS, status=TEXTS, node=TEXTS, execution=st.none() | IDS)
EXECUTIONS = st.builds(
    ExecutionReport,
    id=IDS,
    status=TEXTS,
    inferred=st.booleans(),
    page=st.none() | TEXTS.map("http://noetl/{}".format),
    events=st.dictionaries(TEXTS, st.integers(0, 2**31), max_size=8),
    last_events=st.lists(EVENTS, max_size=8).map(tuple),
)
REPORTS = st.fixed_dictionaries(
    {
        "case": st.from_regex(r"[a-z0-9]{1,63}", fullmatch=True),
        "attempt": st.integers(1, 20),
        "verdict": st.sampled_from(Verdict),
        "failure_class": st.none() | st.sampled_from(FailureClass),
        "reason": st.sampled_from(Reason),
        "message": st.text(st.characters(exclude_categories=["Cs"]), max_size=1024),
        "duration_milliseconds": st.integers(0, 2**53),
        "step_count": st.integers(0, 10_000),
        "outputs": st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), JSON, max_size=3),
        "details": st.lists(DETAILS, max_size=20).map(tuple),
        "execution": st.none() | EXECUTIONS,
    }
).map(Report.model_validate)


def delivered(report: Report) -> Report:
    """Return what the operator reads of what a pod leaves, with other lines around it in the log."""
    message, block = encode(report)
    short = decode(message.decode())
    if short.details_in_log is None:
        return short
    return decode_from_log(f"a line of the case\n\n{block}and another\n", short.details_in_log)


def large_report(size: int = 1_000_000, seed: int = 1) -> Report:
    """Return a report whose details hardly become smaller by packing."""
    chance = random.Random(seed)
    texts = ("".join(chance.choices(string.printable, k=1000)) for _ in range(size // 1000))
    details = tuple(
        Detail(kind=DetailKind.ASSERTION, name=f"row {number}", passed=False, actual=text)
        for number, text in enumerate(texts)
    )
    return report_of(Verdict.FAILED, details=details, message="a thousand rows are wrong")


def announced(report: Report) -> tuple[str, LogReference]:
    """Return the block for the log, and what the termination message says of it."""
    message, block = encode(report)
    reference = decode(message.decode()).details_in_log
    assert reference is not None
    return block, reference


def block_of(document: bytes) -> tuple[str, LogReference]:
    """Return a block with any document, as a pod could write it that means ill."""
    reference = LogReference(sha256=hashlib.sha256(document).hexdigest(), bytes=len(document))
    packed = base64.b64encode(zlib.compress(document, 9)).decode()
    begin = f"-----BEGIN TESTRUN REPORT {reference.sha256}-----"
    return f"{begin}\n{packed}\n-----END TESTRUN REPORT-----\n", reference


@given(REPORTS)
def test_a_report_arrives_as_it_was_written(report: Report) -> None:
    """Nothing of a report is lost or changed on its way, whether it fits into the termination message or not."""
    assert delivered(report) == report


@given(REPORTS)
def test_a_termination_message_is_never_too_long(report: Report) -> None:
    """The kubelet cuts what is longer than 4096 bytes, and half a document is none."""
    message, _ = encode(report)
    assert len(message) <= MAX_TERMINATION_BYTES
    short = decode(message.decode())
    assert (short.case, short.attempt, short.verdict, short.reason) == (
        report.case,
        report.attempt,
        report.verdict,
        report.reason,
    )


@pytest.mark.parametrize("character", ["a", '"', "\\", "\0", "\x7f", "ä", "漢", "😀", "\u2028"])
@pytest.mark.parametrize("length", [500, 1024, 4096, 100_000])
def test_a_message_of_any_characters_leaves_a_readable_report(character: str, length: int) -> None:
    """Characters of several bytes, and those that JSON writes as six, count as what they become."""
    report = report_of(Verdict.FAILED, message=character * length)
    message, block = encode(report)
    assert len(message) <= MAX_TERMINATION_BYTES
    assert report.message.startswith(decode(message.decode()).message)
    assert bool(block) == (decode(message.decode()).details_in_log is not None)
    assert delivered(report) == report


def test_outputs_that_are_too_large_for_the_message_are_in_the_log() -> None:
    """The verdict gets through in any case; the outputs come with the details."""
    report = report_of(outputs={"token": "x" * 10_000})
    message, _ = encode(report)
    short = decode(message.decode())
    assert (short.verdict, short.outputs) == (Verdict.PASSED, {})
    assert delivered(report) == report


@pytest.mark.parametrize("length", [1, 100_000])
def test_half_of_a_surrogate_pair_becomes_a_question_mark(length: int) -> None:
    """An API may answer with one: JSON can write it, UTF-8 cannot. The verdict gets through all the same."""
    outputs = {"token": "\ud800" * length, "list": ["a\udfff"]}
    report = report_of(outputs=outputs).model_copy(update={"message": "it is \ud83d"})
    assert delivered(report) == report_of(outputs={"token": "?" * length, "list": ["a?"]}, message="it is ?")


@pytest.mark.parametrize("missing", [0, 1])
def test_a_report_that_just_fits_is_not_sent_to_the_log(missing: int) -> None:
    """The limit itself is allowed: the log costs a further call."""
    empty = len(encode(report_of(message="x"))[0]) - 1
    message, block = encode(report_of(message="x" * (MAX_TERMINATION_BYTES - empty + missing)))
    assert len(message) <= MAX_TERMINATION_BYTES
    assert bool(block) == bool(missing)


def test_a_megabyte_of_details_arrives() -> None:
    """Details are bounded by what a container's log keeps, not by the termination message."""
    report = large_report()
    block, _ = announced(report)
    assert max(len(line) for line in block.splitlines()) < 16 * 1024, "container runtimes split longer lines"
    assert delivered(report) == report


def test_the_block_is_found_between_the_lines_of_the_case() -> None:
    """The case itself may print whatever it likes, also something that looks like a marker."""
    report = large_report(20_000)
    block, reference = announced(report)
    noise = "-----BEGIN TESTRUN REPORT 0000-----\nno report\n-----END TESTRUN REPORT-----\n" * 3
    assert decode_from_log(f"{noise}{block}{noise}-----BEGIN", reference) == report


def test_of_two_blocks_the_announced_one_is_read() -> None:
    """A log may have the report of another attempt, or one that a case imitates."""
    (first, first_reference), (second, second_reference) = (announced(large_report(20_000, seed)) for seed in (1, 2))
    for log in (first + second, second + first):
        assert decode_from_log(log, first_reference) == large_report(20_000, 1)
        assert decode_from_log(log, second_reference) == large_report(20_000, 2)


def test_a_block_that_is_repeated_is_read_once() -> None:
    """The same report twice is still that report."""
    block, reference = announced(large_report(20_000))
    assert decode_from_log(block + block, reference) == large_report(20_000)


def test_line_ends_of_another_system_do_no_harm() -> None:
    """Some collectors of logs write carriage returns."""
    block, reference = announced(large_report(20_000))
    assert decode_from_log(block.replace("\n", "\r\n"), reference) == large_report(20_000)


BLOCK, REFERENCE = announced(large_report(20_000))
_LINES = BLOCK.splitlines(keepends=True)
DAMAGED = {
    "an empty log": "",
    "another log": "hello\n" * 100,
    "the beginning missing": "".join(_LINES[1:]),
    "the end missing": "".join(_LINES[:-1]),
    "cut in the middle": BLOCK[: len(BLOCK) // 2],
    "only the end of the log": BLOCK[len(BLOCK) // 2 :],
    "a line missing": "".join(_LINES[:2] + _LINES[3:]),
    "two lines exchanged": "".join([_LINES[0], _LINES[2], _LINES[1], *_LINES[3:]]),
    "a foreign line inside": "".join([*_LINES[:2], "a line of the case!\n", *_LINES[2:]]),
    "another character": BLOCK.replace(_LINES[1], ("A" if _LINES[1][0] != "A" else "B") + _LINES[1][1:]),
    "nothing between the markers": _LINES[0] + _LINES[-1],
    "another digest": re.sub(r"[0-9a-f]{64}", "0" * 64, BLOCK),
    "the end before the beginning": _LINES[-1] + "".join(_LINES[:-1]),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_block_is_malformed(damage: str) -> None:
    """What cannot be read in full is never taken for the whole."""
    with pytest.raises(MalformedReport):
        decode_from_log(DAMAGED[damage], REFERENCE)


@given(data=st.data())
def test_a_block_with_any_byte_changed_is_that_report_or_malformed(data: st.DataObject) -> None:
    """Whatever happens to the log, no wrong report comes out of it, and no other error."""
    position = data.draw(st.integers(0, len(BLOCK) - 1))
    changed = BLOCK[:position] + data.draw(st.characters(codec="utf-8")) + BLOCK[position + 1 :]
    try:
        assert decode_from_log(changed, REFERENCE) == large_report(20_000)
    except MalformedReport:
        return


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no json",
        b"null",
        b"5",
        b"[]",
        b"{}",
        b'{"case": "one"}',
        b"\xff\xfe",
        b'"' + b"x" * 5000 + b'"',
        b"[" * 100_000,
        b'{"outputs":' + b'{"a":' * 100_000,
        b"9" * 10_000,
    ],
    ids=lambda document: repr(document[:16]),
)
def test_a_block_with_something_else_is_malformed(document: bytes) -> None:
    """A pod can leave anything under a right digest."""
    block, reference = block_of(document)
    with pytest.raises(MalformedReport):
        decode_from_log(block, reference)


def test_a_document_that_unpacks_to_too_much_is_malformed() -> None:
    """A few kilobytes that unpack to gigabytes do not take the operator's memory."""
    block, reference = block_of(b" " * (MAX_DOCUMENT_BYTES + 1_000_000))
    assert len(block) < 100_000
    with pytest.raises(MalformedReport):
        decode_from_log(block, reference)


def test_unpacking_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is read, a byte more is not."""
    document = encode(report_of())[0]
    monkeypatch.setattr(module, "MAX_DOCUMENT_BYTES", len(document))
    block, reference = block_of(document)
    assert decode_from_log(block, reference) == report_of()
    monkeypatch.setattr(module, "MAX_DOCUMENT_BYTES", len(document) - 1)
    with pytest.raises(MalformedReport):
        decode_from_log(block, reference)


def row(number: int, *, passed: bool, text: str = "") -> Detail:
    """Return a detail of a report that has very many."""
    return Detail(kind=DetailKind.ROW, name=f"row {number}", passed=passed, actual=text)


def test_what_a_newer_release_adds_to_a_report_is_left_out() -> None:
    """After a rollback the Jobs that a newer release started are still judged by what they report."""
    message = encode(report_of())[0].decode()
    assert decode(message[:-1] + ', "more": 1}') == report_of()
    document = encode(report_of(details=(row(1, passed=True),)))[0]
    changed = document.replace(b'"name"', b'"more":{"deep":[1]},"name"', 1)
    assert changed != document
    assert decode_from_log(*block_of(changed)) == report_of(details=(row(1, passed=True),))


def test_of_too_many_details_those_that_failed_are_kept_and_the_others_are_counted() -> None:
    """Every detail becomes a row, and nothing is left out silently."""
    details = tuple(row(number, passed=number % 4 > 0) for number in range(30_000))
    kept = decode_from_log(*announced(report_of(Verdict.FAILED, details=details))).details
    *rows, told = kept
    assert len(rows) == MAX_DETAILS
    assert [one for one in rows if not one.passed] == [one for one in details if not one.passed]
    assert [int(one.name.split()[1]) for one in rows] == sorted(int(one.name.split()[1]) for one in rows)
    assert (told.name, told.skipped, told.passed) == ("left out", True, True)
    assert told.message == "10000 more details are left out: 0 of what failed, 10000 of what passed"


def test_details_are_bounded_in_bytes_too() -> None:
    """Whoever writes a report decides how long its texts are."""
    details = tuple(row(number, passed=False, text="x" * 100_000) for number in range(100))
    *rows, told = decode_from_log(*announced(report_of(Verdict.FAILED, details=details))).details
    assert sum(len(one.actual) for one in rows) <= MAX_DETAIL_BYTES
    assert rows == list(details[: len(rows)])
    assert told.message.startswith(f"{100 - len(rows)} more details")


def test_a_large_report_never_takes_much_memory() -> None:
    """It is unpacked in pieces: 30 MiB of a report need no more than what is kept of it."""
    text = b"x" * 3000
    details = b",".join(b'{"kind":"row","name":"%d %s","passed":true}' % (number, text) for number in range(9_900))
    document = encode(report_of())[0][:-1] + b',"details":[' + details + b"]}"
    assert 28 * 1024 * 1024 < len(document) < MAX_DOCUMENT_BYTES
    block, reference = block_of(document)
    del details, document
    tracemalloc.start()
    try:
        report = decode_from_log(block, reference)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.details[-1].name == "left out"
    assert peak < 24 * 1024 * 1024


@given(REPORTS, st.integers(1, 40))
def test_a_report_is_the_same_however_small_the_pieces_are(report: Report, size: int) -> None:
    """A piece may end within a number, an escape, or a character of several bytes."""
    document = report.model_dump_json(exclude_defaults=True).encode()
    with patch.object(large_report_module, "_PIECE_BYTES", size):
        assert decode_from_log(*block_of(document)) == report


def test_what_is_wrong_for_good_is_told_from_what_may_still_come() -> None:
    """Only the second is worth reading again."""
    block, reference = block_of(b"[]")
    with pytest.raises(MalformedReport) as caught:
        decode_from_log(block, reference)
    assert caught.value.is_final
    with pytest.raises(MalformedReport) as caught:
        decode_from_log(block[:80], reference)
    assert not caught.value.is_final


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "null",
        "[]",
        "{}",
        "panic: runtime error",
        '{"case": "one"}',
        '{"case": "one", "attempt": 0, "verdict": "Passed", "reason": "ExpectationsMet", "durationMilliseconds": 1}',
        '{"case": "one", "attempt": 1, "verdict": "Fine", "reason": "ExpectationsMet", "durationMilliseconds": 1}',
        '{"case": "one", "attempt": 1, "verdict": "Passed", "reason": "Because", "durationMilliseconds": 1}',
        '{"case": "one", "attempt": 1, "verdict": "Passed", "reason": "ExpectationsMet", "durationMilliseconds": -1}',
        "[" * 4096,
        encode(report_of())[0].decode()[:-1],
        encode(report_of())[0].decode() + "}",
    ],
    ids=lambda message: message[:24] or "empty",
)
def test_a_termination_message_that_is_no_report_is_malformed(message: str) -> None:
    """Any program can write there; the error says what is wrong and repeats nothing of it."""
    with pytest.raises(MalformedReport) as caught:
        decode(message)
    assert len(str(caught.value)) < 1000


@given(st.text(max_size=200))
def test_any_text_is_a_report_or_malformed(text: str) -> None:
    """No text ends in another error."""
    with pytest.raises(MalformedReport):
        decode(text)


# -- executions of playbooks --------------------------------------------------------------------------------------

EXECUTION = ExecutionReport(
    id="765993903060157424",
    status="FAILED",
    inferred=True,
    page="http://noetl:8082/execution/765993903060157424",
    events={"step.exit": 3},
    last_events=(ReportedEvent(type="step.exit", status="FAILED", node="save"),),
)


def test_a_report_that_does_not_fit_still_says_which_execution_it_is_of_and_how_that_ended() -> None:
    """Whoever reads the termination message finds the execution on the server, even if the log is lost."""
    details = tuple(Detail(kind=DetailKind.ASSERTION, name="x" * 100, passed=True) for _ in range(100))
    message, block = encode(report_of(details=details, execution=EXECUTION))
    short = decode(message.decode())
    assert short.execution == EXECUTION.model_copy(update={"events": {}, "last_events": ()})
    assert short.details_in_log is not None
    assert decode_from_log(block, short.details_in_log).execution == EXECUTION


@pytest.mark.parametrize("field", ["status", "page"])
def test_an_execution_of_any_size_fits_into_the_termination_message(field: str) -> None:
    """Texts that no server has are cut, or left out where half of them is of no use."""
    odd = EXECUTION.model_copy(update={field: "http://" + "x" * 10_000})
    message, _ = encode(report_of(message="y" * 1024, execution=odd))
    assert len(message) <= MAX_TERMINATION_BYTES
    short = decode(message.decode()).execution
    assert short is not None
    assert short.id == EXECUTION.id
    assert short.page is None or field != "page"


def test_an_execution_has_a_bounded_number_of_event_types_and_last_events() -> None:
    """The first types and the last events are kept."""
    events = tuple(ReportedEvent(type=str(number)) for number in range(1000))
    execution = ExecutionReport(id="1", events={str(number): 1 for number in range(1000)}, last_events=events)
    assert list(execution.events) == [str(number) for number in range(MAX_EVENT_TYPES)]
    assert execution.last_events == events[-MAX_LAST_EVENTS:]


@pytest.mark.parametrize("number", [0, 2**53 + 1, MAX_EXECUTION_ID])
def test_no_digit_of_an_executions_id_is_lost(number: int) -> None:
    """It is a text: readers of JSON round numbers of 64 bits."""
    message, _ = encode(report_of(execution=ExecutionReport(id=str(number))))
    execution = decode(message.decode()).execution
    assert execution is not None
    assert int(execution.id) == number


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "٣", str(MAX_EXECUTION_ID + 1), "9" * 20, r"1\n"])
def test_what_no_column_could_hold_is_no_id(text: str) -> None:
    """A pod is not trusted to write numbers."""
    with pytest.raises(MalformedReport, match="execution"):
        decode(report_of().model_dump_json()[:-1] + f', "execution": {{"id": "{text}"}}}}')


@given(
    details=st.lists(
        st.builds(
            Detail,
            kind=st.just(DetailKind.TEST),
            name=st.text(max_size=600),
            passed=st.booleans(),
            message=st.text(max_size=3000),
        ),
        max_size=60,
    ),
    message=st.text(max_size=1024),
)
def test_the_first_failures_that_a_message_has_besides_fit_into_it(details: list[Detail], message: str) -> None:
    """Whatever their texts are: 4096 bytes are what a kubelet takes, and what is cut cannot be read."""
    report = report_of(details=tuple(details), message=message)
    short, block = encode(report, with_first_failures=True)
    assert len(short) <= MAX_TERMINATION_BYTES
    if block:
        failed = [detail.name for detail in details if not detail.passed]
        told = [detail.name for detail in decode(short.decode()).details]
        assert told == failed[: len(told)]
