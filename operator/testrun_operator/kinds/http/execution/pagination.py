"""Walks from page to page, in the four styles of pagination.

A walk ends either because the API says that there is no further page, or because of a problem with a page. Such a
problem is a finding about the API that is tested, and no exception; it says on which page the walk stopped, and why.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urljoin

from pydantic import JsonValue

from testrun_operator.errors import LocalError
from testrun_operator.httpclient.exchange import NotJson, Origin, Request, Response, origin_of
from testrun_operator.kinds.http.execution.plan import WalkPlan
from testrun_operator.kinds.http.spec import PaginationStyle
from testrun_operator.masking import Masker
from testrun_operator.runner.expressions import Expression, NotApplicable

Send = Callable[[Request, str], Response]
"""Sends a request for a page; the text is the name of the page, for messages."""
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]+))?)*)')
"""A link with its parameters: ``<address>; name=value; name="value"``."""
_LINK_PARAMETER = re.compile(r';\s*([^\s=;,]+)\s*=\s*(?:"([^"]*)"|([^\s;,"]+))')
"""One parameter of a link: its name, and its value in quotes or without."""
_CONTROL_CHARACTER = re.compile(r"[\x00-\x20\x7f]")
_MAX_LINK_LENGTH = 8192


class WalkStopped(LocalError):
    """A page cannot be used, or there is no way from it to the next page; the message says why."""


@dataclass(frozen=True)
class Page:
    """One page of a walk."""

    number: int
    """Its number from 1, in the order of the walk, whatever number the API gives it."""
    response: Response
    items: list[JsonValue] = field(default_factory=list)
    """Its items; empty if the page could not be used."""
    problem: str = ""
    """Why the page could not be used; empty if it could."""

    @property
    def label(self) -> str:
        """Number and address, for messages."""
        return f"page {self.number}: {self.response.request.label}"


@dataclass(frozen=True)
class Walk:
    """All pages of a walk, as far as it went."""

    pages: tuple[Page, ...]
    problem: str = ""
    """Why the walk did not reach the last page; empty if it did."""

    @property
    def items(self) -> list[JsonValue]:
        """The items of all pages."""
        return [item for page in self.pages for item in page.items]


def walk_pages(
    first: Request,
    plan: WalkPlan,
    *,
    origin: Origin,
    masker: Masker,
    send: Send,
    status_is_met: Callable[[int], bool],
    on_page: Callable[[Page], None],
) -> Walk:
    """Walk over all pages.

    Args:
        first: the request for the first page, without the parameters of the pagination.
        plan: how to walk.
        origin: the only origin that links may lead to.
        masker: keeps secrets out of excerpts of bodies.
        send: sends the request for a page.
        status_is_met: whether a status is the expected one. The walk stops at a page with another one.
        on_page: called with each page as soon as it was read.

    Raises:
        CannotJudge: a request could not be sent, or an expression is wrong.
    """
    steps = _Steps(plan, origin, masker)
    pages: list[Page] = []
    request: Request | None = steps.first(first)
    try:
        while request is not None:
            number = len(pages) + 1
            response = send(request, f"page {number}")
            page = _read_page(number, response, plan.items, masker) if status_is_met(response.status) else None
            pages.append(page or Page(number, response, problem=f"status {response.status}"))
            on_page(pages[-1])
            if pages[-1].problem:
                return Walk(tuple(pages), pages[-1].problem)
            request = steps.following(pages[-1])
            if request is not None and number == plan.settings.max_pages:
                return Walk(tuple(pages), f"the walk has not ended after {number} pages (maxPages)")
    except WalkStopped as stopped:
        return Walk(tuple(pages), str(stopped))
    return Walk(tuple(pages))


def _read_page(number: int, response: Response, expression: Expression, masker: Masker) -> Page:
    try:
        items = expression.search(response.json())
    except (NotJson, NotApplicable) as error:
        return Page(
            number, response, problem=f"expected a list of items at {expression.source}, got {_say(error, masker)}"
        )
    if not isinstance(items, list):
        shown = masker.show(items)
        return Page(number, response, problem=f"expected a list of items at {expression.source}, got {shown}")
    return Page(number, response, items)


def _say(error: Exception, masker: Masker) -> str:
    return masker.excerpt(str(error), 300)


class _Steps:
    """Makes the request for each page from the page before it.

    Args:
        plan: how to walk.
        origin: the only origin that links may lead to.
        masker: keeps secrets out of excerpts of bodies.
    """

    def __init__(self, plan: WalkPlan, origin: Origin, masker: Masker) -> None:
        self._plan = plan
        self._origin = origin
        self._masker = masker
        self._seen: set[str] = set()
        self._offset = 0

    def first(self, request: Request) -> Request:
        """Return the request for the first page."""
        settings = self._plan.settings
        parameters: dict[str, str] = {}
        if self._plan.size is not None:
            parameters[self._plan.size_parameter] = str(self._plan.size)
        match settings.style:
            case PaginationStyle.PAGE:
                parameters[settings.page_parameter] = str(settings.first_page)
            case PaginationStyle.OFFSET:
                parameters[settings.offset_parameter] = "0"
            case _:
                pass
        return request.with_parameters(parameters)

    def following(self, page: Page) -> Request | None:
        """Return the request for the page after this one; None if this is the last one.

        Raises:
            WalkStopped: there should be a further page, but no request for it can be made.
        """
        more = self._has_more(page)
        if more is False:
            return None
        match self._plan.settings.style:
            case PaginationStyle.PAGE:
                return self._by_page(page, more=more)
            case PaginationStyle.OFFSET:
                return self._by_offset(page, more=more)
            case PaginationStyle.CURSOR:
                return self._by_cursor(page, more=more)
            case PaginationStyle.LINK:
                return self._by_link(page, more=more)

    def _has_more(self, page: Page) -> bool | None:
        """Return whether ``hasMore`` says that another page follows; None if the case does not use it."""
        expression = self._plan.has_more
        if expression is None:
            return None
        value = self._search(expression, page)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise WalkStopped(f"expected true or false at {expression.source}, got {self._masker.show(value)}")

    def _search(self, expression: Expression, page: Page) -> JsonValue:
        try:
            return expression.search(page.response.json())
        except NotApplicable as error:
            raise WalkStopped(f"{expression.source}: {_say(error, self._masker)}") from None

    def _is_last(self, page: Page) -> bool:
        """Whether a page is taken for the last one where the API does not say so: it is not full."""
        return not page.items or (self._plan.size is not None and len(page.items) < self._plan.size)

    def _by_page(self, page: Page, *, more: bool | None) -> Request | None:
        if more is None and self._is_last(page):
            return None
        settings = self._plan.settings
        return page.response.request.with_parameters({settings.page_parameter: str(settings.first_page + page.number)})

    def _by_offset(self, page: Page, *, more: bool | None) -> Request | None:
        if more is None and self._is_last(page):
            return None
        if not page.items:
            raise WalkStopped("it says that more items follow, but has none itself: the offset cannot grow")
        self._offset += len(page.items)
        return page.response.request.with_parameters({self._plan.settings.offset_parameter: str(self._offset)})

    def _by_cursor(self, page: Page, *, more: bool | None) -> Request | None:
        cursor = self._search(self._plan.next_cursor, page)
        if isinstance(cursor, int | float) and not isinstance(cursor, bool):
            cursor = str(cursor)
        if not cursor and (cursor is None or isinstance(cursor, str)):
            self._refuse_dead_end(more=more, missing=f"no cursor at {self._plan.next_cursor.source}")
            return None
        if not isinstance(cursor, str):
            shown = self._masker.show(cursor)
            raise WalkStopped(f"expected a cursor at {self._plan.next_cursor.source}, got {shown}")
        if not _is_encodable(cursor):
            raise WalkStopped(f"the cursor at {self._plan.next_cursor.source} is no text that an address can carry")
        self._remember(cursor, "cursor")
        return page.response.request.with_parameters({self._plan.settings.cursor_parameter: cursor})

    def _by_link(self, page: Page, *, more: bool | None) -> Request | None:
        expression = self._plan.next_link
        link: JsonValue
        if expression is None:
            link, place = find_next_link(page.response.headers.get("link", "")), "in the Link header"
        else:
            link, place = self._search(expression, page), f"at {expression.source}"
        if link is None or link == "":
            self._refuse_dead_end(more=more, missing=f"no link {place}")
            return None
        if not isinstance(link, str):
            raise WalkStopped(f"expected an address {place}, got {self._masker.show(link)}")
        request = page.response.request
        if not _is_encodable(link) or len(link) > _MAX_LINK_LENGTH or _CONTROL_CHARACTER.search(link):
            raise WalkStopped(f"the address {place} cannot be used: {self._masker.excerpt(link)}")
        try:
            url = urljoin(request.url, link).partition("#")[0]
            origin = origin_of(url)
        except ValueError as error:
            raise WalkStopped(f"the address {place} cannot be used: {error}: {self._masker.excerpt(link)}") from None
        if origin != self._origin:
            # The headers of the connection may be secrets, and must not be sent to anybody else.
            raise WalkStopped(
                f"the address {place} leads to another origin and is not followed: {self._masker.excerpt(link)}"
            )
        self._seen.add(request.url)
        self._remember(url, "link")
        return request.with_url(url)

    def _refuse_dead_end(self, *, more: bool | None, missing: str) -> None:
        if more:
            raise WalkStopped(f"it says that another page follows, but there is {missing}")

    def _remember(self, value: str, what: str) -> None:
        if value in self._seen:
            raise WalkStopped(f"its next {what} was there before, so that the walk would never end: {value[:200]}")
        self._seen.add(value)


def _is_encodable(text: str) -> bool:
    """Whether a text can be encoded as UTF-8. JSON can contain single surrogates, which cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_next_link(header: str) -> str | None:
    """Return the address of the first link with the relation ``next`` in a Link header.

    Decision 0032 says why this is no library's work.

    Args:
        header: the value of the header, as in RFC 8288; several headers are joined by commas.

    Returns:
        The address, which may be relative; None if there is none.
    """
    for link in _LINK.finditer(header):
        for parameter in _LINK_PARAMETER.finditer(link.group(2)):
            relations = (parameter.group(2) or parameter.group(3) or "").lower().split()
            if parameter.group(1).lower() == "rel" and "next" in relations:
                return link.group(1)
    return None
