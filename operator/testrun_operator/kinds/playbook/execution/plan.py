"""Everything that a playbook case says, rendered and compiled, so that mistakes are found before it starts."""

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
"""What queries call the execution: ``{{ execution.id }}``."""

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|api_?key|private_?key|credential|authori[sz]ation", re.IGNORECASE
)


@dataclass(frozen=True)
class Credential:
    """A credential that is registered first."""

    name: str
    type: str
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """What a playbook case is going to do."""

    url: str
    headers: Mapping[str, str] = field(repr=False)  # they contain secrets
    dsns: Mapping[str, str] = field(repr=False)
    """Addresses of databases by connection: of the event log, if there is one, and of queries."""
    path: str
    payload: Mapping[str, JsonValue] = field(repr=False)
    register: FileSource | None
    credentials: tuple[Credential, ...]
    expect: PlaybookExpectations
    """All but its queries are rendered: these may name the execution."""
    outputs: Mapping[str, Expression]

    connection: str
    security: Security | None = None
    """How the server's connection is encrypted; None for the usual way."""

    @property
    def dsn(self) -> str | None:
        """The database of the event log; None where it is read through the server."""
        return self.dsns.get(self.connection)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts of the payload that plainly are secrets, by the names that they stand under.

        The name of a credential is none, though it often stands under ``credential``.
        """
        names = {credential.name for credential in self.credentials}
        return tuple(secret for secret in _secrets_in(dict(self.payload)) if secret not in names)


def make_plan(case: PlaybookCase, context: Context) -> Plan:
    """Render and compile a playbook case.

    Raises:
        InvalidCase: something in it is wrong; names the field.
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
    # What they look like is known only when there is an execution; what is wrong with them, before.
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
