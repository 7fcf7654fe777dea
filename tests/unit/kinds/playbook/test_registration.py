"""What a case brings along is registered before the playbook starts, and what is no playbook is left alone."""

import time
from pathlib import Path
from typing import Any, cast

import pytest

from testrun_operator.kinds.playbook.execution import registration
from testrun_operator.kinds.playbook.execution.plan import make_plan
from testrun_operator.kinds.playbook.execution.registration import register_and_find
from testrun_operator.kinds.playbook.execution.server.catalog import Registered
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer
from testrun_operator.masking import Masker
from testrun_operator.resources.document import CaseDocument
from testrun_operator.runner.context import Context
from testrun_operator.runner.journal import Journal
from testrun_operator.runner.problem import InvalidCase
from testrun_operator.runner.templates import Templates
from testrun_operator.sources.fetched import Fetched

_PLAYBOOK = "apiVersion: noetl.io/v2\nkind: Playbook\nmetadata: {{path: {}}}\n"


class _Server:
    """Notes what it is asked to register."""

    def __init__(self) -> None:
        self.registered: list[Registered] = []
        self.credentials: list[tuple[str, str, dict[str, str]]] = []
        self.found: list[tuple[str, int | None]] = []

    def register(self, content: str, label: str) -> Registered:
        assert label
        path = content.partition("path: ")[2].partition("}")[0]
        self.registered.append(Registered(path, len(self.registered) + 1, "1"))
        return self.registered[-1]

    def register_credential(self, name: str, type: str, fields: dict[str, str]) -> None:  # noqa: A002 - NoETL's word
        self.credentials.append((name, type, fields))

    def find(self, path: str, version: int | None) -> Registered:
        self.found.append((path, version))
        return Registered(path, version or 7, "2")


def _prepare(
    playbook: dict[str, Any], server: _Server, environment: dict[str, str] | None = None, **others: Any
) -> tuple[Registered, list[str]]:
    document = CaseDocument.model_validate(
        {
            "run": {
                "id": "1",
                "name": "nightly",
                "namespace": "tests",
                "suite": "regression",
                "startTime": "2025-01-01T00:00:00Z",
            },
            "attempt": 1,
            "timeout": "20s",
            "case": {"name": "example", "playbook": {"connection": "noetl", **playbook}},
            "connections": {"noetl": {"url": "http://noetl.example"}},
            **others,
        }
    )
    lines: list[str] = []
    masker = Masker(())
    journal = Journal(masker, write_line=lines.append, tell_detail=lambda _: None, tell_progress=lambda *_: None)
    context = Context(document, environment or {}, journal, masker, Templates(document), time.monotonic() + 20)
    case = document.case.playbook
    assert case is not None
    return register_and_find(case, make_plan(case, context), cast("NoetlServer", server), context), lines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is what ``register`` fetches."""
    monkeypatch.setattr(registration, "fetch_files", lambda *_, **__: Fetched(tmp_path, "a folder"))
    return tmp_path


_FOLDER = {"configMap": {"name": "playbooks"}}


def test_without_register_the_playbook_is_looked_up() -> None:
    """Its newest version, or the one that the case names."""
    server = _Server()
    assert _prepare({"path": "a/b", "version": 3}, server)[0].version == 3
    assert _prepare({"path": "{{ vars.folder }}/b"}, server, variables={"folder": "x"})[0].path == "x/b"
    assert server.found == [("a/b", 3), ("x/b", None)]


def test_an_inline_playbook_is_registered_and_used() -> None:
    """The version that registering makes is the one that is started."""
    server = _Server()
    found, lines = _prepare({"path": "a/b", "register": {"inline": _PLAYBOOK.format("a/b")}}, server)
    assert found == server.registered[0]
    assert not server.found
    assert "registered" in lines[0]


def test_a_version_that_the_case_names_is_used_though_another_was_registered() -> None:
    """Why somebody would want that is theirs to know; that it is heeded is ours."""
    server = _Server()
    playbook = {"path": "a/b", "version": 1, "register": {"inline": _PLAYBOOK.format("a/b")}}
    _prepare(playbook, server)
    assert server.found == [("a/b", 1)]


def test_of_a_folder_every_playbook_is_registered_and_nothing_else(folder: Path) -> None:
    """In the order of their names; credentials, ConfigMaps and hidden files lie beside them."""
    (folder / "deep").mkdir()
    (folder / ".git").mkdir()
    (folder / "b.yaml").write_text(_PLAYBOOK.format("b"))
    (folder / "a.yml").write_text(_PLAYBOOK.format("a"))
    (folder / "deep" / "c.YAML").write_text(_PLAYBOOK.format("c").replace("Playbook", '"Playbook"'))
    (folder / "credential.yaml").write_text("kind: Credential\n")
    (folder / "notes.txt").write_text(_PLAYBOOK.format("no"))
    (folder / ".git" / "d.yaml").write_text(_PLAYBOOK.format("no"))
    server = _Server()
    found, _ = _prepare({"path": "c", "register": _FOLDER}, server)
    assert [one.path for one in server.registered] == ["a", "b", "c"]
    assert found.path == "c"


def test_a_playbook_that_is_in_the_catalog_already_may_need_those_that_are_registered(folder: Path) -> None:
    """Then its children are registered, and itself is looked up."""
    (folder / "child.yaml").write_text(_PLAYBOOK.format("child"))
    server = _Server()
    _prepare({"path": "parent", "register": _FOLDER}, server)
    assert server.found == [("parent", None)]


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A repository must not have the pod's own files sent to a server."""
    outside = tmp_path_factory.mktemp("outside") / "secret.yaml"
    outside.write_text(_PLAYBOOK.format("secret"))
    (folder / "link.yaml").symlink_to(outside)
    (folder / "own.yaml").write_text(_PLAYBOOK.format("own"))
    server = _Server()
    _prepare({"path": "own", "register": _FOLDER}, server)
    assert [one.path for one in server.registered] == ["own"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"", "no file that ends with .yaml or .yml"),
        ("a.yaml", b"kind: Secret\n", "none of its 1 YAML files is a playbook"),
        ("a.yaml", b"\xff\xfe", "a.yaml is not UTF-8"),
        ("a.yaml", b"#" * (1024 * 1024 + 1), "a.yaml is larger than 1024 KiB"),
    ],
    ids=["none", "other", "bytes", "large"],
)
def test_files_that_cannot_be_registered_are_named(folder: Path, name: str, content: bytes, says: str) -> None:
    """Errored, class Configuration: nothing was started."""
    (folder / name).write_bytes(content)
    with pytest.raises(InvalidCase, match=says) as caught:
        _prepare({"path": "a", "register": _FOLDER}, _Server())
    assert caught.value.message.startswith("playbook.register")


def test_credentials_come_from_the_environment_without_the_line_break_of_a_file() -> None:
    """Their names may be templates; their fields are taken as they are."""
    server = _Server()
    playbook = {
        "path": "a",
        "credentials": [{"name": "{{ vars.auth }}", "type": "postgres", "secretRef": {"name": "pg"}}],
    }
    environment = {"TESTRUN_CREDENTIAL_0_db_host": "db", "TESTRUN_CREDENTIAL_0_db_password": "{{ 1 + 1 }}\n"}
    _prepare(playbook, server, environment, variables={"auth": "pg_k8s"})
    assert server.credentials == [("pg_k8s", "postgres", {"db_host": "db", "db_password": "{{ 1 + 1 }}"})]


def test_a_secret_without_keys_is_told_by_its_name() -> None:
    """Nothing is registered from it."""
    playbook = {"path": "a", "credentials": [{"name": "pg", "type": "postgres", "secretRef": {"name": "pg-secret"}}]}
    with pytest.raises(InvalidCase, match=r"playbook\.credentials\[0\]\.secretRef: .*pg-secret"):
        _prepare(playbook, _Server())
