"""Whatever a file holds, it becomes a test case, in linear time, and nothing of it is lost without a word."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testrun_operator.kinds.sql.document import FixtureReference, Place, Problem, Sql
from testrun_operator.kinds.sql.document import TestCase as ParsedTestCase
from testrun_operator.kinds.sql.parsing.parser import parse_test_case

FILE = "tests/a.stt"

GENERIC = """# TEST CASE
The ledger never loses a cent.

## BEFORE ALL
- Open accounts
## AFTER EACH TEST
- Clean up

<!-- A comment
## TEST
in two lines -->
## TEST [skip: later]
Every booking has a counterpart.

### SQL [rows: 1]
```sql
-- ## TEST
CALL book(1, 2, 100);
```
### ASSERTION [true]
The sum is zero.
```
SELECT true;
```
### ASSERTIONS
#### SQL
Nothing is left.
~~~
SELECT 1;
~~~
### RESULT [any order]
Both are there.
```
SELECT id, balance FROM accounts
```
| id | balance |
| -- | ------: |
| 2  | 100     |
| 1  | a \\| b |
### BEFORE
- Lock

## TEST
It refuses twice the same.
```INSERT INTO a VALUES (1);```
### ERROR [sqlstate: 23505]
accounts_pkey
"""
PROCEDURAL = """# TEST CASE billing.divide(numeric, numeric)
Division.
## BEFORE EACH ROW
- One row
## TEST
It divides.
### DATA
    |A|B|RESULT$|=ERROR=|
    |-:|-:|------|-------|
    |58|2|29||
    |1|0||zero|

### ASSERTION
It did.
```
SELECT 1;
```
"""
EXAMPLES = (GENERIC, PROCEDURAL)

LINES = (
    *GENERIC.split("\n"),
    *PROCEDURAL.split("\n"),
    *("#", "##", "##TEST", "### TEST", "####### SQL", "## BEFORE EACH ROW", "# TEST CASE a b", "### DATA", "## NOTES"),
    *("```", "````", "~~~", "```sql", "```x```", "text ```x```", "text ```", "x;```", "`", "~"),
    *("<!--", "-->", "<!-->", "a <!-- b", "a --> b", "<!-- a --> <!-- b --> ## TEST", "---", "===", "***", "- - -"),
    *("|", "||", "|-|", "|a|", "a|b", "|\\|", "\\", "|=X=|", "|$|", "| =FILE:", "|=ROWS=|", "|x|<!-- y -->|"),
    *("- a", "-", "* b", "+ c", "1. d", "> ## TEST", "    indented", "\t", "[a]: b", "\0", "\u2028", "\x85", "\x0c"),
    *("## TEST [only] [skip]", "## TEST [", "## TEST ]", "# TEST CASE [skip: a", "### ERROR [sqlstate]", "[[[", "]]]"),
)
BROKEN_LINES = st.sampled_from(LINES) | st.text(st.sampled_from("# TESCADBW`~|-<!>[]:\\=$*+\t\"'()x1"), max_size=30)


@st.composite
def mutated_examples(draw: st.DrawFn) -> str:
    """Take lines away from an example, put others between them, or change single characters."""
    lines = draw(st.sampled_from(EXAMPLES)).split("\n")
    for _ in range(draw(st.integers(1, 6))):
        position = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["remove", "insert", "repeat", "change", "cut", "move"])):
            case "remove" if len(lines) > 1:
                del lines[position]
            case "insert":
                lines.insert(position, draw(BROKEN_LINES))
            case "repeat":
                lines[position:position] = lines[position : position + 5]
            case "move":
                lines.append(lines[position])
            case "cut":
                del lines[position + 1 :]
            case _:
                line = lines[position]
                column = draw(st.integers(0, len(line)))
                lines[position] = line[:column] + draw(st.text(max_size=3)) + line[column + draw(st.integers(0, 2)) :]
    return draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines)


ANY_TEXT = st.one_of(
    st.text(),
    st.text(st.characters(codec=None)),
    st.lists(BROKEN_LINES, max_size=40).map("\n".join),
    st.lists(BROKEN_LINES, max_size=20).map(lambda lines: "# TEST CASE\nAny.\n## TEST\n" + "\n".join(lines)),
    st.lists(BROKEN_LINES, max_size=20).map(lambda lines: "# TEST CASE x\nAny.\n## TEST\nAny.\n" + "\n".join(lines)),
    mutated_examples(),
)


def places_of(value: object) -> Iterator[Place]:
    """Yield all places in a value of the document."""
    if isinstance(value, Place):
        yield value
    elif isinstance(value, tuple):
        for element in value:
            yield from places_of(element)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from places_of(getattr(value, name))


@dataclass(frozen=True)
class Texts:
    """All that a test case says."""

    problems: tuple[Problem, ...]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, case: ParsedTestCase) -> "Texts":
        """Collect them."""
        problems, texts = list(case.problems), [case.name, case.routine or ""]
        fixtures: list[FixtureReference] = [fixture for _, section in case.fixtures for fixture in section]
        blocks: list[Sql | None] = []
        for test in case.tests:
            problems += test.problems
            fixtures += (*test.before, *test.after)
            blocks += [test.body, *(check.sql for check in test.checks), *(result.sql for result in test.results)]
            texts += [test.name, *(check.description for check in test.checks)]
            texts += [result.description for result in test.results]
            texts += [test.marking.skip or "", test.expected_error.text if test.expected_error else ""]
            tables = [test.data, *(result.table for result in test.results)]
            texts += [cell for table in tables if table for row in table.rows for cell in row.cells]
        texts += [fixture.name for fixture in fixtures]
        texts += [block.text for block in blocks if block]
        return cls(tuple(problems), tuple(texts))


def test_the_examples_are_well_formed() -> None:
    """What the tests below change would mean nothing otherwise."""
    for text in EXAMPLES:
        assert Texts.of(parse_test_case(text, FILE)).problems == ()


@given(ANY_TEXT)
@example("")
@example("\n")
@example("## TEST")
@example("# TEST CASE\n# TEST CASE\n")
@example("# TEST CASE\nx\n## TEST\nx\n```\n")
@example("# TEST CASE \N{COMBINING ACUTE ACCENT}[\n")
def test_any_text_becomes_a_test_case(text: str) -> None:
    """Its places are lines of the file, its tests follow each other, and each is one of three things."""
    case = parse_test_case(text, FILE)
    lines = len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    assert {place.file for place in places_of(case)} == {FILE}
    assert all(1 <= place.line <= lines for place in places_of(case))
    assert case.tests or case.problems
    end = 0
    for test in case.tests:
        assert end < test.place.line <= test.end_line <= lines
        end = test.end_line
        assert [test.body is not None, test.data is not None, bool(test.problems)].count(True) == 1
        assert all(test.place.line <= problem.place.line <= test.end_line for problem in test.problems)
    for said in Texts.of(case).problems:
        assert said.message
        assert "\n" not in said.message
        said.message.encode()
        assert len(said.message) < 500


@given(ANY_TEXT)
def test_line_ends_do_not_matter(text: str) -> None:
    """Those of Windows make the same test case."""
    unix = text.replace("\r", "")
    assert parse_test_case(unix.replace("\n", "\r\n"), FILE) == parse_test_case(unix, FILE)


def positions_outside_of_comments(text: str) -> list[int]:
    """Return between which lines of an example something can be put that is not in a comment."""
    lines = text.split("\n")
    return [n for n in range(len(lines)) if "\n".join(lines[:n]).count("<!--") == "\n".join(lines[:n]).count("-->")]


@pytest.mark.parametrize("text", EXAMPLES)
@pytest.mark.parametrize(
    "line",
    [
        "Zebras cross here",
        "    Zebras cross here",
        "> Zebras cross here",
        "- Zebras cross here",
        "1. Zebras cross here",
        "* Zebras cross here",
        "<div>Zebras cross here",
        "[Zebras]: http://cross/here",
        "[^1]: Zebras cross here",
        "&Zebras; *cross* **here**",
        "|Zebras cross here|",
        "| Zebras | cross | here | too |",
        "# Zebras cross here",
        "## Zebras cross here",
        "#### Zebras cross here",
        "#Zebras cross here",
        "Zebras cross `here`",
        "`Zebras` cross here",
        "~~Zebras cross here",
        "<!-->Zebras cross here",
        "```Zebras cross here```",
        "Zebras ```cross``` here",
        "Zebras cross ```here",
        "Zebras cross ```here```",
        "Zebras cross here```",
        "``` Zebras; cross here",
        "~~~ Zebras; cross here",
        "<!-- --> Zebras cross here",
        "<!-- --> | Zebras cross here |",
        "Zebras <!-- cross --> here",
        "## TEST Zebras cross here",
        "## BEFORE ALL Zebras cross here",
        "### SQL Zebras cross here",
        "#### SQL Zebras cross here",
        "### RESULT Zebras cross here",
    ],
)
def test_a_line_put_anywhere_is_understood_or_reported(text: str, line: str) -> None:
    """Outside of comments, nothing that an author writes vanishes: it is in some text, or there is a problem."""
    lines = text.split("\n")
    for position in positions_outside_of_comments(text):
        changed = "\n".join([*lines[:position], line, *lines[position:]])
        said = Texts.of(parse_test_case(changed, FILE))
        assert said.problems or any("Zebra" in each for each in said.texts), f"line {position + 1} of\n{changed}"


@given(
    st.data(),
    st.sampled_from(EXAMPLES),
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20),
)
def test_a_text_put_anywhere_is_understood_or_reported(data: st.DataObject, text: str, words: str) -> None:
    """As above, with whatever characters."""
    lines = text.split("\n")
    position = data.draw(st.sampled_from(positions_outside_of_comments(text)))
    changed = "\n".join([*lines[:position], f"Zebra {words}".replace("<!--", "<!—"), *lines[position:]])
    said = Texts.of(parse_test_case(changed, FILE))
    assert said.problems or any("Zebra" in each for each in said.texts)


@given(st.data(), st.sampled_from(EXAMPLES))
def test_a_line_taken_away_leaves_the_rest_or_is_reported(data: st.DataObject, text: str) -> None:
    """A lost fence, title or separator does not take other tests with it in silence."""
    lines = text.split("\n")
    position = data.draw(st.integers(0, len(lines) - 1))
    before, after = (
        parse_test_case(text, FILE),
        parse_test_case("\n".join(lines[:position] + lines[position + 1 :]), FILE),
    )
    if len(after.tests) < len(before.tests):
        assert Texts.of(after).problems or lines[position].startswith("## TEST")


class _Steps:
    """Counts the lines of the parser's code that are executed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _frame: FrameType, event: str, _arg: Any) -> "_Steps":
        self.count += event == "line"
        return self

    @classmethod
    def of(cls, text: str) -> int:
        """Return how many it takes to read a text."""
        steps = cls()
        traced = sys.gettrace()
        sys.settrace(steps)
        try:
            parse_test_case(text, FILE)
        finally:
            sys.settrace(traced)
        return steps.count


TEST = "# TEST CASE\nx\n## TEST\ny\n"
DATA = "# TEST CASE x\nx\n## TEST\ny\n### DATA\n|A|B|\n|-|-|\n"
UNITS = (
    "[",
    "]",
    "[a] ",
    "*",
    "`",
    "``` ",
    "```a``` ",
    "> ",
    "<!--",
    "-->",
    "<!-- x -->",
    "|",
    "\\|",
    "#",
    "(",
    '"',
    '".',
)
UNITS += ("a.", "=", "- ", "_ ", "~", "\\", "[skip: ", "[only] ", "BEFORE EACH ", "&", " ")
SHAPES = {
    "a line of it": TEST + "{}\n",
    "a title of it": TEST + "## {}\n",
    "a test's title": TEST + "## TEST {}\n",
    "a routine's name": "# TEST CASE {}\nx\n",
    "a row of it": DATA + "|{}|\n",
    "a header of it": "# TEST CASE x\nx\n## TEST\ny\n### DATA\n|{}|\n|-|\n|1|\n",
    "a fence of it": TEST + "```\n{}\n```\n",
    "a fixture of it": "# TEST CASE\nx\n## BEFORE ALL\n- {}\n",
}
LINES_OF_IT = {
    "lines": TEST + "{}",
    "lines of a block": TEST + "```\n{}",
    "lines of a comment": TEST + "<!--\n{}",
    "rows": DATA + "{}",
    "fixtures": "# TEST CASE\nx\n## BEFORE ALL\n{}",
}


@pytest.mark.parametrize("shape", LINES_OF_IT)
@pytest.mark.parametrize("line", sorted({*LINES, *UNITS, "## TEST", "### ASSERTION", "```\nx\n```\ny", "|1|2|"}))
def test_the_work_grows_with_the_number_of_lines(shape: str, line: str) -> None:
    """Four times as many lines take at most four times as many steps."""
    few, many = (_Steps.of(LINES_OF_IT[shape].replace("{}", f"{line}\n" * times)) for times in (40, 160))
    assert many <= 4 * few + 100


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("unit", UNITS)
def test_the_work_grows_with_the_length_of_a_line(shape: str, unit: str) -> None:
    """Four times as long a line takes at most four times as many steps."""
    few, many = (_Steps.of(SHAPES[shape].replace("{}", unit * times)) for times in (40, 160))
    assert many <= 4 * few + 100


@pytest.mark.timeout(60)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_line_of_a_megabyte_is_read(shape: str) -> None:
    """What counts no steps, such as cutting and searching in texts, would take minutes if it were quadratic."""
    for unit in UNITS:
        case = parse_test_case(SHAPES[shape].replace("{}", unit * (1_000_000 // len(unit))), FILE)
        assert case.tests or case.problems
