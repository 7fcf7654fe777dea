"""An https server with an authority of its own, and certificates of all sorts, for tests."""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FIRST_PORT = 18443
_DAY = timedelta(days=1)


class Authority:
    """An authority that issues certificates into a folder.

    Args:
        folder: where its own certificate and those that it issues are written, which exists.
        name: of the authority, and of the file with its certificate.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "encipher_only", "decipher_only"),
            ),
            False,
        )
        own = (
            x509.CertificateBuilder(
                self._name, self._name, self._key.public_key(), x509.random_serial_number(), now - 2 * _DAY, now + _DAY
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(self._identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / f"{name}.crt"
        self.certificate.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, host: str = "127.0.0.1", expired: bool = False) -> tuple[Path, Path]:
        """Issue a certificate; return the files of it and of its key.

        Args:
            name: of whom it is for, and of the files.
            host: name or address of the server that it is for.
            expired: whether it was good until yesterday.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        end = datetime.now(UTC) + (-_DAY / 2 if expired else _DAY / 2)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        alternative: x509.GeneralName = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        signed = (
            x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number(), end - _DAY, end)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        certificate, private = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private


@dataclass(frozen=True)
class HttpsServer:
    """A server that answers every GET with the name in its client's certificate."""

    url: str


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Say who asks."""
        certificate = self.connection.getpeercert()  # type: ignore[attr-defined]
        names = [value for part in (certificate or {}).get("subject", ()) for _, value in part]
        body = b'{"client": "%s"}' % (names[0].encode() if names else b"")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:  # type: ignore[override]
        """Say nothing of clients that go away during the handshake."""


@contextlib.contextmanager
def running_https(certificate: tuple[Path, Path], clients: Path | None = None) -> Iterator[HttpsServer]:
    """Run a server for a block of code, on a port from 18443.

    Args:
        certificate: files of its certificate and key.
        clients: authority of the clients, which then need a certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    server = _first_free()
    # The handshake is that of each connection's own thread.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield HttpsServer(f"https://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _first_free() -> _Server:
    for port in range(FIRST_PORT, FIRST_PORT + 50):
        with contextlib.suppress(OSError):
            return _Server(("127.0.0.1", port), _Handler)
    raise RuntimeError("no port is free")
