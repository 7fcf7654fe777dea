"""Some hundred seeds of the soak (``make soak``), and those that failed once."""

import shutil
from pathlib import Path

import pytest

import testrun_operator
from soak import seeds, simulation
from soak.mutations import MUTATIONS, Mutation, apply
from soak.scenario import draw

_BATCHES = 12
_SEEDS_PER_BATCH = 25


@pytest.mark.parametrize("batch", range(_BATCHES))
def test_every_invariant_holds_whatever_happens(batch: int) -> None:
    """One verdict for each case, and the right one; ``make soak SEED=n`` repeats one that fails, and shows it."""
    for seed in range(batch * _SEEDS_PER_BATCH, (batch + 1) * _SEEDS_PER_BATCH):
        assert () == simulation.run(draw(seed)).problems, f"seed {seed}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_finds_what_it_undoes(mutation: Mutation, tmp_path: Path) -> None:
    """``make soak-mutations`` takes long; that the source has changed under it is noticed at once."""
    for change in mutation.changes:
        copied = tmp_path / change.file
        copied.parent.mkdir(parents=True, exist_ok=True)
        if not copied.exists():
            shutil.copy(Path(testrun_operator.__file__).parent / change.file, copied)
    apply(mutation, tmp_path)


@pytest.mark.parametrize("name", [seeds.render(scenario) for scenario in seeds.read()])
def test_what_failed_once_does_not_again(name: str) -> None:
    """A seed is kept with what is needed of it; see tests/soak/seeds.txt."""
    assert () == simulation.run(seeds.parse(name)).problems
