"""What operator, generated files and command line see of the kind ``http``."""

from collections.abc import Iterator

from testrun_operator.kinds.case_kind import CaseKind, ConnectionUse, StepWords, SuiteNames
from testrun_operator.kinds.http.spec import HttpCase


class HttpKind(CaseKind[HttpCase]):
    """Requests to a connection or a test server, judged by what comes back."""

    name = "http"
    summary = "One request, or a paginated walk, against a connection."
    spec = HttpCase
    execution = "testrun_operator.kinds.http.execution.case"
    steps = StepWords("request", "sent")

    def check(self, spec: HttpCase, suite: SuiteNames, path: str) -> Iterator[str]:
        """Yield a connection that is missing, or has no address, and expectations of pages that nobody walks over."""
        connection = suite.connections.get(spec.connection)
        if connection is None and spec.connection not in suite.test_servers:
            known = ", ".join(sorted([*suite.connections, *suite.test_servers])) or "none"
            yield f"{path}.connection: there is no connection or test server {spec.connection!r}; there is: {known}"
        if connection is not None and connection.url is None:
            yield f"{path}.connection: the connection {spec.connection!r} has no url"
        if spec.paginate is None:
            for field in ("items", "pages", "unique", "ordered"):
                if getattr(spec.expect, field) is not None:
                    yield f"{path}.expect.{field}: needs {path}.paginate, which says how to walk over the pages"

    def connections(self, spec: HttpCase) -> tuple[ConnectionUse, ...]:
        """Return the one that requests go to."""
        return (ConnectionUse(spec.connection, address=True),)

    def subject(self, spec: HttpCase) -> str:
        """Return method and path, without the query, which may hold a token."""
        return f"{spec.request.method} {spec.request.path.partition('?')[0]}"


KIND = HttpKind()
"""The kind, as the registry finds it."""
