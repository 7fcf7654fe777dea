"""A cluster and a Postgres that answer from memory, and the command line in this process."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from support.fakes import FakeClient
from testrun_operator.cli import cluster
from testrun_operator.cli.application import application
from testrun_operator.errors import ClusterUnavailable

Invoke = Callable[..., Result]
ClusterWith = Callable[..., FakeClient]


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TESTRUN_OPERATOR_DSN", "TESTRUN_OPERATOR_STORE_SCHEMA", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def invoke() -> Invoke:
    """Run a command as if it had been typed."""

    def run(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - as the library has it
        result = CliRunner().invoke(application, list(arguments), input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def cluster_with(monkeypatch: pytest.MonkeyPatch) -> ClusterWith:
    """Make a cluster that gives these answers."""
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.0)

    def make(*answers: Mapping[str, Any] | Exception | None) -> FakeClient:
        client = FakeClient(list(answers))

        async def connect() -> FakeClient:
            return client

        monkeypatch.setattr(cluster, "connect", connect)
        monkeypatch.setattr(cluster, "current_namespace", lambda: "shop")
        return client

    return make


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure no cluster at all."""

    async def connect() -> FakeClient:
        raise ClusterUnavailable("no service account and no usable kubeconfig: none")

    monkeypatch.setattr(cluster, "connect", connect)
