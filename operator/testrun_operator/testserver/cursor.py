"""Opaque cursors: base64url of a JSON document, with a checksum so that an altered one is noticed.

The checksum needs no secret, so that a cursor is still good after the server was restarted, or with another replica.
"""

import base64
import json
import zlib


def encode_cursor(offset: int) -> str:
    """Return the cursor of the page that begins after ``offset`` items."""
    document = json.dumps({"offset": offset, "check": _checksum(offset)}, separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> int:
    """Return the offset of a cursor that :func:`encode_cursor` made.

    Raises:
        ValueError: the text is no such cursor; says why.
    """
    try:
        # The padding depends on the length and is not part of the cursor; more of it than needed does no harm.
        document = json.loads(base64.b64decode(cursor + "===", altchars=b"-_"))
    except (ValueError, RecursionError):
        raise ValueError("is no cursor of this server: it is not base64url of a JSON document") from None
    offset = document.get("offset") if isinstance(document, dict) else None
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        raise ValueError("is no cursor of this server: it has no offset")
    if document.get("check") != _checksum(offset) or cursor != encode_cursor(offset):
        raise ValueError("was altered: its checksum does not fit")
    return offset


def _checksum(offset: int) -> int:
    return zlib.crc32(f"testserver:{offset}".encode())
