"""Making a scenario that fails shorter: what can be left out without the failure going away says nothing."""

from collections.abc import Callable

from soak.scenario import Scenario


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Return a shorter scenario that still fails: no happening of it can be left out.

    Args:
        scenario: one that fails, as it was drawn.
        fails: runs one, and says whether it does.
    """
    kept = tuple(range(len(scenario.happenings)))
    index = 0
    while index < len(kept):
        candidate = kept[:index] + kept[index + 1 :]
        if fails(scenario.only(candidate)):
            kept, index = candidate, 0
        else:
            index += 1
    return scenario.only(kept)
