"""Images of the operator as it was and as it may become: between which an upgrade goes forth and back."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from support.cluster import ROOT

RELEASED = "087bcc955ec36201a8ecd6369a8144c6ac6b0fb9"
"""The commit of the release before this one."""
INTO_THE_IMAGE = ("Dockerfile", ".dockerignore", "README.md", "LICENSE", "pyproject.toml", "operator")
LOCK_FILE = "requirements/runtime.lock"
UNKNOWN = "ofANewerRelease"
"""The field that the newer build writes wherever something is stored."""

_WRITES_MORE = f"""
    @__import__("pydantic").model_serializer(mode="wrap")
    def _of_a_newer_release(self, handler):
        return handler(self) | {{"{UNKNOWN}": {{"level": 1}}}}
"""
_MODELS = {
    "resources/status.py": (
        '"""How many cases are where. The verdicts and pending and running add up to total."""\n',
        '"""A case that did not pass."""\n',
        '"""What binds the record of an execution to its run."""\n',
        '"""What the operator knows of a TestRun."""\n',
    ),
    "engine/execution.py": ('"""Everything that decides what an execution runs."""\n',),
    "api/report.py": ('"""What a case\'s pod says of one attempt."""\n',),
}
"""Models of what is stored, by their docstrings: the newer build writes a field more of each."""
_OUTCOME = "_ADAPTER.dump_json(bounded, exclude_defaults=True).decode()"


def has_commit(commit: str) -> bool:
    """Whether the repository here has a commit; a shallow clone, or an archive of the sources, has not."""
    done = subprocess.run(
        ["git", "-C", ROOT, "cat-file", "-e", f"{commit}^{{commit}}"], check=False, capture_output=True
    )
    return done.returncode == 0


def build_of_commit(commit: str, folder: Path) -> tuple[str, Path]:
    """Build the operator of a commit, and load it into the cluster; returns its image and the folder of its chart."""
    names = [*INTO_THE_IMAGE, LOCK_FILE, "charts"]
    packed = subprocess.run(["git", "-C", ROOT, "archive", commit, *names], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return _build(folder, f"testrun-operator:{commit[:7]}"), folder / "charts" / "testrun-operator"


def build_of_newer_release(folder: Path) -> str:
    """Build the operator of this folder with one field more in whatever it stores, and load it into the cluster."""
    for name in INTO_THE_IMAGE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / name)
    (folder / LOCK_FILE).parent.mkdir()
    shutil.copy(ROOT / LOCK_FILE, folder / LOCK_FILE)
    package = folder / "operator" / "testrun_operator"
    for name, docstrings in _MODELS.items():
        for docstring in docstrings:
            _replace(package / name, docstring, docstring + _WRITES_MORE)
    _replace(package / "kube" / "outcomes.py", _OUTCOME, f"{_OUTCOME}.replace('{{', '{{\"{UNKNOWN}\": 1, ', 1)")
    return _build(folder, "testrun-operator:newer")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} has changed: {old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new))


def _build(folder: Path, tag: str) -> str:
    words = [ROOT / "ci" / "build-image", "--context", folder, "--tag", tag]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{tag} cannot be built: {done.stdout}{done.stderr}"
    return tag
