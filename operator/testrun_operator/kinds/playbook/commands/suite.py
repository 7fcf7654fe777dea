"""``testrun noetl suite``: from the playbooks of a server or a folder to a TestSuite."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from testrun_operator.api.base import Document
from testrun_operator.engine.validation import check_suite
from testrun_operator.errors import InvalidSpec
from testrun_operator.kinds.playbook.commands.case_builder import (
    CREDENTIALS_ALL,
    CREDENTIALS_MISSING,
    CREDENTIALS_VARIABLE,
    Casting,
)
from testrun_operator.kinds.playbook.commands.history import LOOK_BACK, Memory, open_event_log, remember
from testrun_operator.kinds.playbook.commands.manifests import Commented, Packed, pack, write_config_map, write_suite
from testrun_operator.kinds.playbook.commands.output import Progress, say, tell
from testrun_operator.kinds.playbook.commands.playbooks import Found, read_folder
from testrun_operator.kinds.playbook.commands.selection import Choice, Wishes, choose, name_object
from testrun_operator.kinds.playbook.commands.server import Server, hide_credentials
from testrun_operator.resources.parsing import parse_suite
from testrun_operator.resources.suite import MAX_CASES
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.output import write_output

MAX_SUITE_BYTES = 1024 * 1024
"""Of a TestSuite as compact JSON: etcd refuses objects from 1.5 MB on, and its status is in there, too."""
_USUAL_URL = "http://noetl.noetl.svc.cluster.local:8082"
"""Where NoETL's own manifests put its server."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_TOLD_CATEGORIES = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    folder: Path | None
    server: str | None
    tls: tuple[Path | None, Path | None, Path | None]
    """Files: the certificates to trust, the one to show, and its key."""
    name: str | None
    namespace: str | None
    connection: str
    url: str | None
    dsn_secret: tuple[str, str] | None
    """Name and key."""
    register: bool
    from_run: bool
    duration: bool
    expect_failures: bool
    dsn: str | None
    wishes: Wishes
    output: Path | None


def make_suite(wanted: Wanted) -> Exit:
    """Write the suite, and tell what is not in it.

    Returns:
        FAILED where something of the folder or the catalog could not be read; the suite is written without it.

    Raises:
        CannotDo: there is nothing to write a suite of, it would be too large, or the server does not answer.
    """
    with ExitStack() as stack:
        progress = stack.enter_context(Progress())
        server = stack.enter_context(Server(wanted.server, wanted.tls)) if wanted.server is not None else None
        found = _find(wanted, server, progress)
        progress.say("looking for credentials")
        choice = choose(found.playbooks, wanted.wishes, cache(server.lacks_credential) if server is not None else None)
        _check_choice(choice, found)
        memories = _remember(wanted, server, choice, progress) if wanted.from_run else None
    packed = pack(choice.candidates, f"{_name_of(wanted)}-playbooks") if wanted.register else None
    casting = Casting(wanted.connection, packed, memories, wanted.duration, wanted.expect_failures)
    cases = [casting.case_of(candidate) for candidate in choice.candidates]
    text = _write(wanted, choice, found, cases, packed)
    write_output(text, wanted.output)
    if wanted.url is None and wanted.server is not None and urlsplit(wanted.server).hostname in _LOCAL:
        say(f"notice: pods cannot reach {hide_credentials(wanted.server)}; give the address in the cluster with --url")
    tell(choice, found, memories, expect_failures=wanted.expect_failures)
    return Exit.FAILED if found.broken else Exit.PASSED


def _find(wanted: Wanted, server: Server | None, progress: Progress) -> Found:
    if wanted.folder is not None:
        progress.say(f"reading {wanted.folder}")
        found = read_folder(wanted.folder)
        where = str(wanted.folder)
    else:
        assert server is not None  # noqa: S101 - the command asks for one of the two
        progress.say(f"reading the catalog of {server.label}")
        found = server.playbooks()
        where = f"the catalog of {server.label}"
    if not found.playbooks:
        others = f", but {found.others} other YAML files" if found.others else ""
        broken = f"; {len(found.broken)} cannot be read: {'; '.join(found.broken[:3])}" if found.broken else ""
        raise CannotDo(f"there is no playbook in {where}{others}{broken}")
    return found


def _check_choice(choice: Choice, found: Found) -> None:
    if not choice.candidates:
        reasons = "; ".join(f"{one.path}: {one.reason}" for one in choice.left_out[:3])
        left_out = f"{len(choice.left_out)} are left out ({reasons})" if choice.left_out else ""
        others = f"{choice.others} do not fit --match and --category" if choice.others else ""
        why = ", ".join(filter(None, (left_out, others)))
        raise CannotDo(f"none of the {len(found.playbooks)} playbooks becomes a case: {why}")
    if len(choice.candidates) > MAX_CASES:
        raise CannotDo(f"a suite has at most {MAX_CASES} cases, and these are {_how_to_split(choice)}")


def _how_to_split(choice: Choice) -> str:
    categories = choice.count_categories().most_common()
    named = ", ".join(f"{name} ({count})" for name, count in categories[:_TOLD_CATEGORIES])
    more = f" and {len(categories) - _TOLD_CATEGORIES} more" if len(categories) > _TOLD_CATEGORIES else ""
    return (
        f"{len(choice.candidates)}; write several suites, with --category or --match, and a --name for each. "
        f"Categories: {named}{more}"
    )


def _remember(wanted: Wanted, server: Server | None, choice: Choice, progress: Progress) -> Mapping[str, Memory]:
    assert server is not None  # noqa: S101 - the command asks for one
    playbooks = [candidate.playbook for candidate in choice.candidates]
    progress.say("asking for executions")
    executions = server.executions(playbooks, LOOK_BACK)
    progress.expect(len(playbooks))
    with open_event_log(server, wanted.dsn) as event_log:
        return remember(event_log, executions, progress.count)


def _name_of(wanted: Wanted) -> str:
    if wanted.name is not None:
        return wanted.name
    return name_object(wanted.folder.resolve().name, "noetl") if wanted.folder is not None else "noetl"


def _write(wanted: Wanted, choice: Choice, found: Found, cases: Sequence[Commented], packed: Packed | None) -> str:
    where = (
        f"the catalog of {hide_credentials(wanted.server or '')}"
        if wanted.folder is None
        else f"the folder {wanted.folder.name}"
    )
    head = [f"Written by testrun noetl suite of the {len(found.playbooks)} playbooks in {where}."]
    spec, notes = _spec(wanted, choice)
    metadata = {"name": _name_of(wanted)} | ({"namespace": wanted.namespace} if wanted.namespace else {})
    _validate(spec, cases, choice)
    suite = write_suite(metadata, spec, cases, head=head, notes=notes, end=tuple(_end(choice, found)))
    config_maps = [write_config_map(one, wanted.namespace) for one in packed.config_maps] if packed is not None else []
    return "---\n".join([*config_maps, suite])


def _spec(wanted: Wanted, choice: Choice) -> tuple[dict[str, object], dict[str, Sequence[str]]]:
    spec: dict[str, object] = {}
    notes: dict[str, Sequence[str]] = {}
    if any(candidate.missing for candidate in choice.candidates):
        spec["variables"] = {CREDENTIALS_VARIABLE: CREDENTIALS_MISSING}
        notes["variables"] = [
            f"Cases that need credentials which are not there are skipped; {CREDENTIALS_ALL!r} runs them nevertheless."
        ]
    url = wanted.url or wanted.server
    connection: dict[str, object] = {"url": url or _USUAL_URL}
    if url is None:
        notes["connections"] = ["Where NoETL usually is in a cluster; see --url."]
    if wanted.dsn_secret is not None:
        name, key = wanted.dsn_secret
        connection["dsnFrom"] = {"secretKeyRef": {"name": name, "key": key}}
    spec["connections"] = {wanted.connection: connection}
    return spec, notes


def _validate(spec: Mapping[str, object], cases: Sequence[Commented], choice: Choice) -> None:
    document: Document = {**spec, "cases": [case.case for case in cases]}
    size = len(json.dumps(document, separators=(",", ":")).encode())
    if size > MAX_SUITE_BYTES:
        message = f"the suite would have {size:,} bytes, and a cluster keeps about {MAX_SUITE_BYTES:,}; its cases are"
        raise CannotDo(f"{message} {_how_to_split(choice)}")
    try:
        problems: Sequence[str] = check_suite(parse_suite(document))
    except InvalidSpec as error:
        problems = error.problems
    if problems:
        raise CannotDo(f"the suite would not be valid: {'; '.join(problems)}")


def _end(choice: Choice, found: Found) -> Iterator[str]:
    if choice.left_out:
        yield f"Left out: {len(choice.left_out)}"
        yield from (f"- {one.path}: {one.reason}" for one in choice.left_out)
    if found.broken:
        yield f"Could not be read: {len(found.broken)}"
        yield from (f"- {one}" for one in found.broken)
