"""Brings a case's files to a folder: from the case itself, from a mounted ConfigMap, or from Git."""

import os
from collections.abc import Mapping
from pathlib import Path

from testrun_operator.api.environment import FILES_PATH
from testrun_operator.api.files import ConfigMapFiles, FileSource
from testrun_operator.runner.problem import InvalidCase
from testrun_operator.sources.fetched import Deadline, Fetched
from testrun_operator.sources.listing import names_in
from testrun_operator.sources.paths import is_inside, printable, problem_of_path

_MOST_NAMES = 10


def fetch_files(
    source: FileSource,
    environment: Mapping[str, str],
    folder: Path,
    *,
    mount: Path = Path(FILES_PATH),
    field: str = "sql.source",
    inline_name: str = "inline.stt",
    deadline: float | None = None,
) -> Fetched:
    """Bring a case's files to a folder.

    Args:
        source: where they come from; its templates are rendered.
        environment: the process's environment variables, among them the credentials for Git.
        folder: an empty folder to write into. The files of a ConfigMap stay where they are.
        mount: where a ConfigMap is mounted.
        field: the field of the case that the source stands in, for messages.
        inline_name: what the file is called that stands in the case itself.
        deadline: when the case's time is over, by the clock ``time.monotonic``.

    Raises:
        InvalidCase: the source is not as the case says; names the field.
        CannotJudge: the Git server cannot be reached.
    """
    if source.inline is not None:
        path = folder / inline_name
        path.write_text(source.inline, "utf-8", newline="")
        return Fetched(path, "the case itself")
    if source.config_map is not None:
        return _mounted(source.config_map, mount, f"{field}.configMap")
    assert source.git is not None  # noqa: S101 - the model has exactly one of the three
    from testrun_operator.sources.git import fetch_git  # noqa: PLC0415 - loading Git takes a while

    return fetch_git(source.git, environment, folder, field=f"{field}.git", deadline=Deadline(deadline))


def _mounted(files: ConfigMapFiles, mount: Path, field: str) -> Fetched:
    # The pod also starts without the ConfigMap, or without one of its keys, so that this can be said.
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
