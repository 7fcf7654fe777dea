"""How often each client has asked for each page of the flaky endpoint."""

from collections import OrderedDict

MAX_CLIENTS = 5000
MAX_PAGES_PER_CLIENT = 100


class AttemptCounters:
    """Counts attempts by client and page, in bounded memory.

    A client that was not heard of for the longest time is dropped where there are too many, and so is a client's
    oldest page: what is forgotten fails once more, which a test with retries survives.

    Args:
        max_clients: how many clients are remembered.
        max_pages: how many pages are remembered of each client.
    """

    def __init__(self, max_clients: int = MAX_CLIENTS, max_pages: int = MAX_PAGES_PER_CLIENT) -> None:
        self._attempts: OrderedDict[str, OrderedDict[int, int]] = OrderedDict()
        self._max_clients = max_clients
        self._max_pages = max_pages

    def count(self, client: str, page: int) -> int:
        """Count one attempt and return its number, from 1."""
        pages = self._attempts.setdefault(client, OrderedDict())
        self._attempts.move_to_end(client)
        if len(self._attempts) > self._max_clients:
            self._attempts.popitem(last=False)
        pages[page] = attempt = pages.get(page, 0) + 1
        if len(pages) > self._max_pages:
            pages.popitem(last=False)
        return attempt

    def reset(self, client: str) -> int:
        """Forget a client; return how many of its pages had been counted."""
        return len(self._attempts.pop(client, ()))

    def __len__(self) -> int:
        return len(self._attempts)
