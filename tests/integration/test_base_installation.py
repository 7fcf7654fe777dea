"""The command line, installed by itself: what works, and what is said about the rest."""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOO_LARGE_MEGABYTES = 60
"""More than the base's 35 MB were when this was written, and less than any extra would make of it."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment with the base alone, in the versions that are locked."""
    folder = tmp_path_factory.mktemp("installation")
    source = folder / "source"
    shutil.copytree(ROOT / "operator", source / "operator", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    constraints = folder / "constraints.txt"
    lock = (ROOT / "requirements" / "runtime.lock").read_text()
    constraints.write_text("\n".join(re.findall(r"(?m)^[a-z][^ ;]*==[^ ]+", lock)))
    target = folder / "environment"
    venv.create(target, with_pip=False, symlinks=True)
    install = [sys.executable, "-m", "pip", "--python", target / "bin" / "python", "install", "--quiet"]
    options = ["--disable-pip-version-check", "--constraint", constraints]
    done = subprocess.run([*install, *options, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run_testrun(environment: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of that environment in the repository; there is a database, and no terminal."""
    program = environment / "bin" / "testrun"
    variables = {"PATH": os.environ["PATH"], "DB_URL": "sqlite://", "COLUMNS": "120"}
    return subprocess.run([program, *words], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--help",), "Check TestSuites and TestRuns in files."),
        (("version",), "testrun-operator "),
        (("validate", "examples/pagination"), "2 of 2 valid"),
        (("cases", "examples/pagination/suite.yaml"), "0 of them skipped"),
        (("sql", "check", "examples/sql/division"), "no problem in "),
        (("sql", "pack", "examples/sql/division", "--name", "division"), "kind: ConfigMap"),
        (("noetl", "suite", "examples/playbook/playbooks"), "kind: TestSuite"),
        (("run", "users", "--dry-run"), "kind: TestRun"),
    ],
)
def test_what_needs_no_cluster_and_no_database_works(environment: Path, words: tuple[str, ...], said: str) -> None:
    """A developer who writes suites needs nothing else."""
    done = run_testrun(environment, *words)
    assert 0 == done.returncode, done.stderr
    assert said in done.stdout


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("status", "users"), "cluster"),
        (("wait", "users"), "cluster"),
        (("run", "users"), "cluster"),
        (("results", "--dsn", "postgresql://localhost/x"), "postgres"),
        (("sql", "run", "examples/sql/division"), "sql"),
        (("operator",), "operator"),
        (("runner",), "runner"),
        (("testserver",), "testserver"),
    ],
)
def test_the_rest_says_which_extra_it_needs(environment: Path, words: tuple[str, ...], extra: str) -> None:
    """In one line that can be pasted, with exit code 2, and without a traceback."""
    done = run_testrun(environment, *words)
    assert (2, "") == (done.returncode, done.stdout)
    command = words[0]
    assert re.fullmatch(
        rf"Error: 'testrun {command}' needs [a-z0-9-]+, which is not installed; "
        rf"it comes with: pip install 'testrun-operator\[{extra}\]'\n",
        done.stderr,
    ), done.stderr


def test_it_is_small(environment: Path) -> None:
    """A new dependency that only the operator needs would be seen here."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    megabytes = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) / 1e6
    assert megabytes < TOO_LARGE_MEGABYTES
