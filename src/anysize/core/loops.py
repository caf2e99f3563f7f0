"""Sequences that say the same over and over: where a loop begins."""

from __future__ import annotations

from collections.abc import Sequence

# Tokens that come again and again are a loop after so many times, and so many tokens together.
_TIMES, _TOKENS, _LONGEST = 4, 24, 64


def first_loop(tokens: Sequence[int], least: int = 0) -> int | None:
    """How many tokens of a finished sequence come before its first loop goes round again.

    Args:
        tokens: all of them.
        least: tokens that stay whatever they are.

    Returns:
        As `loop_start`, of the sequence as it was when the loop could be seen first; None where
        there is none.
    """
    for count in range(max(_TOKENS, least + 1), len(tokens) + 1):
        found = loop_start(tokens[:count])
        if found is not None:
            return max(found, least)
    return None


def loop_start(tokens: Sequence[int]) -> int | None:
    """Where the first time of what the last tokens repeat ends; None where they repeat nothing.

    What comes at least four times in a row, and has 24 tokens or more with all of its repetitions,
    is a loop: a row of dashes or a short list of equal words is none.

    Args:
        tokens: as generated so far.

    Returns:
        How many tokens are kept when the repetitions are cut off.
    """
    count = len(tokens)
    for period in range(1, min(_LONGEST, count // _TIMES) + 1):
        if tokens[-1] != tokens[-1 - period]:
            continue
        wanted = max(_TIMES * period, _TOKENS)
        if count < wanted:
            continue
        # Of a period of n tokens each is the one n places before it.
        if all(tokens[-at] == tokens[-at - period] for at in range(1, wanted - period + 1)):
            first = count - wanted
            while first > 0 and tokens[first - 1] == tokens[first - 1 + period]:
                first -= 1
            return first + period
    return None
