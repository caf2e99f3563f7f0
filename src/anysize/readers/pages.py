"""Which pages or frames of a picture are read."""

from __future__ import annotations


def pages_problems(wish: str) -> list[str]:
    """What is wrong with a wish for pages: a sentence, or nothing."""
    number = wish.isascii() and wish.isdecimal() and int(wish) >= 1
    if wish in ("all", "first") or number:
        return []
    return [f"pages must be all, first or a number of at least 1, not {wish!r}"]


def chosen_pages(count: int, wish: str) -> list[int]:
    """Which of so many pages are read, from 0.

    Args:
        count: how many there are.
        wish: ``all``, ``first``, or a number: so many, evenly spread from the first to the last.
    """
    if wish == "all":
        return list(range(count))
    most = 1 if wish == "first" else min(int(wish), count)
    if most == 1:
        return [0]
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})
