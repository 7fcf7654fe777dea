"""The real apt-get, with the lock of its package lists held by somebody else."""

import fcntl
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_package_lists_are_fetched_when_it_is_our_turn(tmp_path: Path) -> None:
    """Two set-ups side by side are the usual case; apt itself does not wait here, whatever its options say."""
    lists = tmp_path / "lists"
    (lists / "partial").mkdir(parents=True)
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": lists,
        "Dir::Cache": tmp_path,
        "APT::Sandbox::User": "root",
    }
    words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    with (lists / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [ROOT / "ci" / "apt-get", *words, "update"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert "waiting for another installation of packages to end" in process.stderr.readline()
        fcntl.lockf(lock, fcntl.LOCK_UN)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, output + errors
