"""A walk visits each item once, whatever the style, and stops where going on is pointless."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.httpclient.exchange import Request, Response, origin_of
from testrun_operator.kinds.http.execution.pagination import Page, Walk, find_next_link, walk_pages
from testrun_operator.kinds.http.execution.plan import WalkPlan, make_walk_plan
from testrun_operator.kinds.http.spec import Pagination
from testrun_operator.masking import Masker

URL = "http://api:8080/things"
Answer = dict[str, Any] | tuple[dict[str, Any], dict[str, str]]
FakeApi = Callable[[dict[str, str]], Answer]


def plan_for(**settings: Any) -> WalkPlan:
    """Return the plan of a walk; ``settings`` are those of ``http.paginate``."""
    return make_walk_plan(Pagination.model_validate({"items": "items"} | settings), settings.get("size"))


def walk(api: FakeApi, *, url: str = URL, **settings: Any) -> tuple[Walk, list[str]]:
    """Walk over a fake API, which gets the query and gives a body, and headers if it likes.

    Returns:
        The walk, and the addresses that were asked.
    """
    asked: list[str] = []

    def send(request: Request, where: str) -> Response:
        asked.append(request.url)
        assert where == f"page {len(asked)}"
        answer = api(dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True)))
        body, headers = answer if isinstance(answer, tuple) else (answer, {})
        return Response(request, int(headers.pop("status", "200")), headers, json.dumps(body).encode(), 0.001)

    told: list[Page] = []
    result = walk_pages(
        Request("GET", url),
        plan_for(**settings),
        origin=origin_of(URL),
        masker=Masker([]),
        send=send,
        status_is_met=lambda status: status == 200,
        on_page=told.append,
    )
    assert tuple(told) == result.pages
    return result, asked


COUNTS = st.integers(min_value=0, max_value=60)
SIZES = st.integers(min_value=1, max_value=20)
TRUTHFUL = st.booleans()


@given(count=COUNTS, size=SIZES, says_more=TRUTHFUL, first_page=st.sampled_from([0, 1]))
def test_style_page_visits_each_item_once(count: int, size: int, says_more: bool, first_page: int) -> None:
    """With hasMore or without it, and whether pages are counted from 0 or from 1."""
    items = list(range(count))

    def api(query: dict[str, str]) -> Answer:
        start = (int(query["page"]) - first_page) * int(query["pageSize"])
        return {"items": items[start : start + size], "more": start + size < count}

    more = {"hasMore": "more"} if says_more else {}
    result, asked = walk(api, style="page", size=size, firstPage=first_page, **more)
    assert (result.items, result.problem) == (items, "")
    # Without hasMore a last page that is full can only be told from the others by the empty one behind it.
    needed = max(1, -(-count // size)) if says_more else count // size + 1
    assert len(asked) == needed


@given(count=COUNTS, size=SIZES, says_more=TRUTHFUL)
def test_style_offset_visits_each_item_once(count: int, size: int, says_more: bool) -> None:
    """With hasMore or without it."""
    items = list(range(count))

    def api(query: dict[str, str]) -> Answer:
        start = int(query["offset"])
        return {"items": items[start : start + int(query["limit"])], "more": start + size < count}

    more = {"hasMore": "more"} if says_more else {}
    result, _ = walk(api, style="offset", size=size, **more)
    assert (result.items, result.problem) == (items, "")


@given(count=COUNTS, size=SIZES, asked_for=SIZES)
def test_style_offset_follows_a_server_that_gives_fewer_items_than_asked(count: int, size: int, asked_for: int) -> None:
    """The offset grows by what came, so that nothing is left out."""
    items = list(range(count))

    def api(query: dict[str, str]) -> Answer:
        start, limit = int(query["offset"]), min(size, int(query["limit"]))
        return {"items": items[start : start + limit], "more": start + limit < count}

    result, _ = walk(api, style="offset", size=asked_for, hasMore="more")
    assert (result.items, result.problem) == (items, "")


@given(count=COUNTS, size=SIZES, end=st.sampled_from([None, ""]), numbers=st.booleans())
def test_style_cursor_visits_each_item_once(count: int, size: int, end: str | None, numbers: bool) -> None:
    """Cursors may be texts, which need escaping, or numbers; null or an empty text ends the walk."""
    items = list(range(count))

    def api(query: dict[str, str]) -> Answer:
        start = int(query.get("cursor", "0").removeprefix("&= /%é"))
        following: int | str = start + size if numbers else f"&= /%é{start + size}"
        return {"items": items[start : start + size], "next_cursor": following if start + size < count else end}

    result, asked = walk(api, style="cursor", size=size)
    assert (result.items, result.problem) == (items, "")
    assert len(asked) == max(1, -(-count // size))


@given(
    count=COUNTS,
    size=SIZES,
    form=st.sampled_from(["{path}?{query}", "?{query}", "http://api:8080{path}?{query}"]),
    header=st.booleans(),
)
def test_style_link_visits_each_item_once(count: int, size: int, form: str, header: bool) -> None:
    """Relative and absolute addresses, in the Link header or in the body."""
    items = list(range(count))

    def api(query: dict[str, str]) -> Answer:
        start = int(query.get("start", "0"))
        link = form.format(path="/things", query=f"start={start + size}") if start + size < count else None
        body = {"items": items[start : start + size], "next": None if header else link}
        return body, {"link": f'</x>; rel="prev", <{link}>; rel="next"'} if header and link else {}

    where = {} if header else {"nextLink": "next"}
    result, asked = walk(api, style="link", size=size, **where)
    assert (result.items, result.problem) == (items, "")
    assert asked[0] == f"{URL}?per_page={size}"


def test_query_parameters_of_the_request_are_kept() -> None:
    """The parameters of the pagination replace those of the same name alone."""
    _, asked = walk(lambda _: {"items": []}, url=f"{URL}?filter=a%20b&page=7", style="page", size=5, sizeParameter="n")
    assert asked == [f"{URL}?filter=a%20b&n=5&page=1"]


def test_a_walk_that_does_not_end_is_stopped() -> None:
    """After maxPages, and not one request later."""
    result, asked = walk(lambda _: {"items": [1], "more": True}, style="page", hasMore="more", maxPages=3)
    assert result.problem == "the walk has not ended after 3 pages (maxPages)"
    assert len(asked) == 3


def test_a_walk_of_exactly_max_pages_is_complete() -> None:
    """The bound is the number of pages that are allowed."""
    result, _ = walk(
        lambda query: {"items": [1], "more": query["page"] != "3"}, style="page", hasMore="more", maxPages=3
    )
    assert (result.problem, len(result.pages)) == ("", 3)


@pytest.mark.parametrize(
    ("settings", "body", "problem"),
    [
        ({"style": "page"}, {"data": []}, "expected a list of items at items, got null"),
        ({"style": "page"}, {"items": {"a": 1}}, 'expected a list of items at items, got {"a": 1}'),
        (
            {"style": "page", "hasMore": "more"},
            {"items": [1], "more": "yes"},
            'expected true or false at more, got "yes"',
        ),
        ({"style": "offset", "hasMore": "more"}, {"items": [], "more": True}, "the offset cannot grow"),
        ({"style": "cursor"}, {"items": [1], "next_cursor": "same"}, "its next cursor was there before"),
        ({"style": "cursor"}, {"items": [1], "next_cursor": ["x"]}, 'expected a cursor at next_cursor, got ["x"]'),
        ({"style": "cursor"}, {"items": [1], "next_cursor": False}, "expected a cursor at next_cursor, got false"),
        ({"style": "cursor"}, {"items": [1], "next_cursor": "\ud800"}, "no text that an address can carry"),
        ({"style": "cursor", "hasMore": "more"}, {"items": [1], "more": True}, "there is no cursor at next_cursor"),
        ({"style": "link", "nextLink": "next"}, {"items": [1], "next": "/things"}, "its next link was there before"),
        ({"style": "link", "nextLink": "next"}, {"items": [1], "next": 7}, "expected an address at next, got 7"),
        ({"style": "link", "nextLink": "next"}, {"items": [1], "next": "a b"}, "cannot be used"),
        ({"style": "link", "nextLink": "next"}, {"items": [1], "next": "mailto:a@b"}, "must begin with http"),
        ({"style": "link", "nextLink": "next"}, {"items": [1], "next": "http://u:p@api:8080/"}, "credentials"),
        (
            {"style": "link", "nextLink": "next", "hasMore": "more"},
            {"items": [1], "more": True},
            "there is no link at next",
        ),
        ({"style": "link", "hasMore": "more"}, {"items": [1], "more": True}, "there is no link in the Link header"),
    ],
)
def test_a_page_without_a_way_on_stops_the_walk(settings: dict[str, Any], body: dict[str, Any], problem: str) -> None:
    """The problem says what is wrong; it is the subject's, so nothing is raised."""
    result, asked = walk(lambda _: body, **settings)
    assert problem in result.problem
    assert len(asked) <= 2


@pytest.mark.parametrize(
    "link",
    [
        "http://evil:8080/things?2",
        "https://api:8080/things?2",
        "http://api/things?2",
        "//evil/things",
        "http://api:8080.evil/",
    ],
)
def test_a_link_to_another_origin_is_not_followed(link: str) -> None:
    """The connection's headers may hold secrets, which nobody else must get."""
    result, asked = walk(lambda _: {"items": [1], "next": link}, style="link", nextLink="next")
    assert len(asked) == 1
    assert "leads to another origin and is not followed" in result.problem or "cannot be used" in result.problem


def test_a_page_with_another_status_stops_the_walk() -> None:
    """What it contains is not looked at."""
    result, _ = walk(
        lambda query: ({"items": [1], "more": True}, {"status": "500" if query["page"] == "2" else "200"}),
        style="page",
        hasMore="more",
    )
    assert result.problem == "status 500"
    assert [page.items for page in result.pages] == [[1], []]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ('<https://a/?p=2>; rel="next"', "https://a/?p=2"),
        ("</b>; rel=next", "/b"),
        ('</a>; rel="prev", </b>; rel="next"', "/b"),
        ('</a,b;c>; title="x, y; z"; rel="next last"', "/a,b;c"),
        ('</a>; REL="NEXT"', "/a"),
        ('</a>; rel="nextish"', None),
        ('</a>; title="rel=next"', None),
        ('</a>;rel="prev",</b>;rel="next"', "/b"),
        ("no link at all", None),
    ],
)
def test_the_next_link_is_read_as_rfc_8288_has_it(header: str, expected: str | None) -> None:
    """Parameters may be quoted, several relations may share a link, and addresses may contain commas."""
    assert expected == find_next_link(header)
