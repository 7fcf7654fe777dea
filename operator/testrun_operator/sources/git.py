"""Fetches files of a Git repository, without the program ``git``: one commit, where possible without its history.

Nothing of a repository is ever run: no hooks, no filters, no helpers. What is fetched is checked for its size before it
is unpacked (``git_pack.py``), and written file by file (``git_tree.py``).
"""

import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dulwich.client import GitClient
from dulwich.errors import GitProtocolError, HangupException
from dulwich.object_store import DiskObjectStore, ObjectStoreGraphWalker
from dulwich.objects import Commit, ObjectID, ShaFile, Tag

from testrun_operator.api.files import GitFiles
from testrun_operator.errors import LocalError
from testrun_operator.runner.problem import CannotJudge, InvalidCase
from testrun_operator.sources.fetched import Deadline, Fetched, GitRefused, SourceUnavailable
from testrun_operator.sources.git_address import Address, parse_address
from testrun_operator.sources.git_http import Credentials, http_client, unreachable
from testrun_operator.sources.git_pack import Receiver, check_pack
from testrun_operator.sources.git_refs import HEADS, ID_LENGTH, TAGS, ResolvedRef, check_ref, prefixes_for, resolve_ref
from testrun_operator.sources.git_tcp import tcp_client
from testrun_operator.sources.git_tree import Writer, check_path
from testrun_operator.sources.paths import MAX_FILE_BYTES, printable

_MAX_TAGS = 10
_SHORT = 12
_MAX_SAID = 300
_LEAVE_OUT_LARGE = b"blob:limit=%d" % (MAX_FILE_BYTES + 1)

logging.getLogger("dulwich").setLevel(logging.ERROR)  # it warns of servers that cannot leave out files, which is usual


def fetch_git(
    source: GitFiles, environment: Mapping[str, str], folder: Path, *, field: str, deadline: Deadline
) -> Fetched:
    """Fetch files of a repository.

    Args:
        source: which; its templates are rendered.
        environment: the process's environment variables, among them the credentials.
        folder: an empty folder to write into.
        field: the field of the case that the source stands in, for messages: ``sql.source.git``.
        deadline: until when the files must be there.

    Raises:
        InvalidCase: the source is not as the case says; names the field.
        CannotJudge: the server cannot be reached.
    """
    try:
        address = parse_address(source.url)
        check_ref(source.ref)
        check_path(source.path)
        client = _client(address, Credentials.of(environment), deadline)
        return _Fetch(client, address, source.ref, source.path, folder, deadline).run()
    except GitRefused as refused:
        raise InvalidCase(f"{field}.{refused.field}", refused.message) from None


def _client(address: Address, credentials: Credentials, deadline: Deadline) -> GitClient:
    if address.is_http:
        return http_client(address, credentials, deadline)
    if credentials.given:
        raise GitRefused("secretRef", "cannot be used with git://, which is not encrypted; use https")
    return tcp_client(address, deadline)


class _NotSent(LocalError):
    """The server did not send what it was asked for, and did not say why."""


@dataclass
class _Fetch:
    """One fetch."""

    client: GitClient
    address: Address
    ref: str
    path: str | None
    folder: Path
    deadline: Deadline

    def run(self) -> Fetched:
        """Fetch the commit and write its files."""
        work = Path(tempfile.mkdtemp(dir=self.folder, prefix=".git-"))
        try:
            store = DiskObjectStore.init(work)
            try:
                commit = self._fetch_commit(store)
                root = self.folder / self.address.name
                root.mkdir()
                writer = Writer(store, root, self.deadline)
                path = writer.write(commit.tree, self.path)
            finally:
                store.close()
        finally:
            shutil.rmtree(work, ignore_errors=True)
        identifier = commit.id.decode()
        below = f", {printable(self.path)}" if self.path else ""
        label = f"{self.address.url}, {printable(self.ref)} ({identifier[:_SHORT]}){below}"
        return Fetched(path, label, identifier, tuple(sorted(writer.notices)))

    def _fetch_commit(self, store: DiskObjectStore) -> Commit:
        try:
            wanted = self._receive(store, with_history=False)
            if wanted is not None:
                return _commit_of(store, wanted)
        except _NotSent as error:
            if not _is_id(self.ref):
                raise SourceUnavailable(f"the Git server {self._host} broke off: {error}") from None
        # It is a commit that no branch or tag leads to directly, and the server does not give such ones by their id.
        try:
            self._receive(store, with_history=True)
        except _NotSent as error:
            raise SourceUnavailable(f"the Git server {self._host} broke off: {error}") from None
        return self._commit_in_history(store)

    def _commit_in_history(self, store: DiskObjectStore) -> Commit:
        found = [sha for sha in store.iter_prefix(self.ref.lower().encode()) if isinstance(store[sha], Commit)]
        if len(found) > 1:
            raise GitRefused("ref", f"{self.ref} is the beginning of the ids of {len(found)} commits; give all of it")
        if not found:
            where = "in the history of no branch or tag, and the server gives no other commits"
            raise GitRefused("ref", f"the commit {self.ref} is {where}")
        return _commit_of(store, found[0])

    def _receive(self, store: DiskObjectStore, *, with_history: bool) -> ObjectID | None:
        """Receive a pack and put it into the store.

        Returns:
            What was asked for, or None where only the whole history can tell what that is.

        Raises:
            _NotSent: the server sent nothing.
        """
        asked: list[ObjectID] = []

        def determine_wants(refs: Mapping[bytes, bytes], depth: int | None = None) -> list[ObjectID]:
            del depth  # the library tells what it was told
            resolved = resolve_ref(self.ref, refs) if not with_history else ResolvedRef()
            wanted = resolved.advertised or resolved.commit
            if wanted is not None:
                asked.append(ObjectID(wanted))
            elif with_history:
                asked.extend({ObjectID(sha) for name, sha in refs.items() if name.startswith((HEADS, TAGS))})
            return asked

        stream, commit, abort = store.add_pack()
        done = False
        try:
            receiver = Receiver(stream, self.deadline)
            self._talk(determine_wants, receiver, depth=None if with_history else 1)
            if asked and receiver.received:
                check_pack(stream, self.deadline)
                stream.seek(0, 2)
                done = True
        finally:
            if not done:
                abort()
        if not asked:
            return None
        if not receiver.received:
            raise _NotSent("it sent nothing")
        try:
            commit()
        except Exception as error:  # noqa: BLE001 - what is damaged makes the library raise anything
            raise SourceUnavailable(f"what the Git server sent is damaged: {_text(error)}") from None
        return asked[0]

    def _talk(self, determine_wants: object, receiver: Receiver, *, depth: int | None) -> None:
        """Let the library talk to the server; turn what it raises into exceptions of ours."""
        try:
            self.client.fetch_pack(
                b"" if self.address.is_http else self.address.path.encode(),
                determine_wants,  # type: ignore[arg-type]  # its protocol has a default that cannot be written here
                ObjectStoreGraphWalker([], lambda _: []),
                receiver,
                depth=depth,
                ref_prefix=prefixes_for(self.ref),
                filter_spec=_LEAVE_OUT_LARGE,
            )
        except (GitRefused, CannotJudge):
            raise
        except (HangupException, GitProtocolError) as error:
            raise self._explain(error, receiver) from None
        except OSError as error:
            raise unreachable(self._host, error) from None
        except Exception as error:  # noqa: BLE001 - a server that is none makes the library raise anything
            message = f"{self._host} does not answer as a Git server does: {_text(error)}"
            raise SourceUnavailable(message) from None

    def _explain(self, error: Exception, receiver: Receiver) -> Exception:
        text = _text(error)
        if any(hint in text.lower() for hint in ("not exported", "repository not found", "does not exist")):
            return GitRefused("url", f"{self._host} has no such repository, or does not give it: {text}")
        if receiver.received:
            return SourceUnavailable(f"the Git server {self._host} broke off: {text}")
        return _NotSent(text)

    @property
    def _host(self) -> str:
        return printable(self.address.origin[1])


def _commit_of(store: DiskObjectStore, identifier: ObjectID) -> Commit:
    """Return the commit that an object is, or that a tag leads to."""
    try:
        found: ShaFile = store[identifier]
        for _ in range(_MAX_TAGS):
            if not isinstance(found, Tag):
                break
            found = store[found.object[1]]
    except KeyError:
        raise SourceUnavailable("what the Git server sent is not complete: the commit is missing") from None
    if not isinstance(found, Commit):
        raise GitRefused("ref", f"leads to a {found.type_name.decode()}, not to a commit")
    return found


def _is_id(ref: str) -> bool:
    return len(ref) <= ID_LENGTH and all(char in "0123456789abcdef" for char in ref.lower())


def _text(error: BaseException) -> str:
    text = printable(" ".join(str(error).split()))[:_MAX_SAID]
    return text or type(error).__name__
