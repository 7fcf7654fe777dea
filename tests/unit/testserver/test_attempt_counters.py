"""Attempts are counted for each client and page, in bounded memory."""

from testrun_operator.testserver.counters import AttemptCounters


def test_attempts_are_counted_for_each_client_and_page() -> None:
    """Neither another client nor another page adds to a count."""
    counters = AttemptCounters()
    assert [counters.count(*pair) for pair in (("a", 1), ("a", 1), ("a", 2), ("b", 1))] == [1, 2, 1, 1]


def test_a_reset_forgets_one_client_and_says_how_many_pages_it_had() -> None:
    """A reset does not disturb other clients."""
    counters = AttemptCounters()
    for client, page in (("a", 1), ("a", 2), ("b", 1)):
        counters.count(client, page)
    assert counters.reset("a") == 2
    assert counters.reset("a") == 0
    assert counters.count("a", 1) == 1
    assert counters.count("b", 1) == 2


def test_the_client_that_was_silent_for_longest_is_dropped_when_there_are_too_many() -> None:
    """Memory is bounded, and who is active is not forgotten."""
    counters = AttemptCounters(max_clients=2)
    for client in ("a", "b", "a", "c"):
        counters.count(client, 1)
    assert len(counters) == 2
    assert counters.count("a", 1) == 3
    assert counters.count("b", 1) == 1


def test_pages_of_one_client_are_bounded_too() -> None:
    """A client that asks for ever more pages does not fill the memory."""
    counters = AttemptCounters(max_pages=3)
    for page in range(10):
        counters.count("a", page)
    assert counters.reset("a") == 3
