"""Reads answers, bounded in size and time, and says in words what httpx raises."""

import math
import time

from testrun_operator.httpclient.httpx_import import httpx

MAX_CONNECT_SECONDS = 10.0
"""An address that does not even refuse a connection is not waited for any longer: the dependency is not there."""


def read_body(response: httpx.Response, *, longest: int, until: float = math.inf) -> tuple[bytes, str]:
    """Read a body; return it, and why it was not read to its end, or an empty text.

    Args:
        response: whose body is still to be read.
        longest: of how many bytes it may be.
        until: when to give up, by the clock ``time.monotonic``, though bytes are still coming.

    Raises:
        httpx.TransportError: the connection broke.
    """
    pieces: list[bytes] = []
    length = 0
    try:
        for piece in response.iter_bytes():
            length += len(piece)
            if length > longest:
                return b"".join(pieces), f"a body of more than {longest // 1024 // 1024} MiB"
            if time.monotonic() > until:
                return b"".join(pieces), "a body that comes too slowly"
            pieces.append(piece)
    except httpx.DecodingError as error:
        return b"", f"a body that its Content-Encoding does not describe: {error}"
    return b"".join(pieces), ""


def describe(error: httpx.HTTPError) -> str:
    """Say why there is no response."""
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {MAX_CONNECT_SECONDS:.0f} s"
    return f"connection failed: {reason}"
