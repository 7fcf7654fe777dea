"""Files in a ConfigMap: under which keys they are put there, and where they are when it is mounted in the pod."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from testrun_operator.api.files import ConfigMapFiles
from testrun_operator.runner.problem import InvalidCase
from testrun_operator.sources.fetched import Fetched
from testrun_operator.sources.paths import is_inside, names_in, printable, problem_of_path

_MAX_KEY = 253
"""Characters that a key of a ConfigMap may have."""
_MOST_NAMES = 10
"""So many of the names that there are stand in a message about one that is not there."""
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


def mounted_files(files: ConfigMapFiles, mount: Path, field: str) -> Fetched:
    """Find the files of a ConfigMap, or those of them that the case names, where it is mounted.

    Args:
        files: which files of which ConfigMap; its templates are rendered.
        mount: the folder where it is mounted.
        field: the field of the case that it stands in, for messages: ``sql.source.configMap``.

    Raises:
        InvalidCase: the ConfigMap, a key or a file is not there, or a path is none that may be used.
    """
    # The pod starts also where the ConfigMap or one of its keys is missing, so that this can be reported here.
    names = _names(mount)
    if not names:
        raise InvalidCase(f"{field}.name", f"there is no ConfigMap {files.name} in the run's namespace, or it is empty")
    for index, item in enumerate(files.items):
        if problem := problem_of_path(item.path):
            raise InvalidCase(f"{field}.items[{index}].path", f"{printable(item.path)!r} {problem}")
        if not os.path.lexists(mount / item.path):
            message = f"the ConfigMap {files.name} has no key {item.key!r}"
            raise InvalidCase(f"{field}.items[{index}].key", message)
    label = f"ConfigMap {files.name}"
    if files.path is None:
        return Fetched(mount, label)
    path = files.path.removesuffix("/")
    if problem := problem_of_path(path):
        raise InvalidCase(f"{field}.path", f"{printable(path)!r} {problem}")
    if not os.path.lexists(mount / path):
        shown = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
        raise InvalidCase(f"{field}.path", f"the ConfigMap's files have no {printable(path)!r}; there is {shown}")
    if not is_inside(Path(os.path.realpath(mount / path)), Path(os.path.realpath(mount))):
        raise InvalidCase(f"{field}.path", f"{printable(path)!r} leads out of the ConfigMap's files")
    return Fetched(mount / path, f"{label}, {printable(path)}")


def _names(mount: Path) -> list[str]:
    return [printable(name) for name, _ in names_in(mount)]
