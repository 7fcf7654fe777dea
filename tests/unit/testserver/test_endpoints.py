"""The endpoints as a client sees them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testrun_operator.testserver.app import create_app

Walk = Callable[[httpx.AsyncClient, int], Any]
ALL_IDS = list(range(1, 36))


def client() -> httpx.AsyncClient:
    """Return a client of an application of its own, without a network."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app()), base_url="http://server")


async def get(path: str, **headers: str) -> httpx.Response:
    """Ask a fresh application once."""
    async with client() as http:
        return await http.get(path, headers=headers)


def ids(items: list[dict[str, Any]]) -> list[int]:
    """Return the ids of items."""
    return [item["id"] for item in items]


async def test_health_answers_200() -> None:
    """The probes of the Deployment and the runner ask here."""
    response = await get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_assessments_say_in_paging_whether_more_follow() -> None:
    """The envelope is {data, paging: {hasMore, page, pageSize, total}}."""
    body = (await get("/api/v1/assessments?page=4&pageSize=10")).json()
    assert ids(body["data"]) == [31, 32, 33, 34, 35]
    assert body["paging"] == {"hasMore": False, "page": 4, "pageSize": 10, "total": 35}


async def test_assessments_without_parameters_are_the_first_ten() -> None:
    """Ten items a page, from page 1."""
    body = (await get("/api/v1/assessments")).json()
    assert list(range(1, 11)) == ids(body["data"])
    assert body["paging"]["hasMore"] is True


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/api/v1/assessments?page=9",
            {"data": [], "paging": {"hasMore": False, "page": 9, "pageSize": 10, "total": 35}},
        ),
        ("/api/v1/users?offset=99", {"users": [], "has_more": False, "offset": 99, "limit": 10, "total": 35}),
        ("/api/v1/items?page=9", {"items": [], "links": {"next": None}, "total": 35}),
    ],
)
async def test_a_page_beyond_the_end_is_empty_and_the_last(path: str, expected: object) -> None:
    """Asking too far is no error, as in most APIs."""
    response = await get(path)
    assert (200, expected) == (response.status_code, response.json())


async def test_every_item_has_plain_fields() -> None:
    """Items have an id and fields of the types that tests want to look at."""
    item = (await get("/api/v1/users?limit=1")).json()["users"][0]
    assert item == {"id": 1, "name": "Item 01", "email": "item01@example.com", "score": 7, "active": True}


async def walk_pages(http: httpx.AsyncClient, size: int) -> list[int]:
    """Walk assessments."""
    seen: list[int] = []
    page, more = 1, True
    while more:
        body = (await http.get("/api/v1/assessments", params={"page": page, "pageSize": size})).json()
        seen += ids(body["data"])
        page, more = page + 1, body["paging"]["hasMore"]
    return seen


async def walk_offsets(http: httpx.AsyncClient, size: int) -> list[int]:
    """Walk users."""
    seen: list[int] = []
    more = True
    while more:
        body = (await http.get("/api/v1/users", params={"offset": len(seen), "limit": size})).json()
        seen += ids(body["users"])
        more = body["has_more"]
    return seen


async def walk_cursors(http: httpx.AsyncClient, size: int) -> list[int]:
    """Walk events."""
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        body = (await http.get("/api/v1/events", params={"cursor": cursor, "limit": size})).json()
        seen += ids(body["events"])
        cursor = body["next_cursor"]
    return seen


async def walk_links(http: httpx.AsyncClient, size: int) -> list[int]:
    """Walk items by the Link header."""
    seen: list[int] = []
    address: str | None = f"/api/v1/items?per_page={size}"
    while address is not None:
        response = await http.get(address)
        seen += ids(response.json()["items"])
        address = response.links["next"]["url"] if "next" in response.links else None
        assert address == response.json()["links"]["next"]
    return seen


@pytest.mark.parametrize("walk", [walk_pages, walk_offsets, walk_cursors, walk_links])
@settings(max_examples=15, deadline=None)
@given(size=st.integers(min_value=1, max_value=100))
async def test_a_walk_sees_each_item_once_whatever_the_page_size(walk: Walk, size: int) -> None:
    """All styles serve the same 35 items, in order."""
    async with client() as http:
        assert await walk(http, size) == ALL_IDS


async def test_links_are_relative_unless_absolute_ones_are_asked_for() -> None:
    """Both forms of RFC 8288 can be tested."""
    relative = (await get("/api/v1/items?page=2")).links
    absolute = (await get("/api/v1/items?page=2&absolute=true")).links
    assert {"first", "last", "next", "prev"} == set(relative)
    assert relative["next"]["url"] == "/api/v1/items?page=3&per_page=10"
    assert absolute["next"]["url"] == "http://server/api/v1/items?page=3&per_page=10&absolute=true"
    assert urlsplit(absolute["prev"]["url"]).netloc == "server"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/assessments?page=0", "page"),
        ("/api/v1/assessments?page=x", "page"),
        ("/api/v1/assessments?pageSize=0", "pageSize"),
        ("/api/v1/assessments?pageSize=101", "pageSize"),
        ("/api/v1/users?offset=-1", "offset"),
        ("/api/v1/users?limit=101", "limit"),
        ("/api/v1/events?limit=0", "limit"),
        ("/api/v1/events?cursor=tampered", "cursor"),
        ("/api/v1/items?per_page=1000", "per_page"),
        ("/api/v1/flaky?fail_on=two", "fail_on"),
        ("/api/v1/flaky?fail_on=1,,2", "fail_on"),
        ("/api/v1/flaky?fail_on=0", "fail_on"),
        ("/api/v1/flaky?fail_on=" + ",".join(str(page) for page in range(1, 102)), "fail_on"),
    ],
)
async def test_a_bad_parameter_is_refused_with_its_name_and_the_reason(path: str, field: str) -> None:
    """422 says which parameter is wrong, and why."""
    response = await get(path)
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert field == problem["field"]
    assert problem["reason"]


async def test_the_name_of_a_client_is_bounded() -> None:
    """A header cannot fill the memory."""
    response = await get("/api/v1/flaky", **{"X-Test-Run": "x" * 257})
    assert response.status_code == 422
    assert response.json()["detail"][0]["field"] == "X-Test-Run"


async def test_a_listed_page_fails_at_first_and_then_answers() -> None:
    """500 on the first attempt at a page that fail_on names, 200 afterwards, and 200 for all others."""
    async with client() as http:
        statuses = [
            (await http.get("/api/v1/flaky", params={"page": page, "fail_on": "2,3"})).status_code
            for page in (1, 2, 2, 3, 3, 4)
        ]
        again = (await http.get("/api/v1/flaky", params={"page": 2, "fail_on": "2,3"})).json()
    assert statuses == [200, 500, 200, 500, 200, 200]
    assert list(range(11, 21)) == ids(again["data"])


async def test_clients_do_not_disturb_each_other() -> None:
    """Attempts are counted for each X-Test-Run; requests without it share one count."""
    async with client() as http:
        statuses = [
            (await http.get("/api/v1/flaky?page=2&fail_on=2", headers=headers)).status_code
            for headers in ({"X-Test-Run": "a"}, {"X-Test-Run": "b"}, {"X-Test-Run": "a"}, {}, {})
        ]
    assert statuses == [500, 500, 200, 500, 200]


async def test_a_reset_lets_the_pages_of_that_client_fail_again() -> None:
    """POST /api/v1/flaky/reset says how many counters it reset."""
    async with client() as http:
        for name in ("a", "b"):
            await http.get("/api/v1/flaky?page=2&fail_on=2", headers={"X-Test-Run": name})
        reset = (await http.post("/api/v1/flaky/reset", headers={"X-Test-Run": "a"})).json()
        statuses = [
            (await http.get("/api/v1/flaky?page=2&fail_on=2", headers={"X-Test-Run": name})).status_code
            for name in ("a", "b")
        ]
    assert reset == {"reset": 1}
    assert statuses == [500, 200]
