"""Which Python of this machine a NoETL can be installed for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

LOWEST = (3, 12)
NAMES = ("python3.13", "python3.12", "python3.14")


def find_python() -> str | None:
    """Find a Python that is new enough for NoETL: on PATH, of pyenv, or the one that runs this; None without one."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(path) for name in NAMES for path in sorted(pyenv.glob(f"*/bin/{name}"))]
    if sys.version_info >= LOWEST:
        found.append(sys.executable)
    for python in found:
        # pyenv's shims answer for versions that are not chosen, too: with an error.
        done = subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, check=False)
        if done.returncode == 0:
            return python
    return None
