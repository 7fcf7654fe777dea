"""Waiting for the test servers of an execution."""

from datetime import datetime, timedelta

from testrun_operator.api.base import format_duration
from testrun_operator.controller.executions import ExecutionState
from testrun_operator.controller.servers import ServerKeeper
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.servers import PlacedServer


async def bring_up(
    servers: ServerKeeper, state: ExecutionState, placed: tuple[PlacedServer, ...], now: datetime, limit: timedelta
) -> tuple[bool, str | None]:
    """Bring up the test servers of an execution.

    Args:
        servers: the test servers.
        state: the execution.
        placed: its servers.
        now: the time.
        limit: how long they are waited for.

    Returns:
        Whether all of them answer; and what is the matter, once that took too long.

    Raises:
        ClusterUnavailable: the API server does not answer.
    """
    missing = []
    for server in placed:
        try:
            if not await servers.ensure(server):
                missing.append(f"{server.name} is not ready")
        except Refused as error:
            missing.append(f"{server.name} cannot be deployed: {error}")
    if not missing:
        state.waiting_for_servers_since = None
        state.server_message = ""
        return True, None
    state.server_message = "; ".join(missing)
    if state.waiting_for_servers_since is None:
        state.waiting_for_servers_since = now
    if now - state.waiting_for_servers_since < limit:
        return False, None
    return False, f"{state.server_message} after {format_duration(limit)}"
