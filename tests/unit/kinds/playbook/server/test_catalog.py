"""Registering and finding playbooks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kinds.playbook.server.fake import NOT_FOUND, Clock, FakeNoetl, answer

from testrun_operator.kinds.playbook.execution.server.catalog import path_in
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer, Registered
from testrun_operator.runner.problem import ConnectionFailed, InvalidCase

_CONTENT = "kind: Playbook\nmetadata:\n  name: hello\n  path: tests/hello\nworkflow: []\n"
_BAD = "Error registering resource: while parsing a flow sequence"


class _Catalog:
    """Answers as a catalog does; with ``is_stale``, as one of 4.x that gives an old version for the newest."""

    def __init__(self, fake: FakeNoetl, *contents: str) -> None:
        self.contents = list(contents)
        self.is_stale = False
        fake.answers["POST /api/catalog/resource"] = self.resource
        fake.answers["POST /api/catalog/register"] = self.register
        fake.answers["POST /api/catalog/list"] = lambda _: answer(
            {"entries": [self._entry(number) for number in range(len(self.contents), 0, -1)]}
        )

    def _entry(self, version: int) -> dict[str, Any]:
        identity: Any = 2**60 + version
        return {
            "path": "tests/hello",
            "version": version,
            "catalog_id": identity if version % 2 else str(identity),
            "content": self.contents[version - 1],
        }

    def resource(self, body: Any) -> bytes:
        asked = body.get("version")
        # Those written in Rust answer 422 to a number.
        assert asked is None or isinstance(asked, str)
        version = int(asked or (1 if self.is_stale else len(self.contents)))
        if body["path"] != "tests/hello" or not 0 < version <= len(self.contents):
            return answer({"detail": "Catalog entry not found"}, 404)
        return answer(self._entry(version))

    def register(self, body: Any) -> bytes:
        self.contents.append(body["content"])
        return answer(self._entry(len(self.contents)))


def test_a_playbook_that_is_new_is_registered(fake: FakeNoetl, server: NoetlServer) -> None:
    """Its id has more digits than a float."""
    _Catalog(fake)
    assert server.register(_CONTENT, "hello.yaml") == Registered("tests/hello", 1, str(2**60 + 1))


def test_a_playbook_that_is_there_already_gets_no_new_version(fake: FakeNoetl, server: NoetlServer) -> None:
    """The server would make one at each call."""
    catalog = _Catalog(fake, "old", _CONTENT)
    assert server.register(_CONTENT, "hello.yaml") == Registered("tests/hello", 2, str(2**60 + 2))
    assert catalog.contents == ["old", _CONTENT]


def test_a_playbook_that_was_there_before_the_newest_gets_a_new_version(fake: FakeNoetl, server: NoetlServer) -> None:
    """The newest counts."""
    catalog = _Catalog(fake, _CONTENT, "newer")
    assert server.register(_CONTENT, "hello.yaml").version == 3
    assert len(catalog.contents) == 3


def test_the_newest_is_found_though_the_server_remembers_an_older_one(fake: FakeNoetl, server: NoetlServer) -> None:
    """Release 4.26.0 does so for five minutes."""
    catalog = _Catalog(fake, "a", "b", _CONTENT)
    catalog.is_stale = True
    assert server.find("tests/hello", None).version == 3
    assert server.register(_CONTENT, "hello.yaml").version == 3
    assert server.find("tests/hello", 2) == Registered("tests/hello", 2, str(2**60 + 2))


def test_what_was_registered_though_the_answer_got_lost_is_not_registered_again(
    fake: FakeNoetl, server: NoetlServer
) -> None:
    """The second look finds it."""
    catalog = _Catalog(fake)

    def register(body: Any) -> bytes | None:
        catalog.register(body)
        return None

    fake.answers["POST /api/catalog/register"] = register
    assert server.register(_CONTENT, "hello.yaml").version == 1
    assert catalog.contents == [_CONTENT]


def test_what_the_server_can_make_nothing_of_is_the_fault_of_the_playbook(fake: FakeNoetl, server: NoetlServer) -> None:
    """Though it says 500."""
    _Catalog(fake)
    fake.answers["POST /api/catalog/register"] = answer({"detail": f"{_BAD}\n  in line 1"}, 500)
    with pytest.raises(InvalidCase, match=f"^playbook.register: hello.yaml: the server refuses it: {_BAD} in line 1$"):
        server.register("{ not: [yaml", "hello.yaml")


def test_what_the_server_cannot_register_for_want_of_its_database_is_not(
    fake: FakeNoetl, server: NoetlServer, clock: Clock
) -> None:
    """It words that like a bad playbook, and its other routes tell."""
    clock.remaining = 1.0
    fake.answers["POST /api/catalog/resource"] = answer(text="server closed the connection", status=500, kind="x")
    fake.answers["POST /api/catalog/register"] = answer({"detail": "Error registering resource: closed"}, 500)
    with pytest.raises(ConnectionFailed, match=r"status 500: server closed the connection"):
        server.register(_CONTENT, "hello.yaml")


def test_two_that_register_the_same_at_once_get_the_same_version(fake: FakeNoetl, server: NoetlServer) -> None:
    """One of them is refused by the database, and looks again."""
    catalog = _Catalog(fake)

    def register(body: Any) -> bytes:
        catalog.register(body)
        return answer({"detail": "Error registering resource: duplicate key value violates unique constraint"}, 500)

    fake.answers["POST /api/catalog/register"] = register
    assert server.register(_CONTENT, "hello.yaml").version == 1


def test_a_playbook_that_is_not_valid_is_refused_with_what_the_server_says(
    fake: FakeNoetl, server: NoetlServer
) -> None:
    """422, of later releases."""
    _Catalog(fake)
    fake.answers["POST /api/catalog/register"] = answer({"detail": "workflow: should be a list"}, 422)
    with pytest.raises(InvalidCase, match=r"hello.yaml: the server refuses it \(status 422\): workflow: should be"):
        server.register(_CONTENT, "hello.yaml")


@pytest.mark.parametrize(
    "said",
    [
        answer([]),
        answer({"path": "tests/hello", "version": "x", "catalog_id": "1"}),
        answer({"path": "tests/hello", "version": 1, "catalog_id": 1.5}),
        answer({"path": None, "version": 1, "catalog_id": "1"}),
        answer(text="<html>", kind="text/html"),
    ],
)
def test_nonsense_after_registering_is_not_followed_by_further_versions(
    fake: FakeNoetl, server: NoetlServer, said: bytes
) -> None:
    """Asked again, such a server would register again."""
    _Catalog(fake)
    fake.answers["POST /api/catalog/register"] = said
    with pytest.raises(ConnectionFailed):
        server.register(_CONTENT, "hello.yaml")
    assert fake.count("POST /api/catalog/register") == 1


def test_a_path_that_there_is_not_is_answered_with_similar_ones(fake: FakeNoetl, server: NoetlServer) -> None:
    """Most often a letter is missing, or the folder."""
    _Catalog(fake, "a")
    with pytest.raises(InvalidCase, match=r"^playbook.path: the server has no playbook 'test/helo'; similar: 'tests/"):
        server.find("test/helo", None)
    with pytest.raises(InvalidCase, match=r"no playbook 'hello'; similar: 'tests/hello'$"):
        server.find("hello", None)
    with pytest.raises(InvalidCase, match=r"no playbook 'zzz'; there are: 'tests/hello'$"):
        server.find("zzz", 3)


def test_a_version_that_there_is_not_is_answered_with_those_that_there_are(
    fake: FakeNoetl, server: NoetlServer
) -> None:
    """Ten of them at most."""
    _Catalog(fake, *map(str, range(12)))
    for version in (99, 2**40):
        with pytest.raises(InvalidCase) as failure:
            server.find("tests/hello", version)
        assert failure.value.message == (
            f"playbook.version: 'tests/hello' has no version {version}; "
            "there are: 12, 11, 10, 9, 8, 7, 6, 5, 4, 3 and 2 more"
        )


def test_a_catalog_that_cannot_be_listed_spares_the_hint(fake: FakeNoetl, server: NoetlServer) -> None:
    """And an empty one says so."""
    catalog = _Catalog(fake)
    with pytest.raises(InvalidCase, match=r"no playbook 'x'; the catalog has no playbooks$"):
        server.find("x", None)
    fake.answers["POST /api/catalog/list"] = answer({}, 500)
    with pytest.raises(InvalidCase, match=r"no playbook 'x' of version 3$"):
        server.find("x", 3)
    assert catalog.contents == []


def test_a_path_that_no_database_can_hold_is_not_asked_for(fake: FakeNoetl, server: NoetlServer) -> None:
    """PostgreSQL has no character NUL, and the server would answer 500."""
    _Catalog(fake)
    with pytest.raises(InvalidCase, match=r"playbook.path"):
        server.find("a\x00b", None)
    assert fake.count("POST /api/catalog/resource") == 0


def test_looking_up_is_repeated_while_the_server_is_away(fake: FakeNoetl, server: NoetlServer) -> None:
    """A broken connection of its own costs the server one 500."""
    catalog = _Catalog(fake, "a")
    fake.answers["POST /api/catalog/resource"] = [
        answer(text="server closed", status=500),
        None,
        catalog.resource({"path": "tests/hello"}),
        NOT_FOUND,
    ]
    assert server.find("tests/hello", None).version == 1


def test_credentials_are_registered_and_what_is_wrong_with_them_is_told_without_them(
    fake: FakeNoetl, server: NoetlServer
) -> None:
    """FastAPI repeats what was sent."""
    fake.answers["POST /api/credentials"] = [
        answer({}, 503),
        answer({"id": "1", "name": "pg"}),
        answer(
            {"detail": [{"loc": ["body", "type"], "msg": "unknown type", "input": {"db_password": "hunter2"}}]}, 422
        ),
    ]
    server.register_credential("pg", "postgres", {"db_password": "hunter2", "db_port": "5432"})
    sent = fake.bodies("POST /api/credentials")[-1]
    assert (sent["name"], sent["type"]) == ("pg", "postgres")
    assert sent["data"] == {"db_password": "hunter2", "db_port": "5432"}
    with pytest.raises(InvalidCase) as failure:
        server.register_credential("pg", "postgres", {"db_password": "hunter2"})
    assert failure.value.message == (
        "playbook.credentials: the server refuses 'pg' (status 422): body.type: unknown type"
    )


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (_CONTENT, "tests/hello"),
        ("metadata: {name: a}", "a"),
        ("path: x\nmetadata: {name: a}", "x"),
        ("name: top", "top"),
        (
            "workflow:\n- {path: no}\n- metadata: {path: no}\nmetadata:\n  labels: {path: no}\n  path: yes/it/is",
            "yes/it/is",
        ),
        ("? {a: b}\n: metadata\nmetadata: {path: z}", "z"),
        ("&a [*a]", "unknown"),
        ("metadata: [path, x]", "unknown"),
        ("{ not: [yaml", "unknown"),
        ("metadata: {path: ''}\nname: n", "n"),
        ("just text", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_path_is_read_where_servers_read_it(content: str, path: str) -> None:
    """Of what is no YAML, or has no name, servers have none either."""
    assert path_in(content) == path


@given(st.text(alphabet=st.sampled_from("abp:-[]{}?&*!|>'\"# \n\t,%@~`0\x00\x85\ufeff")))
def test_the_path_of_anything_is_some_text(content: str) -> None:
    """Whatever is registered, reading it raises nothing."""
    assert isinstance(path_in(content), str)
