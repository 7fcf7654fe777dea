"""Everything that an http case says, rendered and compiled, so that mistakes are found before the first request."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue

from testrun_operator import __version__
from testrun_operator.httpclient.connection import CLIENT_HEADER, Target, find_target, merge_headers
from testrun_operator.httpclient.exchange import Request, origin_of
from testrun_operator.kinds.http.spec import HttpCase, HttpExpectations, HttpRetry, Pagination, PaginationStyle
from testrun_operator.runner.context import Context
from testrun_operator.runner.expressions import Expression
from testrun_operator.runner.problem import InvalidCase

if TYPE_CHECKING:
    from testrun_operator.kinds.http.execution.schema import Schema

_DEFAULT_SIZE_PARAMETER = {
    PaginationStyle.PAGE: "pageSize",
    PaginationStyle.OFFSET: "limit",
    PaginationStyle.CURSOR: "limit",
    PaginationStyle.LINK: "per_page",
}


@dataclass(frozen=True)
class WalkPlan:
    """How to walk from page to page."""

    settings: Pagination
    items: Expression
    has_more: Expression | None
    size: int | None
    size_parameter: str
    next_cursor: Expression
    next_link: Expression | None


@dataclass(frozen=True)
class OrderPlan:
    """By what items must be ordered."""

    key: Expression
    descending: bool


@dataclass(frozen=True)
class Expectations:
    """What must hold."""

    status: int | None
    items: int | None
    pages: int | None
    unique: Expression | None
    ordered: OrderPlan | None
    schema: "Schema | None"
    values: tuple[tuple[Expression, JsonValue], ...]
    max_seconds: float | None

    def status_is_met(self, status: int) -> bool:
        """Return whether a response has the expected status."""
        return 200 <= status <= 299 if self.status is None else status == self.status  # noqa: PLR2004 - see expected_status

    @property
    def expected_status(self) -> str:
        """The expected status, for people."""
        return "200 to 299" if self.status is None else str(self.status)


@dataclass(frozen=True)
class Plan:
    """What an http case is going to do."""

    target: Target
    request: Request
    retry: HttpRetry | None
    walk: WalkPlan | None
    expectations: Expectations
    outputs: dict[str, Expression]


def make_plan(case: HttpCase, context: Context) -> Plan:
    """Render and compile an http case.

    Raises:
        InvalidCase: something in it is wrong; names the field.
        CannotJudge: a secret that it needs is missing.
    """
    target = find_target(case.connection, context)
    return Plan(
        target=target,
        request=_request(case, target, context),
        retry=case.retry,
        walk=_walk(case.paginate, context) if case.paginate is not None else None,
        expectations=_expectations(case.expect, context, paginated=case.paginate is not None),
        outputs={name: Expression.compile(source, f"http.outputs.{name}") for name, source in case.outputs.items()},
    )


def _request(case: HttpCase, target: Target, context: Context) -> Request:
    templates = context.templates
    path = templates.text(case.request.path, "http.request.path")
    if not path.startswith("/"):
        raise InvalidCase("http.request.path", f"must begin with '/', not {path[:80]!r}")
    url = target.url.rstrip("/") + path
    _check_address(url, target)
    body = case.request.body
    content: bytes | None = None
    content_type = {}
    if isinstance(body, str):
        content = templates.text(body, "http.request.body").encode()
        content_type = {"Content-Type": "text/plain; charset=utf-8"}
    elif body is not None:
        content = json.dumps(templates.value(body, "http.request.body"), ensure_ascii=False).encode()
        content_type = {"Content-Type": "application/json"}
    document = context.document
    headers = merge_headers(
        {
            "User-Agent": f"testrun-operator/{__version__}",
            # Servers that keep counters for each client do so for each attempt at each case of each execution.
            CLIENT_HEADER: f"{document.run.id}.{document.case.name}.{document.attempt}",
        },
        content_type,
        target.headers,
        {name: templates.text(value, f"http.request.headers.{name}") for name, value in case.request.headers.items()},
    )
    query = {name: templates.text(value, f"http.request.query.{name}") for name, value in case.request.query.items()}
    return Request(case.request.method.value, url, headers, content).with_parameters(query)


def _check_address(url: str, target: Target) -> None:
    if any(ord(character) < 33 or ord(character) == 127 for character in url):  # noqa: PLR2004 - ASCII's control characters
        raise InvalidCase("http.request.path", "must not contain spaces or control characters; use | urlencode")
    if origin_of(url) != target.origin:
        raise InvalidCase("http.request.path", "must not lead to another host than the connection's")


def make_walk_plan(settings: Pagination, size: int | None) -> WalkPlan:
    """Compile how to walk.

    Args:
        settings: the case's ``paginate``.
        size: its ``size``, rendered.

    Raises:
        InvalidCase: an expression is wrong.
    """
    path = "http.paginate"
    return WalkPlan(
        settings=settings,
        items=Expression.compile(settings.items, f"{path}.items"),
        has_more=Expression.compile(settings.has_more, f"{path}.hasMore") if settings.has_more else None,
        size=size,
        size_parameter=settings.size_parameter or _DEFAULT_SIZE_PARAMETER[settings.style],
        next_cursor=Expression.compile(settings.next_cursor, f"{path}.nextCursor"),
        next_link=Expression.compile(settings.next_link, f"{path}.nextLink") if settings.next_link else None,
    )


def _walk(settings: Pagination, context: Context) -> WalkPlan:
    path = "http.paginate.size"
    size = context.templates.count(settings.size, path) if settings.size is not None else None
    if size == 0:
        raise InvalidCase(path, "must be at least 1")
    return make_walk_plan(settings, size)


def _expectations(expect: HttpExpectations, context: Context, *, paginated: bool) -> Expectations:
    templates = context.templates
    path = "http.expect"
    for name in ("items", "pages", "unique", "ordered"):
        if getattr(expect, name) is not None and not paginated:
            raise InvalidCase(f"{path}.{name}", "needs http.paginate")
    schema = None
    if expect.json_schema is not None:
        # Loaded where it is needed: its libraries take longer to load than a request takes.
        from testrun_operator.kinds.http.execution.schema import Schema  # noqa: PLC0415

        schema = Schema(expect.json_schema, f"{path}.jsonSchema")
    ordered = None
    if expect.ordered is not None:
        descending = expect.ordered.startswith("-")
        key = Expression.compile(expect.ordered.removeprefix("-"), f"{path}.ordered")
        ordered = OrderPlan(key, descending=descending)
    return Expectations(
        status=templates.count(expect.status, f"{path}.status") if expect.status is not None else None,
        items=templates.count(expect.items, f"{path}.items") if expect.items is not None else None,
        pages=templates.count(expect.pages, f"{path}.pages") if expect.pages is not None else None,
        unique=Expression.compile(expect.unique, f"{path}.unique") if expect.unique else None,
        ordered=ordered,
        schema=schema,
        values=tuple(
            (
                Expression.compile(value.expression, f"{path}.jmespath[{index}].expression"),
                templates.value(value.equals, f"{path}.jmespath[{index}].equals"),
            )
            for index, value in enumerate(expect.jmespath)
        ),
        max_seconds=expect.max_duration.total_seconds() if expect.max_duration is not None else None,
    )
