"""What the e2e tests share: a namespace for each of them, on the cluster where the chart is installed."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest

from support.cluster import (
    OPERATOR,
    SYSTEM_NAMESPACE,
    Namespace,
    install_anew,
    installed_image,
    kubectl,
    temporary_namespace,
)
from support.sql_cluster import LEDGER, GitServer, is_native, running_git_server


@pytest.fixture(scope="session", autouse=True)
def _installed() -> None:
    """Refuse to run where the chart is not installed, with the command that installs it."""
    answer = kubectl("-n", SYSTEM_NAMESPACE, "get", "deployment", OPERATOR, "-o", "name", check=False)
    if not answer:
        pytest.exit("the chart is not installed on this cluster: run `make install`", returncode=1)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    with temporary_namespace(f"{words}-{uuid4().hex[:5]}") as made:
        yield made


@pytest.fixture
def image() -> Iterator[str]:
    """The operator's image; the chart is as `make install` leaves it afterwards, whatever a test did to it."""
    image = installed_image()
    yield image
    install_anew(image)


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """The Git server, with the ledger in a repository with and in one without a password."""
    if not is_native():
        pytest.skip("the Git server's image is made for the native cluster only")
    with running_git_server(tmp_path_factory.mktemp("git")) as server:
        for repository in ("public/ledger.git", "private/ledger.git"):
            server.commit(repository, LEDGER)
        yield server
