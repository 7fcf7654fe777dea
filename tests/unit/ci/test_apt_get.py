"""Packages are installed one set-up after the other, whichever of apt's locks the other one holds."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from native.packages import APT_GET

LISTS = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
DPKG = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)"
DATABASE = "dpkg: error: dpkg frontend lock was locked by another process with pid 7"
TOOLS = APT_GET.with_name("tools")


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """Put an apt-get of the test's own into a folder: it fails with each line of `troubles`, and then goes well."""
    program = tmp_path / "apt-get"
    program.write_text(
        "#!/bin/sh\n"
        f'cd {tmp_path}; echo "$*" >> calls\n'
        "trouble=$(head -n 1 troubles); sed -i 1d troubles\n"
        '[ -z "$trouble" ] || { echo "$trouble" >&2; exit 100; }\n'
        "echo done\n"
    )
    program.chmod(0o755)
    return tmp_path


def call(
    folder: Path, *words: str | Path, troubles: tuple[str, ...], patience_seconds: int = 60
) -> tuple[int, str, str]:
    """Call a program with that apt-get; return exit code, output and errors."""
    (folder / "troubles").write_text("".join(f"{trouble}\n" for trouble in troubles))
    environment = os.environ | {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "APT_PATIENCE_SECONDS": str(patience_seconds),
    }
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("trouble", [LISTS, DPKG, DATABASE])
def test_it_waits_for_any_lock_and_says_once_who_holds_it(apt: Path, trouble: str) -> None:
    """The option that apt has option for that does not cover that of the package lists."""
    code, output, errors = call(apt, APT_GET, "update", troubles=(trouble, trouble))
    assert (code, output.splitlines()[-1]) == (0, "done")
    assert errors.count("waiting for another installation of packages to end") == 1
    assert trouble.removeprefix("E: ") in errors
    assert (apt / "calls").read_text() == 3 * "update\n"


def test_other_errors_are_not_tried_again(apt: Path) -> None:
    """A wrong name does not get better."""
    code, output, errors = call(apt, APT_GET, "install", "nothing", troubles=("E: Unable to locate package nothing",))
    assert (code, errors) == (100, "")
    assert "Unable to locate package nothing" in output
    assert (apt / "calls").read_text() == "install nothing\n"


def test_it_gives_up_after_a_time(apt: Path) -> None:
    """With apt's own words and exit code."""
    code, output, errors = call(apt, APT_GET, "update", troubles=(LISTS, LISTS), patience_seconds=0)
    assert code == 100
    assert LISTS in output
    assert re.search(r"gave up after [0-9]+ s", errors), errors


def test_the_set_up_says_that_it_waits(apt: Path) -> None:
    """Otherwise a target seems to hang, or fails though a second try would do."""
    as_root = apt / "id"
    as_root.write_text("#!/bin/sh\necho 0\n")
    as_root.chmod(0o755)
    code, output, errors = call(apt, TOOLS, "no-such-package", troubles=(LISTS, "", DPKG))
    assert (code, output) == (0, "installing Debian packages: no-such-package\n")
    assert "waiting for another installation of packages to end" in errors
    assert (apt / "calls").read_text().splitlines() == [
        *2 * ["update"],
        *2 * ["install --yes --no-install-recommends no-such-package"],
    ]
