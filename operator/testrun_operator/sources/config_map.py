"""Files in a ConfigMap: their keys."""

import hashlib
import re
from collections.abc import Iterable

_MAX_KEY = 253
_NO_KEY = re.compile(r"[^-._a-zA-Z0-9]")


def key_for(path: str, taken: Iterable[str] = ()) -> str:
    """Return a key for a path: readable, allowed in a ConfigMap, and none of those that are taken.

    Args:
        path: relative to the project, as ``tests/billing/charge.stt``.
        taken: keys that other paths have.
    """
    key = _NO_KEY.sub("_", path.replace("/", "__"))
    known = set(taken)
    if key not in known and len(key) <= _MAX_KEY and not key.startswith(".."):
        return key if key != "." else "_"
    stem, dot, ending = key.rpartition(".")
    if not dot or len(ending) > _MAX_KEY // 2 or not stem.strip("."):
        stem, dot, ending = key, "", ""
    number = 0
    while True:
        # Of the path, not of the key: two paths may become one key.
        salt = f"{path}\0{number}" if number else path
        digest = hashlib.sha256(salt.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        room = _MAX_KEY - len(digest) - len(dot) - len(ending) - 1
        found = f"{stem[:room].lstrip('.')}-{digest}{dot}{ending}"
        if found not in known:
            return found
        number += 1
