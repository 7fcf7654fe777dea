"""The endpoints of the test server.

Whatever is wrong with a parameter is answered with 422 and ``{"detail": [{"field": …, "reason": …}]}``.
"""

import re
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from testrun_operator.testserver.counters import MAX_PAGES_PER_CLIENT, AttemptCounters
from testrun_operator.testserver.cursor import decode_cursor, encode_cursor
from testrun_operator.testserver.data import DEFAULT_PAGE_SIZE, ITEM_COUNT, MAX_PAGE_SIZE, items_from

_MAX_NUMBER = 1_000_000_000  # bounds what the server computes with; far beyond the end of the items anyway
_PAGE_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_EVERYBODY = ""  # the client of all requests that do not say who they are

Page = Annotated[int, Query(ge=1, le=_MAX_NUMBER, description="Number of the page, from 1.")]
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=MAX_PAGE_SIZE, description="Items per page.")]
PerPage = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Items per page.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Items per page.")]
Offset = Annotated[int, Query(ge=0, le=_MAX_NUMBER, description="Items before this page.")]
Client = Annotated[str, Header(alias="X-Test-Run", max_length=256, description="Who asks; counters are kept for each.")]
Document = dict[str, Any]


class InvalidParameter(Exception):
    """A parameter is wrong in a way that its type does not show.

    Args:
        field: the parameter's name.
        reason: what is wrong with it.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


def create_app() -> FastAPI:
    """Return the application, with counters of its own."""
    # The interactive documentation would load scripts from elsewhere; the description itself is at /openapi.json.
    app = FastAPI(title="Pagination test server", docs_url=None, redoc_url=None)
    app.add_exception_handler(RequestValidationError, _refuse_request)
    app.add_exception_handler(InvalidParameter, _refuse_parameter)
    _add_styles(app)
    _add_flaky(app, AttemptCounters())
    return app


def _add_styles(app: FastAPI) -> None:
    @app.get("/health")
    async def health() -> Document:
        return {"status": "ok"}

    @app.get("/api/v1/assessments")
    async def assessments(page: Page = 1, page_size: PageSize = DEFAULT_PAGE_SIZE) -> Document:
        return _page(page, page_size)

    @app.get("/api/v1/users")
    async def users(offset: Offset = 0, limit: Limit = DEFAULT_PAGE_SIZE) -> Document:
        return {
            "users": items_from(offset, limit),
            "has_more": offset + limit < ITEM_COUNT,
            "offset": offset,
            "limit": limit,
            "total": ITEM_COUNT,
        }

    @app.get("/api/v1/events")
    async def events(cursor: str = "", limit: Limit = DEFAULT_PAGE_SIZE) -> Document:
        offset = _offset_of(cursor) if cursor else 0
        following = offset + limit
        return {
            "events": items_from(offset, limit),
            "next_cursor": encode_cursor(following) if following < ITEM_COUNT else None,
            "limit": limit,
        }

    @app.get("/api/v1/items")
    async def items(
        request: Request,
        response: Response,
        page: Page = 1,
        per_page: PerPage = DEFAULT_PAGE_SIZE,
        *,
        absolute: Annotated[bool, Query(description="Absolute addresses in links instead of relative ones.")] = False,
    ) -> Document:
        links = _links(request, page, per_page, absolute=absolute)
        response.headers["Link"] = ", ".join(f'<{address}>; rel="{relation}"' for relation, address in links.items())
        return {
            "items": items_from((page - 1) * per_page, per_page),
            "links": {"next": links.get("next")},
            "total": ITEM_COUNT,
        }


def _add_flaky(app: FastAPI, counters: AttemptCounters) -> None:
    @app.get("/api/v1/flaky")
    async def flaky(
        page: Page = 1,
        page_size: PageSize = DEFAULT_PAGE_SIZE,
        fail_on: Annotated[str, Query(description="Numbers of pages that fail at first, as in 2,3.")] = "",
        client: Client = _EVERYBODY,
    ) -> Any:
        if page in _page_numbers(fail_on) and counters.count(client, page) == 1:
            error = f"page {page} fails on the first attempt, because fail_on names it"
            return JSONResponse({"error": error, "page": page}, status_code=500)
        return _page(page, page_size)

    @app.post("/api/v1/flaky/reset")
    async def reset(client: Client = _EVERYBODY) -> Document:
        return {"reset": counters.reset(client)}


def _page(page: int, page_size: int) -> Document:
    return {
        "data": items_from((page - 1) * page_size, page_size),
        "paging": {
            "hasMore": page * page_size < ITEM_COUNT,
            "page": page,
            "pageSize": page_size,
            "total": ITEM_COUNT,
        },
    }


def _links(request: Request, page: int, per_page: int, *, absolute: bool) -> dict[str, str]:
    last_page = -(-ITEM_COUNT // per_page)
    pages = {"first": 1, "last": last_page}
    if page > 1:
        pages["prev"] = min(page - 1, last_page)
    if page < last_page:
        pages["next"] = page + 1
    address = str(request.url.replace(query="")) if absolute else request.url.path
    parameters: dict[str, int | str] = {"per_page": per_page}
    if absolute:
        parameters["absolute"] = "true"
    return {
        relation: f"{address}?{urlencode({'page': number, **parameters})}" for relation, number in sorted(pages.items())
    }


def _offset_of(cursor: str) -> int:
    try:
        return decode_cursor(cursor)
    except ValueError as error:
        raise InvalidParameter("cursor", str(error)) from None


def _page_numbers(text: str) -> frozenset[int]:
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(_PAGE_NUMBER.fullmatch(part) for part in parts):
        raise InvalidParameter("fail_on", "must be numbers of pages with commas between them, as in 2,3")
    if len(parts) > MAX_PAGES_PER_CLIENT:
        raise InvalidParameter("fail_on", f"must name {MAX_PAGES_PER_CLIENT} pages at most")
    return frozenset(int(part) for part in parts)


async def _refuse_request(_: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return _refusal([(str(problem["loc"][-1]), _uncapitalize(problem["msg"])) for problem in problems])


async def _refuse_parameter(_: Request, error: Exception) -> Response:
    return _refusal([(error.field, error.reason)] if isinstance(error, InvalidParameter) else [])


def _refusal(problems: list[tuple[str, str]]) -> Response:
    detail = [{"field": field, "reason": reason} for field, reason in problems]
    return JSONResponse({"detail": detail}, status_code=422)


def _uncapitalize(text: str) -> str:
    return text[:1].lower() + text[1:]
