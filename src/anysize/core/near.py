"""Names that are not known, and those that were probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def unknown(name: str, known: Iterable[str], what: str) -> str:
    """A sentence about a name that is not known, with the nearest one, or all of them.

    Args:
        name: as it was given.
        known: those that there are.
        what: what is wrong with it (``is not an option of [text]``).
    """
    import difflib  # needed for mistakes alone

    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"{name!r} {what}; did you mean {near[0]!r}?"
    return f"{name!r} {what}; known: {', '.join(names) or 'none'}"
