"""The TLS of a connection, from the files that the kubelet mounted.

A mistake in these files is one in the case's configuration. Whether a server is trusted, and accepts the certificate of
the client, shows only when a request is sent. It is a problem of the dependency, so that the case is Errored and never
Failed.
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
    """Name that the server's certificate must have; None for the host of the address."""

    @property
    def extensions(self) -> dict[str, str]:
        """Extensions of each request, as httpx takes them."""
        return {} if self.server_name is None else {"sni_hostname": self.server_name}


def usual_security(url: str) -> Security:
    """Return how a connection without settings for TLS is encrypted.

    Args:
        url: its address. For http the context has no certificates, which take tens of milliseconds to load, and trusts
            nobody.
    """
    is_secure = url.lower().startswith("https:")
    return Security(httpx.create_ssl_context() if is_secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def make_security(tls: EndpointTls, url: str, path: str) -> Security:
    """Return how a connection is encrypted.

    Args:
        tls: the settings of the connection, with the paths of files in the pod.
        url: the address of the connection.
        path: the field of the case with these settings, for messages.

    Raises:
        InvalidCase: a file is missing or has the wrong content. The message names the field and shows nothing of the
            file.
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
