"""Reading JUnit XML as test tools really write it, from somebody who is not trusted.

There is no standard, only what Ant wrote once and what everybody made of it: ``testsuites`` or ``testsuite`` at the
root, suites in suites (PHPUnit), reruns (Surefire, nextest), messages in an attribute (pytest), in the text (mocha) or
in both (JUnit), times with commas. What is not known is passed over. A document is read as a stream, no text of it is
kept that is not needed, and one that declares a document type is refused: entities are declared there
(https://docs.python.org/3/library/xml.html#xml-security), and no tool needs any.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO
from xml.parsers import expat

from testrun_operator.errors import LocalError

MAX_TEXT = 2000
"""Characters of a message or a text that are kept."""
_MAX_NAME = 500
_MAX_DEPTH = 64
_MAX_MILLISECONDS = 2**31 - 1
_PIECE_BYTES = 64 * 1024
_ROOTS = frozenset({"testsuites", "testsuite", "testcase"})
_FAILURES = frozenset({"failure", "error"})
_EARLIER = frozenset({"flakyFailure", "flakyError", "rerunFailure", "rerunError"})
"""Of Surefire: attempts before the one that counts."""
_OUTPUTS = frozenset({"system-out", "system-err"})
_NOT_RUN = frozenset({"notrun", "disabled", "skipped", "ignored"})
"""In the attribute ``status`` of GoogleTest and others, which write no element for it."""
_CONTROL = {code: ord("?") for code in range(32) if code not in (9, 10, 13)}
_WITHOUT_CONTROL = bytes(_CONTROL.get(code, code) for code in range(256))
"""XML knows no control characters; the colours of a terminal in a message make a whole file unreadable otherwise."""


class Result(StrEnum):
    """What became of a test."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test of a file."""

    __test__ = False  # pytest takes every class for a test whose name begins so

    name: str
    """With its class, where the name does not have it already."""
    result: Result
    message: str = ""
    location: str = ""
    """File and line, where the tool says them."""
    milliseconds: int | None = None


class UnreadableDocument(LocalError):
    """A file that is no JUnit XML, or not from there on; what stands before was read. Says why."""


@dataclass(slots=True)
class _Said:
    """A failure, an error or a reason for skipping."""

    element: str
    message: str
    kind: str
    text: list[str] = field(default_factory=list)
    length: int = 0

    def add(self, text: str) -> None:
        if self.length < MAX_TEXT:
            self.text.append(text[: MAX_TEXT - self.length])
            self.length += len(self.text[-1])

    def __str__(self) -> str:
        text = "".join(self.text).strip()
        message = self.message.strip()
        if not message or text.startswith(message):
            return _cut(text or self.kind)
        return _cut(f"{message}\n{text}" if text else message)


@dataclass(slots=True)
class _Test:
    """A test that is being read, or a suite that failed as such."""

    name: str
    location: str
    milliseconds: int | None
    skipped: bool
    said: list[_Said] = field(default_factory=list)

    def finish(self) -> TestResult:
        failures = [said for said in self.said if said.element in _FAILURES]
        skips = [said for said in self.said if said.element == "skipped"]
        earlier = [said for said in self.said if said.element in _EARLIER]
        if failures:
            result, message = Result.FAILED, "\n".join(filter(None, map(str, failures)))
        elif skips or self.skipped:
            result, message = Result.SKIPPED, "\n".join(filter(None, map(str, skips)))
        else:
            result, message = Result.PASSED, f"passed after {_attempts(earlier)}" if earlier else ""
        return TestResult(self.name, result, _cut(message), self.location, self.milliseconds)


def _attempts(earlier: list[_Said]) -> str:
    count = f"{len(earlier)} failed attempts" if len(earlier) > 1 else "a failed attempt"
    first = str(earlier[0])
    return f"{count}: {first}" if first else count


def read_document(stream: BinaryIO, limit: int, take: Callable[[TestResult], None]) -> int:
    """Read a document.

    Args:
        stream: the file.
        limit: the most bytes of it that are read.
        take: called with each test.

    Returns:
        How many bytes were read.

    Raises:
        UnreadableDocument: the file is no JUnit XML, cut, or too long. The tests before were taken.
    """
    if limit <= 0 and stream.read(1):
        raise UnreadableDocument("was not read: the files before it are as large as is read together")
    reader, size = _Reader(take), 0
    while piece := stream.read(min(_PIECE_BYTES, limit - size)):
        size += len(piece)
        reader.feed(piece)
    if size >= limit and stream.read(1):
        raise UnreadableDocument(f"is too large: what comes after {limit} bytes was not read")
    reader.end()
    return size


class _Reader:
    def __init__(self, take: Callable[[TestResult], None]) -> None:
        self._take = take
        self._open: list[str] = []
        self._suites: list[str] = []
        self._tests: list[_Test] = []
        self._said: _Said | None = None
        self._said_at = 0
        self._has_begun = False
        self._is_wide = False
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser = parser

    def feed(self, piece: bytes) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._is_wide = piece.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in piece[:4]
        self._parse(piece if self._is_wide else piece.translate(_WITHOUT_CONTROL), is_final=False)

    def end(self) -> None:
        if not self._has_begun:
            raise UnreadableDocument("is empty")
        self._parse(b"", is_final=True)

    def _parse(self, piece: bytes, *, is_final: bool) -> None:
        try:
            self._parser.Parse(piece, is_final)
        except expat.ExpatError as error:
            said = expat.ErrorString(error.code) or "no XML"
            raise UnreadableDocument(f"is no XML at line {error.lineno}, column {error.offset}: {said}") from None
        except (LookupError, ValueError) as error:  # an encoding that nobody knows
            raise UnreadableDocument(f"cannot be decoded: {error}") from None

    @staticmethod
    def _refuse_doctype(name: str, system_id: str | None, public_id: str | None, has_subset: int) -> None:
        del name, system_id, public_id, has_subset
        raise UnreadableDocument("declares a document type, which JUnit XML does not have, and was not read")

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        name = qualified.rpartition(":")[2]
        if not self._open and name not in _ROOTS:
            raise UnreadableDocument(f"is no JUnit XML: its root element is {_cut(name, 40)!r}")
        if len(self._open) >= _MAX_DEPTH:
            raise UnreadableDocument(f"has elements more than {_MAX_DEPTH} deep")
        self._open.append(name)
        if self._said is not None:
            return  # what is in a failure is its text
        if name == "testsuite":
            self._suites.append(attributes.get("name", ""))
        elif name == "testcase":
            self._tests.append(_begin(attributes))
        elif name in _FAILURES or name in _EARLIER or name == "skipped":
            self._said_at = len(self._open)
            self._said = _Said(name, attributes.get("message", "")[:MAX_TEXT], attributes.get("type", "")[:_MAX_NAME])

    def _end(self, qualified: str) -> None:
        name = qualified.rpartition(":")[2]
        self._open.pop()
        if self._said is not None:
            if len(self._open) < self._said_at:
                self._conclude(self._said)
        elif name == "testsuite":
            self._suites.pop()
        elif name == "testcase":
            self._take(self._tests.pop().finish())

    def _conclude(self, said: _Said) -> None:
        self._said = None
        if self._tests:
            self._tests[-1].said.append(said)
        elif said.element in _FAILURES:  # of a suite that could not be set up
            name = _cut(next(filter(None, reversed(self._suites)), "") or "suite", _MAX_NAME)
            self._take(TestResult(name, Result.FAILED, str(said)))

    def _text(self, text: str) -> None:
        if self._said is not None and not _OUTPUTS.intersection(self._open):
            self._said.add(text)


def _begin(attributes: dict[str, str]) -> _Test:
    name = attributes.get("name", "").strip()
    class_name = (attributes.get("classname") or attributes.get("class") or "").strip()
    # jest and mocha repeat the name, or its end, as the class.
    is_repeated = not class_name or name.startswith(class_name) or name.endswith(class_name)
    full = (name if is_repeated and name else f"{class_name}.{name}" if name else class_name) or "test without a name"
    file, line = attributes.get("file", "").strip(), attributes.get("line", "").strip()
    return _Test(
        name=_cut(full, _MAX_NAME),
        location=_cut(f"{file}:{line}" if file and line.isdecimal() else file, _MAX_NAME),
        milliseconds=read_seconds(attributes.get("time", "")),
        skipped=attributes.get("status", "").lower() in _NOT_RUN,
    )


def read_seconds(text: str) -> int | None:
    """Read a time in seconds, in milliseconds; None if it is none.

    A comma parts thousands where there is a point behind it or another comma, and is the decimal comma of a locale
    otherwise: ``1,234.5``, ``0,25``.
    """
    plain = text.strip()
    if "." in plain or plain.count(",") > 1:
        plain = plain.replace(",", "")
    try:
        seconds = float(plain.replace(",", "."))
    except ValueError:
        return None
    if not 0 <= seconds <= _MAX_MILLISECONDS / 1000:  # also where it is no number
        return None
    return round(seconds * 1000)


def _cut(text: str, limit: int = MAX_TEXT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
