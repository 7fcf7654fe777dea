"""``python -m soak``: see ``docs/develop.md``."""

import os
import sys

from soak.driver import main

if __name__ == "__main__":
    # The order of sets of strings follows from this, and what follows from a seed must not.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, "-m", "soak", *sys.argv[1:]], os.environ | {"PYTHONHASHSEED": "0"})
    sys.exit(main(sys.argv[1:]))
