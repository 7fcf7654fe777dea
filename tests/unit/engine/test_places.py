"""How the operator's places are shared out among runs."""

from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.engine.places import share_places

WANTED = st.dictionaries(st.text("abc", max_size=3), st.integers(0, 6000), max_size=12)


def test_a_large_run_does_not_starve_a_small_one() -> None:
    """The small one gets all that it wants, the large one what is left."""
    assert share_places(50, {"large": 5000, "small": 5}) == {"large": 45, "small": 5}


@given(st.integers(0, 500), WANTED)
def test_places_are_handed_out_in_rounds(limit: int, wanted: dict[str, int]) -> None:
    """The same as one place for each in turn, until none is left or nobody wants one."""
    expected = dict.fromkeys(wanted, 0)
    left = limit
    while left and any(expected[key] < wanted[key] for key in wanted):
        for key, most in wanted.items():
            if left and expected[key] < most:
                expected[key] += 1
                left -= 1
    assert share_places(limit, wanted) == expected
