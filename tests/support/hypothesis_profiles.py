"""How thoroughly hypothesis looks, by the environment variable HYPOTHESIS_PROFILE.

``quick`` is the default: what fits into a minute or two for all unit tests together. ``ci`` is the same without chance,
so that a commit that did not touch anything does not turn red. ``thorough`` is for an hour at night.
"""

import os

from hypothesis import HealthCheck, Phase, settings

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def load_profile() -> None:
    """Register the profiles and load the one that the environment names."""
    settings.register_profile(
        "quick", max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=_SLOW
    )
    settings.register_profile("ci", settings.get_profile("quick"), derandomize=True, print_blob=True)
    settings.register_profile(
        "thorough", settings.get_profile("quick"), max_examples=3000, stateful_step_count=80, print_blob=True
    )
    settings.register_profile("hunt", settings.get_profile("quick"), phases=(Phase.generate,), max_examples=400)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
