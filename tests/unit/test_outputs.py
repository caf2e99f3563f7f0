"""Outputs whose rows differ in length, against lists of arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anysize.core.examples import Outputs, Ragged

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=8)


def rows_of(lengths: list[int]) -> list[NDArray[np.float32]]:
    numbers = np.random.default_rng(sum(lengths))
    return [numbers.standard_normal((length, 3), dtype=np.float32) for length in lengths]


@given(LENGTHS)
def test_rows_come_back_as_they_were_given(lengths: list[int]) -> None:
    rows = rows_of(lengths)
    ragged = Ragged.of(rows)
    assert len(ragged) == len(rows)
    for found, row in zip(ragged, rows, strict=True):
        np.testing.assert_array_equal(found, row)


@given(LENGTHS, st.data())
def test_a_row_is_sound_where_all_of_its_numbers_are(
    lengths: list[int], data: st.DataObject
) -> None:
    rows = rows_of(lengths)
    for row in rows:
        if len(row) and data.draw(st.booleans()):
            row[data.draw(st.integers(0, len(row) - 1)), 1] = data.draw(
                st.sampled_from([np.nan, np.inf, -np.inf])
            )
    vectors = np.ones((len(rows), 2), np.float32)
    vectors[0, 0] = np.nan
    expected = [bool(np.isfinite(row).all()) for row in rows]
    assert Ragged.of(rows).finite().tolist() == expected
    both = Outputs({"tokens": Ragged.of(rows), "vectors": vectors})
    assert both.finite().tolist() == [False, *expected[1:]]


@given(LENGTHS, LENGTHS, st.randoms())
def test_joined_outputs_are_taken_in_any_order(
    first: list[int], second: list[int], random: np.random.Generator
) -> None:
    rows = [rows_of(first), rows_of(second)]
    parts = [
        Outputs({"tokens": Ragged.of(each), "sums": np.array([row.sum() for row in each])})
        for each in rows
    ]
    whole = [*rows[0], *rows[1]]
    order = list(range(len(whole)))
    random.shuffle(order)
    found = Outputs.joined(parts, np.array(order))
    for place, index in enumerate(order):
        row = found.row(place)
        np.testing.assert_array_equal(row["tokens"], whole[index])
        assert row["sums"] == whole[index].sum()


def test_padding_is_left_out() -> None:
    padded = np.arange(12).reshape(2, 3, 2)
    ragged = Ragged.unpadded(padded, np.array([1, 3]))
    assert [row.tolist() for row in ragged] == [[[0, 1]], [[6, 7], [8, 9], [10, 11]]]


def test_lengths_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="3 values together, not 4"):
        Ragged(np.zeros(4), np.array([1, 2]))
