"""What operator, generated files and command line see of the kind ``playbook``."""

from collections import Counter
from collections.abc import Iterator

from testrun_operator.api.files import FileSource
from testrun_operator.kinds.case_kind import CaseKind, ConnectionUse, StepWords, SuiteNames
from testrun_operator.kinds.checks import check_database, check_files
from testrun_operator.kinds.playbook.spec import PlaybookCase, PlaybookStatus, StepExpectations


class PlaybookKind(CaseKind[PlaybookCase]):
    """Playbooks that a NoETL server executes, judged by the event log of their execution."""

    name = "playbook"
    summary = "A NoETL playbook, run through the NoETL server and judged by its event log."
    spec = PlaybookCase
    execution = "testrun_operator.kinds.playbook.execution.case"
    steps = StepWords("event", "seen")
    execution_statuses = frozenset(status.value.upper() for status in PlaybookStatus)
    reports_execution = True

    def check(self, spec: PlaybookCase, suite: SuiteNames, path: str) -> Iterator[str]:
        """Yield connections of the wrong sort, names that are there twice, and steps that contradict one another."""
        yield from _check_server(spec, suite, f"{path}.connection")
        if spec.register is not None:
            yield from check_files(spec.register, f"{path}.register")
        names = Counter[str]()
        for index, credential in enumerate(spec.credentials):
            names[credential.name] += 1
            if names[credential.name] > 1:
                yield f"{path}.credentials[{index}].name: {credential.name!r} is used before; names must be unique"
        yield from _check_steps(spec.expect.steps, f"{path}.expect.steps")
        connection = suite.connections.get(spec.connection)
        for index, query in enumerate(spec.expect.sql):
            where = f"{path}.expect.sql[{index}].connection"
            if query.connection is not None:
                yield from check_database(query.connection, suite, where)
            elif connection is not None and connection.dsn_from is None:
                yield f"{where}: is needed, since the playbook's connection {spec.connection!r} has no dsnFrom"

    def connections(self, spec: PlaybookCase) -> tuple[ConnectionUse, ...]:
        """Return the NoETL server, whose database may have the event log, and those that are queried."""
        queried = [query.connection for query in spec.expect.sql if query.connection is not None]
        others = dict.fromkeys(name for name in queried if name != spec.connection)
        return (
            ConnectionUse(spec.connection, address=True, database=True),
            *(ConnectionUse(name, database=True) for name in others),
        )

    def files(self, spec: PlaybookCase) -> FileSource | None:
        """Return where the playbooks come from that are registered first."""
        return spec.register

    def credentials(self, spec: PlaybookCase) -> tuple[str, ...]:
        """Return the Secrets with the credentials that are registered first."""
        return tuple(credential.secret_ref.name for credential in spec.credentials)

    def subject(self, spec: PlaybookCase) -> str:
        """Return the path in the catalog, with the version where the case names one."""
        return spec.path if spec.version is None else f"{spec.path}@{spec.version}"

    def status_when_passed(self, spec: PlaybookCase) -> str:
        """Return how the execution has to end: a case passes, too, when one fails that was expected to."""
        return spec.expect.status.value.upper()


def _check_server(spec: PlaybookCase, suite: SuiteNames, path: str) -> Iterator[str]:
    connection = suite.connections.get(spec.connection)
    if connection is not None and connection.url is not None:
        return
    if connection is not None:
        problem = f"the connection {spec.connection!r} has no url, which says where the NoETL server is"
    elif spec.connection in suite.test_servers:
        problem = f"{spec.connection!r} is a test server and no NoETL server"
    else:
        problem = f"there is no connection {spec.connection!r}"
    known = sorted(name for name, found in suite.connections.items() if found.url is not None)
    yield f"{path}: {problem}; connections with url are: {', '.join(known) or 'none'}"


def _check_steps(steps: StepExpectations, path: str) -> Iterator[str]:
    for index, step in enumerate(steps.not_ran):
        for field, wanted in (("ran", steps.ran), ("inOrder", steps.in_order)):
            if step in wanted:
                yield f"{path}.notRan[{index}]: {step!r} is in {field}, too, and cannot both run and not run"


KIND = PlaybookKind()
"""The kind, as the registry finds it."""
