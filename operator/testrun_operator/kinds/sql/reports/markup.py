"""The pieces of the page: text, signs, messages, excerpts. Whatever comes from files or databases goes through here."""

from collections.abc import Iterable
from html import escape

from testrun_operator.kinds.sql.document import Place
from testrun_operator.kinds.sql.outcome import Mark, Step, StepKind
from testrun_operator.kinds.sql.reports.blocks import clean
from testrun_operator.kinds.sql.reports.excerpts import Line, Texts
from testrun_operator.kinds.sql.reports.summary import has_values_to_show

_SIGNS = {
    # The second character keeps browsers from showing a coloured picture instead.
    Mark.PASSED: "✔\ufe0e",
    Mark.FAILED: "✘\ufe0e",
    Mark.SKIPPED: "○",
    Mark.NOT_RUN: "?",
}
_AROUND = 2
"""Lines of a script before and after the one at which it failed."""


def text(value: str) -> str:
    """Make text of a text: for elements and for attributes in double quotes."""
    return escape(clean(value))


def name_class(mark: Mark) -> str:
    """Give the class of a mark in the style sheet."""
    return mark.replace(" ", "-")


def sign(mark: Mark) -> str:
    """Render a mark as a sign, and in words for who cannot see it."""
    return f'<span class="sign" role="img" aria-label="{mark}">{_SIGNS[mark]}</span>'


def render_note(lines: Iterable[str], *, mark: Mark = Mark.FAILED) -> str:
    """Put rendered pieces into a note, which stands below what it is about."""
    return f'<div class="note {name_class(mark)}">{"".join(lines)}</div>'


def render_message(message: str) -> str:
    """Render what somebody said, line by line as it was said."""
    return f'<pre class="message">{text(message.strip(chr(10)))}</pre>' if message.strip() else ""


def render_place(place: Place, what: str = "") -> str:
    """Render where it happened, and what it was."""
    return f'<p class="place"><span>{text(str(place))}</span> {text(what)}</p>'


def render_step(step: Step, texts: Texts, file: str) -> str:
    """Render a step that failed.

    Args:
        step: the step.
        texts: the project's files.
        file: the file below whose line the note will stand.
    """
    pieces = [render_place(step.place, step.name), render_message(step.message)]
    if has_values_to_show(step):
        pieces.append(
            f'<dl class="values"><dt>expected</dt><dd><pre>{text(step.expected)}</pre></dd>'
            f"<dt>received</dt><dd><pre>{text(step.actual)}</pre></dd></dl>"
        )
    # A line of this file stands right above, but Markdown does not show all that is wrong with it.
    if step.kind is StepKind.FORM or step.place.file != file:
        pieces.append(render_excerpt(texts, step.place, file))
    return "".join(pieces)


def render_problem(place: Place, message: str, texts: Texts, file: str) -> str:
    """Render what is wrong at a place, with its line."""
    return render_place(place) + render_message(message) + render_excerpt(texts, place, file)


def render_excerpt(texts: Texts, place: Place, file: str = "") -> str:
    """Render the line of a place, with some around it if it is in another file than the one given."""
    lines = texts.around(place, 0 if place.file == file else _AROUND)
    if not any(line.text.strip() for line in lines):
        return ""
    return f'<pre class="excerpt">{"".join(_render_line(line) for line in lines)}</pre>'


def _render_line(line: Line) -> str:
    number = f'<span class="number">{line.number:>5}</span>  {text(line.text)}\n'
    return f"<mark>{number}</mark>" if line.is_meant else number
