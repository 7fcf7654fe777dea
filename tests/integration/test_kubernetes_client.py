"""The adapter against a real API server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from support.cluster import Namespace, kubectl, temporary_namespace
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import CONFIGMAPS, JOBS, LEASES, KubernetesClient
from testrun_operator.kube.connecting import connect
from testrun_operator.kube.lease import Lease

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def place() -> Iterator[Namespace]:
    """A namespace for these tests."""
    with temporary_namespace(f"client-{uuid4().hex[:6]}") as made:
        yield made


@pytest.fixture
async def kubernetes() -> AsyncIterator[KubernetesClient]:
    """A connection by the kubeconfig."""
    made = await connect()
    yield made
    await made.close()


def config_map(name: str, **labels: str) -> dict:
    """Make a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


async def test_objects_are_created_read_patched_listed_and_deleted(
    place: Namespace, kubernetes: KubernetesClient
) -> None:
    """Each call does what RBAC's verb of the same name says."""
    await kubernetes.create(CONFIGMAPS, place.name, config_map("one", kind="wanted"))
    await kubernetes.create(CONFIGMAPS, place.name, config_map("two", kind="wanted"))
    await kubernetes.create(CONFIGMAPS, place.name, config_map("other"))
    await kubernetes.patch(CONFIGMAPS, place.name, "one", {"data": {"a": None, "b": "2"}})
    body = await kubernetes.get(CONFIGMAPS, place.name, "one")
    assert body is not None
    assert body["data"] == {"b": "2"}
    found = await kubernetes.list(CONFIGMAPS, place.name, labelSelector="kind=wanted")
    assert {item["metadata"]["name"] for item in found} == {"one", "two"}
    await kubernetes.delete_collection(CONFIGMAPS, place.name, "kind=wanted")
    assert await kubernetes.get(CONFIGMAPS, place.name, "one") is None
    other = await kubernetes.get(CONFIGMAPS, place.name, "other")
    assert other is not None
    await kubernetes.delete(CONFIGMAPS, place.name, "other", "0f1b6a52-6f6e-4c1e-9d43-2f6a2f3c9a10")
    assert await kubernetes.get(CONFIGMAPS, place.name, "other") is not None, "it is not the one that was meant"
    for _ in range(2):
        await kubernetes.delete(CONFIGMAPS, place.name, "other", other["metadata"]["uid"])
    assert await kubernetes.get(CONFIGMAPS, place.name, "other") is None


async def test_a_second_creation_is_refused_as_a_conflict(place: Namespace, kubernetes: KubernetesClient) -> None:
    """By this an operator that was killed finds the Job that it had created already."""
    await kubernetes.create(CONFIGMAPS, place.name, config_map("twice"))
    with pytest.raises(Refused) as caught:
        await kubernetes.create(CONFIGMAPS, place.name, config_map("twice"))
    assert caught.value.is_conflict


async def test_an_invalid_object_is_refused_with_the_servers_words(
    place: Namespace, kubernetes: KubernetesClient
) -> None:
    """What the API server says of an object reaches the user."""
    with pytest.raises(Refused, match=r"spec\.template"):
        await kubernetes.create(
            JOBS, place.name, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "bad"}, "spec": {}}
        )


async def test_a_used_up_quota_is_told_apart(place: Namespace, kubernetes: KubernetesClient) -> None:
    """A quota is a reason to wait, not a mistake of the suite."""
    kubectl("-n", place.name, "create", "quota", "none", "--hard=count/jobs.batch=0")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "one-too-many"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "case", "image": "none"}]}}},
    }
    try:
        # The quota's controller takes a moment to count; until then the server says "status unknown".
        refusal = await refused(kubernetes, place.name, job)
        async with asyncio.timeout(15):
            while "status unknown" in str(refusal):
                await asyncio.sleep(0.5)
                refusal = await refused(kubernetes, place.name, job)
        assert refusal.is_quota
    finally:
        kubectl("-n", place.name, "delete", "quota", "none")


async def refused(kubernetes: KubernetesClient, namespace: str, job: dict) -> Refused:
    """Try to create a Job, and return the refusal."""
    with pytest.raises(Refused) as caught:
        await kubernetes.create(JOBS, namespace, job)
    return caught.value


async def test_only_one_operator_holds_the_lease(place: Namespace, kubernetes: KubernetesClient) -> None:
    """A second operator waits until the first gives the Lease back; a restarted container goes on at once."""
    first, second = (Lease(kubernetes, place.name, "operator", holder) for holder in ("first", "second"))
    await first.acquire()
    await Lease(kubernetes, place.name, "operator", "first").acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(2.5)
    assert not waiting.done()
    await first.release()
    await asyncio.wait_for(waiting, 5)
    body = await kubernetes.get(LEASES, place.name, "operator")
    assert body is not None
    assert body["spec"]["holderIdentity"] == "second"
    assert body["spec"]["leaseTransitions"] == 1
