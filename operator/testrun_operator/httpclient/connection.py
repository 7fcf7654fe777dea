"""Where requests go: a connection of the suite or a test server of the operator; and which headers they carry."""

import re
from dataclasses import dataclass, field

from testrun_operator.httpclient.exchange import Origin, origin_of
from testrun_operator.httpclient.tls import Security, make_security, usual_security
from testrun_operator.resources.document import Endpoint, ServerInfo
from testrun_operator.runner.context import Context
from testrun_operator.runner.problem import InvalidCase

CLIENT_HEADER = "X-Test-Run"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True)
class Server:
    """A test server that the operator deploys."""

    name: str
    url: str


@dataclass(frozen=True)
class Target:
    """Where requests go, and what they always carry."""

    url: str
    origin: Origin
    headers: dict[str, str] = field(repr=False)  # they contain secrets
    security: Security
    server: Server | None
    """The test server behind the address, if it is one that the operator deploys."""


def find_target(name: str, context: Context, kind: str = "http") -> Target:
    """Find a connection or test server by its name.

    Args:
        name: of the connection.
        context: the case.
        kind: of the case, for messages.

    Raises:
        InvalidCase: there is none of this name, its address is wrong, or a secret of it is missing.
    """
    document = context.document
    if name in document.connections:
        path = f"connections.{name}"
        endpoint = document.connections[name]
        if endpoint.url is None:
            raise InvalidCase(f"{path}.url", f"is needed by {kind} cases")
        url = context.templates.text(endpoint.url, f"{path}.url")
        headers = _headers(endpoint, path, context)
        tls = endpoint.tls
    elif name in document.servers:
        path = f"servers.{name}"
        url = document.servers[name].url
        headers = {}
        tls = None
    else:
        known = ", ".join(sorted({*document.connections, *document.servers})) or "none"
        raise InvalidCase(
            f"{kind}.connection", f"{name!r} is neither a connection nor a test server; there are: {known}"
        )
    try:
        origin = origin_of(url)
    except ValueError as error:
        raise InvalidCase(f"{path}.url", f"{error}, not {url[:80]!r}") from None
    if "?" in url or "#" in url:
        raise InvalidCase(f"{path}.url", "must not contain '?' or '#'")
    security = make_security(tls, url, f"{path}.tls") if tls is not None else usual_security(url)
    return Target(url, origin, headers, security, _server_behind(origin, document.servers))


def _headers(endpoint: Endpoint, path: str, context: Context) -> dict[str, str]:
    headers = {
        name: context.templates.text(value, f"{path}.headers.{name}") for name, value in endpoint.headers.items()
    }
    for header in endpoint.secret_headers:
        secret = context.environment.get(header.variable)
        if secret is None:
            problem = f"the secret for the header {header.name} is not in the environment variable {header.variable}"
            raise InvalidCase(f"{path}.headersFrom", problem)
        # Secrets that were made from files often end with a line break, which no header can have.
        headers[header.name] = header.prefix + secret.strip()
    return headers


def _server_behind(origin: Origin, servers: dict[str, ServerInfo]) -> Server | None:
    for name, server in servers.items():
        try:
            if origin_of(server.url) == origin:
                return Server(name, server.url)
        except ValueError:
            continue  # not an address of this kind; so it is not the one that is asked for
    return None


def merge_headers(*sources: dict[str, str], field: str = "http.request.headers") -> dict[str, str]:
    """Merge headers; a later one replaces an earlier one of the same name in whatever case.

    Args:
        sources: headers by name.
        field: the field that they stand in, for messages.

    Raises:
        InvalidCase: a name or a value is none that a header can have.
    """
    merged: dict[str, tuple[str, str]] = {}
    for source in sources:
        for name, value in source.items():
            if not _HEADER_NAME.fullmatch(name):
                raise InvalidCase(field, f"{name!r} is no name of a header")
            if any((ord(character) < 32 and character != "\t") or ord(character) > 126 for character in value):  # noqa: PLR2004 - printable ASCII
                # The value is not shown: it may be a secret.
                raise InvalidCase(field, f"the value of {name} must be printable ASCII on one line")
            merged[name.lower()] = (name, value.strip())
    return dict(merged.values())
