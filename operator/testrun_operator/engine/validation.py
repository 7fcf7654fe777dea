"""The rules of a suite and a run that their models cannot express, because they tie one field to another.

Every problem is one text, ``path: what is wrong and what would be right``, with paths as in :mod:`..api.parse`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from testrun_operator.api.container import ContainerCase
from testrun_operator.api.files import FileSource
from testrun_operator.api.junit import split_pattern
from testrun_operator.api.playbook import StepExpectations
from testrun_operator.api.run import TestRunSpec
from testrun_operator.api.suite import MAX_MATRIX_EXPANSION, Case, TestSuiteSpec
from testrun_operator.engine.selection import Variant, expand_matrix, name_needs

_MAX_NAME_LENGTH = 63
_MAX_PLANNED_CASES = 10_000
_SYSTEM_FOLDERS = frozenset({"proc", "sys", "dev"})
"""A container runtime puts file systems of its own there, or refuses to mount anything in them."""


def check_suite(suite: TestSuiteSpec, path: str = "spec") -> tuple[str, ...]:
    """Find what is wrong with a suite.

    Args:
        suite: the suite.
        path: where it stands: ``spec`` of a TestSuite, ``spec.suite`` of a TestRun.

    Returns:
        One message per problem; empty for a suite that can be run.
    """
    problems = [*_check_names(suite, path), *_check_matrices(suite, path)]
    if problems:
        return tuple(problems)  # what follows would only repeat them
    variants = {case.name: tuple(expand_matrix(case)) for case in suite.cases}
    return (
        *_check_planned_names(suite, variants, path),
        *_check_needs(suite, variants, path),
        *_check_references(suite, path),
    )


def check_run(run: TestRunSpec, suite: TestSuiteSpec) -> tuple[str, ...]:
    """Find what of a run does not fit the suite that it is for.

    Returns:
        One message per problem; empty for a run that can be executed.
    """
    known = {case.name for case in suite.cases} | {
        variant.name for case in suite.cases for variant in expand_matrix(case)
    }
    categories = {case.category for case in suite.cases}
    tags = {tag for case in suite.cases for tag in case.tags}
    problems = []
    for field, selector in (("select", run.select), ("skip", run.skip)):
        problems += [
            f"spec.{field}.names[{index}]: the suite has no case {name!r}"
            for index, name in enumerate(selector.names)
            if name not in known
        ]
    if not problems and not run.select.is_empty:
        found = run.select.names or categories & set(run.select.categories) or tags & set(run.select.tags)
        if not found:
            problems.append("spec.select: matches no case of the suite; its categories and tags are those of the cases")
    return tuple(problems)


def _check_names(suite: TestSuiteSpec, path: str) -> Iterator[str]:
    counts = Counter(case.name for case in suite.cases)
    seen: set[str] = set()
    for index, case in enumerate(suite.cases):
        if counts[case.name] > 1 and case.name in seen:
            yield f"{path}.cases[{index}].name: {case.name!r} is used before; names of cases must be unique"
        seen.add(case.name)
    server_names = Counter(server.name for server in suite.test_servers)
    for index, server in enumerate(suite.test_servers):
        if server_names[server.name] > 1:
            yield f"{path}.testServers[{index}].name: {server.name!r} is used twice; names must be unique"


def _check_matrices(suite: TestSuiteSpec, path: str) -> Iterator[str]:
    total = 0
    for index, case in enumerate(suite.cases):
        size = 1
        for values in case.matrix.values():
            size *= len(values)
        if size > MAX_MATRIX_EXPANSION:
            yield (
                f"{path}.cases[{index}].matrix: has {size} combinations; "
                f"at most {MAX_MATRIX_EXPANSION} are allowed for a case"
            )
        total += size
    if total > _MAX_PLANNED_CASES:
        yield f"{path}.cases: {total} cases with all matrices expanded; at most {_MAX_PLANNED_CASES} are allowed"


def _check_planned_names(suite: TestSuiteSpec, variants: Mapping[str, tuple[Variant, ...]], path: str) -> Iterator[str]:
    owners: dict[str, int] = {}
    for index, case in enumerate(suite.cases):
        for variant in variants[case.name]:
            if len(variant.name) > _MAX_NAME_LENGTH:
                yield (
                    f"{path}.cases[{index}].matrix: the name {variant.name!r} is longer than {_MAX_NAME_LENGTH} "
                    "characters; shorten the case's name or the values"
                )
            elif variant.name in owners:
                yield (
                    f"{path}.cases[{index}].matrix: expands to {variant.name!r}, "
                    f"as cases[{owners[variant.name]}] does; names must be unique"
                )
            owners.setdefault(variant.name, index)


def _check_needs(suite: TestSuiteSpec, variants: Mapping[str, tuple[Variant, ...]], path: str) -> Iterator[str]:
    needs: dict[str, set[str]] = {}
    index_of = {case.name: index for index, case in enumerate(suite.cases)}
    base_of = {variant.name: base for base, expanded in variants.items() for variant in expanded}
    named = name_needs(variants)
    for index, case in enumerate(suite.cases):
        needs[case.name] = set()
        for position, need in enumerate(case.needs):
            found = named.get(need, ())
            if not found:
                yield f"{path}.cases[{index}].needs[{position}]: there is no case {need!r} in this suite"
            needs[case.name].update(base_of[name] for name in found)
    for cycle_member in _find_cycle(needs):
        yield (
            f"{path}.cases[{index_of[cycle_member]}].needs: {cycle_member!r} needs itself, "
            "directly or by way of other cases"
        )
        return  # one member names the cycle; the others would repeat it


def _find_cycle(needs: Mapping[str, set[str]]) -> tuple[str, ...]:
    # Take away whatever needs nothing that is left; what cannot be taken away is on a cycle or needs one.
    left = {name: set(wanted) for name, wanted in needs.items()}
    while True:
        free = {name for name, wanted in left.items() if not wanted & left.keys()}
        if not free:
            break
        for name in free:
            del left[name]
    # A walk along needs that stays inside what is left must come back to where it was: that is on the cycle.
    for start in left:
        seen: list[str] = []
        name = start
        while name not in seen:
            seen.append(name)
            name = next(iter(sorted(left[name] & left.keys())))
        return tuple(seen[seen.index(name) :])
    return ()


def _check_references(suite: TestSuiteSpec, path: str) -> Iterator[str]:
    servers = {server.name for server in suite.test_servers}
    for name in sorted(servers & suite.connections.keys()):
        yield f"{path}.connections.{name}: a test server has this name too; give one of them another"
    for name, connection in suite.connections.items():
        url = connection.url or ""
        if connection.tls is not None and connection.dsn_from is None and url.startswith("http://"):
            yield f"{path}.connections.{name}.tls: needs a url that begins with https://; found {url!r}"
    for index, case in enumerate(suite.cases):
        yield from _check_http(case, suite, servers, f"{path}.cases[{index}].http")
        yield from _check_sql(case, suite, servers, f"{path}.cases[{index}].sql")
        yield from _check_playbook(case, suite, servers, f"{path}.cases[{index}].playbook")
        yield from _check_container(case, f"{path}.cases[{index}].container")


def _check_http(case: Case, suite: TestSuiteSpec, servers: set[str], path: str) -> Iterator[str]:
    http = case.http
    if http is None:
        return
    connection = suite.connections.get(http.connection)
    if connection is None and http.connection not in servers:
        known = ", ".join(sorted([*suite.connections, *servers])) or "none"
        yield f"{path}.connection: there is no connection or test server {http.connection!r}; there is: {known}"
    if connection is not None and connection.url is None:
        yield f"{path}.connection: the connection {http.connection!r} has no url"
    if http.paginate is None:
        for field in ("items", "pages", "unique", "ordered"):
            if getattr(http.expect, field) is not None:
                yield f"{path}.expect.{field}: needs {path}.paginate, which says how to walk over the pages"


def _check_sql(case: Case, suite: TestSuiteSpec, servers: set[str], path: str) -> Iterator[str]:
    sql = case.sql
    if sql is None:
        return
    yield from _check_database(sql.connection, suite, servers, f"{path}.connection")
    yield from _check_files(sql.source, f"{path}.source")


def _check_database(name: str, suite: TestSuiteSpec, servers: set[str], path: str) -> Iterator[str]:
    connection = suite.connections.get(name)
    if connection is not None and connection.dsn_from is not None:
        return
    if connection is not None:
        problem = f"the connection {name!r} has no dsnFrom, which says how to reach a database"
    elif name in servers:
        problem = f"{name!r} is a test server and no database"
    else:
        problem = f"there is no connection {name!r}"
    databases = sorted(known for known, found in suite.connections.items() if found.dsn_from is not None)
    yield f"{path}: {problem}; connections with dsnFrom are: {', '.join(databases) or 'none'}"


def _check_playbook(case: Case, suite: TestSuiteSpec, servers: set[str], path: str) -> Iterator[str]:
    playbook = case.playbook
    if playbook is None:
        return
    connection = suite.connections.get(playbook.connection)
    if connection is None or connection.url is None:
        if connection is not None:
            problem = f"the connection {playbook.connection!r} has no url, which says where the NoETL server is"
        elif playbook.connection in servers:
            problem = f"{playbook.connection!r} is a test server and no NoETL server"
        else:
            problem = f"there is no connection {playbook.connection!r}"
        known = sorted(name for name, found in suite.connections.items() if found.url is not None)
        yield f"{path}.connection: {problem}; connections with url are: {', '.join(known) or 'none'}"
    if playbook.register is not None:
        yield from _check_files(playbook.register, f"{path}.register")
    names = Counter[str]()
    for index, credential in enumerate(playbook.credentials):
        names[credential.name] += 1
        if names[credential.name] > 1:
            yield f"{path}.credentials[{index}].name: {credential.name!r} is used before; names must be unique"
    yield from _check_steps(playbook.expect.steps, f"{path}.expect.steps")
    for index, query in enumerate(playbook.expect.sql):
        where = f"{path}.expect.sql[{index}].connection"
        if query.connection is not None:
            yield from _check_database(query.connection, suite, servers, where)
        elif connection is not None and connection.dsn_from is None:
            yield f"{where}: is needed, since the playbook's connection {playbook.connection!r} has no dsnFrom"


def _check_steps(steps: StepExpectations, path: str) -> Iterator[str]:
    for index, step in enumerate(steps.not_ran):
        for field, wanted in (("ran", steps.ran), ("inOrder", steps.in_order)):
            if step in wanted:
                yield f"{path}.notRan[{index}]: {step!r} is in {field}, too, and cannot both run and not run"


def _check_files(source: FileSource, path: str) -> Iterator[str]:
    git, config_map = source.git, source.config_map
    if git is not None and git.path is not None:
        yield from _check_relative(git.path, f"{path}.git.path")
    if config_map is None:
        return
    if config_map.path is not None:
        yield from _check_relative(config_map.path, f"{path}.configMap.path")
    seen: set[str] = set()
    for index, item in enumerate(config_map.items):
        item_path = f"{path}.configMap.items[{index}].path"
        yield from _check_relative(item.path, item_path)
        if item.path in seen:
            yield f"{item_path}: {item.path!r} is used before; each key needs a file of its own"
        seen.add(item.path)


def _check_relative(file: str, path: str) -> Iterator[str]:
    if not file or file.startswith("/") or ".." in file.split("/"):
        yield f"{path}: must be a relative path without '..', as in 'tests/booking.stt'; found {file!r}"


def _check_container(case: Case, path: str) -> Iterator[str]:
    container = case.container
    if container is None:
        return
    yield from _check_junit(container, f"{path}.junit")
    volumes = {volume.name for volume in container.volumes}
    for index, mount in enumerate(container.volume_mounts):
        if mount.name not in volumes:
            yield f"{path}.volumeMounts[{index}].name: there is no volume {mount.name!r} in {path}.volumes"
        if ".." in (mount.sub_path or "").split("/"):
            yield f"{path}.volumeMounts[{index}].subPath: must not contain '..'"
    for index, volume in enumerate(container.volumes):
        sources = (volume.empty_dir, volume.config_map, volume.secret, volume.persistent_volume_claim)
        if sum(source is not None for source in sources) != 1:
            yield (
                f"{path}.volumes[{index}]: give exactly one of emptyDir, configMap, secret and persistentVolumeClaim"
            )
    for index, variable in enumerate(container.env):
        if (variable.value is None) == (variable.value_from is None):
            yield f"{path}.env[{index}]: give exactly one of value and valueFrom"
        source = variable.value_from
        if source is not None and (source.secret_key_ref is None) == (source.config_map_key_ref is None):
            yield f"{path}.env[{index}].valueFrom: give exactly one of secretKeyRef and configMapKeyRef"
        if variable.name.startswith("TESTRUN_"):
            yield f"{path}.env[{index}].name: names that begin with TESTRUN_ are set by the operator"
    for index, origin in enumerate(container.env_from):
        if (origin.secret_ref is None) == (origin.config_map_ref is None):
            yield f"{path}.envFrom[{index}]: give exactly one of secretRef and configMapRef"


def _check_junit(container: ContainerCase, path: str) -> Iterator[str]:
    if container.junit is None:
        return
    folder, _ = split_pattern(container.junit)
    if folder.split("/")[1] in _SYSTEM_FOLDERS:
        yield f"{path}: nothing can be mounted at {folder!r}; choose a folder for the files alone, such as '/reports'"
    for index, mount in enumerate(container.volume_mounts):
        other = mount.mount_path.rstrip("/")
        if f"{folder}/".startswith(f"{other}/") or f"{other}/".startswith(f"{folder}/"):
            yield (
                f"{path}: the folder {folder!r} is mounted for the files, and volumeMounts[{index}] mounts "
                f"{mount.mount_path!r}; choose a folder that is not in another mount, and has none in it"
            )
