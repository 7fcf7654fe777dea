"""Does the same with several things at once, in threads."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def do_all(items: Iterable[_T], work: Callable[[Iterable[_T]], None], threads: int) -> None:
    """Have all items worked on.

    Args:
        items: the items, in the order in which they are begun.
        work: takes items, one after the other, as long as there are any; is called once in each thread.
        threads: how many at most.

    Raises:
        BaseException: what ``work`` raised. No further item is begun then.
    """
    waiting = deque(items)
    threads = min(threads, len(waiting))
    if threads <= 1:
        work(_take(waiting))
        return

    def run() -> None:
        try:
            work(_take(waiting))
        except BaseException:
            waiting.clear()
            raise

    with ThreadPoolExecutor(threads, thread_name_prefix="sql-tests") as pool:
        futures = [pool.submit(run) for _ in range(threads)]
        try:
            for future in futures:
                future.result()
        except BaseException:
            waiting.clear()
            raise


def _take(waiting: deque[_T]) -> Iterable[_T]:
    while True:
        try:
            yield waiting.popleft()
        except IndexError:
            return
