"""Seeds that failed once, with what is needed of them: they are run always, before any other."""

from collections.abc import Iterable
from pathlib import Path

from soak.scenario import Scenario, draw

FILE = Path(__file__).with_name("seeds.txt")


def render(scenario: Scenario) -> str:
    """Return what names a scenario: its seed, and which of its happenings were kept, if some were left out."""
    if scenario.kept is None:
        return str(scenario.seed)
    return f"{scenario.seed}:{','.join(map(str, scenario.kept))}"


def parse(text: str) -> Scenario:
    """Return the scenario that a name is of.

    Raises:
        ValueError: it is none.
    """
    seed, shortened, kept = text.partition(":")
    scenario = draw(int(seed))
    return scenario.only(tuple(int(index) for index in kept.split(",") if index)) if shortened else scenario


def read(path: Path = FILE) -> tuple[Scenario, ...]:
    """Return the scenarios that are kept in a file; what follows a ``#`` is for people."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return tuple(parse(line) for line in lines if line)


def keep(scenario: Scenario, problems: Iterable[str], path: Path = FILE) -> None:
    """Add a scenario to a file, unless it is there."""
    name = render(scenario)
    known = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    if name not in known:
        why = " ".join(next(iter(problems), "").split())[:160]
        with path.open("a") as file:
            file.write(f"{name}  # {why}\n")
