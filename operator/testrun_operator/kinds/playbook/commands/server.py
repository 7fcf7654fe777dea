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
from testrun_operator.kinds.playbook.commands.playbooks import Found, Playbook, Unreadable, make_playbook, read_yaml
from testrun_operator.kinds.playbook.execution.ids import read_id
from testrun_operator.kinds.playbook.execution.log import Dialect
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer
from testrun_operator.kinds.playbook.execution.server.transport import Transport, patiently
from testrun_operator.masking import Masker
from testrun_operator.resources.document import EndpointTls
from testrun_operator.runner.problem import CannotJudge, ConnectionFailed, InvalidCase
from testrun_operator.terminal.errors import CannotDo

_PATIENCE_SECONDS: Final = 15.0
_GRACE_SECONDS: Final = 5.0
_PAGE_SIZE: Final = 200
_PAGE_SIZE_OF_RUST: Final = 100
"""The servers written in Rust give no more at once."""
_LAST_PAGE: Final = 25
"""Of executions: the server does not give any beyond the 5,000 newest."""
_OK: Final = 200

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution of a playbook."""

    id: int
    old_version: int | None
    """The playbook's version, where it is known not to be the newest."""


class Server:
    """A NoETL server. A context manager.

    Args:
        url: its address.
        tls: files with the certificates to trust, the one to show, and its key; None for each that is not given.

    Raises:
        CannotDo: one of the files is missing, or is not what it should be.
    """

    def __init__(self, url: str, tls: tuple[Path | None, Path | None, Path | None] = (None, None, None)) -> None:
        security = _security(url, tls)
        masker = Masker([urlsplit(url).password or ""])
        self.label = hide_credentials(url)
        """Its address, for people."""
        self._transport = Transport(url, {}, masker, _patience, security)
        self.api = NoetlServer(url, {}, masker, remaining_seconds=_patience, security=security)
        """What readers of event logs ask."""
        self._versions: dict[int | None, int] = {}
        """By the ids in the catalog: lists of executions of servers written in Rust have no versions."""

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
        """Find out which generation of NoETL it is.

        Raises:
            CannotDo: it is none, or does not answer.
        """
        return _say_plainly(self.api.dialect)

    def playbooks(self) -> Found:
        """Give the newest version of each playbook of its catalog, in the order of their paths.

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
        found = Found()
        for path in sorted(newest):
            entry = newest[path]
            try:
                # Those written in Rust have nothing but the workload there.
                payload = _object(entry.get("payload"))
                document = payload if "workflow" in payload else read_yaml(str(entry.get("content") or "")) or payload
                found.playbooks.append(
                    make_playbook(document, origin="the catalog", path=path, version=_number(entry.get("version")))
                )
            except Unreadable as unreadable:
                found.broken.append(f"{path}: {unreadable.reason}")
        return found

    def executions(self, playbooks: Collection[Playbook], most: int) -> Mapping[str, tuple[Execution, ...]]:
        """Give the newest executions of playbooks that nobody else started: those of their newest version first.

        Args:
            playbooks: the playbooks.
            most: how many of each are wanted.

        Returns:
            Executions by path.

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
        return {playbook.path: _prefer(playbook, found[playbook.path])[:most] for playbook in playbooks}

    def lacks_credential(self, name: str) -> bool:
        """Say whether it has no credential of a name.

        Raises:
            CannotDo: the server does not answer.
        """
        return self._get(f"/api/credentials/{quote(name, safe='')}", {}) is None

    def _get(self, path: str, parameters: Mapping[str, str]) -> JsonValue:
        return _say_plainly(lambda: self.api.get(path, parameters))

    def _ask_for_catalog(self) -> JsonValue:
        # Not by kind: servers compare it letter by letter, and call it "Playbook" or "playbook".
        request = self._transport.request("POST", "/api/catalog/list", {})

        def ask() -> JsonValue:
            response = self._transport.send(request)
            if response.status != _OK:
                problem = f"status {response.status}: {self._transport.detail_of(response)}; is it a NoETL server?"
                raise CannotDo(self._transport.say(request, problem))
            return self._transport.json(response)

        return _say_plainly(ask)


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
    """Give an address without the user and the password that may be in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _patience() -> float:
    return _PATIENCE_SECONDS


def _say_plainly(ask: Callable[[], _T]) -> _T:
    """Ask, for a while again where the server cannot answer: after a restart of its database it fails for some time.

    Raises:
        CannotDo: it did not work. The message is the server's, without the field of a case that would be wrong.
    """
    try:
        return patiently(ask, _GRACE_SECONDS, kind=ConnectionFailed)
    except CannotJudge as error:
        raise CannotDo(error.message.removeprefix("playbook.connection: ")) from None


def _object(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> list[Mapping[str, JsonValue]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _prefer(playbook: Playbook, versions: Mapping[int, int]) -> tuple[Execution, ...]:
    """Put executions in the order in which they are preferred. Their ids rise with time."""
    newest = playbook.version
    found = [
        Execution(id_, version if newest is not None and version != newest else None)
        for id_, version in versions.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.old_version is None, one.id), reverse=True))


def _number(version: JsonValue) -> int:
    return read_id(version) or 0
