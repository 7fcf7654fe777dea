"""The kind of cluster is chosen by what works on the machine, unless it is asked for."""

import pytest

from native.choice import ClusterKind, choose
from native.instance import HIGHEST_NUMBER, Instance, current_instance
from native.terminal import Fault


@pytest.mark.parametrize("wanted", list(ClusterKind))
def test_a_wish_is_followed(wanted: ClusterKind) -> None:
    """Even where it cannot work: the error then names the reason."""
    assert choose(wanted=wanted, has_kind=False, docker_answers=False).kind is wanted


def test_an_unknown_wish_is_a_fault() -> None:
    """A misspelt name must not silently bring up another cluster."""
    with pytest.raises(Fault, match="native, kind, existing"):
        choose(wanted="k3s", has_kind=True, docker_answers=True)


@pytest.mark.parametrize(
    ("has_kind", "docker_answers", "kind"),
    [
        (True, True, ClusterKind.KIND),
        (True, False, ClusterKind.NATIVE),
        (False, True, ClusterKind.NATIVE),
        (False, False, ClusterKind.NATIVE),
    ],
)
def test_kind_is_chosen_where_it_and_docker_work(has_kind: bool, docker_answers: bool, kind: ClusterKind) -> None:
    """A Docker client without an engine is not enough."""
    assert choose(wanted="", has_kind=has_kind, docker_answers=docker_answers).kind is kind


def test_instances_share_no_address_port_or_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A second instance can run beside the first."""
    state = tmp_path_factory.getbasetemp()
    instances = [Instance(number=number, state=state / str(number)) for number in range(HIGHEST_NUMBER + 1)]
    for attribute in ("name", "bridge", "node_device", "node_address", "etcd_client_port", "firewall_chain"):
        assert len({getattr(instance, attribute) for instance in instances}) == len(instances), attribute
    for first in instances:
        for second in instances:
            if first.number < second.number:
                assert not first.pod_network.overlaps(second.pod_network)
                assert not first.service_network.overlaps(second.service_network)
                assert not first.service_network.overlaps(second.pod_network)


def test_device_names_are_short_enough_for_the_kernel(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An interface name has at most 15 characters."""
    instance = Instance(number=HIGHEST_NUMBER, state=tmp_path_factory.getbasetemp())
    assert max(len(instance.bridge), len(instance.node_device)) <= 15


@pytest.mark.parametrize("text", ["-1", "10", "one", "", "²"])
def test_an_instance_that_does_not_exist_is_a_fault(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The number goes into names of devices and folders."""
    monkeypatch.setenv("CLUSTER_INSTANCE", text)
    with pytest.raises(Fault, match="CLUSTER_INSTANCE"):
        current_instance()
