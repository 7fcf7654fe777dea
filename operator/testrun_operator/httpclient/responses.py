"""Reads the bodies of responses, with limits of size and time, and describes the exceptions of httpx."""

import math
import time

from testrun_operator.httpclient.httpx_import import httpx

MAX_CONNECT_SECONDS = 10.0
"""How long a connection may take: an address that does not even refuse it is not there."""


def read_body(response: httpx.Response, *, longest: int, until: float = math.inf) -> tuple[bytes, str]:
    """Read the body of a response.

    Args:
        response: the response, of which nothing was read yet.
        longest: how many bytes the body may have.
        until: when to give up though bytes are still coming, in seconds of the clock ``time.monotonic``.

    Returns:
        The body, and why it was not read to its end: ``a body that comes too slowly``. An empty text if it was.

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
    """Return in a few words why there is no response: ``no connection within 10 s``."""
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {MAX_CONNECT_SECONDS:.0f} s"
    return f"connection failed: {reason}"
