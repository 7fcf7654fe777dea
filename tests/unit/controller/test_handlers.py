"""What is registered with kopf, and what the handlers hand on."""

from typing import Any

import kopf
import pytest
from kopf._core.intents.handlers import ActivityHandler, IndexingHandler, WatchingHandler

from testrun_operator.controller.handlers import register
from testrun_operator.controller.main import make_kopf_settings
from testrun_operator.controller.watches import WatchSupervisor

RESOURCES = {"testruns", "testsuites"}


@pytest.fixture
def registry() -> kopf.OperatorRegistry:
    """Return kopf's registry with our handlers."""
    made = kopf.OperatorRegistry()
    register(made, WatchSupervisor(lambda: True))
    return made


class Memo:
    """Notes what the handlers hand on."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **more: self.told.append((name, *values, *more.values()))


async def hand_on(registry: kopf.OperatorRegistry, name: str, kind: str | None, body: Any) -> list[tuple[Any, ...]]:
    """Call an event handler with an object, and return what it hands on."""
    memo = Memo()
    [function] = {handler.fn for handler in registry._watching.get_all_handlers() if handler.fn.__name__ == name}
    await function(type=kind, body=kopf.Body(body), memo=memo)
    return memo.told


def test_only_indices_and_event_handlers_are_registered(registry: kopf.OperatorRegistry) -> None:
    """The other kinds of handlers write annotations and finalizers, which would be drift."""
    assert list(registry._changing.get_all_handlers()) == []
    assert list(registry._spawning.get_all_handlers()) == []
    assert list(registry._webhooks.get_all_handlers()) == []
    assert all(isinstance(handler, WatchingHandler) for handler in registry._watching.get_all_handlers())
    assert all(isinstance(handler, IndexingHandler) for handler in registry._indexing.get_all_handlers())


def test_the_only_activities_are_login_and_startup(registry: kopf.OperatorRegistry) -> None:
    """An operator of which somebody deletes the CRDs, or that is stopped, has nothing to clean up."""
    handlers = registry._activities.get_all_handlers()
    assert all(isinstance(handler, ActivityHandler) for handler in handlers)
    assert sorted(str(handler.activity.value) for handler in handlers if handler.activity) == [
        "authentication",
        "startup",
    ]


def test_every_kind_that_is_indexed_also_tells_of_its_events(registry: kopf.OperatorRegistry) -> None:
    """What is read is also what wakes."""
    indexed = {
        handler.selector.any_name or handler.selector.plural for handler in registry._indexing.get_all_handlers()
    }
    watched = {
        handler.selector.any_name or handler.selector.plural for handler in registry._watching.get_all_handlers()
    }
    assert indexed == watched == RESOURCES


def test_kopf_writes_nothing_of_its_own() -> None:
    """No Events for log lines, no peering objects, no look at CRDs and namespaces."""
    settings = make_kopf_settings()
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.peering.standalone


@pytest.mark.parametrize(
    ("name", "told"),
    [("run_changed", ("run_changed", "team", "named")), ("suite_changed", ("suite_changed", "team", "named"))],
)
async def test_a_run_and_a_suite_are_handed_on_by_name(
    registry: kopf.OperatorRegistry, name: str, told: tuple[str, ...]
) -> None:
    """Whatever happened to them; what it was is looked up."""
    for kind in (None, "ADDED", "MODIFIED", "DELETED"):
        assert await hand_on(registry, name, kind, {"metadata": {"name": "named", "namespace": "team"}}) == [told]
