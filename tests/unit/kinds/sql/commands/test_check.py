"""``testrun sql check``: what is malformed, without a database."""

from pathlib import Path

import pytest

from support.command_line import Invoke

GOOD = "# TEST CASE\nIt is there.\n\n## TEST\nIt answers.\n```\nSELECT 1;\n```\n"
ROOT = Path(__file__).parents[5]


def write(folder: Path, **files: str) -> Path:
    """Write test case files, and return the project's folder."""
    (folder / "tests").mkdir()
    for name, text in files.items():
        (folder / "tests" / f"{name}.stt").write_text(text)
    return folder


def test_well_formed_files_are_counted(invoke: Invoke, tmp_path: Path) -> None:
    """A project, or a single file."""
    project = write(tmp_path, a=GOOD, b=GOOD)
    result = invoke("sql", "check", str(project))
    assert (result.exit_code, result.stdout) == (0, "no problem in 2 tests in 2 files\n")
    result = invoke("sql", "check", str(project / "tests" / "a.stt"))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "no problem in 1 test in 1 file")


def test_each_problem_is_a_line_that_editors_understand(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, line and message; the path leads there from where the command was typed."""
    write(
        tmp_path,
        a=GOOD + "\n## TEST\n```\nSELECT 2;\n```\n",
        b=GOOD.replace("## TEST", "## BEFORE ALL\n- Users\n\n## TEST"),
    )
    monkeypatch.chdir(tmp_path.parent)
    result = invoke("sql", "check", tmp_path.name)
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[0].startswith(f"{tmp_path.name}/tests/a.stt:10: the test has no description")
    assert lines[1].startswith(f"{tmp_path.name}/tests/b.stt:5: Unable to find fixture 'Users'")
    assert lines[2:] == ["2 problems in 3 tests in 2 files"]


def test_skipped_tests_are_checked_too(invoke: Invoke, tmp_path: Path) -> None:
    """They will not be skipped for ever."""
    project = write(tmp_path, a=GOOD.replace("## TEST", "## TEST [skip: later]").replace("```", "", 1))
    result = invoke("sql", "check", str(project))
    assert result.exit_code == 1
    assert "the test's block holds no SQL" in result.stdout


def test_files_that_are_not_used_are_mentioned(invoke: Invoke, tmp_path: Path) -> None:
    """A slip in an ending would otherwise leave out tests."""
    project = write(tmp_path, a=GOOD)
    (project / "tests" / "b.sttt").write_text(GOOD)
    (project / "tests" / "c.STT.txt").write_text(GOOD)
    (project / "tests" / "d.sql").write_text("SELECT 1;")
    result = invoke("sql", "check", str(project))
    assert result.exit_code == 0
    assert "notice: " in result.stdout
    assert "d.sql" in result.stdout


def test_nothing_to_check_is_an_error(invoke: Invoke, tmp_path: Path) -> None:
    """And not a success."""
    result = invoke("sql", "check", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: Nothing to run")


def test_what_files_say_does_not_reach_the_terminal_as_it_is(invoke: Invoke, tmp_path: Path) -> None:
    """A message may repeat it."""
    result = invoke("sql", "check", str(write(tmp_path, a=GOOD + "\n## \x1b[31mNOTES\n")))
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("example", sorted(path.parent.name for path in ROOT.glob("examples/sql/*/tests")))
def test_the_examples_are_well_formed(invoke: Invoke, example: str) -> None:
    """All of them."""
    result = invoke("sql", "check", str(ROOT / "examples" / "sql" / example))
    assert (result.exit_code, result.stdout[:11]) == (0, "no problem ")
