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
    CaseBuilder,
)
from testrun_operator.kinds.playbook.commands.history import LOOK_BACK, ExecutionHistory, open_event_log, read_histories
from testrun_operator.kinds.playbook.commands.manifests import (
    CommentedCase,
    PackedPlaybooks,
    pack,
    write_config_map,
    write_suite,
)
from testrun_operator.kinds.playbook.commands.output import Progress, notify, write_summary
from testrun_operator.kinds.playbook.commands.playbooks import FoundPlaybooks, read_folder
from testrun_operator.kinds.playbook.commands.selection import Criteria, Selection, name_object, select
from testrun_operator.kinds.playbook.commands.server import Server, hide_credentials
from testrun_operator.resources.parsing import parse_suite
from testrun_operator.resources.suite import MAX_CASES
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.output import write_output

MAX_SUITE_BYTES = 1024 * 1024
"""Of a TestSuite as compact JSON. etcd refuses objects of 1.5 MB and more, and the status of the suite needs room."""
_USUAL_URL = "http://noetl.noetl.svc.cluster.local:8082"
"""Where NoETL's own manifests put its server."""
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_NAMED_CATEGORIES = 20
"""So many categories are named in a message; the others are counted."""


@dataclass(frozen=True, slots=True)
class SuiteRequest:
    """The arguments and options of the command."""

    folder: Path | None
    """The folder of playbooks; None to take those of the server's catalog."""
    server: str | None
    """Address of a NoETL server; None if there is only a folder."""
    tls: tuple[Path | None, Path | None, Path | None]
    """Files: the certificates to trust, the certificate to show, and its key; None for each that is not given."""
    name: str | None
    """Name of the TestSuite; None for that of the folder, or ``noetl``."""
    namespace: str | None
    """Namespace of the TestSuite and of the ConfigMaps; None to leave it out."""
    connection: str
    """Name of the connection in the suite."""
    url: str | None
    """Address of the server as pods see it; None for that of ``server``."""
    dsn_secret: tuple[str, str] | None
    """Name and key of the Secret with the DSN of NoETL's Postgres; None to read event logs through the server."""
    register: bool
    """Whether cases register their playbooks, which are written as ConfigMaps."""
    from_run: bool
    """Whether expectations are taken from earlier executions."""
    duration: bool
    """Whether one of these expectations is how long an execution may take."""
    expect_failures: bool
    """Whether a playbook that always failed is expected to fail."""
    dsn: str | None
    """DSN of NoETL's Postgres, for reading earlier executions now; None to read them through the server."""
    criteria: Criteria
    output: Path | None
    """File to write; None for standard output."""


def make_suite(request: SuiteRequest) -> Exit:
    """Write the suite to its file or to standard output, and what is not in it to standard error.

    Args:
        request: the arguments and options of the command.

    Returns:
        FAILED if some of the playbooks could not be read and the suite is written without them, else PASSED.

    Raises:
        CannotDo: no playbook becomes a case, the suite would be too large, or the server does not answer.
    """
    with ExitStack() as stack:
        progress = stack.enter_context(Progress())
        server = stack.enter_context(Server(request.server, request.tls)) if request.server is not None else None
        found = _find(request, server, progress)
        progress.show("looking for credentials")
        selection = select(
            found.playbooks, request.criteria, cache(server.lacks_credential) if server is not None else None
        )
        _check_selection(selection, found)
        histories = _read_histories(request, server, selection, progress) if request.from_run else None
    packed = pack(selection.candidates, f"{_name_of(request)}-playbooks") if request.register else None
    builder = CaseBuilder(request.connection, packed, histories, request.duration, request.expect_failures)
    cases = [builder.build(candidate) for candidate in selection.candidates]
    text = _write(request, selection, found, cases, packed)
    write_output(text, request.output)
    if request.url is None and request.server is not None and urlsplit(request.server).hostname in _LOCAL_HOSTS:
        notify(
            f"notice: pods cannot reach {hide_credentials(request.server)}; give the address in the cluster with --url"
        )
    write_summary(selection, found, histories, expect_failures=request.expect_failures)
    return Exit.FAILED if found.broken else Exit.PASSED


def _find(request: SuiteRequest, server: Server | None, progress: Progress) -> FoundPlaybooks:
    if request.folder is not None:
        progress.show(f"reading {request.folder}")
        found = read_folder(request.folder)
        where = str(request.folder)
    else:
        assert server is not None  # noqa: S101 - the command asks for one of the two
        progress.show(f"reading the catalog of {server.label}")
        found = server.playbooks()
        where = f"the catalog of {server.label}"
    if not found.playbooks:
        others = f", but {found.others} other YAML files" if found.others else ""
        broken = f"; {len(found.broken)} cannot be read: {'; '.join(found.broken[:3])}" if found.broken else ""
        raise CannotDo(f"there is no playbook in {where}{others}{broken}")
    return found


def _check_selection(selection: Selection, found: FoundPlaybooks) -> None:
    if not selection.candidates:
        reasons = "; ".join(f"{one.path}: {one.reason}" for one in selection.left_out[:3])
        left_out = f"{len(selection.left_out)} are left out ({reasons})" if selection.left_out else ""
        others = f"{selection.others} do not fit --match and --category" if selection.others else ""
        why = ", ".join(filter(None, (left_out, others)))
        raise CannotDo(f"none of the {len(found.playbooks)} playbooks becomes a case: {why}")
    if len(selection.candidates) > MAX_CASES:
        raise CannotDo(f"a suite has at most {MAX_CASES} cases, and these are {_how_to_split(selection)}")


def _how_to_split(selection: Selection) -> str:
    categories = selection.count_categories().most_common()
    named = ", ".join(f"{name} ({count})" for name, count in categories[:_NAMED_CATEGORIES])
    more = f" and {len(categories) - _NAMED_CATEGORIES} more" if len(categories) > _NAMED_CATEGORIES else ""
    return (
        f"{len(selection.candidates)}; write several suites, with --category or --match, and a --name for each. "
        f"Categories: {named}{more}"
    )


def _read_histories(
    request: SuiteRequest, server: Server | None, selection: Selection, progress: Progress
) -> Mapping[str, ExecutionHistory]:
    assert server is not None  # noqa: S101 - the command asks for one
    playbooks = [candidate.playbook for candidate in selection.candidates]
    progress.show("asking for executions")
    executions = server.executions(playbooks, LOOK_BACK)
    progress.expect(len(playbooks))
    with open_event_log(server, request.dsn) as event_log:
        return read_histories(event_log, executions, progress.count)


def _name_of(request: SuiteRequest) -> str:
    if request.name is not None:
        return request.name
    return name_object(request.folder.resolve().name, "noetl") if request.folder is not None else "noetl"


def _write(
    request: SuiteRequest,
    selection: Selection,
    found: FoundPlaybooks,
    cases: Sequence[CommentedCase],
    packed: PackedPlaybooks | None,
) -> str:
    where = (
        f"the catalog of {hide_credentials(request.server or '')}"
        if request.folder is None
        else f"the folder {request.folder.name}"
    )
    head = [f"Written by testrun noetl suite of the {len(found.playbooks)} playbooks in {where}."]
    spec, notes = _spec(request, selection)
    metadata = {"name": _name_of(request)} | ({"namespace": request.namespace} if request.namespace else {})
    _validate(spec, cases, selection)
    suite = write_suite(metadata, spec, cases, head=head, notes=notes, end=tuple(_end(selection, found)))
    config_maps = [write_config_map(one, request.namespace) for one in packed.config_maps] if packed is not None else []
    return "---\n".join([*config_maps, suite])


def _spec(request: SuiteRequest, selection: Selection) -> tuple[dict[str, object], dict[str, Sequence[str]]]:
    spec: dict[str, object] = {}
    notes: dict[str, Sequence[str]] = {}
    if any(candidate.missing for candidate in selection.candidates):
        spec["variables"] = {CREDENTIALS_VARIABLE: CREDENTIALS_MISSING}
        notes["variables"] = [
            f"Cases that need credentials which are not there are skipped; {CREDENTIALS_ALL!r} runs them nevertheless."
        ]
    url = request.url or request.server
    connection: dict[str, object] = {"url": url or _USUAL_URL}
    if url is None:
        notes["connections"] = ["Where NoETL usually is in a cluster; see --url."]
    if request.dsn_secret is not None:
        name, key = request.dsn_secret
        connection["dsnFrom"] = {"secretKeyRef": {"name": name, "key": key}}
    spec["connections"] = {request.connection: connection}
    return spec, notes


def _validate(spec: Mapping[str, object], cases: Sequence[CommentedCase], selection: Selection) -> None:
    document: Document = {**spec, "cases": [case.case for case in cases]}
    size = len(json.dumps(document, separators=(",", ":")).encode())
    if size > MAX_SUITE_BYTES:
        message = f"the suite would have {size:,} bytes, and a cluster keeps about {MAX_SUITE_BYTES:,}; its cases are"
        raise CannotDo(f"{message} {_how_to_split(selection)}")
    try:
        problems: Sequence[str] = check_suite(parse_suite(document))
    except InvalidSpec as error:
        problems = error.problems
    if problems:
        raise CannotDo(f"the suite would not be valid: {'; '.join(problems)}")


def _end(selection: Selection, found: FoundPlaybooks) -> Iterator[str]:
    if selection.left_out:
        yield f"Left out: {len(selection.left_out)}"
        yield from (f"- {one.path}: {one.reason}" for one in selection.left_out)
    if found.broken:
        yield f"Could not be read: {len(found.broken)}"
        yield from (f"- {one}" for one in found.broken)
