"""Imports httpx without its command line.

``import httpx`` also imports its command line if that is installed, and with it click, rich and pygments, which take
longer to import than all the rest. Each case's pod would have to wait for that, so it is prevented here. All modules
that use httpx import it from this one.
"""

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None makes its import fail, which httpx expects

import httpx  # noqa: E402 - see above

__all__ = ["httpx"]
