"""Some hundred seeds of the soak (``make soak``), and those that failed once."""

import pytest

from soak import seeds, simulation
from soak.scenario import draw

_BATCHES = 12
_SEEDS_PER_BATCH = 25


@pytest.mark.parametrize("batch", range(_BATCHES))
def test_every_invariant_holds_whatever_happens(batch: int) -> None:
    """One verdict for each case, and the right one; ``make soak SEED=n`` repeats one that fails, and shows it."""
    for seed in range(batch * _SEEDS_PER_BATCH, (batch + 1) * _SEEDS_PER_BATCH):
        assert () == simulation.run(draw(seed)).problems, f"seed {seed}"


@pytest.mark.parametrize("name", [seeds.render(scenario) for scenario in seeds.read()])
def test_what_failed_once_does_not_again(name: str) -> None:
    """A seed is kept with what is needed of it; see tests/soak/seeds.txt."""
    assert () == simulation.run(seeds.parse(name)).problems
