"""Real NoETL servers, one at a time: each needs some 400 MB and five to ten seconds to start.

Tests are ordered by release, so that each is started once. A test that stops something of it starts that again.
"""

from collections.abc import Iterator

import pytest

from support.noetl import NoetlServer, releases_under_test, running_noetl


@pytest.fixture(scope="session", params=releases_under_test())
def noetl(request: pytest.FixtureRequest) -> Iterator[NoetlServer]:
    """A NoETL of each release in turn, with one worker."""
    with running_noetl(request.param) as server:
        yield server
