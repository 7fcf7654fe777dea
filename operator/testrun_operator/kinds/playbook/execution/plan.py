"""Renders and compiles everything that a playbook case says, so that mistakes are found before the playbook starts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from testrun_operator import __version__
from testrun_operator.api.environment import credential_prefix
from testrun_operator.api.files import FileSource
from testrun_operator.httpclient.connection import CLIENT_HEADER, find_target, merge_headers
from testrun_operator.httpclient.tls import Security
from testrun_operator.kinds.playbook.execution.queries import render_queries, validate_queries
from testrun_operator.kinds.playbook.spec import PlaybookCase, PlaybookExpectations
from testrun_operator.runner.context import Context
from testrun_operator.runner.expressions import Expression
from testrun_operator.runner.problem import InvalidCase
from testrun_operator.sources.fetching import render_source

EXECUTION = "execution"
"""Name of the execution in the templates of queries: ``{{ execution.id }}``."""

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|api_?key|private_?key|credential|authori[sz]ation", re.IGNORECASE
)


@dataclass(frozen=True)
class Credential:
    """A credential that is registered on the NoETL server before the playbook starts."""

    name: str
    """Name under which playbooks use it."""
    type: str
    """Its type in NoETL, such as ``postgres``."""
    fields: Mapping[str, str] = field(repr=False)
    """Its fields by name, from the keys of a Secret."""


@dataclass(frozen=True)
class Plan:
    """What a playbook case is going to do: its fields, rendered and compiled."""

    url: str
    """Address of the NoETL server."""
    headers: Mapping[str, str] = field(repr=False)  # they contain secrets
    """Headers of each request to it."""
    dsns: Mapping[str, str] = field(repr=False)
    """Addresses of databases by the name of their connection: that of the event log, if any, and those of queries."""
    path: str
    """Path of the playbook in the catalog."""
    payload: Mapping[str, JsonValue] = field(repr=False)
    """Input of the playbook."""
    register: FileSource | None
    """Where the playbooks are that are registered first; None if there are none."""
    credentials: tuple[Credential, ...]
    expect: PlaybookExpectations
    """What must hold. Its queries are not rendered yet, since they may name the execution."""
    outputs: Mapping[str, Expression]
    """The outputs that the case defines, by name."""

    connection: str
    """Name of the connection to the NoETL server."""
    security: Security | None = None
    """How the connection to the server is encrypted; None for the usual way."""

    @property
    def dsn(self) -> str | None:
        """Address of the database with the event log; None if the log is read through the server."""
        return self.dsns.get(self.connection)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts in the payload that are secrets, by the names of their fields, such as ``password``.

        The name of a credential is no secret, though it is often the value of a field ``credential``.
        """
        names = {credential.name for credential in self.credentials}
        return tuple(secret for secret in _secrets_in(dict(self.payload)) if secret not in names)


def make_plan(case: PlaybookCase, context: Context) -> Plan:
    """Render and compile a playbook case.

    Args:
        case: the case.
        context: its document, templates and environment variables.

    Raises:
        InvalidCase: a field is wrong, or a secret is missing; names the field.
    """
    templates = context.templates
    target = find_target(case.connection, context, "playbook")
    document = context.document
    headers = merge_headers(
        {
            "User-Agent": f"testrun-operator/{__version__}",
            CLIENT_HEADER: f"{document.run.id}.{document.case.name}.{document.attempt}",
        },
        target.headers,
        field=f"connections.{case.connection}.headers",
    )
    path = templates.text(case.path, "playbook.path").strip()
    if not path:
        raise InvalidCase("playbook.path", "is empty")
    payload = templates.value(case.payload, "playbook.payload")
    assert isinstance(payload, dict)  # noqa: S101 - rendering keeps what a value is
    return Plan(
        url=target.url,
        headers=headers,
        security=target.security,
        dsns=_dsns(case, context),
        path=path,
        payload=payload,
        register=render_source(case.register, templates, "playbook.register") if case.register is not None else None,
        credentials=tuple(_credentials(case, context)),
        expect=_render_expectations(case.expect, context),
        connection=case.connection,
        outputs={name: Expression.compile(source, f"playbook.outputs.{name}") for name, source in case.outputs.items()},
    )


def _dsns(case: PlaybookCase, context: Context) -> dict[str, str]:
    dsns = {}
    for name, endpoint in context.document.connections.items():
        if endpoint.dsn_variable is None:
            continue
        dsn = context.environment.get(endpoint.dsn_variable)
        if dsn is None:
            problem = f"the secret is not in the environment variable {endpoint.dsn_variable}"
            raise InvalidCase(f"connections.{name}.dsnFrom", problem)
        dsns[name] = dsn.strip()
    # The queries are rendered once more when there is an execution. Mistakes in them are found already here.
    templates = context.templates.having({EXECUTION: {"id": "0", "status": ""}})
    validate_queries(render_queries(case, templates), dsns)
    return dsns


def _credentials(case: PlaybookCase, context: Context) -> Iterator[Credential]:
    for index, credential in enumerate(case.credentials):
        prefix = credential_prefix(index)
        fields = {
            # Secrets that were made from files often end with a line break.
            name.removeprefix(prefix): value.rstrip("\r\n")
            for name, value in context.environment.items()
            if name.startswith(prefix)
        }
        where = f"playbook.credentials[{index}]"
        if not fields:
            raise InvalidCase(f"{where}.secretRef", f"the Secret {credential.secret_ref.name} has no usable keys")
        name = context.templates.text(credential.name, f"{where}.name")
        yield Credential(name, context.templates.text(credential.type, f"{where}.type"), fields)


def _render_expectations(expect: PlaybookExpectations, context: Context) -> PlaybookExpectations:
    where = "playbook.expect.jmespath"
    for index, one in enumerate(expect.jmespath):
        Expression.compile(one.expression, f"{where}[{index}].expression")
    rendered = tuple(
        one.model_copy(update={"equals": context.templates.value(one.equals, f"{where}[{index}].equals")})
        for index, one in enumerate(expect.jmespath)
    )
    return expect.model_copy(update={"jmespath": rendered})


def _secrets_in(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for name, content in value.items():
            if _SECRET_NAME.search(name):
                yield from _texts_in(content)
            else:
                yield from _secrets_in(content)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets_in(item)


def _texts_in(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for content in value.values():
            yield from _texts_in(content)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
