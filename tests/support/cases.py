"""Cases that several tests use."""

from typing import Any


def walk(name: str, **more: Any) -> dict[str, Any]:
    """Make a case that walks over the pages of the shared test server."""
    return {
        "name": name,
        "http": {
            "connection": "paginated-api",
            "request": {"path": "/api/v1/assessments"},
            "paginate": {"style": "page", "items": "data", "hasMore": "paging.hasMore", "size": 1},
            "expect": {"items": 35, "pages": 35},
        },
        **more,
    }


SHARED_SERVER = {"testServers": [{"name": "paginated-api", "pagination": {}, "scope": "Shared"}]}
