"""Runs simulations, in as many processes as there are cores."""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable

from soak import seeds, simulation
from soak.scenario import Scenario, What, draw
from soak.shrinking import shrink

_PROGRESS_SECONDS = 10.0


def _fails(scenario: Scenario) -> bool:
    return bool(simulation.run(scenario).problems)


def _try_seed(given: tuple[int, frozenset[What]]) -> tuple[int, tuple[str, ...], float, int]:
    """Run the scenario of a seed.

    Returns:
        The seed, what was wrong, the seconds that were simulated, and the number of attempts.
    """
    seed, among = given
    try:
        result = simulation.run(draw(seed, among))
    except Exception as error:  # noqa: BLE001 - a defect of the simulation is told with its seed, and the others go on
        return seed, (f"the simulation ended with {type(error).__name__}: {error}",), 0.0, 0
    return seed, result.problems, result.seconds, result.attempts


def _tell(scenario: Scenario, say: Callable[[str], object], *, keep: bool) -> None:
    """Make a scenario that fails shorter, print it, and keep it if that is wanted."""
    short = shrink(scenario, _fails)
    problems = simulation.run(short).problems
    say(f"\nseed {seeds.render(short)} fails; what happens (make soak SEED={seeds.render(short)} repeats it):")
    say("  " + short.describe().replace("\n", "\n  "))
    for problem in problems:
        say(f"  WRONG: {problem}")
    if keep:
        seeds.keep(short, problems)


def _run_many(given: argparse.Namespace, among: frozenset[What]) -> int:
    began = time.monotonic()
    failed = done = attempts = 0
    simulated = told_at = 0.0
    for kept in seeds.read():
        if failed < given.failures and (problems := simulation.run(kept).problems):
            failed += 1
            print(f"\nseed {seeds.render(kept)}, which was kept, fails:")
            print("\n".join(f"  WRONG: {problem}" for problem in problems))
    count = given.seeds if failed < given.failures else 0
    drawn: Iterable[tuple[int, frozenset[What]]] = ((seed, among) for seed in range(given.first, given.first + count))
    context = multiprocessing.get_context("spawn")
    with context.Pool(given.processes) as pool:
        for seed, problems, seconds, number in pool.imap_unordered(_try_seed, drawn, chunksize=4):
            done, simulated, attempts = done + 1, simulated + seconds, attempts + number
            if problems:
                failed += 1
                _tell(draw(seed, among), print, keep=not given.forget)
                if failed >= given.failures:
                    print(f"\nenough: {failed} seeds failed")
                    break
            elapsed = time.monotonic() - began
            if elapsed - told_at >= _PROGRESS_SECONDS or done == count:
                told_at = elapsed
                print(
                    f"{done} of {count} seeds, {done / elapsed:.1f} a second; {attempts} attempts in "
                    f"{simulated / 3600:.0f} simulated hours; {failed} failed",
                    flush=True,
                )
    print(f"{'FAILED' if failed else 'passed'}: {done} seeds in {time.monotonic() - began:.0f} s, {failed} failed")
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Run simulations.

    Returns:
        The exit code: 1 if one failed.
    """
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", help="this one alone, as it was printed; says what happens in it")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once (default: cores)")
    parser.add_argument("--failures", type=int, default=5, help="after how many that fail to stop (default 5)")
    parser.add_argument("--forget", action="store_true", help="do not keep seeds that fail in tests/soak/seeds.txt")
    parser.add_argument("--only", default="", help=f"what may happen, of {', '.join(what.name for what in What)}")
    given = parser.parse_args(arguments)
    among = frozenset(What[name] for name in given.only.split(",") if name) or frozenset(What)
    if given.seed is None:
        return _run_many(given, among)
    scenario = seeds.parse(given.seed)
    print(scenario.describe())
    problems = simulation.run(scenario).problems
    print("\n".join(f"WRONG: {problem}" for problem in problems) or "nothing is wrong")
    return 1 if problems else 0
