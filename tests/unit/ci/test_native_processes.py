"""Daemons are recognised again, and only as long as they are what they should be."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from native import node
from native.instance import Instance
from native.packages import installed_packages
from native.processes import Daemon, daemon_environment, start_ticks, stop, write_atomically


def test_a_living_process_has_a_start_time() -> None:
    """Together with its id it names the process for good."""
    assert start_ticks(os.getpid()) == start_ticks(os.getpid()) is not None


def test_a_process_that_ended_has_none() -> None:
    """Also while its parent has not asked for its exit code yet."""
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert start_ticks(ended.pid) is None
    ended.wait()
    assert start_ticks(ended.pid) is None


def test_a_process_that_does_not_listen_is_killed() -> None:
    """A daemon that ignores the polite signal must not keep its port."""
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    stop(process.pid, patience_seconds=0.2)
    assert process.wait(timeout=5) == -signal.SIGKILL
    process.stdout.close()


def test_the_fingerprint_follows_arguments_environment_and_configuration() -> None:
    """A change of any of them restarts the process."""
    plain = Daemon(name="a", arguments=("a",))
    others = [
        Daemon(name="a", arguments=("a", "b")),
        Daemon(name="a", arguments=("a",), environment={"A": "1"}),
        Daemon(name="a", arguments=("a",), content=("text",)),
    ]
    assert plain.fingerprint not in {other.fingerprint for other in others}


def test_the_fingerprint_does_not_follow_what_prepares_the_start() -> None:
    """The namespace is entered through whichever process is in it at the time."""
    assert (
        Daemon(name="a", arguments=("a",), prefix=("nsenter", "1")).fingerprint
        == Daemon(name="a", arguments=("a",), prefix=("nsenter", "2")).fingerprint
    )


def test_a_daemon_does_not_inherit_the_callers_settings() -> None:
    """A proxy or a token of the person who ran the command is no affair of the cluster."""
    assert daemon_environment({"PATH": "/bin", "https_proxy": "x", "TOKEN": "y"}) == {"PATH": "/bin"}


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_is_replaced_as_a_whole(tmp_path: Path, mode: int) -> None:
    """The new text and the mode are there, and no partial file is left."""
    target = tmp_path / "folder" / "file"
    for text in ("old and longer", "new"):
        write_atomically(target, text, mode=mode)
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", mode)
    assert list(target.parent.iterdir()) == [target]


def test_a_removed_package_does_not_count_as_installed() -> None:
    """Its configuration may still be there, and then dpkg still knows it."""
    assert installed_packages("runc installed\njq config-files\nbuildah not-installed\n") == {"runc"}


def test_a_shell_with_another_path_does_not_start_containerd_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make` puts kubectl before the rest; what mends the cluster by hand must not disturb its pods by that."""
    here = node.containerd(Instance(0, Path("/state")), Path("/programs"), prefix=())
    monkeypatch.setenv("PATH", f"/elsewhere:{os.environ['PATH']}")
    there = node.containerd(Instance(0, Path("/state")), Path("/programs"), prefix=())
    assert here.fingerprint == there.fingerprint
    assert there.prefix[-1].startswith("PATH=/programs:/elsewhere:")
