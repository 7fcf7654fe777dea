"""What the test server serves: 35 items, always the same ones."""

from typing import TypedDict

ITEM_COUNT = 35
DEFAULT_PAGE_SIZE = 10
MAX_PAGE_SIZE = 100


class Item(TypedDict):
    """One item; every endpoint serves the same ones."""

    id: int
    name: str
    email: str
    score: int
    active: bool


def _item(number: int) -> Item:
    return {
        "id": number,
        "name": f"Item {number:02}",
        "email": f"item{number:02}@example.com",
        "score": number * 7 % 100,
        "active": number % 5 != 0,
    }


ITEMS: tuple[Item, ...] = tuple(_item(number) for number in range(1, ITEM_COUNT + 1))
"""All items, with the ids 1 to 35 in this order."""


def items_from(offset: int, limit: int) -> list[Item]:
    """Return up to ``limit`` items after the first ``offset`` ones; none beyond the end."""
    return list(ITEMS[offset : offset + limit])
