"""A project's files are found, sorted by what they are for, and nothing that was meant is left out silently."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from testrun_operator.kinds.sql.project import reading, walking
from testrun_operator.kinds.sql.project.discovery import (
    NothingToRun,
    load_file,
    load_path,
    load_project,
    load_text,
)

MakeProject = Callable[[Mapping[str, str | bytes]], Path]
TEST = "# TEST CASE\nIt works.\n"


def texts_of(problems: object) -> list[str]:
    """Return problems as texts."""
    assert isinstance(problems, tuple)
    return [str(problem) for problem in problems]


def test_a_project_has_a_schema_sources_tests_and_fixtures(make_project: MakeProject) -> None:
    """Each file is found by its place and its ending, whatever the ending's case."""
    root = make_project(
        {
            "tests/fixtures/schema.sql": "CREATE TABLE t (a int);",
            "src/a.sql": "SELECT 1;",
            "src/deep/er/b.SQL": "SELECT 2;",
            "src/README.md": "Not a source.",
            "tests/one.stt": TEST,
            "tests/deep/two.STT": TEST,
            "tests/fixtures/three.stt": TEST,
            "tests/fixtures/setup/users.CSV": "id\n1\n",
            "tests/fixtures/setup/billing/charge.sql": "SELECT 3;",
            "tests/fixtures/teardown/clean.Sql": "SELECT 4;",
            "tests/expected/letter.txt": b"Dear\xff",
        }
    )
    project = load_project(root)
    assert project.name == "ledger"
    assert project.schema is not None
    assert project.schema.text == "CREATE TABLE t (a int);"
    assert [file.path for file in project.sources] == ["src/a.sql", "src/deep/er/b.SQL"]
    assert [file.path for file in project.tests] == [
        "tests/deep/two.STT",
        "tests/fixtures/three.stt",
        "tests/one.stt",
    ]
    assert {name: file.path for name, file in project.fixtures.setup.items()} == {
        "billing/charge.sql": "tests/fixtures/setup/billing/charge.sql",
        "users.CSV": "tests/fixtures/setup/users.CSV",
    }
    assert list(project.fixtures.teardown) == ["clean.Sql"]
    assert dict(project.data) == {"tests/expected/letter.txt": b"Dear\xff"}
    assert (project.problems, project.notices, project.is_standalone) == ((), (), False)


@pytest.mark.parametrize("path", ["schema.sql", "Schema.SQL", "tests/fixtures/schema.sql", "tests/fixtures/SCHEMA.sql"])
def test_the_schema_has_two_places(make_project: MakeProject, path: str) -> None:
    """The project's folder, and that of the fixtures, as in Trilogy."""
    project = load_project(make_project({path: "SELECT 1;", "tests/a.stt": TEST}))
    assert project.schema is not None
    assert (project.schema.path, project.problems, project.notices) == (path, (), ())


def test_two_schemas_are_a_problem(make_project: MakeProject) -> None:
    """Which of them is meant cannot be known."""
    project = load_project(make_project({"schema.sql": "", "tests/fixtures/schema.sql": "", "tests/a.stt": TEST}))
    assert texts_of(project.problems) == [
        "schema.sql:1: there is another schema, tests/fixtures/schema.sql; remove one of the two"
    ]


def test_files_are_ordered_as_trilogy_orders_them(make_project: MakeProject) -> None:
    """By the UTF-16 code units of their whole paths: an emoji (U+1F600) comes before U+FF01."""
    names = ["B.sql", "a.sql", "a/x.sql", "a_b.sql", "Z/z.sql", "\U0001f600.sql", "\uff01.sql", "é.sql"]
    project = load_project(make_project({"tests/a.stt": TEST} | {f"src/{name}": "" for name in names}))
    assert [file.path.removeprefix("src/") for file in project.sources] == [
        "B.sql",
        "Z/z.sql",
        "a.sql",
        "a/x.sql",
        "a_b.sql",
        "é.sql",
        "\U0001f600.sql",
        "\uff01.sql",
    ]


def test_a_byte_order_mark_is_no_part_of_the_text(make_project: MakeProject) -> None:
    """Editors on Windows write one; only the first is a mark."""
    root = make_project({"tests/a.stt": b"\xef\xbb\xbf" + TEST.encode(), "src/a.sql": b"\xef\xbb\xbf\xef\xbb\xbf;"})
    project = load_project(root)
    assert (project.tests[0].text, project.sources[0].text) == (TEST, "\ufeff;")
    assert load_text("\ufeff" + TEST, "inline.stt").tests[0].text == TEST


@pytest.mark.parametrize("path", ["tests/b.stt", "src/b.sql", "schema.sql", "tests/fixtures/setup/b.sql"])
def test_a_file_that_is_not_utf_8_is_a_problem_and_the_others_are_loaded(make_project: MakeProject, path: str) -> None:
    """The problem is the project's, so that nothing passes, and the file's, so that it is shown in its place."""
    root = make_project({"tests/a.stt": TEST, path: b"# TEST CASE\r\nZ\xe4hlen\n"})
    project = load_project(root)
    [problem] = project.problems
    assert str(problem) == f"{path}:2: has a byte that is not UTF-8 in this line (0xE4); save it as UTF-8"
    files = [project.schema, *project.sources, *project.tests, *project.fixtures.setup.values()]
    assert [(file.path, file.text) for file in files if file and file.problem == problem] == [(path, "")]
    assert project.tests[0].text == TEST


def test_utf_16_is_called_by_its_name(make_project: MakeProject) -> None:
    """PowerShell writes it."""
    project = load_project(make_project({"tests/a.stt": TEST.encode("utf-16")}))
    assert texts_of(project.problems) == ["tests/a.stt:1: is UTF-16; save it as UTF-8"]


def test_nothing_found_says_what_was_looked_for(make_project: MakeProject) -> None:
    """Also where the folder has folders, and nothing else, as its tests."""
    root = make_project({"schema.sql": ""})
    with pytest.raises(
        NothingToRun, match=r"no test cases in .*Looked for tests/\*\*/\*.stt; there is no folder tests"
    ):
        load_project(root)
    (root / "tests" / "billing").mkdir(parents=True)
    with pytest.raises(NothingToRun, match="tests has no files"):
        load_project(root)
    (root / "tests" / "billing" / "notes.txt").write_text("")
    with pytest.raises(NothingToRun, match="tests has 1 other file"):
        load_project(root)
    (root / "charge.stt").write_text(TEST)
    with pytest.raises(
        NothingToRun,
        match=r"give its own path\. charge.stt is not used: test cases of a project are below tests",
    ):
        load_project(root)
    assert load_project(root, tests_required=False).tests == ()


def test_the_folder_of_the_tests_is_no_project(make_project: MakeProject) -> None:
    """Who gives it is told which folder is meant."""
    root = make_project({"tests/a.stt": TEST})
    with pytest.raises(NothingToRun) as refused:
        load_path(root / "tests")
    assert f"Give the project's folder, which is {root}" in refused.value.message


def test_a_file_is_loaded_alone(make_project: MakeProject) -> None:
    """Without schema, sources and fixtures, and whoever has them is told."""
    root = make_project({"tests/deep/a.StT": TEST, "schema.sql": "", "alone/b.stt": TEST})
    project = load_path(root / "tests/deep/a.StT")
    assert (project.name, project.is_standalone, project.schema, dict(project.data)) == ("a.StT", True, None, {})
    assert [file.path for file in project.tests] == ["a.StT"]
    assert project.notices == (
        f"a.StT is run alone, without the schema, the sources and the fixtures of the project {root}",
    )
    assert load_path(root / "alone/b.stt").notices == ()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("notes.md", "notes.md is not a test case file: its name must end with .stt"),
        ("missing.stt", "there is no file .*missing.stt"),
        ("missing.md", "there is no file or folder .*missing.md"),
        ("missing", "there is no file or folder .*missing"),
    ],
)
def test_a_path_that_leads_to_no_test_case_is_refused(make_project: MakeProject, path: str, message: str) -> None:
    """What would be right is said."""
    root = make_project({"notes.md": ""})
    with pytest.raises(NothingToRun, match=message):
        load_path(root / path)


def test_the_ending_is_looked_at_before_the_file() -> None:
    """As Trilogy does it: what does not end with .stt is none of ours, whether it is there or not."""
    with pytest.raises(NothingToRun, match=r"must end with .stt"):
        load_file(Path("/nowhere/a.sql"))


def test_folders_that_are_not_there_are_refused() -> None:
    """With their name."""
    with pytest.raises(NothingToRun, match="there is no folder /nowhere"):
        load_project(Path("/nowhere"))


@pytest.mark.parametrize(
    ("path", "content", "notice"),
    [
        ("a.stt", TEST, "a.stt is not used: test cases of a project are below tests"),
        ("src/a.stt", TEST, "src/a.stt is not used: test cases of a project are below tests"),
        ("src/a.pks", "", "src/a.pks is not used: the names of sources end with .sql"),
        ("test/a.stt", TEST, "the folder test is not used; did you mean tests?"),
        ("Tests/deep/a.stt", TEST, "the folder Tests is not used; did you mean tests?"),
        ("sources/a.sql", "", "the folder sources is not used; did you mean src?"),
        ("fixtures/setup/a.sql", "", "the folder fixtures is not used; did you mean tests/fixtures?"),
        (
            "tests/a.sql",
            "",
            (
                "tests/a.sql is not used: scripts below tests are fixtures, in tests/fixtures/setup or "
                "tests/fixtures/teardown"
            ),
        ),
        (
            "tests/fixtures/a.csv",
            "",
            (
                "tests/fixtures/a.csv is not used as a fixture: fixtures are in tests/fixtures/setup or "
                "tests/fixtures/teardown"
            ),
        ),
        (
            "tests/fixtures/setup/a.txt",
            "",
            "tests/fixtures/setup/a.txt is not a fixture: the names of fixtures end with .sql or .csv",
        ),
        (
            "tests/a.md",
            "\n\n#  Test  Case DIVIDE\n",
            "tests/a.md is not used, although it looks like a test case: the names of test cases end with .stt",
        ),
        ("tests/.hidden.stt", TEST, "tests/.hidden.stt is not used, since its name begins with a dot"),
    ],
)
def test_what_looks_meant_and_is_not_used_is_noticed(
    make_project: MakeProject, path: str, content: str, notice: str
) -> None:
    """One notice, which says what would be right."""
    project = load_project(make_project({"tests/good.stt": TEST, path: content}))
    assert [file.path for file in project.tests] == ["tests/good.stt"]
    assert (project.notices, project.problems) == ((notice,), ())


def test_what_is_not_meant_is_not_noticed(make_project: MakeProject) -> None:
    """Notes, programs, folders of version control and editors, Markdown that is no test case."""
    names = ["README.md", "src/notes.txt", "test/notes.txt", "tests/README.md", "tests/data.json", ".git/a.stt"]
    project = load_project(make_project({"tests/good.stt": TEST} | dict.fromkeys(names, "# Notes on a TEST CASE\n")))
    assert (project.notices, project.problems) == ((), ())


def test_very_many_notices_are_cut(make_project: MakeProject) -> None:
    """A folder of dumps does not drown what else there is to say."""
    project = load_project(make_project({"tests/a.stt": TEST} | {f"tests/{n}.sql": "" for n in range(80)}))
    assert (len(project.notices), project.notices[-1]) == (51, "and 30 more files that are not used")


def test_two_fixtures_of_one_name_are_a_problem(make_project: MakeProject) -> None:
    """Before a test case uses them."""
    root = make_project({"tests/a.stt": TEST} | {f"tests/fixtures/setup/users.{e}": "a\n" for e in ("sql", "csv")})
    assert texts_of(load_project(root).problems) == [
        (
            "tests/fixtures/setup/users.csv:1: has the same name as tests/fixtures/setup/users.sql, "
            "so that no test case can use it; rename or remove one"
        ),
    ]


def test_files_that_are_too_large_are_not_read(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test case is a problem then; a file that a cell might name is a notice."""
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 200_000)
    root = make_project({"tests/a.stt": TEST, "tests/b.stt": b"x" * 200_001})
    assert texts_of(load_project(root).problems) == ["tests/b.stt:1: has 200,001 bytes; at most 200,000 are read"]


def test_a_file_of_16_mebibytes_is_read_and_a_larger_one_is_not(make_project: MakeProject) -> None:
    """Here the true limit; sparse files take no room."""
    root = make_project({"tests/a.stt": TEST, "tests/good.bin": b"", "tests/large.bin": b"", "tests/large.stt": b""})
    for name, more in (("good.bin", 0), ("large.bin", 1), ("large.stt", 1)):
        os.truncate(root / "tests" / name, 16 * 1024 * 1024 + more)
    project = load_project(root)
    assert list(project.data) == ["tests/good.bin"]
    assert len(project.data["tests/good.bin"]) == 16 * 1024 * 1024
    assert project.notices == (
        "tests/large.bin cannot be named in a test: it has 16,777,217 bytes; at most 16,777,216 are read",
    )
    assert texts_of(project.problems) == ["tests/large.stt:1: has 16,777,217 bytes; at most 16,777,216 are read"]


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_FILES", 3, "there are more than 3 files"),
        ("MAX_TOTAL_BYTES", 3 * 1024 * 1024, "the files have more than 3 MiB together"),
        ("_MAX_ENTRIES", 4, "there are more than 4 files and folders"),
    ],
)
def test_projects_that_are_too_large_are_refused(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    """With the limit, and a word on what to do."""
    root = make_project({f"tests/d/{number}.stt": b"#" * 1024 * 1024 for number in range(4)})
    monkeypatch.setattr(walking, limit, value)
    with pytest.raises(NothingToRun, match=f"is too large: below src and tests {message}"):
        load_project(root)


def test_a_file_that_went_away_is_missing_from_the_contents(make_project: MakeProject) -> None:
    """Contents are read when they are asked for; the reason is in the error."""
    root = make_project({"tests/a.stt": TEST, "tests/a.bin": b"1"})
    project = load_project(root)
    (root / "tests/a.bin").unlink()
    with pytest.raises(KeyError, match=r"tests/a\.bin cannot be read: No such file or directory"):
        project.data["tests/a.bin"]
    with pytest.raises(KeyError, match=r"b\.bin"):
        project.data["tests/b.bin"]
    assert ("tests/a.bin" in project.data, "tests/b.bin" in project.data) == (True, False)
