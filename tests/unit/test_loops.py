"""Sequences that repeat themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core.loops import first_loop, loop_start


@pytest.mark.parametrize("period", [1, 2, 5, 30])
def test_what_comes_again_and_again_is_kept_once(period: int) -> None:
    before, loop = list(range(100, 110)), list(range(period))
    times = max(4, -(-24 // period))
    assert loop_start([*before, *loop * (times - 1)]) is None
    assert loop_start([*before, *loop * times]) == len(before) + period
    assert loop_start([*before, *loop * times, 999]) is None


def test_a_finished_sequence_is_cut_where_a_growing_one_would_be() -> None:
    tokens = [5, 6, 7, *[1, 2, 3] * 20, 9]
    seen = next(count for count in range(len(tokens)) if loop_start(tokens[:count]) is not None)
    assert first_loop(tokens) == loop_start(tokens[:seen]) == 6
    assert first_loop(tokens, least=40) == 40
    assert first_loop(list(range(80))) is None


@given(st.lists(st.integers(0, 2), max_size=60))
def test_a_loop_is_one_by_its_definition(tokens: list[int]) -> None:
    found = [
        period
        for period in range(1, len(tokens) // 4 + 1)
        if (size := max(4 * period, 24)) <= len(tokens)
        and all(tokens[-at] == tokens[-at - period] for at in range(1, size - period + 1))
    ]
    kept = loop_start(tokens)
    assert (kept is not None) == bool(found)
    if kept is not None:
        period = found[0]
        assert tokens[kept:] == [tokens[kept - period + at % period]
                                 for at in range(len(tokens) - kept)]  # fmt: skip
