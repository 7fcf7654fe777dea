"""What is asked of a NoETL server for a suite: its playbooks, its executions, and which credentials it has."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import JsonValue

from testrun_operator.httpclient.tls import Security, make_security
from testrun_operator.kinds.playbook.commands.playbooks import (
    FoundPlaybooks,
    Playbook,
    Unreadable,
    make_playbook,
    read_yaml,
)
from testrun_operator.kinds.playbook.execution.ids import read_id
from testrun_operator.kinds.playbook.execution.log import Dialect
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer
from testrun_operator.kinds.playbook.execution.server.transport import Transport, retry_while_away
from testrun_operator.masking import Masker
from testrun_operator.resources.document import EndpointTls
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed, InvalidCase
from testrun_operator.terminal.errors import CannotDo

_ANSWER_SECONDS: Final = 15.0
"""How long the server may take for an answer."""
_GRACE_SECONDS: Final = 5.0
"""How long the server may be away, and be asked again."""
_PAGE_SIZE: Final = 200
"""Executions in one answer."""
_PAGE_SIZE_OF_RUST: Final = 100
"""The same for servers written in Rust, which return no more at once."""
_LAST_PAGE: Final = 25
"""The last page of executions that is asked for: servers list only the 5,000 newest."""
_OK: Final = 200

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution of a playbook."""

    id: int
    old_version: int | None
    """The version of the playbook that was executed, if it is known not to be the newest; else None."""


class Server:
    """A NoETL server from which a suite is made. A context manager.

    Args:
        url: its address.
        tls: files with the certificates to trust, the certificate to show, and its key; None for each that is not
            given.

    Raises:
        CannotDo: one of the files is missing, or is not what it should be.
    """

    def __init__(self, url: str, tls: tuple[Path | None, Path | None, Path | None] = (None, None, None)) -> None:
        security = _security(url, tls)
        masker = Masker([urlsplit(url).password or ""])
        self.label = hide_credentials(url)
        """Its address without credentials, for messages."""
        self._transport = Transport(url, {}, masker, _remaining_seconds, security)
        self.api = NoetlServer(url, {}, masker, remaining_seconds=_remaining_seconds, security=security)
        """The client that event logs are read with."""
        self._versions: dict[int | None, int] = {}
        """Versions of playbooks by id in the catalog: servers written in Rust list executions without versions."""

    def __enter__(self) -> Self:
        self._transport.__enter__()
        self.api.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.api.__exit__(kind, error, trace)
        self._transport.__exit__(kind, error, trace)

    def dialect(self) -> Dialect:
        """Find out of which generation of NoETL it is.

        Raises:
            CannotDo: it is no NoETL server, or it does not answer.
        """
        return _with_plain_errors(self.api.dialect)

    def playbooks(self) -> FoundPlaybooks:
        """Return the newest version of each playbook of its catalog, ordered by path.

        Raises:
            CannotDo: the server does not answer, or has no such catalog.
        """
        newest: dict[str, Mapping[str, JsonValue]] = {}
        for entry in _objects(_object(self._ask_for_catalog()).get("entries")):
            path, version = entry.get("path"), entry.get("version")
            if str(entry.get("kind")).casefold() != "playbook" or not isinstance(path, str):
                continue
            self._versions[read_id(entry.get("catalog_id"))] = _number(version)
            if path not in newest or _number(version) > _number(newest[path].get("version")):
                newest[path] = entry
        found = FoundPlaybooks()
        for path in sorted(newest):
            entry = newest[path]
            try:
                # In the payload of servers written in Rust there is only the workload; the content has all.
                payload = _object(entry.get("payload"))
                document = payload if "workflow" in payload else read_yaml(str(entry.get("content") or "")) or payload
                found.playbooks.append(
                    make_playbook(document, origin="the catalog", path=path, version=_number(entry.get("version")))
                )
            except Unreadable as unreadable:
                found.broken.append(f"{path}: {unreadable.reason}")
        return found

    def executions(self, playbooks: Collection[Playbook], most: int) -> Mapping[str, tuple[Execution, ...]]:
        """Return the newest executions of playbooks, without those that another execution started.

        Args:
            playbooks: the playbooks.
            most: how many executions of each are wanted.

        Returns:
            The executions by path of the playbook: those of its newest version first, and of these the newest first.

        Raises:
            CannotDo: the server does not answer.
        """
        found: dict[str, dict[int, int]] = defaultdict(dict)
        is_rust = self.dialect() is Dialect.RUST
        size = _PAGE_SIZE_OF_RUST if is_rust else _PAGE_SIZE
        pages = _LAST_PAGE if is_rust or self.dialect() is Dialect.BATCH else 1
        for page in range(1, pages + 1):
            place = {"page": str(page), "page_size": str(size)}
            if is_rust:
                place = {"limit": str(size), "offset": str((page - 1) * size)}
            entries = _objects(self._get("/api/executions", place))
            for entry in entries:
                execution, path = read_id(entry.get("execution_id")), entry.get("path")
                if execution is not None and isinstance(path, str) and not entry.get("parent_execution_id"):
                    known = self._versions.get(read_id(entry.get("catalog_id")), 0)
                    found[path][execution] = _number(entry.get("version")) or known
            if len(entries) < size or all(len(found[playbook.path]) >= most for playbook in playbooks):
                break
        return {playbook.path: _by_preference(playbook, found[playbook.path])[:most] for playbook in playbooks}

    def lacks_credential(self, name: str) -> bool:
        """Whether the server has no credential of a given name.

        Raises:
            CannotDo: the server does not answer.
        """
        return self._get(f"/api/credentials/{quote(name, safe='')}", {}) is None

    def _get(self, path: str, parameters: Mapping[str, str]) -> JsonValue:
        return _with_plain_errors(lambda: self.api.get(path, parameters))

    def _ask_for_catalog(self) -> JsonValue:
        # Not filtered by kind: servers distinguish upper and lower case, and call it "Playbook" or "playbook".
        request = self._transport.request("POST", "/api/catalog/list", {})

        def ask() -> JsonValue:
            response = self._transport.send(request)
            if response.status != _OK:
                problem = f"status {response.status}: {self._transport.detail_of(response)}; is it a NoETL server?"
                raise CannotDo(self._transport.say(request, problem))
            return self._transport.json(response)

        return _with_plain_errors(ask)


def _security(url: str, files: tuple[Path | None, Path | None, Path | None]) -> Security | None:
    if files == (None, None, None):
        return None
    ca, certificate, key = (str(file) if file is not None else None for file in files)
    for file in (ca, certificate, key):
        if file is not None and not Path(file).is_file():
            raise CannotDo(f"there is no file {file}")
    try:
        return make_security(EndpointTls(ca=ca, certificate=certificate, key=key), url, "--server")
    except InvalidCase as error:
        what = {"caFrom": "--ca-file", "clientCertificateFrom": "--client-certificate"}
        field, _, problem = str(error).removeprefix("--server").lstrip(".").partition(": ")
        raise CannotDo(f"{what.get(field, '--server')}: {problem}") from None


def hide_credentials(url: str) -> str:
    """Return an address without the user name and the password that may be in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _remaining_seconds() -> float:
    return _ANSWER_SECONDS


def _with_plain_errors(ask: Callable[[], _T]) -> _T:
    """Ask the server, again for some seconds if it cannot answer, as it does after a restart of its database.

    Raises:
        CannotDo: there was no usable answer. The message does not name the field of a case, as that of the cause does.
    """
    try:
        return retry_while_away(ask, _GRACE_SECONDS, kind=ConnectionFailed)
    except CannotJudge as error:
        raise CannotDo(error.message.removeprefix("playbook.connection: ")) from None


def _object(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> list[Mapping[str, JsonValue]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _by_preference(playbook: Playbook, versions: Mapping[int, int]) -> tuple[Execution, ...]:
    """Order executions: those of the newest version first, and of these the newest first. Ids rise with time."""
    newest = playbook.version
    found = [
        Execution(id_, version if newest is not None and version != newest else None)
        for id_, version in versions.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.old_version is None, one.id), reverse=True))


def _number(version: JsonValue) -> int:
    return read_id(version) or 0
