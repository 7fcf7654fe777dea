"""One limit for many runs: who may have how many of the operator's places."""

from collections.abc import Mapping
from typing import TypeVar

_K = TypeVar("_K")


def share_places(limit: int, wanted: Mapping[_K, int]) -> dict[_K, int]:
    """Hand places out in rounds: in each, everybody who still wants one gets one, in the order given.

    So a run of five cases gets its five places beside one of 5,000, which gets what is left.

    Args:
        limit: how many places there are.
        wanted: how many each wants.

    Returns:
        How many each gets: never more than it wants, all together never more than there are.
    """
    shares = dict.fromkeys(wanted, 0)
    left = limit
    # Whoever wants least is through first; what the rounds come to needs no loop over them.
    hungry = sorted(wanted, key=lambda key: wanted[key])
    while hungry and wanted[hungry[0]] <= left // len(hungry):
        key = hungry.pop(0)
        shares[key] = wanted[key]
        left -= wanted[key]
    if hungry:
        each, more = divmod(left, len(hungry))
        still = set(hungry)
        for position, key in enumerate(key for key in wanted if key in still):
            shares[key] = each + (position < more)
    return shares
