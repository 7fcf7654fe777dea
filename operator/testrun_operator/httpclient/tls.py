"""The TLS of a connection: from the files that the kubelet mounted to what encrypts.

Whatever is wrong with these files is the case's configuration. That a server is not trusted, or does not accept the
client's certificate, shows when it is asked: it is the dependency's, and the case is Errored, never Failed.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from testrun_operator.httpclient.httpx_import import httpx
from testrun_operator.resources.document import EndpointTls
from testrun_operator.runner.problem import InvalidCase


@dataclass(frozen=True)
class Security:
    """How a connection is encrypted."""

    context: ssl.SSLContext
    server_name: str | None = None
    """Name that the server's certificate must have; None for the host that is asked."""

    @property
    def extensions(self) -> dict[str, str]:
        """What httpx is told with each request."""
        return {} if self.server_name is None else {"sni_hostname": self.server_name}


def usual_security(url: str) -> Security:
    """Return how a connection is encrypted of which nothing is said.

    Args:
        url: where it leads. Certificates take tens of milliseconds to load, and a context without any trusts nobody.
    """
    is_secure = url.lower().startswith("https:")
    return Security(httpx.create_ssl_context() if is_secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def make_security(tls: EndpointTls, url: str, path: str) -> Security:
    """Return how a connection is encrypted.

    Args:
        tls: the connection's, with files as they are in the pod.
        url: where it leads.
        path: where the settings stand, for messages.

    Raises:
        InvalidCase: a file is missing or is not what it should be; names the field, and nothing of the file.
    """
    if not url.lower().startswith("https:"):
        raise InvalidCase(path, "needs an https address")
    context = httpx.create_ssl_context() if tls.ca is None else _trust_only(tls.ca, f"{path}.caFrom")
    if tls.certificate is not None and tls.key is not None:
        _show(context, tls.certificate, tls.key, f"{path}.clientCertificateFrom")
    return Security(context, tls.server_name)


def _trust_only(file: str, path: str) -> ssl.SSLContext:
    _demand(file, path)
    try:
        return ssl.create_default_context(cafile=file)
    except (ssl.SSLError, OSError):
        raise InvalidCase(path, "the key holds no certificate in the form of PEM") from None


def _show(context: ssl.SSLContext, certificate: str, key: str, path: str) -> None:
    _demand(certificate, path)
    _demand(key, path)
    try:
        # Without an answer OpenSSL would ask for the password of an encrypted key at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        why = getattr(error, "reason", None) or ""
        if why == "KEY_VALUES_MISMATCH":
            problem = "tls.key is not the key of the certificate in tls.crt"
        else:
            problem = "tls.crt and tls.key are no certificate and key in the form of PEM, or the key has a password"
        raise InvalidCase(path, problem) from None


def _demand(file: str, path: str) -> None:
    if not Path(file).is_file():
        name = Path(file).name
        raise InvalidCase(path, f"there is no such object in the run's namespace, or it has no such key ({name})")
