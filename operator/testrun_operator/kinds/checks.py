"""Checks of fields that several kinds have."""

from collections.abc import Iterator

from testrun_operator.api.files import FileSource
from testrun_operator.kinds.case_kind import SuiteNames


def check_database(name: str, suite: SuiteNames, path: str) -> Iterator[str]:
    """Yield what is wrong with the name of a connection to a database.

    Args:
        name: of the connection.
        suite: which there are.
        path: of the field with the name.
    """
    connection = suite.connections.get(name)
    if connection is not None and connection.dsn_from is not None:
        return
    if connection is not None:
        problem = f"the connection {name!r} has no dsnFrom, which says how to reach a database"
    elif name in suite.test_servers:
        problem = f"{name!r} is a test server and no database"
    else:
        problem = f"there is no connection {name!r}"
    databases = sorted(known for known, found in suite.connections.items() if found.dsn_from is not None)
    yield f"{path}: {problem}; connections with dsnFrom are: {', '.join(databases) or 'none'}"


def check_files(source: FileSource, path: str) -> Iterator[str]:
    """Yield what is wrong with where files come from: paths that lead elsewhere, and one file for two keys."""
    git, config_map = source.git, source.config_map
    if git is not None and git.path is not None:
        yield from _check_relative(git.path, f"{path}.git.path")
    if config_map is None:
        return
    if config_map.path is not None:
        yield from _check_relative(config_map.path, f"{path}.configMap.path")
    seen: set[str] = set()
    for index, item in enumerate(config_map.items):
        item_path = f"{path}.configMap.items[{index}].path"
        yield from _check_relative(item.path, item_path)
        if item.path in seen:
            yield f"{item_path}: {item.path!r} is used before; each key needs a file of its own"
        seen.add(item.path)


def _check_relative(file: str, path: str) -> Iterator[str]:
    if not file or file.startswith("/") or ".." in file.split("/"):
        yield f"{path}: must be a relative path without '..', as in 'tests/booking.stt'; found {file!r}"
