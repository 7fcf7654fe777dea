"""The rules of a suite and a run that their models cannot express, because they tie one field to another.

Every problem is one text, ``path: what is wrong and what would be right``, with paths as in :mod:`..api.parse`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from testrun_operator.engine.selection import Variant, expand_matrix, name_needs
from testrun_operator.kinds.case_kind import SuiteNames
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.suite import MAX_MATRIX_EXPANSION, TestSuiteSpec

_MAX_NAME_LENGTH = 63
_MAX_PLANNED_CASES = 10_000


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
    names = SuiteNames(suite.connections, frozenset(servers))
    for index, case in enumerate(suite.cases):
        yield from case.kind.check(case.spec, names, f"{path}.cases[{index}].{case.kind.name}")
