"""Real NoETL servers, one at a time: each needs some 400 MB and five to ten seconds to start."""

from collections.abc import Iterator

import pytest

from support.noetl import NoetlServer, running_noetl

RELEASES = ("1.8.0", "2.5.5", "4.26.0")


@pytest.fixture(scope="module", params=RELEASES)
def noetl(request: pytest.FixtureRequest) -> Iterator[NoetlServer]:
    """A NoETL of each release in turn, with one worker."""
    with running_noetl(request.param) as server:
        yield server
