"""The title of a test case, its description, its fixtures, and what stands outside of the tests."""

import pytest

from testrun_operator.kinds.sql.document import FixturePoint, FixtureReference, Marking, Place, Problem
from testrun_operator.kinds.sql.parsing.parser import parse_test_case

FILE = "tests/ledger.stt"
TEST = "## TEST\nIt answers.\n```\nSELECT 1;\n```\n"
ROW_TEST = "## TEST\nIt answers.\n### DATA\n|A|\n|-|\n|1|\n"


def problems_of(text: str) -> list[str]:
    """Return the problems outside of the tests, as ``line: message``."""
    return [f"{problem.place.line}: {problem.message}" for problem in parse_test_case(text, FILE).problems]


@pytest.mark.parametrize(
    ("title", "routine"),
    [
        ("# TEST CASE", None),
        ("# TEST CASE   ", None),
        ("#   TEST   CASE", None),
        ("# Test case", None),
        ("# TEST CASE #", None),
        ("# TEST CASE:", None),
        ("  # TEST CASE", None),
        ("#\tTEST CASE", None),
        ("# TEST CASE <!-- a comment -->", None),
        ("# TEST CASE DIVIDE", "DIVIDE"),
        ("# TEST CASE DIVIDE   ", "DIVIDE"),
        ("# TEST CASE DIVIDE ##", "DIVIDE"),
        ("# test case divide", "divide"),
        ("# TEST CASE billing.charge", "billing.charge"),
        ("# TEST CASE billing.charge(integer, text)", "billing.charge(integer, text)"),
        ("# TEST CASE charge (numeric(10, 2), integer[])", "charge (numeric(10, 2), integer[])"),
        ("# TEST CASE charge()", "charge()"),
        ('# TEST CASE "Charge it"', '"Charge it"'),
        ('# TEST CASE "a ""b"" [x]".`c d`(text)', '"a ""b"" [x]".`c d`(text)'),
        ("# TEST CASE pkg.proc@link", "pkg.proc@link"),
    ],
)
def test_the_title_says_whether_a_routine_is_called_and_which(title: str, routine: str | None) -> None:
    """The routine stays as it is written; blanks at the end, which the original refused, mean nothing."""
    case = parse_test_case(f"{title}\nIt works.\n{TEST if routine is None else ROW_TEST}", FILE)
    assert (case.routine, case.name, case.place) == (routine, "It works.", Place(FILE, 1))
    assert case.problems == ()
    assert [test.problems for test in case.tests] == [()]


@pytest.mark.parametrize(
    "name",
    [
        "Divides two numbers",
        "DIVIDE twice",
        '"DIVIDE',
        "DIVIDE(integer",
        "DIVIDE)",
        "a..b",
        "(integer)",
        "f(a)(b)",
        ".f",
    ],
)
def test_what_cannot_be_a_routine_is_malformed(name: str) -> None:
    """Most often it is a description that belongs below the title; the tests are read all the same."""
    case = parse_test_case(f"# TEST CASE {name}\nIt works.\n{TEST}{ROW_TEST}", FILE)
    assert [problem.place for problem in case.problems] == [Place(FILE, 1)]
    assert "cannot be the name of a procedure or function" in case.problems[0].message
    assert case.routine is None
    assert [test.problems for test in case.tests] == [(), ()]


@pytest.mark.parametrize("beginning", ["", "\n\n", "\ufeff", "\ufeff\r\n", "<!-- a\ncomment -->\n", "---\n", " \t\n"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_nothing_that_means_nothing_disturbs_the_title(beginning: str, line_end: str) -> None:
    """Blank lines, comments, byte order marks, and any line ends."""
    text = f"{beginning}# TEST CASE\nIt works.\n{TEST}".replace("\r\n", "\n")
    case = parse_test_case(text.replace("\n", line_end), FILE)
    assert (case.problems, case.name, [test.name for test in case.tests]) == ((), "It works.", ["It answers."])
    title_line = text.split("\n").index("# TEST CASE", 1) + 1 if not text.startswith(("#", "\ufeff#")) else 1
    assert case.place.line == title_line
    assert [test.problems for test in case.tests] == [()]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: the first line of a test case must be its title, '# TEST CASE'"),
        ("\n\n", "1: the first line of a test case must be its title"),
        ("Only words.\n", "1: the first line of a test case must be its title"),
        (f"# TESTCASE\nIt works.\n{TEST}", "1: the first line of a test case must be its title"),
        (f"# TESTING CASES\nIt works.\n{TEST}", "1: '# TESTING CASES' is not known"),
        (f"TEST CASE\n=========\nIt works.\n{TEST}", "1: 'TEST CASE' stands above the title of the test case"),
        (f"---\ntitle: x\n---\n# TEST CASE\nIt works.\n{TEST}", "2: 'title: x' stands above the title"),
        (f"```\nSELECT 1;\n```\n# TEST CASE\nIt works.\n{TEST}", "1: this block stands above the title"),
        ("<!-- never closed\n# TEST CASE\nIt works.\n", "1: this comment is never closed: write '-->' where it ends"),
        (f"## NOTES\n# TEST CASE\nIt works.\n{TEST}", "1: '## NOTES' stands above the title"),
        (f"## TEST CASE\nIt works.\n{TEST}", "1: a test case begins with '# TEST CASE', with one '#', and not with"),
        (f"#TEST CASE\nIt works.\n{TEST}", "1: '#TEST CASE' is no title in Markdown: write a blank behind '#'"),
        (f"# TEST CASE\n{TEST}", "1: the test case has no description"),
        (f"# TEST CASE\n\n<!-- later -->\n---\n{TEST}", "1: the test case has no description"),
        ("# TEST CASE\nIt works.\n", "1: there is no test in this file, so there is nothing to run"),
        ("# TEST CASE DIVIDE\nIt works.\n## BEFORE ALL\n- One\n", "1: there is no test in this file"),
        (f"# TEST CASE\nIt works.\n```\nSELECT 1;\n```\n{TEST}", "3: this block stands outside of a test"),
        (f"# TEST CASE\nIt works.\n```\n1\n```\nMore.\n{TEST}", "6: 'More.' stands below a block outside of a test"),
        (f"# TEST CASE\nIt works.\n{TEST}# TEST CASE\nMore.\n{TEST}", "8: '# TEST CASE' begins a second test case"),
        (f"# TEST CASE\nIt works.\n# Notes\n{TEST}", "3: '# Notes' is not known, and neither is what stands below it"),
        (f"# TEST CASE\nIt works.\n## SETUP\n{TEST}", "3: '## SETUP' is not known"),
        (f"# TEST CASE\nIt works.\n## TESTING\n{TEST}", "3: '## TESTING' is not known"),
        (f"# TEST CASE\nIt works.\n##\n{TEST}", "3: '##' is not known"),
        (f"# TEST CASE\nIt works.\n{TEST}## TEARDOWN\n- x\n", "8: '## TEARDOWN' is not known"),
        (f"# TEST CASE\nIt works.\n### DATA\n{TEST}", "3: '### DATA' belongs into a test: write '## TEST'"),
        (f"# TEST CASE\nIt works.\n### SQL\n```\n1\n```\n{TEST}", "3: '### SQL' belongs into a test"),
        (
            f"# TEST CASE\nBEFORE ALL\n----------\n- x\n{TEST}",
            "2: titles cannot be underlined here: write '## BEFORE ALL'",
        ),
        (
            f"# TEST CASE\nIt works. <!-- to\nbe -->\n{TEST}",
            "2: a comment of several lines must begin a line of its own",
        ),
        (f"# TEST CASE [skip: why\nIt works.\n{TEST}", "1: the mark '[skip' must be closed with ']'"),
        (f"# TEST CASE [rows: 3]\nIt works.\n{TEST}", "1: the mark '[rows: 3]' is not known in this title"),
        (f"# TEST CASE\nIt wor\0ks.\n{TEST}", "2: U+0000 is no character that a database takes"),
        (f"# TEST CASE\nIt wor\ud800ks.\n{TEST}", "2: U+D800 is no character that a database takes"),
    ],
)
def test_a_malformed_test_case_is_reported_with_its_line(text: str, problem: str) -> None:
    """Nothing outside of the tests is ignored, either."""
    assert [found for found in problems_of(text) if found.startswith(problem)], problems_of(text)


def test_a_title_that_is_missing_does_not_hide_the_tests() -> None:
    """Problems of the tests are worth knowing at once; whether they have a table decides what they are."""
    case = parse_test_case(f"{TEST}{ROW_TEST}## TEST\n", FILE)
    assert [test.name for test in case.tests] == ["It answers.", "It answers.", "Untitled test"]
    assert [bool(test.problems) for test in case.tests] == [False, False, True]
    assert (case.name, case.place) == (FILE, Place(FILE, 1))


def test_the_title_with_one_hash_is_the_title() -> None:
    """The other is none, wherever it stands."""
    case = parse_test_case(f"## TEST CASE a\nx\n# TEST CASE\nIt works.\n## TEST CASE b\nx\n{TEST}", FILE)
    assert (case.place.line, case.routine, case.name) == (3, None, "It works.")
    assert [problem.place.line for problem in case.problems] == [1, 1, 5]


def test_the_description_may_have_several_lines_and_any_form() -> None:
    """Lists, quotations, links and the like are text; thematic breaks, underlines and comments are decoration."""
    description = (
        "The *ledger* <!-- note --> never\n\n- loses\n- a `cent`\n> ever\n***\n[see]: http://example.com\n"
        "<div>\n    indented\nImportant\n=========\n#42 is closed\n#hashtag\n"
    )
    case = parse_test_case(f"# TEST CASE\n{description}{TEST}", FILE)
    assert case.name == (
        "The *ledger* never - loses - a `cent` > ever [see]: http://example.com <div> indented Important"
        " #42 is closed #hashtag"
    )
    assert case.problems == ()


def test_control_characters_do_not_get_into_names() -> None:
    """A name is printed on terminals, whose cursor it must not move."""
    case = parse_test_case(f"# TEST CASE\nIt \x1b[2Jworks\x07.\n{TEST}", FILE)
    assert case.name == "It \N{REPLACEMENT CHARACTER}[2Jworks\N{REPLACEMENT CHARACTER}."


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_characters_that_are_none_do_not_get_any_further(character: str) -> None:
    """They are reported where they stand, and neither a report nor a database has to bear them."""
    case = parse_test_case(
        f"# TEST CASE\nIt works{character}.\n## TEST\nIt {character}\nanswers.\n```{character}```\n", FILE
    )
    mark = "\N{REPLACEMENT CHARACTER}"
    assert (case.name, case.tests[0].name) == (f"It works{mark}.", f"It {mark} answers.")
    assert [problem.place.line for problem in (*case.problems, *case.tests[0].problems)] == [2, 4, 6]


@pytest.mark.parametrize(
    ("title", "marking"),
    [
        ("# TEST CASE [skip: waits for PR 12]", Marking(skip="waits for PR 12")),
        ("# TEST CASE [skip]", Marking(skip="")),
        ("# TEST CASE[only]", Marking(only=True)),
        ("# TEST CASE [ ONLY ] [Skip:  a  [b] c ]", Marking(skip="a [b] c", only=True)),
    ],
)
def test_a_test_case_may_be_skipped_or_focused(title: str, marking: Marking) -> None:
    """By marks behind its title."""
    case = parse_test_case(f"{title}\nIt works.\n{TEST}", FILE)
    assert (case.marking, case.problems, case.routine) == (marking, (), None)


def test_marks_stand_behind_the_name_of_the_routine() -> None:
    """And do not become a part of it."""
    case = parse_test_case(f"# TEST CASE charge(integer[], text) [only]\nIt works.\n{ROW_TEST}", FILE)
    assert (case.routine, case.marking) == ("charge(integer[], text)", Marking(only=True))


def test_all_six_sections_of_fixtures_are_read_in_any_order() -> None:
    """With two hashes or three, any bullet, blank lines, comments; a section may be empty."""
    text = (
        "# TEST CASE DIVIDE\nIt works.\n"
        "## AFTER ALL\n- Remove clients\n"
        "### BEFORE ALL\n-   Setup client\n\n* Balance / Prepay USER\n+ balance/prepay_user <!-- again -->\n"
        "## BEFORE EACH TEST\n## Before  each row\n<!-- - Not this -->\n  - One\n"
        f"## AFTER EACH ROW:\n---\n- Two\n## AFTER EACH TEST\n- Three\n{ROW_TEST}"
    )
    case = parse_test_case(text, FILE)
    assert case.problems == ()
    assert {point.value: [str(fixture.name) for fixture in fixtures] for point, fixtures in case.fixtures} == {
        "AFTER ALL": ["Remove clients"],
        "BEFORE ALL": ["Setup client", "Balance / Prepay USER", "balance/prepay_user"],
        "BEFORE EACH TEST": [],
        "BEFORE EACH ROW": ["One"],
        "AFTER EACH ROW": ["Two"],
        "AFTER EACH TEST": ["Three"],
    }
    assert case.fixtures_at(FixturePoint.BEFORE_ALL)[1] == FixtureReference("Balance / Prepay USER", Place(FILE, 8))


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        (
            "## BEFORE ALL\nSetup client\n",
            "4: 'Setup client' is no item of a list: below '## BEFORE ALL' write '- name'",
        ),
        ("## BEFORE ALL\n-Setup client\n", "4: '-Setup client' is no item of a list"),
        ("## BEFORE ALL\n1. Setup client\n", "4: '1. Setup client' is no item of a list"),
        ("## BEFORE ALL\n- A very long\n  name\n", "5: 'name' is no item of a list"),
        ("## BEFORE ALL\n-\n", "4: this item below '## BEFORE ALL' names no fixture"),
        ("## BEFORE ALL\n- One <!-- a\n- comment -->\n", "4: a comment of several lines must begin a line of its own"),
        ("## BEFORE ALL\n```\nDELETE FROM a;\n```\n", "4: a block of SQL cannot stand below '## BEFORE ALL'"),
        ("## BEFORE ALL\n- One\n## BEFORE ALL\n- Two\n", "5: '## BEFORE ALL' is given twice: the first is in line 3"),
        ("# BEFORE ALL\n- One\n", "3: '# BEFORE ALL' needs two '#': write '## BEFORE ALL'"),
        ("#### BEFORE ALL\n- One\n", "3: '#### BEFORE ALL' needs two '#': write '## BEFORE ALL'"),
        ("## BEFORE ALL TESTS\n- One\n", "3: '## BEFORE ALL TESTS' is not known, and neither is what stands below"),
        ("## BEFORE EACH\n- One\n", "3: '## BEFORE EACH' is not known"),
        ("## BEFORE ALL [skip]\n- One\n", "3: '## BEFORE ALL [skip]' is not known"),
        ("## BEFORE\n- One\n", "3: '## BEFORE' stands outside of a test: the fixtures for all of them are those of"),
        ("## BEFORE EACH ROW\n- One\n", "3: '## BEFORE EACH ROW' needs tests with rows"),
    ],
)
def test_a_malformed_list_of_fixtures_is_reported_with_its_line(sections: str, problem: str) -> None:
    """Where the original used a text as a name, or ignored the section."""
    found = problems_of(f"# TEST CASE\nIt works.\n{sections}{TEST}")
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_fixtures_for_all_tests_stand_above_the_first() -> None:
    """Below it, they read as if they were for the tests below them only."""
    case = parse_test_case(f"# TEST CASE\nIt works.\n{TEST}## AFTER ALL\n- One\n{TEST}", FILE)
    assert [str(problem) for problem in case.problems] == [
        f"{FILE}:8: '## AFTER ALL' stands below a test: fixtures for all tests are listed above the first one"
    ]
    assert case.fixtures == ()
    assert len(case.tests) == 2


def test_fixtures_for_all_tests_are_no_part_of_a_test() -> None:
    """With three hashes they are inside of it, and only it is malformed."""
    case = parse_test_case(f"# TEST CASE\nIt works.\n{TEST}### AFTER ALL\n- One\n{TEST}", FILE)
    assert case.problems == ()
    message = (
        "'### AFTER ALL' is about all tests and must stand above the first one;"
        " inside a test there are '### BEFORE' and '### AFTER'"
    )
    assert [test.problems for test in case.tests] == [(Problem(Place(FILE, 8), message),), ()]


def test_what_stands_below_an_unknown_section_is_reported_with_it() -> None:
    """One problem is enough for it, also where it has titles of its own; the next section is read again."""
    text = f"# TEST CASE\nIt works.\n## NOTES\nSome.\n### ASSERTION\n```\n1\n```\n## BEFORE ALL\n- One\n{TEST}"
    assert len(problems_of(text)) == 1
    assert parse_test_case(text, FILE).fixtures_at(FixturePoint.BEFORE_ALL)[0].name == "One"


def test_a_file_of_nothing_but_faults_has_a_list_that_ends() -> None:
    """The last one says how many more there are, and where they begin."""
    problems = parse_test_case("# TEST CASE\nIt works.\n" + "## NOTES\n" * 1000 + TEST, FILE).problems
    assert len(problems) == 101
    assert str(problems[-1]) == f"{FILE}:103: 900 more problems are not listed"
