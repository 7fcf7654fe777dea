"""How a connection is encrypted: whom it trusts, and as whom it comes.

The names are those of ``headersFrom`` and ``dsnFrom``, and of Kubernetes: a key is named by ``secretKeyRef`` or
``configMapKeyRef``, as in a container's ``env``; a client certificate is a Secret of type ``kubernetes.io/tls``;
``serverName`` is the name in a kubeconfig (``tls-server-name``) and in the Prometheus operator's ``tlsConfig``.
"""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from testrun_operator.api.base import Model
from testrun_operator.api.pod import KeySelector, ObjectReference

_ONE_SOURCE = "give exactly one of secretKeyRef and configMapKeyRef"


class AuthoritySource(Model):
    """Where the certificates of authorities come from."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("has(self.secretKeyRef) != has(self.configMapKeyRef)", _ONE_SOURCE),
    )

    secret_key_ref: KeySelector | None = Field(None, description="A Secret's key.")
    config_map_key_ref: KeySelector | None = Field(None, description="A ConfigMap's key.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.secret_key_ref is None) == (self.config_map_key_ref is None):
            raise ValueError(_ONE_SOURCE)
        return self


class CertificateSource(Model):
    """Where a certificate with its private key comes from."""

    secret_ref: ObjectReference = Field(
        description="A Secret with the keys tls.crt and tls.key, as of the type kubernetes.io/tls."
    )


class Tls(Model):
    """Whom an https connection trusts, and as whom it comes. What is named here is mounted into the case's pod."""

    ca_from: AuthoritySource | None = Field(
        None, description="PEM certificates of the authorities to trust, in place of the usual ones."
    )
    client_certificate_from: CertificateSource | None = Field(
        None, description="The certificate that is shown to a server which asks for one."
    )
    server_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$", max_length=253)] | None = (
        Field(None, description="Name that the server's certificate must have. Default: the host of the url.")
    )
