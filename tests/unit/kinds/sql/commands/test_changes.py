"""``testrun sql run --watch``: which changes count, and what they make run."""

import os
from pathlib import Path

import pytest

from testrun_operator.kinds.sql.commands.changes import Files, Snapshot

TEST = "# TEST CASE\nIt is there.\n\n## TEST\nIt answers.\n```\nSELECT 1;\n```\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with a file of each kind."""
    for path, text in {
        "schema.sql": "SELECT 1;",
        "src/a.sql": "SELECT 2;",
        "tests/a.stt": TEST,
        "tests/deep/b.stt": TEST,
        "tests/expected.txt": "text",
        "tests/fixtures/setup/users.sql": "SELECT 3;",
        "tests/fixtures/teardown/users.sql": "SELECT 4;",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def to_run(before: Snapshot, after: Snapshot) -> list[str] | None:
    """Say what a change makes run; None for everything."""
    only = before.tests_to_run(after)
    return None if only is None else sorted(only)


def test_a_changed_test_case_file_runs_alone(project: Path) -> None:
    """The one that is being written, or several after a merge; a new one, too."""
    files = Files(project)
    before = files.look()
    (project / "tests/deep/b.stt").write_text(TEST + "\n")
    (project / "tests/new.stt").write_text(TEST)
    assert to_run(before, files.look()) == ["tests/deep/b.stt", "tests/new.stt"]


@pytest.mark.parametrize(
    "path",
    [
        "schema.sql",
        "src/a.sql",
        "src/new.sql",
        "tests/expected.txt",
        "tests/fixtures/setup/users.sql",
        "tests/fixtures/setup/new.csv",
        "tests/fixtures/teardown/users.sql",
    ],
)
def test_everything_runs_after_a_change_of_anything_else(project: Path, path: str) -> None:
    """Any test may depend on it."""
    files = Files(project)
    before = files.look()
    (project / path).write_text("changed")
    (project / "tests/a.stt").write_text(TEST + "\n")
    assert to_run(before, files.look()) is None


def test_everything_runs_after_a_file_was_removed(project: Path) -> None:
    """There is no file to run, and the others may have waited for it."""
    files = Files(project)
    before = files.look()
    (project / "tests/a.stt").unlink()
    after = files.look()
    assert after != before
    assert to_run(before, after) is None


def test_touching_a_file_is_no_change(project: Path) -> None:
    """Its content counts, which is read again only where the file's times say that it may be another one."""
    files = Files(project)
    before = files.look()
    os.utime(project / "tests/a.stt", ns=(1, 1))
    assert files.look() == before


def test_a_change_that_keeps_the_length_is_noticed(project: Path) -> None:
    """By the time of the change."""
    files = Files(project)
    before = files.look()
    (project / "tests/a.stt").write_text(TEST.replace("1", "2"))
    assert files.look() != before


def test_reports_do_not_count(project: Path) -> None:
    """They change with every execution, which would then never end."""
    report = project / "tests" / "report.xml"
    files = Files(project, [report])
    before = files.look()
    report.write_text("<testsuites/>")
    assert files.look() == before


def test_a_single_file_is_watched_alone(project: Path) -> None:
    """And may be gone for a moment, as some editors have it."""
    file = project / "tests" / "a.stt"
    files = Files(file)
    before = files.look()
    (project / "tests" / "deep" / "b.stt").write_text("changed")
    assert files.look() == before
    file.rename(project / "tests" / "a.stt~")
    gone = files.look()
    assert gone != before
    file.write_text(TEST + "\n")
    assert to_run(gone, files.look()) == ["a.stt"]


def test_a_folder_that_is_gone_has_no_files(tmp_path: Path) -> None:
    """And comes back as a change."""
    assert Files(tmp_path / "gone").look() == Files(tmp_path).look()
