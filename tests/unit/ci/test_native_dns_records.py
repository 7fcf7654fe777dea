"""Names of Services follow from the Services and EndpointSlices that the API server knows."""

from typing import Any

from native.dns_records import hosts_file, records


def service(name: str, cluster_ip: str | None, *, namespace: str = "tests") -> dict[str, Any]:
    """Make a Service with a cluster address, `None` (headless) or none at all."""
    spec = {} if cluster_ip is None else {"clusterIP": cluster_ip}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def endpoint_slice(*endpoints: dict[str, Any], service: str = "db") -> dict[str, Any]:
    """Make an EndpointSlice of a Service in namespace `tests`."""
    labels = {"kubernetes.io/service-name": service}
    return {"metadata": {"name": "db-x1", "namespace": "tests", "labels": labels}, "endpoints": list(endpoints)}


def endpoint(address: str, *, ready: bool | None = True, **more: Any) -> dict[str, Any]:
    """Make an endpoint; `None` is a condition that is not known."""
    return {"addresses": [address], "conditions": {"ready": ready}, **more}


def test_a_service_has_its_own_address() -> None:
    """A name leads to the cluster address, whether or not a pod is ready."""
    assert records([service("api", "10.96.0.7")], []) == [("10.96.0.7", "api.tests.svc.cluster.local")]


def test_a_headless_service_has_the_addresses_of_its_ready_pods() -> None:
    """Pods that are not ready are left out, and so is the word None."""
    pods = endpoint_slice(endpoint("10.244.0.5"), endpoint("10.244.0.4"), endpoint("10.244.0.9", ready=False))
    assert records([service("db", "None")], [pods]) == [
        ("10.244.0.4", "db.tests.svc.cluster.local"),
        ("10.244.0.5", "db.tests.svc.cluster.local"),
    ]


def test_a_pod_of_a_stateful_set_has_a_name_of_its_own() -> None:
    """The pod's host name stands before the headless Service's name."""
    pods = endpoint_slice(endpoint("10.244.0.4", hostname="db-0"))
    assert ("10.244.0.4", "db-0.db.tests.svc.cluster.local") in records([service("db", "None")], [pods])


def test_a_service_may_have_several_slices() -> None:
    """More than a hundred endpoints are in more than one."""
    slices = [endpoint_slice(endpoint("10.244.0.5")), endpoint_slice(endpoint("10.244.0.4"))]
    assert [address for address, _ in records([service("db", "None")], slices)] == ["10.244.0.4", "10.244.0.5"]


def test_an_endpoint_of_which_nothing_is_said_is_ready() -> None:
    """The API's own rule for conditions that are not known."""
    slices = [endpoint_slice({"addresses": ["10.244.0.5"]}, endpoint("10.244.0.4", ready=None))]
    assert len(records([service("db", "None")], slices)) == 2


def test_a_slice_of_no_service_names_nothing() -> None:
    """Somebody may make one by hand, for a proxy of their own."""
    stray = {"metadata": {"name": "stray", "namespace": "tests"}, "endpoints": [endpoint("10.244.0.4")]}
    assert records([service("db", "None")], [stray]) == []


def test_a_headless_service_without_pods_has_no_name() -> None:
    """A slice may be empty, or missing."""
    assert records([service("db", "None")], [endpoint_slice()]) == []
    assert records([service("db", "None")], []) == []
    assert records([service("db", "None")], [endpoint_slice() | {"endpoints": None}]) == []


def test_a_service_that_stands_for_an_outside_name_has_no_address() -> None:
    """ExternalName has neither an address nor endpoints."""
    assert records([service("elsewhere", None)], []) == []


def test_services_of_the_same_name_are_told_apart_by_their_namespace() -> None:
    """A name is unique in its namespace only."""
    both = [service("api", "10.96.0.8", namespace="b"), service("api", "10.96.0.7", namespace="a")]
    assert records(both, []) == [
        ("10.96.0.7", "api.a.svc.cluster.local"),
        ("10.96.0.8", "api.b.svc.cluster.local"),
    ]


def test_the_file_has_one_address_and_one_name_per_line() -> None:
    """It is the format that dnsmasq reads."""
    assert hosts_file([("10.96.0.7", "api.a.svc.cluster.local")]) == "10.96.0.7 api.a.svc.cluster.local\n"


def test_the_file_of_no_names_is_empty() -> None:
    """A cluster of which everything was deleted leaves no old name behind."""
    assert hosts_file([]) == ""
