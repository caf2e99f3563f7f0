"""Rows of all lengths in one cache: each sees its own keys, however rows and room are grouped."""

from __future__ import annotations

import pytest
import torch

from anysize.runtimes.ragged_cache import RaggedCache, groups_of

HEADS, SHARED, SIZE = 2, 3, 8


@pytest.mark.parametrize("lengths", [[5], [60, 58, 9, 3], [700, 650, 40, 8, 1], [33, 32, 31]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("spare", [0, 100])
def test_each_row_sees_its_own_keys(lengths: list[int], dtype: torch.dtype, spare: int) -> None:
    draw = torch.Generator().manual_seed(0)
    cache = RaggedCache(1, HEADS, SIZE, dtype, None)
    cache.begin(len(lengths))
    cache.reserve(max(lengths) + spare)
    kept = [torch.randn(2, length, HEADS, SIZE, generator=draw).to(dtype) for length in lengths]
    for row, (keys, values) in enumerate(kept):
        cache.write(0, row, 0, keys, values)
        cache.lengths[row] = lengths[row]
    cache.step()
    query = torch.randn(len(lengths), HEADS * SHARED, SIZE, generator=draw).to(dtype)
    new = torch.randn(2, len(lengths), HEADS, SIZE, generator=draw).to(dtype)
    found = cache.attend_each(0, query, new[0], new[1]).view(len(lengths), HEADS, SHARED, SIZE)
    for row, (keys, values) in enumerate(kept):
        seen = torch.cat([keys, new[0, row : row + 1]]).float().transpose(0, 1)
        given = torch.cat([values, new[1, row : row + 1]]).float().transpose(0, 1)
        asked = query[row].float().view(HEADS, SHARED, SIZE)
        chances = torch.softmax(asked @ seen.transpose(1, 2) * SIZE**-0.5, -1)
        tolerance = 1e-5 if dtype is torch.float32 else 0.03
        torch.testing.assert_close(
            found[row].float(), chances @ given, atol=tolerance, rtol=tolerance
        )


def test_all_that_there_is_room_for_is_looked_at_where_a_copy_would_take_longer() -> None:
    long, short = [448, 400, 300], [20, 10]
    found = groups_of([*long, *short], torch.bfloat16, 512)
    assert [(each.rows.start, each.rows.stop, each.longest) for each in found] == [
        (0, 3, 512), (3, 5, 32),
    ]  # fmt: skip
    # torch's own kernel, which float32 takes, needs no copy.
    assert [each.longest for each in groups_of([448, 400], torch.float32, 512)] == [448]
