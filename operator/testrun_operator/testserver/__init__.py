"""The pagination test server: 35 items behind the four usual styles of pagination, and an endpoint that fails once.

It stands alone: it imports nothing of ours, and its only state are the counters of the flaky endpoint.
``app.py`` has the endpoints, ``server.py`` the process; ``docs/test-server.md`` describes both for users.
"""

from testrun_operator.testserver.server import serve

__all__ = ["serve"]
