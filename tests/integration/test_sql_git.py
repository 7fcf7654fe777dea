"""Files are fetched from real Git servers; what cannot be fetched is explained, and nothing leads out of the folder."""

import json
import os
import random
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.integration.git_server import HttpServer, Repository, git_daemon, http_server

from testrun_operator.api.files import FileSource
from testrun_operator.api.reason import Reason
from testrun_operator.api.verdict import FailureClass
from testrun_operator.kinds.sql.project.discovery import load_path
from testrun_operator.runner.problem import CannotJudge, InvalidCase
from testrun_operator.sources import git_pack
from testrun_operator.sources.fetched import Fetched
from testrun_operator.sources.fetching import fetch_files

TEST = "# TEST CASE\nIt works.\n"
SECRET = "t0p:secret/token"


def fetch(
    url: str,
    folder: Path,
    ref: str = "HEAD",
    path: str | None = None,
    environment: Mapping[str, str] | None = None,
    deadline: float | None = None,
) -> Fetched:
    """Fetch files as a case's pod does."""
    folder.mkdir(parents=True, exist_ok=True)
    source = FileSource.model_validate({"git": {"url": url, "ref": ref} | ({"path": path} if path else {})})
    return fetch_files(source, environment or {}, folder, deadline=deadline)


def contents(fetched: Fetched) -> dict[str, str]:
    """Return the files that were fetched."""
    if fetched.path.is_file():
        return {fetched.path.name: fetched.path.read_text()}
    files = (path for path in fetched.path.rglob("*") if path.is_file())
    return {str(path.relative_to(fetched.path)): path.read_text() for path in files}


class Ledger:
    """The repository of these tests, with a history, branches and tags."""

    def __init__(self, root: Path) -> None:
        self.repository = Repository.create(root / "ledger.git")
        commit, program = self.repository.commit, self.repository.git
        self.first = commit({"database/tests/a.stt": TEST, "database/schema.sql": "-- 1", "README.md": "Ledger"})
        program("tag", "light", self.first)
        self.second = commit({"database/schema.sql": "-- 2"})
        program("tag", "--annotate", "v1", "--message=Release")
        program("tag", "--annotate", "v1-again", "v1", "--message=A tag of a tag")
        program("tag", "tree", "HEAD^{tree}")
        self.third = commit({"database/schema.sql": "-- 3"})
        program("branch", "feature/größe", self.second)
        program("branch", "both", self.first)
        program("tag", "both", self.second)
        program("update-ref", "refs/pull/7/head", self.first)
        self.fourth = commit({"database/schema.sql": "-- 4"})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all repositories."""
    return tmp_path_factory.mktemp("repositories")


@pytest.fixture(scope="module")
def ledger(root: Path) -> Ledger:
    """A repository with a history."""
    return Ledger(root)


@pytest.fixture(scope="module", params=["git", "http", "http, protocol 0"])
def server(root: Path, ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server: of `git daemon`, and of `git http-backend` in both versions of the protocol."""
    del ledger
    if request.param == "git":
        with git_daemon(root) as url:
            yield url
    else:
        with http_server(root, protocol=0 if request.param.endswith("0") else 2) as running:
            yield running.url


@pytest.fixture
def http(root: Path, ledger: Ledger) -> Iterator[HttpServer]:
    """A server over http."""
    del ledger
    with http_server(root) as running:
        yield running


@pytest.mark.parametrize(
    ("ref", "schema"),
    [
        ("HEAD", 4),
        ("main", 4),
        ("refs/heads/main", 4),
        ("heads/main", 4),
        ("light", 1),
        ("v1", 2),
        ("v1-again", 2),
        ("refs/tags/v1", 2),
        ("feature/größe", 2),
        ("refs/heads/both", 1),
        ("refs/tags/both", 2),
        ("refs/pull/7/head", 1),
    ],
)
def test_a_ref_is_a_branch_a_tag_or_a_full_name(
    server: str, ledger: Ledger, tmp_path: Path, ref: str, schema: int
) -> None:
    """Annotated tags lead to their commit, which is what is recorded."""
    fetched = fetch(f"{server}/ledger.git", tmp_path, ref)
    assert contents(fetched)["database/schema.sql"] == f"-- {schema}"
    assert fetched.commit == [ledger.first, ledger.second, ledger.third, ledger.fourth][schema - 1]
    assert fetched.label == f"{server}/ledger.git, {ref} ({fetched.commit[:12]})"
    assert fetched.notices == ()


@pytest.mark.parametrize("length", [40, 10])
@pytest.mark.parametrize("schema", [1, 2, 3, 4])
def test_a_ref_is_the_id_of_a_commit(server: str, ledger: Ledger, tmp_path: Path, schema: int, length: int) -> None:
    """Of any commit in the history, in full or abbreviated; the third has no branch and no tag."""
    commit = [ledger.first, ledger.second, ledger.third, ledger.fourth][schema - 1]
    fetched = fetch(f"{server}/ledger.git", tmp_path, commit[:length].upper())
    assert contents(fetched)["database/schema.sql"] == f"-- {schema}"
    assert fetched.commit == commit


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("mian", "the repository has no branch or tag 'mian'; there is for instance main"),
        ("both", "'both' is both a branch and a tag; write refs/heads/both or refs/tags/both"),
        ("main~1", "'main~1' is not the name of a branch or tag, nor the id of a commit"),
        ("tree", "leads to a tree, not to a commit"),
        (
            "0" * 40,
            f"the commit {'0' * 40} is in the history of no branch or tag, and the server gives no other commits",
        ),
        ("0" * 8, "the commit 00000000 is in the history of no branch or tag, and the server gives no other commits"),
        ("0" * 64, "is the id of a repository with SHA-256, which is not supported; name a branch of one with SHA-1"),
    ],
)
def test_a_ref_that_leads_nowhere_is_explained(server: str, tmp_path: Path, ref: str, message: str) -> None:
    """It is a fault of the case, and the field is named."""
    with pytest.raises(InvalidCase) as refused:
        fetch(f"{server}/ledger.git", tmp_path, ref)
    assert refused.value.message == f"sql.source.git.ref: {message}"
    assert refused.value.failure_class is FailureClass.CONFIGURATION


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("database", {"schema.sql", "tests/a.stt"}),
        ("database/tests/", {"a.stt"}),
        ("database/tests/a.stt", {"a.stt"}),
    ],
)
def test_a_path_is_a_folder_or_a_file(server: str, tmp_path: Path, path: str, files: set[str]) -> None:
    """Only what is below it is written."""
    fetched = fetch(f"{server}/ledger.git", tmp_path, "main", path)
    assert set(contents(fetched)) == files
    assert {found.name for found in tmp_path.iterdir()} == {"ledger"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("databases", "there is no 'databases': the repository has README.md, database"),
        ("database/test", "there is no 'database/test': the folder database has schema.sql, tests"),
        ("README.md/x", "'README.md' is not a folder"),
        ("database/../README.md", "'database/../README.md' must not contain '..'"),
    ],
)
def test_a_path_that_is_not_there_is_explained(server: str, tmp_path: Path, path: str, message: str) -> None:
    """With what is there instead."""
    with pytest.raises(InvalidCase) as refused:
        fetch(f"{server}/ledger.git", tmp_path, "main", path)
    assert refused.value.message == f"sql.source.git.path: {message}"


def test_what_was_fetched_is_a_project(server: str, tmp_path: Path) -> None:
    """Its name is the repository's."""
    project = load_path(fetch(f"{server}/ledger.git", tmp_path, path="database").path)
    assert (project.name, [file.path for file in project.tests]) == ("ledger", ["tests/a.stt"])
    assert project.schema is not None


def test_a_repository_that_is_not_there_is_explained(server: str, tmp_path: Path) -> None:
    """Whatever the protocol."""
    with pytest.raises(InvalidCase, match=r"^sql\.source\.git\.url: 127\.0\.0\.1 has no such repository"):
        fetch(f"{server}/missing.git", tmp_path)


def test_an_empty_repository_is_explained(root: Path, server: str, tmp_path: Path) -> None:
    """It has no commit that could be fetched."""
    if not (root / "empty.git").exists():
        Repository.create(root / "empty.git")
    with pytest.raises(InvalidCase, match=r"sql\.source\.git\.url: leads to a repository that is empty"):
        fetch(f"{server}/empty.git", tmp_path)


def test_a_pack_that_is_too_large_is_refused(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it comes, not when all of it is there."""
    monkeypatch.setattr(git_pack, "MAX_PACK_BYTES", 100)
    with pytest.raises(InvalidCase, match=r"sql\.source\.git\.url: is a repository of more than 0 MiB"):
        fetch(f"{server}/ledger.git", tmp_path)
    assert list(tmp_path.iterdir()) == []


def make(root: Path, name: str, **settings: str) -> Repository:
    """Make a repository of its own for a test."""
    return Repository.create(
        root / f"{name}.git", settings={key.replace("_", "."): value for key, value in settings.items()}
    )


def test_names_and_contents_arrive_as_they_are(root: Path, http: HttpServer, tmp_path: Path) -> None:
    """Unicode, blanks, backslashes, ends of lines and programs; nothing is executable then."""
    repository = make(root, "names")
    files: dict[str, str | bytes] = {
        "tests/größe/日本語 \U0001f600.stt": "crlf\r\n",
        "tests/back\\slash.stt": "x",
        "tests/program.stt": "#!/bin/sh\n",
        "tests/binary.bin": bytes(range(256)),
        ".gitattributes": "* text eol=crlf filter=evil\n*.bin ident\n",
    }
    repository.commit({})
    repository.commit(files)
    (repository.folder / "tests/program.stt").chmod(0o755)
    repository.commit({})
    fetched = fetch(f"{http.url}/names.git", tmp_path)
    assert {
        str(path.relative_to(fetched.path)): path.read_bytes() for path in fetched.path.rglob("*") if path.is_file()
    } == {path: git_content(repository, path) for path in files}
    assert (fetched.path / "tests/binary.bin").read_bytes() == bytes(range(256))
    assert (fetched.path / "tests/program.stt").stat().st_mode & 0o111 == 0


def git_content(repository: Repository, path: str) -> bytes:
    """Return what a commit has under a path, as the real program tells it."""
    return subprocess.run(
        ["git", "cat-file", "blob", f"HEAD:{path}"], cwd=repository.folder, capture_output=True, check=True
    ).stdout


def test_links_stay_links_inside(root: Path, http: HttpServer, tmp_path: Path) -> None:
    """And a link that leads nowhere is left for the project to report."""
    repository = make(root, "links")
    repository.commit({"tests/a.stt": TEST, "shared/b.sql": ""})
    (repository.folder / "src").symlink_to("shared")
    (repository.folder / "tests/b.stt").symlink_to("./a.stt")
    (repository.folder / "tests/dead.stt").symlink_to("gone.stt")
    repository.commit({})
    project = load_path(fetch(f"{http.url}/links.git", tmp_path).path)
    assert [file.path for file in project.tests] == ["tests/a.stt", "tests/b.stt"]
    assert [file.path for file in project.sources] == ["src/b.sql"]
    assert ["tests/dead.stt"] == [problem.place.file for problem in project.problems]


@pytest.mark.parametrize(
    ("links", "path", "named"),
    [
        ({"tests/b.stt": "/etc/passwd"}, None, "tests/b.stt"),
        ({"tests/b.stt": "../../../../../etc/passwd"}, None, "tests/b.stt"),
        ({"up": "tests/..", "tests/b.stt": "../up/../secret"}, None, "tests/b.stt"),
        ({"database/shared": "../shared"}, "database", "shared"),
        ({"database": "tests"}, "database", "'database' is a symbolic link; name a folder or a file"),
    ],
)
def test_a_link_that_leads_out_is_refused(
    root: Path, http: HttpServer, tmp_path: Path, links: dict[str, str], path: str | None, named: str
) -> None:
    """Of the repository, or of the folder of it that is fetched."""
    name = f"out-{abs(hash(json.dumps(links)))}"
    repository = make(root, name)
    repository.commit({"tests/a.stt": TEST, "shared/b.sql": ""})
    for link, target in links.items():
        (repository.folder / link).parent.mkdir(exist_ok=True)
        (repository.folder / link).symlink_to(target)
    repository.commit({})
    with pytest.raises(InvalidCase) as refused:
        fetch(f"{http.url}/{name}.git", tmp_path, path=path)
    leads_out = f"{named} is a symbolic link that leads out of the folder that is fetched"
    assert refused.value.message == f"sql.source.git.path: {named if ' ' in named else leads_out}"


def commit_tree(repository: Repository, tree: str) -> None:
    """Commit a tree that the program would not make by itself."""
    commit = repository.git("commit-tree", "-m", "Bad", tree)
    repository.git("update-ref", "refs/heads/main", commit)


def raw_tree(repository: Repository, *entries: tuple[bytes, bytes, str]) -> str:
    """Write a tree of any entries: mode, name and id."""
    content = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(identifier) for mode, name, identifier in entries)
    return (
        subprocess.run(
            ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
            cwd=repository.folder,
            input=content,
            capture_output=True,
            check=True,
        )
        .stdout.decode()
        .strip()
    )


@pytest.mark.parametrize("name", [b"..", b".", b"a/../../../x", b"../../escaped", b"", b"x" * 300, b"\xff.stt"])
@pytest.mark.parametrize("kind", [b"100644", b"40000", b"120000"])
def test_names_that_are_no_names_are_refused(
    root: Path, http: HttpServer, tmp_path: Path, name: bytes, kind: bytes
) -> None:
    """A repository may be made by hand. Nothing is ever written outside of the folder."""
    repository = make(root, f"bad-{name.hex()[:40]}-{kind.decode()}", uploadpack_allowAnySHA1InWant="true")
    repository.commit({"tests/a.stt": TEST})
    blob = repository.git("hash-object", "-w", "--stdin", text="x")
    tree = repository.git("rev-parse", "HEAD^{tree}")
    commit_tree(repository, raw_tree(repository, (kind, name, tree if kind == b"40000" else blob)))
    with pytest.raises(CannotJudge):
        fetch(f"{http.url}/{repository.folder.name}", tmp_path / "inner" / "folder")
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()] == []
    assert not (root / "escaped").exists()


def test_a_file_below_a_link_of_the_same_name_is_refused(root: Path, http: HttpServer, tmp_path: Path) -> None:
    """A name that is there twice, first as a link that leads out, then as a folder: the way of an old attack."""
    outside = tmp_path / "outside"
    outside.mkdir()
    repository = make(root, "twice")
    repository.commit({"tests/evil.stt": "x"})
    link = repository.git("hash-object", "-w", "--stdin", text=str(outside))
    folder = repository.git("rev-parse", "HEAD:tests")
    commit_tree(repository, raw_tree(repository, (b"120000", b"a", link), (b"40000", b"a", folder)))
    with pytest.raises(CannotJudge):
        fetch(f"{http.url}/twice.git", tmp_path / "folder")
    assert list(outside.iterdir()) == []


def test_submodules_and_large_file_storage_are_noticed(root: Path, http: HttpServer, tmp_path: Path) -> None:
    """They are not fetched, which may not be what the author thinks."""
    repository = make(root, "notices")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"
    repository.commit({"tests/a.stt": TEST, "tests/large.bin": pointer})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/other")
    repository.git("commit", "--quiet", "--message=Submodule")
    fetched = fetch(f"{http.url}/notices.git", tmp_path)
    assert fetched.notices == (
        "tests/large.bin is in Git LFS, from which nothing is fetched; there is only its reference",
        "vendor/other is a submodule, which is not fetched",
    )
    assert set(contents(fetched)) == {"tests/a.stt", "tests/large.bin"}


LARGE = {"tests/a.stt": TEST, "large/dump.bin": random.Random(1).randbytes(17 * 1024 * 1024)}


def test_a_large_file_is_left_out_where_the_server_can(root: Path, tmp_path: Path) -> None:
    """It is not sent; who needs it is told, who does not is not."""
    make(root, "filter", uploadpack_allowFilter="true").commit(LARGE)
    with http_server(root) as running, git_daemon(root) as daemon:
        for number, url in enumerate((running.url, daemon)):
            fetched = fetch(f"{url}/filter.git", tmp_path / str(number), path="tests")
            assert set(contents(fetched)) == {"a.stt"}
            with pytest.raises(
                InvalidCase, match=r"git\.path: large/dump\.bin has more than 16 MiB, which is not fetched"
            ):
                fetch(f"{url}/filter.git", tmp_path / f"all-{number}")


def test_a_large_file_is_refused_where_it_is_needed(root: Path, http: HttpServer, tmp_path: Path) -> None:
    """Where the server cannot leave it out, it is received, and not written."""
    make(root, "no-filter").commit(LARGE)
    assert set(contents(fetch(f"{http.url}/no-filter.git", tmp_path / "1", path="tests"))) == {"a.stt"}
    with pytest.raises(InvalidCase, match=r"git\.path: large/dump\.bin has more than 16 MiB, which is not fetched"):
        fetch(f"{http.url}/no-filter.git", tmp_path / "2")


def test_a_bomb_is_not_unpacked(root: Path, http: HttpServer, tmp_path: Path) -> None:
    """A gigabyte of nothing comes as a megabyte. It is measured before anything is unpacked."""
    repository = make(root, "bomb")
    repository.commit({"tests/a.stt": TEST})
    (repository.folder / "zeros").touch()
    os.truncate(repository.folder / "zeros", 200 * 1024 * 1024)
    repository.commit({})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        InvalidCase, match=r"git\.url: has a file of 200 MiB; where the server cannot leave out large ones"
    ):
        fetch(f"{http.url}/bomb.git", tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_tree_of_very_many_folders_is_refused(root: Path, http: HttpServer, tmp_path: Path) -> None:
    """Twenty objects can be a million folders, if each has ten names for the next."""
    repository = make(root, "many")
    repository.commit({"a": "x"})
    tree = repository.git("rev-parse", "HEAD^{tree}")
    for _ in range(20):
        tree = raw_tree(repository, *((b"40000", str(number).encode(), tree) for number in range(10)))
    commit_tree(repository, tree)
    begun = time.monotonic()
    with pytest.raises(InvalidCase, match=r"git\.path: there are more than 10,000 f"):
        fetch(f"{http.url}/many.git", tmp_path)
    assert time.monotonic() - begun < 60


def test_a_deep_history_is_searched_for_a_commit_that_the_server_does_not_give(root: Path, tmp_path: Path) -> None:
    """In version 0 of the protocol, servers give only what has a name; one that nothing leads to is not found."""
    repository = make(root, "deep")
    commits = [repository.commit({"tests/a.stt": f"{TEST}{number}"}) for number in range(20)]
    lost = repository.commit({"tests/a.stt": "lost"})
    repository.git("reset", "--hard", "--quiet", commits[-1])
    with http_server(root, protocol=0) as running:
        assert contents(fetch(f"{running.url}/deep.git", tmp_path / "1", commits[7])) == {"tests/a.stt": f"{TEST}7"}
        with pytest.raises(InvalidCase, match=f"the commit {lost} is in the history of no branch or tag"):
            fetch(f"{running.url}/deep.git", tmp_path / "2", lost)
    with http_server(root) as running:
        assert contents(fetch(f"{running.url}/deep.git", tmp_path / "3", lost)) == {"tests/a.stt": "lost"}


# --- credentials -----------------------------------------------------------------------------------------------------


CREDENTIALS = {"TESTRUN_GIT_USERNAME": "ann", "TESTRUN_GIT_PASSWORD": f"{SECRET}\n"}


def test_credentials_are_sent_to_the_server(root: Path, ledger: Ledger, tmp_path: Path) -> None:
    """A line feed at the end of a Secret's value is no part of it."""
    with http_server(root, user="ann", password=SECRET) as running:
        fetched = fetch(f"{running.url}/ledger.git", tmp_path, environment=CREDENTIALS)
    assert (fetched.commit, SECRET in fetched.label) == (ledger.fourth, False)
    assert all(authorization for _, authorization in running.requests)


def test_a_token_alone_is_enough(root: Path, ledger: Ledger, tmp_path: Path) -> None:
    """Servers that take tokens do not look at the user's name."""
    with http_server(root, user="git", password=SECRET) as running:
        token = {"TESTRUN_GIT_PASSWORD": SECRET}
        assert fetch(f"{running.url}/ledger.git", tmp_path, environment=token).commit == ledger.fourth


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "127.0.0.1 wants credentials (status 401), and none are given"),
        (CREDENTIALS, "127.0.0.1 refuses these credentials (status 401)"),
    ],
)
def test_refused_credentials_are_a_fault_of_the_case(
    root: Path, ledger: Ledger, tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    """The message has nothing of them."""
    del ledger
    with http_server(root, user="ann", password="another") as running, pytest.raises(InvalidCase) as refused:
        fetch(f"{running.url}/ledger.git", tmp_path, environment=environment)
    assert refused.value.message == f"sql.source.git.secretRef: {message}"


def test_credentials_do_not_follow_a_redirect_to_another_host(root: Path, ledger: Ledger, tmp_path: Path) -> None:
    """The files do, if the other host gives them to everybody."""
    with http_server(root) as other:
        with http_server(root, redirect=lambda path: f"{other.url}{path}") as running:
            fetched = fetch(f"{running.url}/ledger.git", tmp_path, environment=CREDENTIALS)
        assert fetched.commit == ledger.fourth
        assert [bool(authorization) for _, authorization in running.requests] == [True]
        assert {authorization for _, authorization in other.requests} == {None}
        assert len(other.requests) > 1


def test_another_host_that_wants_credentials_is_named(root: Path, ledger: Ledger, tmp_path: Path) -> None:
    """So that the author can give its address."""
    del ledger
    with (
        http_server(root, user="ann", password=SECRET) as other,
        http_server(root, redirect=lambda path: f"{other.url}{path}") as running,
        pytest.raises(
            InvalidCase, match=r"git\.url: it redirects to 127\.0\.0\.1, which wants credentials .* Give that"
        ),
    ):
        fetch(f"{running.url}/ledger.git", tmp_path, environment=CREDENTIALS)
    assert {authorization for _, authorization in other.requests} == {None}


def test_credentials_follow_a_redirect_on_the_same_host(root: Path, ledger: Ledger, tmp_path: Path) -> None:
    """A server may have moved the repository."""

    def move(path: str) -> str | None:
        return path.replace("/old.git", "/ledger.git") if path.startswith("/old.git") else None

    with http_server(root, user="ann", password=SECRET, redirect=move) as running:
        assert fetch(f"{running.url}/old.git", tmp_path, environment=CREDENTIALS).commit == ledger.fourth


def test_endless_redirects_end(root: Path, tmp_path: Path) -> None:
    """As a server that is broken."""
    with http_server(root, redirect=lambda path: path) as running, pytest.raises(CannotJudge) as refused:
        fetch(f"{running.url}/ledger.git", tmp_path)
    assert refused.value.reason is Reason.SOURCE_UNAVAILABLE
    assert len(running.requests) <= 7


def test_gits_own_protocol_has_no_credentials(tmp_path: Path) -> None:
    """They would go over the network for everybody to read."""
    with pytest.raises(
        InvalidCase, match=r"git\.secretRef: cannot be used with git://, which is not encrypted; use https"
    ):
        fetch("git://127.0.0.1:9/ledger.git", tmp_path, environment=CREDENTIALS)


def test_a_proxy_of_the_environment_is_used(
    root: Path, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clusters without a way out have one; hosts in NO_PROXY are asked directly."""
    with http_server(root, user="ann", password=SECRET) as proxy, http_server(root) as direct:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        fetched = fetch("http://git.invalid/ledger.git", tmp_path / "1", environment=CREDENTIALS)
        assert fetched.commit == ledger.fourth
        assert {path.partition("?")[0] for path, _ in proxy.requests} == {
            "http://git.invalid/ledger.git/info/refs",
            "http://git.invalid/ledger.git/git-upload-pack",
        }
        asked = len(proxy.requests)
        assert fetch(f"{direct.url}/ledger.git", tmp_path / "2").commit == ledger.fourth
        assert len(proxy.requests) == asked


# --- https -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate that nobody has signed."""
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=git"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True
    )
    (folder / "both.pem").write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return folder


def test_https_trusts_an_authority_of_the_secret(root: Path, ledger: Ledger, certificate: Path, tmp_path: Path) -> None:
    """The key ca.crt of the Secret."""
    authority = (certificate / "cert.pem").read_text()
    with http_server(root, certificate=certificate / "both.pem") as running:
        fetched = fetch(f"{running.url}/ledger.git", tmp_path, environment={"TESTRUN_GIT_CA": authority})
    assert fetched.commit == ledger.fourth


def test_https_trusts_nobody_else(root: Path, ledger: Ledger, certificate: Path, tmp_path: Path) -> None:
    """And says where the authority's certificate belongs."""
    del ledger
    with http_server(root, certificate=certificate / "both.pem") as running, pytest.raises(CannotJudge) as refused:
        fetch(f"{running.url}/ledger.git", tmp_path, environment=CREDENTIALS)
    assert refused.value.reason is Reason.SOURCE_UNAVAILABLE
    assert "its certificate is not trusted" in refused.value.message
    assert "secretRef may name its authority as ca.crt" in refused.value.message
    assert running.requests == []


def test_what_is_no_certificate_is_a_fault_of_the_case(tmp_path: Path) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidCase, match=r"git\.secretRef: its key ca\.crt is no certificate in the form of PEM"):
        fetch("https://127.0.0.1:9/x.git", tmp_path, environment={"TESTRUN_GIT_CA": "nonsense"})


def test_https_is_not_left_by_a_redirect(root: Path, ledger: Ledger, certificate: Path, tmp_path: Path) -> None:
    """What comes without encryption may have been changed on its way."""
    del ledger
    authority = {"TESTRUN_GIT_CA": (certificate / "cert.pem").read_text()}
    with (
        http_server(root) as plain,
        http_server(root, certificate=certificate / "both.pem", redirect=lambda path: f"{plain.url}{path}") as running,
        pytest.raises(CannotJudge, match=r"redirects to 127\.0\.0\.1 without https, which is not followed"),
    ):
        fetch(f"{running.url}/ledger.git", tmp_path, environment=authority)
    assert plain.requests == []


# --- servers that are none -------------------------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https", "git"])
def test_a_server_that_is_not_there_is_a_dependency(closed_port: int, tmp_path: Path, scheme: str) -> None:
    """Nothing is said about the subject then."""
    with pytest.raises(CannotJudge) as refused:
        fetch(f"{scheme}://127.0.0.1:{closed_port}/ledger.git", tmp_path)
    assert (refused.value.failure_class, refused.value.reason) == (FailureClass.DEPENDENCY, Reason.SOURCE_UNAVAILABLE)
    assert refused.value.message == "the Git server 127.0.0.1 cannot be reached: Connection refused"


@pytest.mark.parametrize("scheme", ["http", "git"])
def test_a_host_that_has_no_address_is_a_dependency(tmp_path: Path, scheme: str) -> None:
    """It may be a mistake in the address as well as in the cluster's name service."""
    with pytest.raises(CannotJudge, match=r"^the Git server nowhere\.invalid cannot be reached: ") as refused:
        fetch(f"{scheme}://nowhere.invalid/ledger.git", tmp_path)
    assert refused.value.reason is Reason.SOURCE_UNAVAILABLE


class Talker:
    """A server that says one thing to everybody, byte by byte if that is wanted, and nothing more."""

    def __init__(self, answer: bytes, *, close: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._answer = answer
        self._close = close
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.recv(65536)
            connection.sendall(self._answer)
            if self._close:
                connection.close()
            else:
                self._open.append(connection)

    def stop(self) -> None:
        """Close all connections."""
        self._listener.close()
        for connection in self._open:
            connection.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n"


@pytest.mark.parametrize("scheme", ["http", "git"])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"0000",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff" * 500,
        b"000eversion 2\n0000" * 3,
        b"ffff" + b"x" * 100,
        b"0010ERR go away\n\n0000",
        b"HTTP/1.1 200 OK\r\n\r\n",
        OK + b"\r\n",
        OK + b"\r\n001e# service=git-upload-pack\n0000",
        OK + b"\r\n001e# service=git-upload-pack\n0000" + b"0032" + b"z" * 46,
        OK + b"Content-Encoding: gzip\r\n\r\nnot gzip",
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ftp://example.com/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::bad/\r\n\r\n",
    ],
)
def test_any_answer_is_explained(tmp_path: Path, scheme: str, answer: bytes) -> None:
    """Whatever a server says, the case ends with a reason, and soon."""
    talker = Talker(answer, close=True)
    try:
        with pytest.raises(CannotJudge) as refused:
            fetch(f"{scheme}://127.0.0.1:{talker.port}/ledger.git", tmp_path, deadline=time.monotonic() + 20)
    finally:
        talker.stop()
    assert refused.value.reason in {Reason.SOURCE_UNAVAILABLE, Reason.INVALID_CASE}
    assert len(refused.value.message) < 500
    assert refused.value.message.isprintable()


def test_a_page_is_no_repository(tmp_path: Path) -> None:
    """The address of a repository in a browser is not always the one to clone from."""
    talker = Talker(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>", close=True)
    try:
        with pytest.raises(
            InvalidCase, match=r"git\.url: what answers there is no Git server \(content type text/html\)"
        ):
            fetch(f"http://127.0.0.1:{talker.port}/ledger", tmp_path)
    finally:
        talker.stop()


@pytest.mark.parametrize("scheme", ["http", "git"])
@pytest.mark.parametrize("answer", [b"", b"000eversion 2\n", OK + b"Content-Length: 5000\r\n\r\n001e# serv"])
def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path, scheme: str, answer: bytes) -> None:
    """Only as long as the case has time."""
    talker = Talker(answer, close=False)
    begun = time.monotonic()
    try:
        with pytest.raises(CannotJudge) as refused:
            fetch(f"{scheme}://127.0.0.1:{talker.port}/ledger.git", tmp_path, deadline=begun + 1.0)
    finally:
        talker.stop()
    assert refused.value.reason is Reason.SOURCE_UNAVAILABLE
    assert time.monotonic() - begun < 10


def test_no_program_is_started(root: Path, ledger: Ledger, tmp_path: Path) -> None:
    """Not even git: it works where there is none, and with settings that would start some."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[credential]\n\thelper = !touch helped\n[core]\n\tgitProxy = touch proxied\n\thooksPath = hooks\n"
        '[url "http://127.0.0.1:9/"]\n\tinsteadOf = git://\n'
    )
    with git_daemon(root) as url:
        program = (
            "import sys; from pathlib import Path; from testrun_operator.api.files import FileSource\n"
            "from testrun_operator.sources.fetching import fetch_files\n"
            f"source = FileSource.model_validate({{'git': {{'url': '{url}/ledger.git'}}}})\n"
            "sys.addaudithook(lambda event, _: event in ('subprocess.Popen', 'os.exec', 'os.fork', 'os.system',"
            " 'os.posix_spawn') and sys.exit('started a program: ' + event))\n"
            "print(fetch_files(source, {}, Path(sys.argv[1])).commit)"
        )
        (tmp_path / "folder").mkdir()
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "folder")],
            env={"HOME": str(home), "PATH": "/nowhere", "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.stdout.strip(), done.stderr) == (ledger.fourth, "")
    assert {path.name for path in home.iterdir()} == {".gitconfig"}
