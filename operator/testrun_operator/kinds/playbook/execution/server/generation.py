"""Which generation of NoETL a server is. No release tells: the routes that it has do."""

from collections.abc import Callable, Collection
from typing import Final

from pydantic import JsonValue

from testrun_operator.kinds.playbook.execution.ids import mapping
from testrun_operator.kinds.playbook.execution.log import Dialect

DESCRIPTION_PATH: Final = "/openapi.json"
"""Where a server lists its routes."""
_RUN: Final = "/api/run/{resource_type}"
_EXECUTE: Final = "/api/execute"
_BATCH: Final = "/api/events/batch"
_MANY: Final = "/api/execute/batch"
"""Starts several playbooks: only the servers written in Rust have it, which do not describe themselves."""


def generation_of(description: JsonValue) -> Dialect | None:
    """Tell the generation from a description in the format OpenAPI; None where it is no NoETL server's."""
    return _of_routes(mapping(mapping(description).get("paths")))


def generation_by_routes(exists: Callable[[str], bool]) -> Dialect | None:
    """Tell the generation of a server that does not describe itself; None where it is no NoETL server.

    Args:
        exists: whether the server has a route.
    """
    return _of_routes({route for route in (_EXECUTE, _BATCH, _MANY) if exists(route)})


def _of_routes(routes: Collection[str]) -> Dialect | None:
    if _MANY in routes:
        return Dialect.RUST
    if _EXECUTE in routes:
        return Dialect.BATCH if _BATCH in routes else Dialect.COMMAND
    return Dialect.QUEUE if _RUN in routes else None
