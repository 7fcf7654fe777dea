"""What was seen of a run beside what is true; pure, so that the judge of the operator is tested itself."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

BUDGET_OF_INFRASTRUCTURE = 2
"""How often a case is repeated after an infrastructure fault (docs/verdicts.md); the next one is its verdict."""


@dataclass(frozen=True)
class Row:
    """A row of Postgres: a case's verdict, or that of one attempt of it."""

    case: str
    verdict: str
    failure_class: str
    reason: str
    attempt: int = 0


@dataclass(frozen=True)
class Seen:
    """What a run left behind.

    Args:
        phase: ``status.phase``.
        counts: ``status.cases``, by the name of the count.
        failures: the verdict of each case in ``status.failures``.
        results: the rows of its cases.
        attempts: the rows of their attempts.
        jobs: the names of Jobs that the API server created, one entry for each creation.
        run_ids: every ``status.runId`` that was seen.
    """

    phase: str
    counts: Mapping[str, int]
    failures: Mapping[str, str]
    results: Sequence[Row]
    attempts: Sequence[Row]
    jobs: Sequence[str]
    run_ids: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """How what was seen differs from the truth: a sentence for each difference."""

    cases: int
    right: int = 0
    wrong: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    not_found_out: tuple[str, ...] = ()
    expected: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not (self.wrong or self.lost or self.twice)


def compare(truth: Mapping[str, str], seen: Seen) -> Outcome:
    """Compare the truth of each case with what status, Postgres and the API server's log say."""
    by_case = {row.case: row for row in seen.results}
    right, wrong, lost, unknown = 0, [], [], []
    for case, true in truth.items():
        row = by_case.get(case)
        if row is None:
            lost.append(f"{case}: {true}, no verdict")
        elif row.verdict == true:
            right += 1
        elif row.verdict == "Errored" and _used_up(case, seen.attempts):
            unknown.append(f"{case}: {true}, Errored {row.reason} after the infrastructure's budget")
        else:
            wrong.append(f"{case}: {true}, seen {row.verdict} {row.failure_class} {row.reason}")
    wrong += [*_attempts_that_blame(truth, seen.attempts), *_counts_that_differ(seen), *_told_otherwise(seen)]
    repeated = [f"Job {name} was created {count} times" for name, count in _more_than_once(seen.jobs)]
    pairs = [f"{row.case} attempt {row.attempt}" for row in seen.attempts]
    repeated += [f"{pair} has {count} rows" for pair, count in _more_than_once(pairs)]
    # Fewer Jobs than attempts is what the log says where the API server was ended between a write and its line.
    if len(set(seen.jobs)) > len(set(pairs)):
        repeated.append(f"{len(set(seen.jobs))} Jobs were created for {len(set(pairs))} attempts")
    if len(seen.run_ids) > 1:
        repeated.append(f"executed as {', '.join(sorted(seen.run_ids))}")
    return Outcome(
        len(truth),
        right,
        tuple(wrong),
        tuple(lost),
        tuple(repeated),
        tuple(unknown),
        dict(Counter(truth.values())),
        dict(Counter(row.verdict for row in seen.results)),
    )


def _used_up(case: str, attempts: Sequence[Row]) -> bool:
    faults = [row for row in attempts if row.case == case and row.failure_class == "Infrastructure"]
    return len(faults) > BUDGET_OF_INFRASTRUCTURE


def _attempts_that_blame(truth: Mapping[str, str], attempts: Sequence[Row]) -> list[str]:
    """Return the attempts that say neither what is true nor that infrastructure spoiled them."""
    return [
        f"{row.case} attempt {row.attempt}: {truth.get(row.case)}, seen {row.verdict} {row.failure_class} {row.reason}"
        for row in attempts
        if row.verdict != truth.get(row.case) and (row.verdict, row.failure_class) != ("Errored", "Infrastructure")
    ]


def _counts_that_differ(seen: Seen) -> list[str]:
    rows = Counter(row.verdict for row in seen.results)
    names = {"passed": "Passed", "failed": "Failed", "errored": "Errored", "timedOut": "TimedOut"}
    return [
        f"the status counts {seen.counts.get(name, 0)} {verdict}, Postgres {rows[verdict]}"
        for name, verdict in names.items()
        if seen.counts.get(name, 0) != rows[verdict]
    ]


def _told_otherwise(seen: Seen) -> list[str]:
    """Return where phase and failures of the status are not what follows from the rows."""
    rows = {row.case: row.verdict for row in seen.results if row.verdict != "Passed"}
    told = [
        f"{case}: the status says {seen.failures.get(case, 'nothing')}, Postgres {rows.get(case, 'nothing')}"
        for case in sorted(rows.keys() | seen.failures.keys())
        if rows.get(case) != seen.failures.get(case)
    ]
    verdicts = set(rows.values())
    phase = "Failed" if verdicts & {"Failed", "TimedOut"} else "Errored" if verdicts else "Passed"
    return told if seen.phase == phase else [*told, f"the phase is {seen.phase}, and follows from the rows as {phase}"]


def _more_than_once(words: Iterable[str]) -> list[tuple[str, int]]:
    return [(word, count) for word, count in sorted(Counter(words).items()) if count > 1]
