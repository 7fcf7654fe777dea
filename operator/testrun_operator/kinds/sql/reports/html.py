"""One self-contained page of HTML: the verdict, and below it every test case file as it was written, marked.

Test case files and databases are not trusted: everything they say becomes text, and the page forbids scripts, pictures
and everything else that is not its own style sheet.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256

from testrun_operator import __version__
from testrun_operator.kinds.sql.document import Problem
from testrun_operator.kinds.sql.outcome import Mark, ProjectOutcome, Stopped, TestCaseOutcome
from testrun_operator.kinds.sql.parsing.parser import parse_test_case
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.kinds.sql.reports import markup
from testrun_operator.kinds.sql.reports.excerpts import Texts
from testrun_operator.kinds.sql.reports.rendering import CaseRenderer
from testrun_operator.kinds.sql.reports.style import STYLE
from testrun_operator.kinds.sql.reports.summary import (
    could_not_run,
    count_marks,
    describe_counts,
    describe_verdict,
    format_time,
)

_POLICY = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"


def render_page(
    project: Project, outcome: ProjectOutcome, *, database: str = "", started: datetime | None = None
) -> str:
    """Render an outcome as a page.

    Args:
        project: what was executed; its files are shown.
        outcome: how it ended.
        database: the label of the database.
        started: when the execution began; now, if not given.
    """
    return "".join(_pieces(project, outcome, database, started or datetime.now(UTC)))


def _pieces(project: Project, outcome: ProjectOutcome, database: str, started: datetime) -> Iterator[str]:
    texts = Texts(project)
    verdict = describe_verdict(outcome)
    title = markup.text(f"{verdict}: {project.name}")
    yield f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f'<meta name="referrer" content="no-referrer">\n<style>{STYLE}</style>\n</head>\n<body>\n'
    yield from _head(project, outcome, database, started)
    yield from _whole(project, outcome, texts)
    if outcome.cases:
        yield '<input type="checkbox" id="only-failures"><label for="only-failures">only failures</label>\n'
        yield from _overview(outcome.cases)
        yield from _cases(outcome.cases, texts)
    yield f"<footer>testrun-operator {markup.text(__version__)}</footer>\n</body>\n</html>\n"


def _head(project: Project, outcome: ProjectOutcome, database: str, started: datetime) -> Iterator[str]:
    mark = Mark.NOT_RUN if could_not_run(outcome) else (Mark.PASSED if outcome.passed else Mark.FAILED)
    yield f"<header>\n<h1>{markup.text(project.name)}</h1>\n"
    yield f'<p class="verdict {markup.name_class(mark)}">{markup.sign(mark)} {describe_verdict(outcome)}: '
    yield f"{describe_counts(outcome.counts)}</p>\n"
    facts = [
        ("Tests", str(outcome.counts.total)),
        ("Took", format_time(outcome.seconds)),
        ("Started", started.strftime("%Y-%m-%d %H:%M:%S %Z").strip()),
        ("Database", database),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{markup.text(value)}</dd>\n" for name, value in facts if value)
    yield f'<dl class="facts">\n{rows}</dl>\n</header>\n'


def _whole(project: Project, outcome: ProjectOutcome, texts: Texts) -> Iterator[str]:
    """Render what concerns the project as a whole."""
    if outcome.stopped is not None:
        yield _stopped(outcome.stopped, texts)
    if outcome.problems:
        yield _problems(outcome.problems, texts)
    if project.notices:
        lines = "".join(f"<p>{markup.text(notice)}</p>" for notice in project.notices)
        yield markup.render_note([lines], mark=Mark.NOT_RUN) + "\n"


def _stopped(stopped: Stopped, texts: Texts) -> str:
    pieces = [f"<p><strong>Ended before the last test: {markup.text(stopped.why)}.</strong></p>"]
    if stopped.place is not None:
        pieces.append(markup.render_place(stopped.place))
    pieces.append(markup.render_message(stopped.message))
    if stopped.place is not None:
        pieces.append(markup.render_excerpt(texts, stopped.place))
    return markup.render_note(pieces) + "\n"


def _problems(problems: Iterable[Problem], texts: Texts) -> str:
    return markup.render_note(markup.render_problem(p.place, p.message, texts, p.place.file) for p in problems) + "\n"


def _overview(cases: Iterable[TestCaseOutcome]) -> Iterator[str]:
    yield '<table class="overview">\n<thead><tr><th class="mark"><span class="hidden">outcome</span></th>'
    yield '<th>test case file</th><th class="result">tests</th><th class="took">took</th></tr></thead>\n<tbody>\n'
    for number, case in enumerate(cases, 1):
        yield f'<tr class="{markup.name_class(case.mark)}"><td class="mark">{markup.sign(case.mark)}</td>'
        yield f'<td><a href="#case-{number}">{markup.text(case.file)}</a>'
        yield f'<span class="name">{markup.text(case.name)}</span></td>'
        yield f'<td class="result">{_result(case)}</td><td class="took">{format_time(case.seconds)}</td></tr>\n'
    yield "</tbody>\n</table>\n"


def _cases(cases: Iterable[TestCaseOutcome], texts: Texts) -> Iterator[str]:
    renderer = CaseRenderer(texts)
    for number, case in enumerate(cases, 1):
        document = parse_test_case(texts.whole(case.file) or "", case.file)
        yield f'<section class="case {markup.name_class(case.mark)}" id="case-{number}">\n'
        yield f'<h2 class="{markup.name_class(case.mark)}">{markup.sign(case.mark)} '
        yield f'<span class="path">{markup.text(case.file)}</span> <span class="result">{_result(case)}</span></h2>\n'
        yield f'<div class="written">{renderer.render(document, case)}</div>\n</section>\n'


def _result(case: TestCaseOutcome) -> str:
    if not case.tests:
        return case.mark
    result = describe_counts(count_marks([test.mark for test in case.tests]))
    return f"{result}; test case failed" if case.problems else result
