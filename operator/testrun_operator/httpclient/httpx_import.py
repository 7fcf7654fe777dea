"""Loads httpx without its command line.

``import httpx`` loads that program if it can, with it click, rich and pygments, and these take longer to load than all
the rest of it. Every case's pod pays for its imports, so they are shut out here. Modules of this folder take httpx from
here.
"""

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None makes its import fail, which httpx expects

import httpx  # noqa: E402 - see above

__all__ = ["httpx"]
