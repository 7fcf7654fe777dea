"""The operator's places, as runs claim and free them."""

from testrun_operator.controller.places import Places

LARGE, SMALL = ("uid-large", "1"), ("uid-small", "2")


def test_what_a_large_run_frees_goes_to_a_small_one() -> None:
    """What runs is left alone; the small run is woken as soon as a place is free."""
    woken: list[str] = []
    places = Places(10, woken.append)
    places.count({LARGE: 10})
    places.note(LARGE, 10, 4990)
    assert places.open_to(SMALL, 5) == 0
    places.note(SMALL, 0, 5)
    places.note(LARGE, 8, 4990)
    assert woken == ["uid-small"]
    assert (places.open_to(SMALL, 5), places.open_to(LARGE, 500)) == (2, 5)


def test_a_run_that_is_gone_frees_its_places() -> None:
    """Also when nobody saw its Jobs end."""
    woken: list[str] = []
    places = Places(3, woken.append)
    places.count({LARGE: 3})
    places.note(SMALL, 0, 3)
    places.forget(LARGE[0])
    assert (woken, places.open_to(SMALL, 3)) == (["uid-small"], 3)


def test_without_a_limit_nothing_is_counted() -> None:
    """Each run has its own parallelism alone."""
    places = Places(None, lambda _: None)
    assert places.is_counted
    assert places.open_to(SMALL, 500) is None
