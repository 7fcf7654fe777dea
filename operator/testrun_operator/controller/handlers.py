"""kopf's handlers: each says what happened to whom it concerns, and decides nothing.

Only ``on.event`` and ``index`` are used. They write nothing: the other kinds of handlers put annotations and finalizers
on the objects that they handle, which GitOps tools would show as drift, and which would hold up a deletion while the
operator is down (https://docs.kopf.dev/en/stable/continuity/).
"""

from typing import Any

import kopf

from testrun_operator.controller import indexing
from testrun_operator.controller.operator import Operator
from testrun_operator.controller.watches import WatchSupervisor
from testrun_operator.resources.crds import GROUP

_RUNS = (GROUP, "testruns")
_SUITES = (GROUP, "testsuites")


def register(registry: kopf.OperatorRegistry, watches: WatchSupervisor) -> None:
    """Register all handlers.

    Args:
        registry: kopf's registry.
        watches: makes the session by which kopf talks to the API server.
    """

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        return await watches.log_in(kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs))

    @kopf.on.startup(errors=kopf.ErrorsMode.PERMANENT, registry=registry)
    async def start(memo: Operator, **indices: Any) -> None:
        memo.connect_indices(indices)

    @kopf.index(*_RUNS, id="runs", registry=registry)
    def runs(body: kopf.Body, **_: Any) -> Any:
        return indexing.index_run(body)

    @kopf.index(*_SUITES, id="suites", registry=registry)
    def suites(body: kopf.Body, **_: Any) -> Any:
        return indexing.index_suite(body)

    @kopf.on.event(*_RUNS, registry=registry)
    async def run_changed(body: kopf.Body, memo: Operator, **_: Any) -> None:
        memo.run_changed(body["metadata"]["namespace"], body["metadata"]["name"])

    @kopf.on.event(*_SUITES, registry=registry)
    async def suite_changed(body: kopf.Body, memo: Operator, **_: Any) -> None:
        memo.suite_changed(body["metadata"]["namespace"], body["metadata"]["name"])
