"""A test case file as it was written, with every test, row, assertion and expected result marked by how it ended."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from testrun_operator.kinds.sql.document import TestCase
from testrun_operator.kinds.sql.outcome import Mark, TestCaseOutcome, TestOutcome
from testrun_operator.kinds.sql.reports import markup
from testrun_operator.kinds.sql.reports.blocks import Block, Shape, clean, make_parser, read_blocks
from testrun_operator.kinds.sql.reports.excerpts import Texts
from testrun_operator.kinds.sql.reports.parts import Part
from testrun_operator.kinds.sql.reports.summary import format_time

_DEMOTED = 2
"""The page's own titles are h1 and h2, so those of the files begin with h3."""
_DEEPEST = 6


class CaseRenderer:
    """Renders test case files.

    Args:
        texts: the files of the project.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._parser = make_parser()
        _add_rules(self._parser)

    def render(self, document: TestCase, outcome: TestCaseOutcome) -> str:
        """Render a file.

        Args:
            document: the parsed file, which says where its tests begin.
            outcome: how it ended.
        """
        blocks = read_blocks(self._parser, clean(self._texts.whole(outcome.file) or ""))
        starts = [block.first_line for block in blocks]
        tests = {test.place.line: test for test in outcome.tests}
        lines = sorted({test.place.line for test in document.tests} | set(tests))
        borders = [*(bisect_right(starts, line - 1) for line in lines), len(blocks)]
        html = [self._render_head(outcome, blocks[: borders[0]])]
        for line, first, after in zip(lines, borders, borders[1:], strict=False):
            part = blocks[first:after]
            if line in tests:
                html.append(self._render_test(tests[line], part, outcome.file))
            else:
                # A file that could not be run as a whole has no outcomes of its tests.
                html.append(self._render_other(part, "not selected" if tests else Mark.NOT_RUN))
        return "".join(html)

    def _render_head(self, outcome: TestCaseOutcome, blocks: Sequence[Block]) -> str:
        part = Part(blocks)
        for problem in outcome.problems:
            note = markup.render_problem(problem.place, problem.message, self._texts, outcome.file)
            if problem.place.file == outcome.file:
                part.add(problem.place.line, Mark.FAILED, note)
            else:
                part.notes_elsewhere.append(note)
        notes = [markup.render_note([note]) for note in part.notes_elsewhere]
        if outcome.message:
            notes.append(markup.render_note([markup.render_message(outcome.message)], mark=outcome.mark))
        return "".join([*notes, *self._render_blocks(part)])

    def _render_other(self, blocks: Sequence[Block], why: str) -> str:
        body = "".join(self._render_blocks(Part(blocks)))
        return f'<article class="test other"><p class="aside">{why}</p>{body}</article>\n'

    def _render_test(self, outcome: TestOutcome, blocks: Sequence[Block], file: str) -> str:
        part = Part(blocks)
        for step in outcome.steps:
            note = "" if step.passed else markup.render_step(step, self._texts, file)
            if step.place.file == file:
                part.add(step.place.line, Mark.PASSED if step.passed else Mark.FAILED, note)
            elif note:
                part.notes_elsewhere.append(note)
        notes = [markup.render_note([note]) for note in part.notes_elsewhere]
        if outcome.message and (outcome.mark is not Mark.FAILED or not any(outcome.failures())):
            notes.append(markup.render_note([markup.render_message(outcome.message)], mark=outcome.mark))
        rendered = list(self._render_blocks(part))
        # The title first, then what concerns the test as a whole, then the rest of it.
        rendered[1:1] = notes
        time = f' <span class="time">{format_time(outcome.seconds)}</span>' if outcome.seconds else ""
        head = f'<p class="aside">{markup.sign(outcome.mark)} {outcome.mark}{time}</p>'
        return f'<article class="test {markup.name_class(outcome.mark)}">{head}{"".join(rendered)}</article>\n'

    def _render_blocks(self, part: Part) -> Iterator[str]:
        for number, block in enumerate(part.blocks):
            html = self._render_block(block, part.mark_of(number), part)
            notes = part.notes_below(number)
            yield html + (markup.render_note(notes) if notes else "")

    def _render_block(self, block: Block, mark: Mark | None, part: Part) -> str:
        if block.shape is Shape.CODE:
            return _render_code(block, mark, part.failed_lines)
        if block.shape is Shape.HEADING:
            return _render_title(block, mark)
        tokens = _mark_rows(block.tokens, part) if block.shape is Shape.TABLE else block.tokens
        html = str(self._parser.renderer.render(tokens, self._parser.options, {}))
        return f'<div class="block {markup.name_class(mark)}">{html}</div>\n' if mark is Mark.FAILED else html


def _render_title(block: Block, mark: Mark | None) -> str:
    tag = f"h{min(block.level + _DEMOTED, _DEEPEST)}"
    title = markup.text(block.tokens[1].content)
    return f"<{tag}{_class_of(mark)}>{markup.sign(mark) + ' ' if mark else ''}{title}</{tag}>\n"


def _render_code(block: Block, mark: Mark | None, failed_lines: set[int]) -> str:
    token = block.tokens[0]
    kind = f" {markup.name_class(mark)}" if mark else ""
    first = block.first_line + (1 if token.type == "fence" else 0)
    lines = []
    for number, line in enumerate(token.content.removesuffix("\n").split("\n"), first):
        shown = markup.text(line)
        lines.append(f"<mark>{shown}</mark>" if number in failed_lines else shown)
    before = f'<span class="corner">{markup.sign(mark)}</span>' if mark else ""
    return f'<pre class="code{kind}">{before}<code>{chr(10).join(lines)}</code></pre>\n'


def _mark_rows(tokens: Sequence[Token], part: Part) -> Sequence[Token]:
    """Give every row of a table a sign in a first cell, its colour, and its notes in a row below it."""
    lines = [token.map[0] + 1 for token in tokens if token.type == "tr_open" and token.map]
    if not any(part.mark_of_row(line) for line in lines):
        return tokens
    columns = sum(token.type == "th_open" for token in tokens) + 1
    marked: list[Token] = []
    line = 0
    for token in tokens:
        if token.type == "tr_open" and token.map:
            line = token.map[0] + 1
            mark = part.mark_of_row(line)
            cell = f"<td>{markup.sign(mark) if mark else ''}</td>\n"
            marked.append(_raw(f"<tr{_class_of(mark)}>\n{cell if line != lines[0] else _HEADER_CELL}"))
            continue
        marked.append(token)
        notes = part.notes_below_row(line)
        if token.type == "tr_close" and notes:
            note = markup.render_note(notes)
            marked.append(_raw(f'<tr class="notes"><td colspan="{columns}">{note}</td></tr>\n'))
    return marked


_HEADER_CELL = '<th><span class="hidden">outcome</span></th>\n'


def _class_of(mark: Mark | None) -> str:
    return f' class="{markup.name_class(mark)}"' if mark else ""


def _raw(html: str) -> Token:
    return Token("markup", "", 0, content=html)


def _add_rules(parser: MarkdownIt) -> None:
    rules = parser.renderer.rules  # type: ignore[attr-defined]
    rules["markup"] = lambda tokens, index, *_: tokens[index].content
    rules["comment"] = lambda tokens, index, *_: f'<pre class="comment">{markup.text(tokens[index].content)}</pre>\n'
    rules["link_open"] = _open_link


def _open_link(tokens: Sequence[Token], index: int, *_: object) -> str:
    return f'<a rel="noopener noreferrer nofollow" href="{markup.text(str(tokens[index].attrs.get("href", "")))}">'
