"""The page: test case files as they were written, marked by how they ended."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kinds.sql.reports.outcomes import FILE, case, failed, outcomes, passed, row

from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.outcome import (
    Mark,
    ProjectOutcome,
    Step,
    StepKind,
    Stop,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)
from testrun_operator.kinds.sql.project.model import File, Project
from testrun_operator.kinds.sql.reports.html import render_page

TEXT = """\
# TEST CASE DIVIDE
Division of two numbers.

## BEFORE ALL
- Two *accounts*

## TEST
It divides.

### DATA
| A        | B | C$       |
| -------: | - | -------- |
| 58       | 2 | 29       |
| __NULL__ | 2 | __NULL__ |

### ASSERTION
Nothing is *left*.

```sql
SELECT 1;
SELECT 2;
```

## TEST
It rounds.

### DATA
| A  | B | C$ |
| -- | - | -- |
| 5  | 2 | 3  |
"""
FIRST, SECOND = 7, 24
ROWS = (13, 14)
ASSERTION, CODE = 16, 20
VOID = {"meta", "input", "br", "hr"}
WORDS = (
    "html head title style body header main footer section article h1 h2 h3 h4 h5 h6 p a span label dl dt dd pre code "
    "mark em strong ul ol li blockquote table thead tbody tr th td div"
)
ALLOWED = VOID | set(re.findall(r"\w+", WORDS))


class Page(HTMLParser):
    """A page, read again: every element, its attributes and its text; fails where they are not nested."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Note an element."""
        values = {name: value or "" for name, value in attrs}
        self.elements.append((tag, values))
        if tag not in VOID:
            self._open.append((tag, values.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        """Check that the element that ends is the one that began last."""
        if tag not in VOID:
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        """Note a text and the classes around it."""
        if data.strip():
            self.texts.append((tuple(f"{tag}.{kind}" for tag, kind in self._open), data))

    @property
    def text(self) -> str:
        """All that is read, without the style sheet."""
        return " ".join(text for around, text in self.texts if not around[-1].startswith("style"))


def project(text: str = TEXT, *others: File) -> Project:
    """Make a project of one file."""
    return Project("ledger", (File(FILE, text), *others))


def outcome_of(*tests: TestOutcome) -> ProjectOutcome:
    """Make the outcome of a project of one file."""
    return ProjectOutcome((case(*tests),), seconds=4.2)


def render(text: str, outcome: ProjectOutcome) -> str:
    """Render a page, and check that it is one."""
    page = render_page(project(text), outcome)
    check(page)
    return page


def check(page: str) -> None:
    """Check that a page has nothing but what this project puts on it."""
    for tag, attributes in Page(page).elements:
        assert tag in ALLOWED
        names = set(attributes)
        assert names <= {
            "class",
            "id",
            "href",
            "rel",
            "role",
            "aria-label",
            "type",
            "for",
            "colspan",
            "lang",
            "start",
        } | ({"charset", "name", "content", "http-equiv"} if tag == "meta" else set())
        assert re.match(r"https?://|mailto:|#case-\d+$", attributes.get("href", "#case-1"), re.IGNORECASE)


def block(html: str, pattern: str) -> str:
    """Find a part of the page."""
    found = re.findall(pattern, html, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_head_has_verdict_counts_duration_time_and_database() -> None:
    """What is looked for first."""
    outcome = outcome_of(passed(line=FIRST), failed(row(), line=SECOND))
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    page = render_page(project(), outcome, database="PostgreSQL 15.8, database app on db", started=started)
    text = Page(page).text
    for told in ("ledger", "Failed: 1 failed, 1 passed", "4.2 s", "2026-01-02 03:04:05 UTC", "PostgreSQL 15.8"):
        assert told in text


@pytest.mark.parametrize(
    ("stopped", "verdict"),
    [
        (None, "Passed: 1 passed"),
        (Stopped(Stop.SCRIPT_FAILED, "no"), "Failed: 1 passed"),
        (Stopped(Stop.TIMED_OUT, "no"), "Timed out: 1 passed"),
        (Stopped(Stop.CONNECTION_LOST, "no"), "Could not run: 1 passed"),
        (Stopped(Stop.IMPOSSIBLE, "no"), "Could not run: 1 passed"),
    ],
)
def test_the_verdict_is_in_words(stopped: Stopped | None, verdict: str) -> None:
    """Tests that could not be run are not said to have failed, and not to have passed."""
    page = render_page(project(), ProjectOutcome((case(passed(line=FIRST)),), stopped=stopped))
    assert f"</span> {verdict}</p>" in page


def test_a_row_has_its_colour_a_sign_and_its_message_right_below() -> None:
    """And what stands in its cells is shown as it is written, not as Markdown."""
    steps = tuple(
        Step(StepKind.ROW, f"row {number} of 2", Place(FILE, line), passed=number == 1, message="No <b>way</b>")
        for number, line in enumerate(ROWS, 1)
    )
    page = render(TEXT, outcome_of(failed(*steps, line=FIRST), passed(line=SECOND)))
    table = block(page, r"<table>\n<thead>\n(?:(?!<table).)*?__NULL__.*?</table>")
    rows = re.findall(r"<tr(?: class=\"(\w+)\")?>(.*?)</tr>", table, re.DOTALL)
    assert [kind for kind, _ in rows] == ["", "passed", "failed", "notes"]
    assert "✔" in rows[1][1]
    assert "✘" in rows[2][1]
    assert rows[2][1].count("<td>__NULL__</td>") == 2
    assert "tests/divide.stt:14" in rows[3][1]
    assert "No &lt;b&gt;way&lt;/b&gt;" in rows[3][1]


def test_a_table_of_which_no_row_was_run_is_left_as_it_is() -> None:
    """Without a column of signs."""
    page = render(TEXT, outcome_of(TestOutcome("It divides.", Place(FILE, FIRST), Mark.SKIPPED, "slow")))
    assert "<th>outcome" not in page.replace('<span class="hidden">', "").partition('<section class="case')[2]


@pytest.mark.parametrize("line", [ASSERTION, CODE, CODE + 1])
def test_an_assertion_has_its_sign_at_the_title_and_its_message_below_the_code(line: int) -> None:
    """Whether its place is that of the title or of the statement that failed."""
    step = Step(StepKind.ASSERTION, "Nothing is left.", Place(FILE, line), passed=False, message="It is there")
    page = render(TEXT, outcome_of(failed(step, line=FIRST)))
    section = block(page, r"<h5 class=\"failed\">.*?</article>")
    assert re.match(
        r'<h5 class="failed"><span class="sign" role="img" aria-label="failed">✘.?</span> ASSERTION</h5>', section
    )
    assert re.search(
        r'<pre class="code failed">.*SELECT 2;.*</pre>\n<div class="note failed">.*It is there', section, re.DOTALL
    )
    marked = re.findall(r"<mark>(.*?)</mark>", page)
    assert marked == {ASSERTION: [], CODE: ["SELECT 1;"], CODE + 1: ["SELECT 2;"]}[line]


def test_an_assertion_that_failed_for_one_row_of_many_failed() -> None:
    """The worst of several outcomes at one place is the one that is shown."""
    steps = tuple(
        Step(StepKind.ASSERTION, "Nothing is left.", Place(FILE, ASSERTION), passed=number != 2, row=number)
        for number in (1, 2, 3)
    )
    page = render(TEXT, outcome_of(failed(*steps, line=FIRST)))
    assert '<h5 class="failed">' in page


def test_messages_at_one_place_are_limited() -> None:
    """A table may have thousands of rows, and an assertion below it may fail for each."""
    steps = tuple(
        Step(StepKind.ASSERTION, "x", Place(FILE, ASSERTION), passed=False, message=f"Row {number}")
        for number in range(1, 1001)
    )
    text = Page(render(TEXT, outcome_of(failed(*steps, line=FIRST)))).text
    assert "Row 100 " in text
    assert "Row 101 " not in text
    assert "and 900 more" in text


def test_what_was_expected_and_received_is_shown_once() -> None:
    """In the message if it has both, else below it."""
    step = Step(StepKind.RESULT, "x", Place(FILE, CODE), passed=False, expected="one", actual="two", message="differs")
    assert "<dt>expected</dt><dd><pre>one</pre></dd><dt>received</dt><dd><pre>two</pre></dd>" in render(
        TEXT, outcome_of(failed(step, line=FIRST))
    )
    assert "<dt>expected</dt>" not in render(TEXT, outcome_of(failed(row(ROWS[0]), line=FIRST)))


@pytest.mark.parametrize(
    ("mark", "kind", "sign"),
    [
        (Mark.PASSED, "passed", "✔"),
        (Mark.FAILED, "failed", "✘"),
        (Mark.SKIPPED, "skipped", "○"),
        (Mark.NOT_RUN, "not-run", "?"),
    ],
)
def test_every_test_has_its_mark_as_a_word_a_sign_and_a_colour(mark: Mark, kind: str, sign: str) -> None:
    """Also for who cannot tell red from green; skipped ones and those not run with the reason."""
    page = render(TEXT, outcome_of(TestOutcome("It divides.", Place(FILE, FIRST), mark, "because of it")))
    article = block(page, rf"<article class=\"test {kind}\">.*?</article>")
    assert f">{sign}" in article
    assert f"</span> {mark}</p>" in article
    assert "because of it" in article


def test_a_test_that_was_not_selected_says_so() -> None:
    """It is shown where it stands, so that the file can be read as a whole."""
    page = render(TEXT, outcome_of(passed(line=FIRST)))
    other = block(page, r"<article class=\"test other\">.*?</article>")
    assert "It rounds." in other
    assert ">not selected<" in other


def test_the_tests_of_a_file_that_could_not_be_run_were_not_run() -> None:
    """A fixture is missing, for instance."""
    page = render_page(project(), ProjectOutcome((case(problems=(Problem(Place(FILE, 5), "there is none"),)),)))
    assert re.findall(r'<article class="test other"><p class="aside">(.*?)</p>', page) == ["not run", "not run"]


def test_a_malformed_place_is_shown_as_it_was_written() -> None:
    """A surplus cell, for instance, is not seen in what Markdown makes of a table."""
    text = TEXT.replace("| 58       | 2 | 29       |", "| 58       | 2 | 29       | 5 | 7 |")
    step = Step(StepKind.FORM, "form", Place(FILE, ROWS[0]), passed=False, message="the row has 5 cells")
    page = render(text, outcome_of(failed(step, line=FIRST)))
    note = block(page, r"<tr class=\"notes\">.*?</tr>")
    assert "the row has 5 cells" in note
    assert "| 58       | 2 | 29       | 5 | 7 |" in note


def test_what_is_wrong_outside_of_the_tests_is_shown_at_its_line() -> None:
    """And a fixture that failed with the lines of its script."""
    fixture = File("tests/fixtures/setup/two_accounts.sql", "-- first\nINSERT INTO a;\nINSERT INTO b;\n")
    problems = (Problem(Place(FILE, 5), "there is no such fixture"), Problem(Place(fixture.path, 2), "ERROR: syntax"))
    page = render_page(project(TEXT, fixture), ProjectOutcome((case(problems=problems),)))
    assert re.search(
        r"</ul>\n</div>\n<div class=\"note failed\">(?:(?!</div>).)*there is no such fixture", page, re.DOTALL
    )
    excerpt = block(page, r"ERROR: syntax</pre>(<pre class=\"excerpt\">.*?</pre>)")
    assert re.sub(r"<[^>]*>", "", excerpt) == "    1  -- first\n    2  INSERT INTO a;\n    3  INSERT INTO b;\n"
    assert "<mark>" in excerpt


def test_what_ended_the_execution_is_at_the_top_with_its_lines() -> None:
    """Before the list of files."""
    schema = File("schema.sql", "".join(f"SELECT {number};\n" for number in range(1, 21)))
    stopped = Stopped(Stop.SCRIPT_FAILED, "Unable to load the schema\nERROR: no", Place("schema.sql", 10))
    of_schema = Project("ledger", (File(FILE, TEXT),), schema=schema, notices=("tests/a.sttt is not used",))
    outcome = ProjectOutcome((case(passed(line=FIRST)),), stopped, (Problem(Place(FILE, 2), "two files for it"),))
    page = render_page(of_schema, outcome)
    top = page.partition('<table class="overview">')[0]
    assert "Unable to load the schema\nERROR: no" in top
    assert [int(line) for line in re.findall(r"SELECT (\d+);", top)] == [8, 9, 10, 11, 12]
    assert "two files for it" in top
    assert "tests/a.sttt is not used" in top


def test_nothing_of_a_file_is_anything_but_text() -> None:
    """Neither a script nor a picture, nor a link that runs something."""
    evil = TEXT.replace(
        "Division of two numbers.",
        "<script>alert(1)</script> <img src=x onerror=alert(1)> ![p](https://example.com/p.png) "
        "[x](javascript:alert(1)) [y](data:text/html,x) [z](//example.com) [home](https://example.com/a?b=1&c=2)\n"
        "<http://example.com/b> <javascript:alert(2)>\n\n<style>body{display:none}</style>\n\n"
        '<!-- --> <b onclick="x">\n-->\n\n[ref]: javascript:alert(3) "title"\n\n[ref] ```` `a` <i> ````',
    )
    page = render(evil, outcome_of(passed(line=FIRST)))
    links = [attributes["href"] for tag, attributes in Page(page).elements if tag == "a" and "rel" in attributes]
    assert links == ["https://example.com/p.png", "https://example.com/a?b=1&c=2", "http://example.com/b"]
    for told in ("alert(1)", "alert(2)", "alert(3)", "body{display:none}", "onclick"):
        assert told in Page(page).text


def test_no_control_character_reaches_the_page() -> None:
    """Nor one that turns the direction of writing, which makes a line read otherwise than it is."""
    name = "one\x1b[31m\x00two\u202ethree\ud800"
    outcome = outcome_of(failed(row(message=name), line=FIRST, name=name))
    page = render_page(Project(name, (File(FILE, TEXT + f"\n{name}\n"),)), outcome, database=name)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)
    assert page.encode()


def test_the_page_allows_nothing_but_its_own_style_sheet() -> None:
    """What the browser is told, in case that a character got through after all."""
    page = render_page(project(), outcome_of())
    policy = block(page, r"<meta http-equiv=\"Content-Security-Policy\" content=\"(.*?)\">")
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]+={0,2}'", policy)
    assert "<script" not in page
    assert page.count("<style>") == 1


@given(outcomes)
def test_every_outcome_makes_a_page(outcome: ProjectOutcome) -> None:
    """Whatever is in it, and wherever its places are."""
    check(render_page(project(), outcome))


@given(
    st.lists(
        st.sampled_from(["#", "|", "-", "`", "~", "<", ">", "!", "[", "]", "(", ")", "*", "_", " ", "\n", "a", "1."])
    )
    .map("".join)
    .flatmap(lambda text: st.permutations([text, TEXT, "<!--", "\n"]).map("".join)),
    outcomes,
)
def test_every_file_makes_a_page(text: str, outcome: ProjectOutcome) -> None:
    """However malformed it is."""
    check(render_page(project(text), outcome))


def test_a_project_without_tests_makes_a_page() -> None:
    """Where the schema could not be loaded, there may be nothing else to show."""
    case_without_file = TestCaseOutcome("Gone", "tests/gone.stt", Place("tests/gone.stt", 1), Mark.NOT_RUN)
    check(render_page(Project("ledger", ()), ProjectOutcome((case_without_file,))))
    check(render_page(Project("ledger", ()), ProjectOutcome(())))
