"""Texts that go from a file into names and messages."""

_CONTROL_CHARACTERS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\N{REPLACEMENT CHARACTER}")
_MOST_CHARACTERS = 60

COMMENT_START = "<!--"
COMMENT_END = "-->"


def fold(text: str) -> str:
    """Return a text on one line, with single blanks, and nothing in it that would move a terminal's cursor."""
    return " ".join(text.split()).translate(_CONTROL_CHARACTERS)


def excerpt(text: str) -> str:
    """Return the beginning of a text in single quotes, for messages."""
    folded = fold(text[: 4 * _MOST_CHARACTERS])
    if len(folded) > _MOST_CHARACTERS or len(text) > 4 * _MOST_CHARACTERS:
        folded = folded[: _MOST_CHARACTERS - 1] + "…"
    return f"'{folded}'"


def without_comments(line: str) -> tuple[str, bool]:
    """Leave the comments out of a line of text.

    Returns:
        The rest, and whether a comment begins that does not end on this line; that one is not left out.
    """
    if COMMENT_START not in line:
        return line, False
    kept = []
    position = 0
    while (start := line.find(COMMENT_START, position)) >= 0:
        end = line.find(COMMENT_END, start + 2)
        if end < 0:
            kept.append(line[position:])
            return "".join(kept).strip(), True
        kept.append(line[position:start])
        position = end + len(COMMENT_END)
    kept.append(line[position:])
    return "".join(kept).strip(), False


def is_comment(text: str) -> bool:
    """Return whether a text is nothing but comments, at least one."""
    return text.startswith(COMMENT_START) and without_comments(text) == ("", False)
