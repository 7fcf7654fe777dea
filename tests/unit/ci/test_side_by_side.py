"""Targets that run at the same time: none of them fails unnoticed, and what each wrote is shown."""

import shutil
import subprocess
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[3] / "ci" / "side-by-side"
_MAKEFILE = "good:\n\t@sleep 0.2; echo good is over\nbad:\n\t@echo bad is over; exit 1\nother:\n\t@echo other is over\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script beside a Makefile of the test's own."""
    (tmp_path / "Makefile").write_text(_MAKEFILE)
    (tmp_path / "ci").mkdir()
    return Path(shutil.copy(_SCRIPT, tmp_path / "ci"))


@pytest.mark.parametrize(
    ("targets", "is_good"),
    [(("good", "other"), True), (("bad", "good"), False), (("good", "bad", "other"), False), (("good", "bad"), False)],
)
def test_it_fails_when_one_of_them_does(script: Path, targets: tuple[str, ...], *, is_good: bool) -> None:
    """Whichever of them it is, and whenever it ends."""
    done = subprocess.run([script, *targets], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode == 0) is is_good
    for target in targets:
        assert f"{target} is over" in done.stdout
