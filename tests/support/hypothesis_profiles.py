"""How hypothesis looks for examples, by the environment variable HYPOTHESIS_PROFILE.

``fixed`` is the default: the same examples each time, so that nothing turns red that nobody has touched, and few enough
for all unit tests together to take a minute or two. ``search`` is for an hour or more: other examples each time, many
of them, and long ones (``make search``).
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "fixed")

WHAT_TO_DO_WITH_A_FIND = """\
What was found becomes a fixed example, which everybody runs from then on:
- of a test with @given: an @example(...) above it, with the arguments that are printed after "Failing test case";
- of a state machine: a test of its own with the steps that are printed there, named after the rule that was broken, as
  at the end of tests/unit/controller/test_there_and_back.py.
It has to fail before the fault is mended. Until then `make search` tries the find first (it is in .hypothesis), and
--hypothesis-seed=N, with the number that is printed at the top of a failure, has the same run again."""


def load_profile() -> None:
    """Register the profiles and load the one that the environment names."""
    settings.register_profile(
        "fixed",
        max_examples=60,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=_SLOW,
        derandomize=True,
    )
    settings.register_profile(
        "search",
        settings.get_profile("fixed"),
        derandomize=False,
        database=DirectoryBasedExampleDatabase(".hypothesis/examples"),
        print_blob=True,
        max_examples=3000,
        stateful_step_count=80,
    )
    settings.load_profile(_PROFILE)


def is_searching() -> bool:
    """Whether there is time for more than the fixed examples."""
    return _PROFILE != "fixed"
