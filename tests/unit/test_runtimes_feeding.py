"""What compiled forms are fed with: rows of tokens filled up, and not by much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.core.examples import Example
from anysize.core.windows import Span, Window
from anysize.modalities.parts import Feeding, padded_length
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import spec
from anysize.models.network import BuildRequest
from anysize.runtimes import feeding as graphs


@given(st.integers(1, 4096))
def test_lengths_grow_by_a_sixteenth_at_most(length: int) -> None:
    padded = padded_length(length)
    assert length <= padded <= length * 17 / 16
    assert padded_length(padded) == padded


def test_few_lengths_stand_for_all() -> None:
    assert len({padded_length(length) for length in range(1, 513)}) <= 96


@pytest.fixture(scope="module")
def feeding() -> Feeding:
    request = BuildRequest(
        task="text-classification",
        labels=("a", "b"),
        facts=TextFacts(texts=lambda: ["a b c"]),
        wishes=TextOptions(window=40),
    )
    return graphs.feeding(spec.build("attention", request))


@pytest.mark.parametrize("lengths", [[1], [3, 7, 5], [40, 2], [39, 33]])
def test_rows_hold_their_tokens_and_the_mask_says_where(
    feeding: Feeding, lengths: list[int]
) -> None:
    rows = [np.arange(1, length + 1, dtype=np.int32) for length in lengths]
    examples = [
        Example(
            ordinal=place,
            window=Window(
                record="x", index=0, region=Span(0, len(row)), core=Span(0, len(row)), last=True
            ),
            arrays={"input_ids": row},
            cost=len(row),
        )
        for place, row in enumerate(rows)
    ]
    ids, mask = feeding(examples)
    assert ids.dtype == mask.dtype == np.int64
    assert ids.shape == mask.shape == (len(rows), min(padded_length(max(lengths)), 40))
    for place, row in enumerate(rows):
        assert ids[place, : len(row)].tolist() == row.tolist()
        assert not ids[place, len(row) :].any()
        assert mask[place].tolist() == [1] * len(row) + [0] * (ids.shape[1] - len(row))
