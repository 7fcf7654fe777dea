"""Git over its own protocol, ``git://``, which has neither encryption nor credentials."""

import io
import socket
from collections.abc import Callable
from typing import IO

from dulwich.client import GitClient, TraditionalGitClient
from dulwich.protocol import Protocol

from testrun_operator.sources.fetched import Deadline
from testrun_operator.sources.git_address import Address
from testrun_operator.sources.git_http import CONNECT_SECONDS, IDLE_SECONDS

_PROTOCOL_VERSION = 2


def tcp_client(address: Address, deadline: Deadline) -> GitClient:
    """Return a client for a repository.

    Args:
        address: address of the repository.
        deadline: until when the server must have answered.
    """
    return _TcpClient(address, deadline)


class _TcpClient(TraditionalGitClient):
    """The client of the library, with time limits."""

    def __init__(self, address: Address, deadline: Deadline) -> None:
        super().__init__(thin_packs=False, quiet=True)
        self._address = address
        self._deadline = deadline

    def _connect(
        self, cmd: bytes, path: str | bytes, protocol_version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        _, host, port = self._address.origin
        connection = socket.create_connection((host, port), timeout=self._deadline.seconds(CONNECT_SECONDS))
        reader = io.BufferedReader(_Reader(connection, self._deadline), 64 * 1024)

        def close() -> None:
            reader.close()
            connection.close()

        protocol = Protocol(reader.read, connection.sendall, close)
        self.protocol_version = protocol_version or _PROTOCOL_VERSION
        where = path.encode() if isinstance(path, str) else path
        version = b"\0\0version=%d\0" % self.protocol_version
        protocol.send_cmd(b"git-" + cmd, where, b"host=" + host.encode("idna") + version)
        return protocol, lambda: False, None


class _Reader(io.RawIOBase):
    """Reads from a connection, and waits for data no longer than the deadline allows."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # of all that may be buffers
        self._connection.settimeout(self._deadline.seconds(IDLE_SECONDS))
        return self._connection.recv_into(buffer)
