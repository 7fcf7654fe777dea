"""The report: a table for the terminal, and the same with every difference as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos.comparison import Outcome

HEAD = ("fault", "injected", "runs", "cases", "right", "wrong", "lost", "twice", "not found out", "seconds")


@dataclass(frozen=True)
class Trial:
    """One run under one fault.

    Args:
        fault: the fault's name.
        injections: how often something was done.
        injected: what was done, and how many seconds after the start of the run.
        outcome: how what was seen differs from the truth.
        seconds: from the run's creation until its results were stored, and the fault was undone.
        trouble: why the fault could not be injected, or was not over in time.
        evidence: objects and logs, where a promise was broken.
    """

    fault: str
    injections: int
    injected: tuple[str, ...]
    outcome: Outcome
    seconds: float
    trouble: tuple[str, ...] = ()
    evidence: str = ""

    @property
    def holds(self) -> bool:
        """Whether the fault was injected, and every promise was kept under it."""
        return self.outcome.holds and not self.trouble


def table(trials: Sequence[Trial]) -> str:
    """Write a line for each fault, and one for all of them."""
    names = dict.fromkeys(trial.fault for trial in trials)
    lines: list[tuple[str, ...]] = [HEAD]
    lines += [_line(name, [trial for trial in trials if trial.fault == name]) for name in names]
    lines.append(_line("all", trials))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    first, *others = widths
    return "\n".join(
        "  ".join([line[0].ljust(first), *(text.rjust(width) for text, width in zip(line[1:], others, strict=True))])
        for line in lines
    )


def write(path: Path, trials: Sequence[Trial], about: Mapping[str, object]) -> None:
    """Write everything as JSON: what was injected, expected and seen; evidence goes into files beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = []
    for number, trial in enumerate(trials, 1):
        line = asdict(trial)
        if trial.evidence:
            line["evidence"] = f"{path.stem}-{number}-{trial.fault}.txt"
            (path.parent / line["evidence"]).write_text(trial.evidence)
        told.append(line)
    path.write_text(json.dumps({**about, "trials": told}, indent=2) + "\n")


def differences(trial: Trial) -> list[str]:
    """Return each difference of a trial as a sentence, worst first."""
    kinds = ("wrong", "lost", "twice", "not_found_out")
    told = [f"{kind.replace('_', ' ')}: {text}" for kind in kinds for text in getattr(trial.outcome, kind)]
    return [*told, *(f"trouble: {text}" for text in trial.trouble)]


def _line(name: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    outcomes = [trial.outcome for trial in trials]
    numbers = (
        sum(trial.injections for trial in trials),
        len(trials),
        sum(outcome.cases for outcome in outcomes),
        sum(outcome.right for outcome in outcomes),
        sum(len(outcome.wrong) for outcome in outcomes),
        sum(len(outcome.lost) for outcome in outcomes),
        sum(len(outcome.twice) for outcome in outcomes),
        sum(len(outcome.not_found_out) for outcome in outcomes),
        round(sum(trial.seconds for trial in trials)),
    )
    return (name, *map(str, numbers))
