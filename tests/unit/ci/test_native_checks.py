"""A port that somebody else has is found before anything is started."""

import pytest

from native.checks import Listener, WantedPort, in_the_way, parse_address, parse_listeners

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3064 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:3064 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
"""
WANTED = WantedPort("kube-apiserver", "tcp", "172.30.0.1", 6443)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),  # noqa: S104 - read, not bound to
        ("00000000000000000000000000000000", "::"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
    ],
)
def test_reads_the_kernels_way_of_writing_addresses(text: str, address: str) -> None:
    """Words of four bytes in the machine's order; a mapped address counts as what it stands for."""
    assert parse_address(text) == address


def test_finds_the_sockets_that_listen() -> None:
    """A connection is not in anybody's way."""
    assert parse_listeners(TABLE, protocol="tcp") == [Listener("tcp", "127.0.0.1", 12388, "4711")]


@pytest.mark.parametrize("address", ["172.30.0.1", "0.0.0.0", "::"])  # noqa: S104 - somebody else's
def test_a_listener_on_the_same_or_on_all_addresses_is_in_the_way(address: str) -> None:
    """The kernel gives a port once, and all addresses include this one."""
    listener = Listener("tcp", address, 6443, "1")
    assert in_the_way(WANTED, [listener]) == listener


@pytest.mark.parametrize(
    "listener",
    [
        Listener("tcp", "127.0.0.1", 6443, "1"),
        Listener("tcp", "172.30.0.1", 6444, "1"),
        Listener("udp", "172.30.0.1", 6443, "1"),
    ],
)
def test_a_listener_elsewhere_is_not_in_the_way(listener: Listener) -> None:
    """Another address, another port or another protocol is no conflict."""
    assert in_the_way(WANTED, [listener]) is None
