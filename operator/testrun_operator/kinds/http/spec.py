"""The case kind ``http``: one request, or a paginated walk, against a connection."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from testrun_operator.api.base import (
    AnyJson,
    Count,
    DnsLabel,
    Duration,
    JsonObject,
    Model,
    ShortText,
    Text,
    VariableName,
)
from testrun_operator.api.expressions import Expression, JmesPathExpectation

HttpStatus = Annotated[int, Field(ge=100, le=599)]


class HttpMethod(StrEnum):
    """The request methods of RFC 9110 that a test can want."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"


class PaginationStyle(StrEnum):
    """How an API says where the next page is."""

    PAGE = "page"
    """By a page's number: `?page=2&pageSize=10`."""
    OFFSET = "offset"
    """By the number of items before it: `?offset=10&limit=10`."""
    CURSOR = "cursor"
    """By a token that the page before it contains: `?cursor=…`."""
    LINK = "link"
    """By an address in the page before it: the header `Link: <…>; rel="next"` of RFC 8288, or a field of the body."""


class HttpRequest(Model):
    """What is sent. Texts may be templates."""

    method: HttpMethod = Field(HttpMethod.GET, description="Request method. Default GET.")
    path: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[/{]")] = Field(
        "/", description="Path below the connection's url; begins with '/'. May be a template. Default '/'."
    )
    headers: Annotated[dict[ShortText, Text], Field(max_length=32)] = Field(
        {}, description="Further request headers; values may be templates."
    )
    query: Annotated[dict[ShortText, Text], Field(max_length=32)] = Field(
        {}, description="Query parameters; values may be templates."
    )
    body: AnyJson | None = Field(
        None, description="Request body: a text is sent as it is, anything else as JSON. Texts in it may be templates."
    )


class Pagination(Model):
    """How to walk from page to page."""

    style: PaginationStyle = Field(description="How the API says where the next page is: page, offset, cursor or link.")
    items: Expression = Field(description="JMESPath of the list of items in a page's body, for instance 'data'.")
    has_more: Expression | None = Field(
        None,
        description="JMESPath that is true when another page follows, for instance 'paging.hasMore'. "
        "Without it, styles page and offset end at a page with fewer items than size, or with none.",
    )
    size: Count | None = Field(None, description="Items asked for on each page. Without it the server's default.")
    size_parameter: ShortText | None = Field(
        None,
        description="Query parameter that carries size. Default pageSize for style page, limit for offset and cursor.",
    )
    page_parameter: ShortText = Field("page", description="Style page: query parameter of the page's number.")
    first_page: Annotated[int, Field(ge=0, le=1)] = Field(
        1, description="Style page: number of the first page, 0 or 1."
    )
    offset_parameter: ShortText = Field("offset", description="Style offset: query parameter of the offset.")
    cursor_parameter: ShortText = Field("cursor", description="Style cursor: query parameter of the cursor.")
    next_cursor: Expression = Field(
        "next_cursor", description="Style cursor: JMESPath of the next cursor in a page; null or empty ends the walk."
    )
    next_link: Expression | None = Field(
        None,
        description="Style link: JMESPath of the next page's address in the body. Without it the Link header is used.",
    )
    max_pages: Annotated[int, Field(ge=1, le=10000)] = Field(
        100, description="A walk that has not ended after so many pages fails. Default 100."
    )


class HttpRetry(Model):
    """When a single request is sent again. Independent of the case's own retries."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Attempts per request. Default 3.")
    statuses: Annotated[tuple[HttpStatus, ...], Field(max_length=32)] = Field(
        (429, 502, 503, 504),
        description="Response statuses that are tried again. Default 429, 502, 503, 504. "
        "Connection errors are always tried again.",
    )
    backoff: Duration = Field(
        timedelta(milliseconds=200),
        description="Wait before the second attempt; doubled for each further one, at most 30s. A Retry-After header "
        "is followed. Default 200ms.",
    )


class HttpExpectations(Model):
    """What must hold. A broken expectation is reported with what was expected, what came, and on which page."""

    status: Count | None = Field(
        None, description="Status of the response, of every page of a walk. Default: any from 200 to 299."
    )
    items: Count | None = Field(None, description="Number of items on all pages together. Needs paginate.")
    pages: Count | None = Field(None, description="Number of pages. Needs paginate.")
    unique: Expression | None = Field(
        None, description="JMESPath of an item's key that no two items may share. Needs paginate."
    )
    ordered: Expression | None = Field(
        None,
        description="JMESPath of an item's key by which items must be in ascending order; "
        "with a '-' before it, descending. Needs paginate.",
    )
    json_schema: JsonObject | None = Field(
        None,
        description="JSON Schema (draft 2020-12 unless $schema says otherwise) of the body, of every page of a walk. "
        "References to other documents are refused.",
    )
    jmespath: Annotated[tuple[JmesPathExpectation, ...], Field(max_length=50)] = Field(
        (), description="Expressions over the response and the values they must have."
    )
    max_duration: Duration | None = Field(None, description="Longest time that all requests together may take.")


class HttpCase(Model):
    """One request, or a paginated walk, against a connection."""

    connection: DnsLabel = Field(description="Name of a connection of the suite, or of one of its testServers.")
    request: HttpRequest = Field(HttpRequest(), description="What is sent. Default GET /.")
    paginate: Pagination | None = Field(None, description="Walks over all pages. Without it one request is sent.")
    retry: HttpRetry | None = Field(None, description="When a single request is sent again. Default: never.")
    expect: HttpExpectations = Field(HttpExpectations(), description="What must hold. Default: a status of 200 to 299.")
    outputs: Annotated[dict[VariableName, Expression], Field(max_length=16)] = Field(
        {},
        description="Values for cases that need this one, as JMESPath over the same document as expect.jmespath; "
        "used there as {{ cases['NAME'].outputs.KEY }}. At most 1024 bytes of JSON together.",
    )
