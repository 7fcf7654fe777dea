"""Connections: the named endpoints of a suite that its cases refer to."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from testrun_operator.api.base import Model, ShortText, Text
from testrun_operator.api.pod import KeySelector, SecretSource
from testrun_operator.api.tls import Tls


class HeaderFromSecret(Model):
    """A request header whose value comes from a Secret."""

    name: ShortText = Field(description="Name of the header, for instance Authorization.")
    prefix: ShortText = Field("", description="Put before the value, for instance 'Bearer '.")
    secret_key_ref: KeySelector = Field(description="The Secret's key that holds the value.")


class Connection(Model):
    """A named endpoint that cases refer to. Secrets are only ever references."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("has(self.url) || has(self.dsnFrom)", "give url, dsnFrom or both"),
    )

    url: Annotated[str, Field(pattern=r"^(https?://|\{\{)", max_length=2048)] | None = Field(
        None, description="Base address, http or https. May be a template. Credentials do not belong here."
    )
    dsn_from: SecretSource | None = Field(None, description="A database's connection string, from a Secret.")
    headers: Annotated[dict[ShortText, Text], Field(max_length=32)] = Field(
        {}, description="Headers sent with each request; values may be templates."
    )
    headers_from: Annotated[tuple[HeaderFromSecret, ...], Field(max_length=8)] = Field(
        (), description="Headers whose values come from Secrets."
    )

    tls: Tls | None = Field(None, description="Whom an https connection trusts, and as whom it comes.")

    @model_validator(mode="after")
    def _one_endpoint(self) -> Self:
        if self.url is None and self.dsn_from is None:
            msg = "give url, dsnFrom or both"
            raise ValueError(msg)
        if self.url is not None and "@" in self.url.partition("//")[2].partition("/")[0]:
            msg = "url must not contain credentials; use headersFrom with a Secret"
            raise ValueError(msg)
        return self
