"""Which tests are run: by globs, by an expression, and by the marks behind titles."""

import fnmatch
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.kinds.sql.document import Marking, Place, Problem, Test, TestCase
from testrun_operator.kinds.sql.execution.request import Selection
from testrun_operator.kinds.sql.execution.selection import (
    NO_REASON,
    NOT_ONLY,
    NothingSelected,
    path_matches,
    select_tests,
)


def case(file: str, *tests: str | Test, marking: Marking = Marking(), problem: str = "") -> TestCase:  # noqa: B008
    """Make a test case file with tests of these names."""
    made = tuple(
        test if isinstance(test, Test) else Test(test, Place(file, line), line) for line, test in enumerate(tests, 2)
    )
    problems = (Problem(Place(file, 1), problem),) if problem else ()
    return TestCase(file, f"Case of {file}", Place(file, 1), marking=marking, tests=made, problems=problems)


def marked(name: str, skip: str | None = None, *, only: bool = False) -> Test:
    """Make a test with marks."""
    return Test(name, Place("tests/a.stt", 5), 6, Marking(skip, only))


CASES = (
    case("tests/a.stt", "Adds", "Refunds slowly"),
    case("tests/billing/charge.stt", "Charges", "Refunds at once"),
    case("tests/billing/old/charge.stt", "Charges as before"),
)


def chosen(cases: tuple[TestCase, ...], selection: Selection) -> dict[str, list[str]]:
    """Return the names of the selected tests, by file."""
    return {one.case.file: [test.name for test in one.case.tests] for one in select_tests(cases, selection)}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ["Adds", "Refunds slowly", "Charges", "Refunds at once", "Charges as before"]),
        (Selection(paths=("tests/a.stt",)), ["Adds", "Refunds slowly"]),
        (Selection(paths=("a.stt",)), ["Adds", "Refunds slowly"]),
        (Selection(paths=("billing/*",)), ["Charges", "Refunds at once"]),
        (Selection(paths=("billing/**",)), ["Charges", "Refunds at once", "Charges as before"]),
        (Selection(paths=("**/charge.stt",)), ["Charges", "Refunds at once", "Charges as before"]),
        (Selection(paths=("*.stt", "**/old/*")), ["Adds", "Refunds slowly", "Charges as before"]),
        (Selection(tests=("*refund*",)), ["Refunds slowly", "Refunds at once"]),
        (Selection(tests=("CHARGES", "adds")), ["Adds", "Charges"]),
        (Selection(paths=("billing/**",), tests=("*refund*",)), ["Refunds at once"]),
        (Selection(expression="refund and not slow"), ["Refunds at once"]),
        (Selection(expression="billing or adds"), ["Adds", "Charges", "Refunds at once", "Charges as before"]),
        (Selection(expression='"case of tests/a"'), ["Adds", "Refunds slowly"]),
        (Selection(tests=("*charges*",), expression="old"), ["Charges as before"]),
        (Selection(expression="   "), ["Adds", "Refunds slowly", "Charges", "Refunds at once", "Charges as before"]),
    ],
)
def test_what_is_selected_is_run_and_nothing_else(selection: Selection, expected: list[str]) -> None:
    """By all of the criteria together; files without a selected test are left out."""
    found = chosen(CASES, selection)
    assert [name for names in found.values() for name in names] == expected
    assert all(found.values())


@pytest.mark.parametrize(
    ("selection", "parts"),
    [
        (Selection(paths=("typo/**",)), ("'typo/**'", "tests/a.stt", "tests/billing/old/charge.stt")),
        (Selection(paths=("billing/**", "typo/*")), ("'typo/*'",)),
        (Selection(tests=("*typo*",)), ("'*typo*'", "'Adds' (tests/a.stt)")),
        (Selection(tests=("adds", "*typo*")), ("'*typo*'",)),
        (Selection(expression="typo"), ("'typo'", "'Adds' (tests/a.stt)")),
        (Selection(paths=("a.stt",), expression="charges"), ("'charges'",)),
    ],
)
def test_a_glob_that_matches_nothing_is_an_error_that_lists_what_there_is(
    selection: Selection, parts: tuple[str, ...]
) -> None:
    """A misspelt selection must not pass."""
    with pytest.raises(NothingSelected) as refused:
        select_tests(CASES, selection)
    assert all(part in str(refused.value) for part in parts)


def test_a_file_that_cannot_be_read_is_selected_by_its_path_alone() -> None:
    """Nobody knows which tests it would have."""
    broken = case("tests/b.stt", problem="no title")
    assert "tests/b.stt" in chosen((*CASES, broken), Selection(tests=("adds",)))
    assert "tests/b.stt" not in chosen((*CASES, broken), Selection(paths=("a.stt",)))


def reasons(*cases: TestCase) -> list[list[str | None]]:
    """Return why each test is left out."""
    return [list(one.skipped_tests) for one in select_tests(cases, Selection())]


def test_a_skipped_test_has_its_reason() -> None:
    """Also where none is given."""
    assert reasons(case("tests/a.stt", marked("one", "waits"), marked("two", ""), "three")) == [
        ["waits", NO_REASON, None]
    ]


def test_only_leaves_out_all_others_in_all_files() -> None:
    """As long as one is marked."""
    assert reasons(case("tests/a.stt", marked("one", only=True), "two"), case("tests/b.stt", "three")) == [
        [None, NOT_ONLY],
        [NOT_ONLY],
    ]


def test_skip_wins_over_only() -> None:
    """And a test with both does not leave out the others."""
    assert reasons(case("tests/a.stt", marked("one", "waits", only=True), "two")) == [["waits", None]]


def test_a_mark_behind_the_title_of_a_file_holds_for_all_of_its_tests() -> None:
    """For both marks."""
    only = case("tests/a.stt", "one", marked("two", "waits"), marking=Marking(only=True))
    assert reasons(only, case("tests/b.stt", marked("three", only=True), "four")) == [
        [None, "waits"],
        [None, NOT_ONLY],
    ]
    skipped = case("tests/a.stt", marked("one", only=True), marking=Marking("not yet"))
    (selected, other) = select_tests((skipped, case("tests/b.stt", "two")), Selection())
    assert selected.skipped == "not yet"
    assert selected.skipped_tests == ("not yet",)
    assert other.skipped_tests == (None,)


def test_an_only_that_is_not_selected_leaves_out_nothing() -> None:
    """What is not selected does not exist."""
    cases = (case("tests/a.stt", marked("one", only=True)), case("tests/b.stt", "two"))
    (selected,) = select_tests(cases, Selection(paths=("b.stt",)))
    assert selected.skipped_tests == (None,)


def test_a_file_of_which_all_tests_are_left_out_is_left_out() -> None:
    """Its fixtures are not loaded; also one that cannot be read, if another test is marked."""
    cases = (
        case("tests/a.stt", marked("one", "waits"), marked("two", "waits, too")),
        case("tests/b.stt", marked("three", only=True)),
        case("tests/c.stt", problem="no title"),
        case("tests/d.stt", "four"),
    )
    found = select_tests(cases, Selection())
    assert [one.skipped is None for one in found] == [False, True, False, False]
    assert found[2].skipped == NOT_ONLY


segments = st.lists(st.sampled_from(["a", "b", "ab", "a.stt"]), min_size=1, max_size=5)
patterns = st.lists(st.sampled_from(["a", "*", "**", "a*", "?", "[ab]", "*.stt"]), min_size=1, max_size=5)


def naive(parts: list[str], wanted: list[str]) -> bool:
    """Match by trying everything."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(naive(parts[at:], wanted[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and naive(parts[1:], wanted[1:])


@given(segments, patterns)
def test_a_glob_matches_as_by_trying_everything(parts: list[str], wanted: list[str]) -> None:
    """``**`` stands for any number of folders, also for none."""
    assert path_matches("/".join(parts), "/".join(wanted)) is naive(parts, wanted)


def test_a_glob_takes_no_longer_for_many_stars() -> None:
    """Time is bounded by the number of folders times that of the glob's parts."""
    assert not path_matches("a/" * 400 + "b", "**/a/" * 200 + "c")


@given(
    st.lists(
        st.lists(
            st.builds(
                Test,
                st.sampled_from(["one", "two", "three"]),
                st.just(Place("tests/a.stt", 2)),
                st.just(3),
                st.builds(Marking, st.none() | st.sampled_from(["", "waits"]), st.booleans()),
            ),
            max_size=3,
        ).map(tuple),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.builds(Marking, st.none() | st.just("no"), st.booleans()), min_size=4, max_size=4),
    st.sampled_from(["", "one", "not two", "one or three"]),
)
def test_marks_and_selection_go_together_in_any_combination(
    tests: list[tuple[Test, ...]], markings: list[Marking], expression: str
) -> None:
    """A test is run just if it is selected, not skipped, and marked if one that is selected and not skipped is."""
    cases = tuple(
        TestCase(f"tests/{number}.stt", "case", Place("x", 1), marking=markings[number], tests=some)
        for number, some in enumerate(tests)
    )
    holds: Callable[[str], bool] = {
        "": lambda _: True,
        "one": lambda name: name == "one",
        "not two": lambda name: name != "two",
        "one or three": lambda name: name in ("one", "three"),
    }[expression]
    selected = [(one, test) for one in cases for test in one.tests if holds(test.name)]
    open_tests = [pair for pair in selected if pair[0].marking.skip is None and pair[1].marking.skip is None]
    focused = [pair for pair in open_tests if pair[0].marking.only or pair[1].marking.only]
    expected = [test.name for _, test in focused or open_tests]
    unread = [one for one in cases if not one.tests]
    if not selected and (expression or not unread):
        with pytest.raises(NothingSelected):
            select_tests(cases, Selection(expression=expression))
        return
    if any(one.marking.only and one.marking.skip is None for one in unread) and not expression:
        return  # an empty file that is marked leaves out the others, too
    found = select_tests(cases, Selection(expression=expression))
    run = [
        test.name
        for one in found
        for test, reason in zip(one.case.tests, one.skipped_tests, strict=True)
        if reason is None
    ]
    assert run == expected
