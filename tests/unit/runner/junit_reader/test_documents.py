"""JUnit XML of many tools, of none, and of somebody who means harm: what of it is read."""

import contextlib
import io
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.runner.junit_reader.dialects import DIALECTS, PYTEST, SUREFIRE

from testrun_operator.runner.junit_reader.documents import (
    MAX_TEXT,
    Result,
    TestResult,
    UnreadableDocument,
    read_document,
    read_seconds,
)

LARGE = 16 * 1024 * 1024


def read(document: str | bytes, limit: int = LARGE) -> list[TestResult]:
    """Return the tests of a document that is read to its end."""
    tests: list[TestResult] = []
    content = document.encode() if isinstance(document, str) else document
    assert read_document(io.BytesIO(content), limit, tests.append) == len(content)
    return tests


def refused(document: str | bytes, limit: int = LARGE) -> tuple[str, list[TestResult]]:
    """Return why a document is not read to its end, and the tests that were read before."""
    tests: list[TestResult] = []
    content = document.encode() if isinstance(document, str) else document
    with pytest.raises(UnreadableDocument) as problem:
        read_document(io.BytesIO(content), limit, tests.append)
    return str(problem.value), tests


@pytest.mark.parametrize(("document", "results"), DIALECTS.values(), ids=DIALECTS)
def test_tests_are_found_in_what_tools_really_write(document: str, results: dict[str, str]) -> None:
    """Each writes JUnit XML of its own: names, suites in suites, failures with and without messages."""
    assert {test.name: test.result.value for test in read(document)} == results


def test_a_failure_has_its_message_and_its_text() -> None:
    """Pytest puts the short form into the attribute, and the traceback into the text."""
    failed = {test.name: test.message for test in read(PYTEST) if test.result is Result.FAILED}
    assert failed["tests.test_cart.TestVat.test_rate[19]"].startswith("assert 19 == 7\n  +19\ndef test_rate():")
    assert failed["tests.test_cart.test_database"].startswith('failed on setup with "ConnectionError"')


def test_tests_that_were_repeated_have_the_result_of_their_last_attempt() -> None:
    """Surefire: a flaky test passed; one that never passed failed, whatever its other attempts said."""
    flaky, never, off, fine = read(SUREFIRE)
    assert (flaky.result, flaky.message) == (Result.PASSED, "passed after 2 failed attempts: first\nat CartTest:1")
    assert never.message.startswith("boom\njava.lang.AssertionError: boom")
    assert "again" not in never.message
    assert (off.message, fine.message) == ("@Disabled", "")
    assert [test.milliseconds for test in (flaky, never, off, fine)] == [12, 1_234_500, 0, 250]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0.060", 60),
        ("1", 1000),
        ("0,5", 500),
        ("1,234.5", 1_234_500),
        ("1,234,567", 1_234_567_000),
        ("2.", 2000),
        (" 1e-3 ", 1),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("soon", None),
        ("12:30", None),
    ],
)
def test_times_are_read_as_tools_write_them(text: str, milliseconds: int | None) -> None:
    """With a comma for thousands, or for decimals where a locale says so; what is no time is none."""
    assert read_seconds(text) == milliseconds


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ('name="a" classname="b.C"', "b.C.a"),
        ('name="a" class="b.C"', "b.C.a"),
        ('name="b.C.a" classname="b.C"', "b.C.a"),
        ('name="a"', "a"),
        ('classname="b.C"', "b.C"),
        ('name="" classname=" "', "test without a name"),
        ("", "test without a name"),
    ],
)
def test_a_test_is_known_by_its_class_and_its_name(attributes: str, name: str) -> None:
    """Names alone repeat in every class; some tools repeat the class in the name."""
    assert [test.name for test in read(f"<testsuite><testcase {attributes}/></testsuite>")] == [name]


def test_where_a_test_stands_is_told_as_the_tool_tells_it() -> None:
    """File and line, or the file alone."""
    document = '<testsuite><testcase name="a" file="a.py" line="7"/><testcase name="b" file="b.py"/></testsuite>'
    assert [test.location for test in read(document)] == ["a.py:7", "b.py"]


def test_a_suite_that_failed_as_such_is_a_failed_test() -> None:
    """Some tools write what went wrong before the first test of a suite beside its tests."""
    [suite, test] = read('<testsuite name="s"><error message="no database"/><testcase name="a"/></testsuite>')
    assert (suite.name, suite.result, suite.message) == ("s", Result.FAILED, "no database")
    assert test.result is Result.PASSED


def test_prefixes_of_namespaces_make_no_difference() -> None:
    """They need not be declared, either."""
    document = '<j:testsuite xmlns:j="urn:x"><j:testcase name="a"><j:failure/></j:testcase></j:testsuite>'
    assert [(test.name, test.result) for test in read(document)] == [("a", Result.FAILED)]


def test_what_is_printed_is_no_message() -> None:
    """The output of a test may be megabytes, and is in the log of the case."""
    document = (
        '<testsuite><system-out>noise</system-out><testcase name="a">'
        "<failure>why<system-err>noise</system-err></failure><system-out>noise</system-out></testcase></testsuite>"
    )
    assert [test.message for test in read(document)] == ["why"]


def test_elements_in_a_failure_are_its_text() -> None:
    """Also those of a name that means something elsewhere."""
    document = (
        '<testsuite><testcase name="a"><failure>x<failure>y</failure><testcase/>z</failure></testcase></testsuite>'
    )
    assert [(test.name, test.message) for test in read(document)] == [("a", "xyz")]


def test_long_texts_are_cut() -> None:
    """A detail is a row of a table."""
    document = f'<testsuite><testcase name="{"n" * 9999}"><failure message="{"m" * 9999}"/></testcase></testsuite>'
    [test] = read(document)
    assert (len(test.name), len(test.message)) == (500, MAX_TEXT)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_documents_may_have_any_encoding_that_they_name(encoding: str) -> None:
    """Names of tests are not all English."""
    text = f'<?xml version="1.0" encoding="{encoding}"?><testsuite><testcase name="größer"/></testsuite>'
    assert [test.name for test in read(text.encode(encoding))] == ["größer"]


def test_an_encoding_that_nobody_knows_is_told() -> None:
    """The file is not read, and everything else is."""
    problem, tests = refused('<?xml version="1.0" encoding="klingon"?><testsuite/>')
    assert "unknown encoding" in problem
    assert tests == []


def test_the_colours_of_a_terminal_do_not_make_a_document_unreadable() -> None:
    """XML has no place for control characters; tools write them nevertheless."""
    [test] = read(
        '<testsuite><testcase name="a"><failure message="\x1b[31mred\x1b[0m">\x08</failure></testcase></testsuite>'
    )
    assert test.message == "?[31mred?[0m\n?"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("", "is empty"),
        ("PASS", "is no XML at line 1, column 0"),
        ("<html><testcase name='a'/></html>", "is no JUnit XML: its root element is 'html'"),
        ("<assemblies/>", "is no JUnit XML: its root element is 'assemblies'"),
        ("<testsuite></testcase>", "mismatched tag"),
        ("<testsuite>&nbsp;</testsuite>", "undefined entity"),
        (b"<testsuite>\xff</testsuite>", "is no XML"),
    ],
)
def test_what_is_no_junit_xml_is_told_by_name(document: str | bytes, problem: str) -> None:
    """So that people look for the right thing."""
    said, tests = refused(document)
    assert problem in said
    assert tests == []


def test_of_a_document_that_was_cut_everything_before_the_cut_is_read() -> None:
    """A case that is killed leaves its file as it is."""
    said, tests = refused(SUREFIRE[: SUREFIRE.index('<testcase name="off"')])
    assert "no element found" in said
    assert [test.name for test in tests] == ["org.example.CartTest.flaky", "org.example.CartTest.never"]


def test_of_a_document_that_is_too_large_the_beginning_is_read() -> None:
    """The rest is told to be missing."""
    document = "<testsuite>" + '<testcase name="a"/>' * 100 + "</testsuite>"
    said, tests = refused(document, 1000)
    assert said == "is too large: what comes after 1000 bytes was not read"
    assert len(tests) == (1000 - len("<testsuite>")) // len('<testcase name="a"/>')
    assert refused(document, 0)[0].startswith("was not read")
    assert len(read(document, len(document))) == 100


@pytest.mark.parametrize(
    "declaration",
    [
        "<!DOCTYPE testsuite>",
        '<!DOCTYPE testsuite SYSTEM "file:///etc/hostname">',
        '<!DOCTYPE testsuite [<!ENTITY a "b">]>',
        '<!DOCTYPE testsuite [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE testsuite [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x"> %a;]>',
    ],
)
def test_a_document_type_is_refused(declaration: str) -> None:
    """Entities, which can read files, call others and grow without end, are declared there and nowhere else."""
    said, tests = refused(f'<?xml version="1.0"?>{declaration}<testsuite><testcase name="&a;"/></testsuite>')
    assert said == "declares a document type, which JUnit XML does not have, and was not read"
    assert tests == []


def test_elements_in_elements_without_end_are_refused() -> None:
    """No tool nests suites so deep."""
    said, _ = refused("<testsuite>" * 100 + "</testsuite>" * 100)
    assert said == "has elements more than 64 deep"


TESTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
            "result": st.sampled_from([None, "failure", "error", "skipped"]),
            "message": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
            "text": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
            "seconds": st.integers(0, 10_000_000).map(lambda value: value / 1000),
        }
    ),
    max_size=20,
)


@given(tests=TESTS, depth=st.integers(0, 5))
def test_whatever_a_tool_may_write_is_read_as_it_was_meant(tests: list[dict[str, Any]], depth: int) -> None:
    """Any text in any place, at any depth of suites: every test once, in its order, with its result and its time."""
    root = element = ET.Element("testsuites")
    for number in range(depth + 1):
        element = ET.SubElement(element, "testsuite", {"name": f"suite {number}"})
    for test in tests:
        case = ET.SubElement(element, "testcase", {"name": test["name"], "time": str(test["seconds"])})
        if test["result"]:
            ET.SubElement(case, test["result"], {"message": test["message"]}).text = test["text"]
    found = read(ET.tostring(root, encoding="utf-8", xml_declaration=True))
    assert [test.name for test in found] == [test["name"].strip() or "test without a name" for test in tests]
    expected = {None: Result.PASSED, "failure": Result.FAILED, "error": Result.FAILED, "skipped": Result.SKIPPED}
    assert [test.result for test in found] == [expected[test["result"]] for test in tests]
    assert [test.milliseconds for test in found] == [round(test["seconds"] * 1000) for test in tests]
    for seen, test in zip(found, tests, strict=True):
        assert test["result"] is None or test["text"].strip() in seen.message


@given(content=st.binary(max_size=300) | st.integers(0, len(PYTEST)).map(lambda cut: PYTEST[:cut].encode()))
def test_nothing_but_a_word_about_it_comes_of_any_content(content: bytes) -> None:
    """A file may hold anything; the reader goes on with the next."""
    tests: list[TestResult] = []
    with contextlib.suppress(UnreadableDocument):
        read_document(io.BytesIO(content), LARGE, tests.append)
    assert all(test.name for test in tests)
