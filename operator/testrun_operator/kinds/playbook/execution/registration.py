"""What is done on the NoETL server before a playbook starts: credentials and playbooks are registered."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from testrun_operator.api.files import FileSource
from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.kinds.playbook.execution.plan import Plan
from testrun_operator.kinds.playbook.execution.server.client import NoetlServer, Registered
from testrun_operator.kinds.playbook.spec import PlaybookCase
from testrun_operator.runner.context import Context
from testrun_operator.runner.problem import InvalidCase
from testrun_operator.sources.fetching import fetch_files
from testrun_operator.sources.paths import is_inside, order_key, printable

MAX_PLAYBOOKS = 200
"""The most playbooks that a case may register."""
MAX_PLAYBOOK_BYTES = 1024 * 1024
_MAX_ENTRIES = 20_000
_ENDINGS = (".yaml", ".yml")
_IS_PLAYBOOK = re.compile(r"^kind:[ \t]*[\"']?Playbook\b", re.MULTILINE)
_FIELD = "playbook.register"


def register_and_find(case: PlaybookCase, plan: Plan, server: NoetlServer, context: Context) -> Registered:
    """Register what the case brings along, and find the playbook that it is about.

    Args:
        case: the case.
        plan: the same, rendered.
        server: the NoETL server.
        context: for the journal, and for the files.

    Raises:
        CannotJudge: the files cannot be had, the server refuses them, or there is no such playbook.
    """
    for credential in plan.credentials:
        context.journal.progress(f"registering the credential {credential.name!r}")
        server.register_credential(credential.name, credential.type, credential.fields)
        context.journal.log(f"Credential {credential.name!r} of type {credential.type!r} registered")
    registered = _register(plan.register, server, context) if plan.register is not None else []
    context.journal.progress(f"looking for the playbook {plan.path!r}")
    own = [playbook for playbook in registered if playbook.path == plan.path]
    return own[-1] if own and case.version is None else server.find(plan.path, case.version)


def _register(source: FileSource, server: NoetlServer, context: Context) -> list[Registered]:
    registered = []
    with tempfile.TemporaryDirectory(prefix="testrun-", ignore_cleanup_errors=True) as folder:
        context.journal.progress("fetching the playbooks")
        fetched = fetch_files(
            source,
            context.environment,
            Path(folder),
            field=_FIELD,
            inline_name="playbook.yaml",
            deadline=context.deadline,
        )
        for notice in fetched.notices:
            context.journal.log(f"Note: {notice}")
        if fetched.commit is not None:
            commit = Detail(
                kind=DetailKind.SOURCE, name="commit", passed=True, actual=fetched.commit, location=fetched.label
            )
            context.journal.log(f"Playbooks from {fetched.label}, commit {fetched.commit}")
            context.journal.detail(commit)
        for name, text in _playbooks_in(fetched.path, is_meant=source.inline is not None or fetched.path.is_file()):
            context.journal.progress(f"registering the playbook {name}")
            playbook = server.register(text, name)
            context.journal.log(f"Playbook {playbook.path} version {playbook.version} registered from {name}")
            registered.append(playbook)
    return registered


def _playbooks_in(path: Path, *, is_meant: bool) -> Iterator[tuple[str, str]]:
    """Give the playbooks of a file or folder, in the order of their names.

    Args:
        path: the file or folder.
        is_meant: whether it is one file that the case names, so that it is taken for a playbook whatever is in it.
    """
    files = [(path.name, path)] if path.is_file() else _files_below(path)
    found = [(name, text) for name, file in files if _is_playbook(text := _read(name, file)) or is_meant]
    if not found:
        problem = f"none of its {len(files)} YAML files is a playbook, which has the line 'kind: Playbook'"
        raise InvalidCase(_FIELD, problem if files else "it has no file that ends with .yaml or .yml")
    if len(found) > MAX_PLAYBOOKS:
        raise InvalidCase(_FIELD, f"it has {len(found)} playbooks; at most {MAX_PLAYBOOKS} can be registered by a case")
    yield from found


def _is_playbook(text: str) -> bool:
    return _IS_PLAYBOOK.search(text) is not None


def _files_below(root: Path) -> list[tuple[str, Path]]:
    """Find YAML files, without leaving the folder. The keys of a mounted ConfigMap are links inside of it."""
    found: list[tuple[str, Path]] = []
    real_root = Path(os.path.realpath(root))
    entries = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        entries += len(folders) + len(names)
        if entries > _MAX_ENTRIES:
            raise InvalidCase(_FIELD, f"it has more than {_MAX_ENTRIES} files and folders; name a path in it")
        for name in names:
            file = Path(folder) / name
            inside = is_inside(Path(os.path.realpath(file)), real_root)
            if name.lower().endswith(_ENDINGS) and not name.startswith(".") and inside and file.is_file():
                found.append((printable(str(file.relative_to(root))), file))
    return sorted(found, key=lambda entry: order_key(entry[0]))


def _read(name: str, file: Path) -> str:
    if file.stat().st_size > MAX_PLAYBOOK_BYTES:
        raise InvalidCase(_FIELD, f"{name} is larger than {MAX_PLAYBOOK_BYTES // 1024} KiB, which no playbook is")
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidCase(_FIELD, f"{name} is not UTF-8: {error.reason} at byte {error.start}") from None
