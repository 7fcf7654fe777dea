"""``make chaos``: faults on the real cluster, and a report of what became of the verdicts."""

import argparse
import random
import sys
import time
from pathlib import Path

from chaos import faults, report, trials


def main() -> int:
    """Inject the faults one after another; the exit code says whether every promise was kept."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=50, help="how often the operator is killed (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=None, help="where all chance comes from; it is in the report")
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(faults.SHORT)}, with 3 kills")
    parser.add_argument("--only", default="", help="names of faults, with commas; --list lists them")
    parser.add_argument("--list", action="store_true", help="list the faults")
    parser.add_argument("--output", type=Path, default=Path("build/chaos.json"), help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(f"{fault.name:<22}{(fault.inject.__doc__ or '').splitlines()[0]}" for fault in faults.ALL))  # noqa: T201
        return 0
    wanted = arguments.only.split(",") if arguments.only else faults.SHORT if arguments.short else ()
    chosen = [fault for fault in faults.ALL if not wanted or fault.name in wanted]
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 1_000_000
    rounds = 3 if arguments.short else arguments.rounds
    about = {"seed": seed, "rounds": rounds, "faults": [fault.name for fault in chosen]}
    done: list[report.Trial] = []
    try:
        for fault in chosen:
            # Of the seed and the name, so that one fault alone is the same as among others.
            for trial in trials.trials_of(fault, random.Random(f"{seed} {fault.name}"), rounds):
                done.append(trial)
                tell(trial)
                report.write(arguments.output, done, about)
    finally:
        print(f"\nseed {seed}\n{report.table(done)}\n\n{arguments.output}")  # noqa: T201
    return 0 if all(trial.holds for trial in done) else 1


def tell(trial: report.Trial) -> None:
    """Print what was injected and each difference, as soon as it is known."""
    print(f"{trial.fault}: {trial.outcome.right} of {trial.outcome.cases} right, {trial.seconds:.0f} s")  # noqa: T201
    for line in [*trial.injected, *report.differences(trial)]:
        print(f"    {line}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
