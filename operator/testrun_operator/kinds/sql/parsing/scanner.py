"""Cuts a file into titles, fenced blocks and lines of text. Comments are gone afterwards, and so are blank lines.

Line by line, since the format is one of lines. Code fences are looked at first: what stands in one is neither a title
nor a comment. Where Markdown would let something vanish or turn it into something that its author cannot have meant, a
``Fault`` says so. Each line is looked at a fixed number of times, however strange it is.
"""

import re
from dataclasses import dataclass

from testrun_operator.kinds.sql.parsing.texts import COMMENT_END, COMMENT_START, excerpt, without_comments
from testrun_operator.kinds.sql.parsing.titles import read_title

_FENCE = "```"
_SHORTEST_FENCE = 3
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_FIRST_WORD_OF_SQL = re.compile(
    r"(alter|analyze|begin|call|comment|commit|copy|create|declare|delete|do|drop|exec|execute|explain|fetch|grant"
    r"|insert|lock|merge|notify|perform|raise|refresh|replace|revoke|rollback|savepoint|select|set|show|start|truncate"
    r"|update|use|values|with)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Title:
    """A line that begins with ``#``."""

    line: int
    level: int
    """How many ``#``."""
    text: str
    """What stands behind them, without comments."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    line: int
    """Of its opening fence."""
    first_line: int
    """Of its content; below the fence, if it has one there."""
    last_line: int
    """Of its closing fence."""
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Any other line."""

    line: int
    text: str
    """Without the blanks around it; with the comments in it, for in a table they are data."""
    after_blank: bool
    """Whether a blank line stands above it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot be read as it is written."""

    line: int
    message: str


Element = Title | Block | Text | Fault


@dataclass(frozen=True, slots=True)
class Scanned:
    """A file, cut into its elements."""

    elements: tuple[Element, ...]
    """In the order of their lines."""
    lines: int
    """How many lines the file has; 1 for an empty one."""


def scan(text: str) -> Scanned:
    """Cut a file into its elements. Line ends are those of Unix, Windows and old Macs.

    Args:
        text: any text; a byte order mark at its beginning is left out.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    faults: list[Element] = []
    if not _is_clean(text):
        for number, line in enumerate(lines, 1):
            if found := _NO_TEXT.search(line):
                faults.append(Fault(number, f"U+{ord(found[0]):04X} is no character that a database takes: remove it"))
                lines[number - 1] = _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", line)
    elements = _Scanner(lines).scan()
    if faults:
        elements = sorted([*elements, *faults], key=lambda element: element.line)
    return Scanned(tuple(elements), max(1, len(lines) - (not lines[-1])))


def _is_clean(text: str) -> bool:
    """Return whether each character of a text has a form in UTF-8, and none is the one that ends texts in C."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


class _Scanner:
    """Reads lines one after the other.

    Args:
        lines: all lines of the file.
    """

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._read = 0  # how many lines are read, which is the number of the current one, too
        self._after_blank = False
        self._elements: list[Element] = []

    def scan(self) -> list[Element]:
        """Return the elements of all lines."""
        while self._read < len(self._lines):
            line = self._lines[self._read]
            self._read += 1
            self._take(line.strip(), line)
        return self._elements

    def _take(self, text: str, line: str) -> None:
        if not text:
            self._after_blank = True
            return
        if text.startswith(COMMENT_START):
            # What stands behind a comment is read like a line of its own. The line itself is not blank.
            text = self._skip_comments(text)
            if not text:
                return
        if text[0] == "#":
            self._take_title(text)
        elif text[0] in "`~" and self._take_fence(text, line):
            pass
        elif _FENCE in text and text[0] != "|":
            self._take_text_with_fence(text)
        else:
            self._elements.append(Text(self._read, text, self._after_blank))
        self._after_blank = False

    def _fault(self, message: str, line: int | None = None) -> None:
        self._elements.append(Fault(line or self._read, message))

    def _skip_comments(self, text: str) -> str:
        """Go behind the comments at the beginning of a text, over lines where they have more than one."""
        first_line, position = self._read, 0
        while text.startswith(COMMENT_START, position):
            end = text.find(COMMENT_END, position + 2)
            while end < 0:
                if self._read == len(self._lines):
                    self._fault("this comment is never closed: write '-->' where it ends", first_line)
                    return ""
                text = self._lines[self._read]
                self._read += 1
                end = text.find(COMMENT_END)
            position = end + len(COMMENT_END)
            while position < len(text) and text[position].isspace():
                position += 1
            first_line = self._read
        return text[position:].rstrip()

    def _take_title(self, text: str) -> None:
        rest = text.lstrip("#")
        hashes = text[: len(text) - len(rest)]
        if rest and not rest[0].isspace():
            if read_title(rest).keyword is None:
                # '#42 is closed' is text, in Markdown, too.
                self._elements.append(Text(self._read, text, self._after_blank))
                return
            self._elements.append(Title(self._read, len(hashes), rest))
            self._fault(f"{excerpt(text)} is no title in Markdown: write a blank behind '{hashes}'")
            return
        title, is_open = without_comments(rest.strip())
        without_closing = title.rstrip("#")
        if not without_closing or without_closing[-1].isspace():
            title = without_closing.rstrip()
        self._elements.append(Title(self._read, len(hashes), title))
        if is_open:
            self._fault("a comment of several lines must begin a line of its own")

    def _take_fence(self, text: str, line: str) -> bool:
        """Take a block whose opening fence is this line; return whether it is one."""
        mark = text[0]
        length = len(text) - len(text.lstrip(mark))
        if length < _SHORTEST_FENCE:
            return False
        fence, language = mark * length, text[length:].strip()
        if mark == "`" and fence in language:
            return self._take_inline("", fence, language)
        if not _may_name_language(language):
            self._fault(
                f"{excerpt(language)} stands behind the fence, where editors expect the name of a language:"
                " begin the SQL on the next line"
            )
        self._take_block(fence, line[: len(line) - len(line.lstrip())])
        return True

    def _take_inline(self, before: str, fence: str, after: str) -> bool:
        """Take a block that stands on one line, as in ```` ```SELECT 1;``` ````; return whether it is one."""
        content = after.removesuffix(fence)
        if content == after or fence in content:
            return False
        if before:
            self._elements.append(Text(self._read, before, self._after_blank))
        self._elements.append(Block(self._read, self._read, self._read, content))
        return True

    def _take_text_with_fence(self, text: str) -> None:
        start = text.index(_FENCE)
        after = text[start:].lstrip("`")
        fence = "`" * (len(text) - start - len(after))
        if self._take_inline(text[:start].rstrip(), fence, after):
            return
        self._elements.append(Text(self._read, text, self._after_blank))
        if fence not in after:
            self._fault(f"the fence '{_FENCE}' must begin a line of its own")

    def _take_block(self, fence: str, indentation: str) -> None:
        """Take the content of a block, up to its closing fence."""
        opening, content = self._read, list[str]()
        is_closed = is_suspicious = False
        while self._read < len(self._lines):
            line = self._lines[self._read]
            self._read += 1
            if fence in line:
                text = line.strip()
                if text.startswith(fence):
                    if not text.strip(fence[0]):
                        is_closed = True
                        break
                    if not is_suspicious:
                        self._fault(
                            f"a fence begins here, but the block of line {opening} is still open:"
                            f" write '{fence}' on a line of its own where that one ends"
                        )
                    is_suspicious = True
                elif fence[0] == "`" and text.endswith(fence):
                    self._fault(f"the closing fence '{fence}' must stand on a line of its own")
                    content.append(text.removesuffix(fence))
                    is_closed = True
                    break
            content.append(_outdent(line, len(indentation)) if indentation else line)
        if not is_closed:
            self._fault(f"this block is never closed: write '{fence}' on a line of its own below it", opening)
        first_line = opening + 1 if content else opening
        self._elements.append(Block(opening, first_line, self._read, "\n".join(content)))


def _outdent(line: str, most: int) -> str:
    """Take the indentation of a block's fence away from a line of its content, as Markdown does."""
    blanks = len(line) - len(line.lstrip())
    return line[min(blanks, most) :]


def _may_name_language(text: str) -> bool:
    """Return whether what stands behind a fence is for an editor, and no SQL."""
    return _FIRST_WORD_OF_SQL.match(text) is None and ";" not in text and "(" not in text
