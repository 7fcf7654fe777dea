"""What is registered with kopf, and what the handlers hand on."""

from typing import Any

import kopf
import pytest
from kopf._core.intents.handlers import ActivityHandler, IndexingHandler, WatchingHandler

from testrun_operator.controller.handlers import register
from testrun_operator.controller.main import make_kopf_settings
from testrun_operator.controller.watches import WatchSupervisor
from testrun_operator.kube import labels
from testrun_operator.kube.job import job_name
from testrun_operator.kube.references import RunReference

RESOURCES = {"testruns", "testsuites", "jobs", "pods", "configmaps", "services", "deployments"}


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


def owned(**own: str) -> Any:
    """Return an object that belongs to a run."""
    own_labels = {labels.RUN_UID: "uid", labels.RUN_ID: "7", labels.CASE: "one", labels.ATTEMPT: "1"} | own
    run = RunReference("team", "nightly", "uid")
    name = job_name(run, "7", own_labels[labels.CASE], int(own_labels[labels.ATTEMPT]))
    metadata = {"name": name, "namespace": "team", "labels": own_labels, "ownerReferences": [run.as_owner()]}
    return {"metadata": metadata}


def pod_of_job(job: str) -> Any:
    """Return a pod that a Job controls."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": "job-uid", "controller": True}
    own_labels = {labels.RUN_UID: "uid", labels.RUN_ID: "7"}
    return {"metadata": {"name": "pod", "namespace": "team", "labels": own_labels, "ownerReferences": [owner]}}


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


def test_other_peoples_objects_are_not_even_sent() -> None:
    """Jobs, pods, ConfigMaps, Services and Deployments are selected by our label on the server's side."""
    selectors = make_kopf_settings().watching.label_selectors
    assert {selector.plural or selector.any_name for selector in selectors} == RESOURCES - {"testruns", "testsuites"}
    assert set(selectors.values()) == {labels.SELECTOR}


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


async def test_a_job_is_handed_on_with_whether_it_is_gone(registry: kopf.OperatorRegistry) -> None:
    """A Job without the labels of an attempt is none of ours."""
    [(_, job, deleted)] = await hand_on(registry, "job_changed", "MODIFIED", owned())
    assert (job.run.uid, job.run_id, job.observation.case, deleted) == ("uid", "7", "one", False)
    assert (await hand_on(registry, "job_changed", "DELETED", owned()))[0][2] is True
    without_attempt = owned()
    without_attempt["metadata"]["labels"][labels.ATTEMPT] = "x"
    assert await hand_on(registry, "job_changed", "ADDED", without_attempt) == []


async def test_a_pod_is_handed_on_with_its_last_sight_if_it_is_gone(registry: kopf.OperatorRegistry) -> None:
    """How it ended may be in nothing else."""
    body, owner = pod_of_job("job"), ("team", "uid")
    assert await hand_on(registry, "pod_changed", "MODIFIED", body) == [("pod_changed", owner, "7", "job", None)]
    [(*_, lost)] = await hand_on(registry, "pod_changed", "DELETED", body)
    assert (lost.name, lost.job_uid) == ("pod", "job-uid")
    assert await hand_on(registry, "pod_changed", "DELETED", owned()) == []


async def test_a_record_and_a_server_wake_whom_they_concern(registry: kopf.OperatorRegistry) -> None:
    """A record its run; a test server whoever waits for it."""
    assert await hand_on(registry, "record_changed", "ADDED", owned()) == [("owned_changed", ("team", "uid"))]
    assert await hand_on(registry, "server_changed", "DELETED", owned()) == [("servers_changed",)]
