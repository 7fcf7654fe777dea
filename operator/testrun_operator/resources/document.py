"""The case document: what travels with a Job into its pod, all that the runner knows.

The operator writes it (``kube/job.py``) into the environment variable :data:`DOCUMENT_VARIABLE`, or, where it is too
large for one, into a ConfigMap mounted at :data:`DOCUMENT_PATH`. Nothing in it is rendered yet, and nothing in it is
secret: secrets reach the pod as environment variables that the kubelet fills from ``secretKeyRef``.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field, JsonValue

from testrun_operator.api.base import Duration, Model
from testrun_operator.resources.suite import Case


class RunInfo(Model):
    """The execution, as templates see it: ``{{ run.id }}``."""

    id: str = Field(description="The runId.")
    name: str = Field(description="Name of the TestRun.")
    namespace: str = Field(description="Namespace of the TestRun.")
    suite: str = Field(description="Name of the TestSuite; of the TestRun, for an inline suite.")
    revision: str = Field("", description="The revision under test; empty if none was given.")
    start_time: datetime = Field(description="Start of the execution.")


class SecretHeader(Model):
    """A header whose value is in an environment variable of the pod."""

    name: str = Field(description="Name of the header.")
    prefix: str = Field("", description="Put before the value.")
    variable: str = Field(description="Environment variable that holds the value.")


class EndpointTls(Model):
    """How a connection is encrypted, by the files that the kubelet mounts."""

    ca: str | None = Field(None, description="File with the certificates to trust; None for the usual ones.")
    certificate: str | None = Field(None, description="File with the certificate to show.")
    key: str | None = Field(None, description="File with its private key.")
    server_name: str | None = Field(None, description="Name that the server's certificate must have.")


class Endpoint(Model):
    """A connection of the suite, or a deployed test server, as the case uses it."""

    url: str | None = Field(None, description="Base address; may be a template.")
    dsn_variable: str | None = Field(None, description="Environment variable that holds the connection string.")
    headers: dict[str, str] = Field({}, description="Headers sent with each request; values may be templates.")
    secret_headers: tuple[SecretHeader, ...] = Field((), description="Headers whose values come from Secrets.")
    tls: EndpointTls | None = Field(None, description="How it is encrypted, where something is said of that.")


class ServerInfo(Model):
    """A deployed test server, as templates see it: ``{{ servers['NAME'].url }}``."""

    url: str = Field(description="Base address inside the cluster.")


class NeededCase(Model):
    """A case that this one needs, as templates see it: ``{{ cases['NAME'].outputs.KEY }}``."""

    outputs: dict[str, JsonValue] = Field({}, description="Its outputs.")


class CaseDocument(Model):
    """One attempt at one case."""

    run: RunInfo = Field(description="The execution.")
    attempt: Annotated[int, Field(ge=1)] = Field(description="Number of the attempt, from 1.")
    timeout: Duration = Field(description="Longest time; the runner ends the case itself when it is over.")
    case: Case = Field(description="The case, after expansion of its matrix, before rendering of its templates.")
    variables: dict[str, str] = Field({}, description="All variables: `{{ vars.NAME }}`.")
    connections: dict[str, Endpoint] = Field({}, description="The connections of the suite, by name.")
    servers: dict[str, ServerInfo] = Field({}, description="The deployed test servers, by name.")
    cases: dict[str, NeededCase] = Field({}, description="The cases that this one needs, by name.")
