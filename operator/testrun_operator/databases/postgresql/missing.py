"""What to say where there is no such procedure or function: what there is instead."""

import difflib
from collections.abc import Callable, Sequence
from typing import Any, Final

from testrun_operator.databases.base import RoutineNotFound

_RELATION: Final = """
    SELECT c.oid::regclass::text, c.relkind::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %s AND (n.nspname = %s OR %s AND pg_table_is_visible(c.oid)) AND c.relkind IN ('r', 'p', 'v', 'm')
    LIMIT 1
"""
_NAMES: Final = """
    SELECT DISTINCT p.proname::text, quote_ident(n.nspname) || '.' || quote_ident(p.proname)
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY 2
    LIMIT 5000
"""
_SHOWN: Final = 5


def not_found(
    written: str,
    parts: Sequence[str],
    elsewhere: Sequence[str],
    fetch: Callable[[str, Sequence[object]], list[tuple[Any, ...]]],
) -> RoutineNotFound:
    """Say that there is nothing of this name where it was looked for.

    Args:
        written: the name as the author wrote it.
        parts: its parts as the catalogue would have them.
        elsewhere: signatures of those that have the name in other schemas.
        fetch: asks the database.
    """
    place = f"in the schema {parts[0]}" if len(parts) > 1 else "in the schemas of the search_path"
    problem = f"there is no procedure or function {written} {place}"
    if elsewhere:
        return RoutineNotFound(f"{problem}; there is {_some(elsewhere)}")
    relations = fetch(_RELATION, [parts[-1], parts[0] if len(parts) > 1 else None, len(parts) == 1])
    if relations:
        name, kind = relations[0]
        what = "view" if kind in "vm" else "table"
        return RoutineNotFound(
            f"{problem}; {name} is a {what}, which is tested by a file that begins with # TEST CASE alone"
        )
    qualified: dict[str, list[str]] = {}
    for name, full in fetch(_NAMES, []):
        qualified.setdefault(name.lower(), []).append(full)
    close = difflib.get_close_matches(parts[-1].lower(), qualified, n=_SHOWN)
    similar = [full for name in close for full in qualified[name]]
    return RoutineNotFound(f"{problem}; similar: {_some(similar)}" if similar else problem)


def other_types(written: str, signatures: Sequence[str]) -> RoutineNotFound:
    """Say that there is the name, but not with these types."""
    return RoutineNotFound(f"there is no procedure or function {written}; there is {_some(signatures)}")


def aggregate(written: str, *, is_window: bool) -> RoutineNotFound:
    """Say that the name is that of something that cannot be called by itself."""
    what = "a window function" if is_window else "an aggregate function"
    return RoutineNotFound(f"{written} is {what}: it needs rows; test it by a query, in a file with # TEST CASE alone")


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
