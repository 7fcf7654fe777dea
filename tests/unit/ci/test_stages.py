"""Targets that run at the same time: none of them fails unnoticed, and what each wrote is shown."""

import shutil
import subprocess
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[3] / "ci" / "stages"
_MAKEFILE = "good:\n\t@sleep 0.2; echo good is over\nbad:\n\t@echo bad is over; exit 1\nother:\n\t@echo other is over\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script beside a Makefile of the test's own."""
    (tmp_path / "Makefile").write_text(_MAKEFILE)
    (tmp_path / "ci").mkdir()
    return Path(shutil.copy(_SCRIPT, tmp_path / "ci"))


def run(script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run([script, *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("targets", "is_good"),
    [(("good", "other"), True), (("bad", "good"), False), (("good", "bad", "other"), False), (("good", "bad"), False)],
)
def test_it_fails_when_one_of_them_does(script: Path, targets: tuple[str, ...], *, is_good: bool) -> None:
    """Whichever of them it is, and whenever it ends; the others run to their end."""
    done = run(script, *targets)
    assert (done.returncode == 0) is is_good
    for target in targets:
        assert f"{target} is over" in done.stdout


def test_a_stage_begins_when_all_of_the_one_before_have_succeeded(script: Path) -> None:
    """What needs the image does not start beside the build of it."""
    done = run(script, "good", "other", "--", "other")
    lines = [line for line in done.stdout.splitlines() if line.endswith("is over")]
    assert lines == ["other | other is over", "good  | good is over", "other is over"]
    failed = run(script, "bad", "--", "other")
    assert failed.returncode != 0
    assert "other is over" not in failed.stdout


def test_it_says_where_the_time_went(script: Path) -> None:
    """Also when something failed, which is when somebody wants to know."""
    for words in (("good", "--", "other"), ("good", "bad")):
        lines = run(script, *words).stdout.splitlines()
        assert any(line.startswith("Where the time went") for line in lines)
        for target in set(words) - {"--"}:
            assert any(target in line.split() for line in lines[-4:])


def test_without_targets_it_says_how_it_is_used(script: Path) -> None:
    """And with --help."""
    assert "ci/stages A B -- C D -- E" in run(script).stdout
    assert run(script).returncode == 2
    assert run(script, "--help").returncode == 0
