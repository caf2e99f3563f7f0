"""Rows of all lengths in one cache: each sees its own keys, however rows and rooms are grouped."""

from __future__ import annotations

import pytest
import torch

from anysize.runtimes import ragged_attention, ragged_room
from anysize.runtimes.ragged_cache import RaggedCache
from anysize.runtimes.ragged_room import Heads, parted, rooms_for

HEADS, SHARED, SIZE = 2, 3, 8
Kept = list[torch.Tensor]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several rooms for short rows, too."""
    monkeypatch.setattr(ragged_room, "CALL", 100 * HEADS * SIZE)


def filled(lengths: list[int], dtype: torch.dtype) -> tuple[RaggedCache, Kept]:
    """A cache, and what it holds of each row: ``[2, tokens, heads, size]``."""
    draw = torch.Generator().manual_seed(0)
    cache = RaggedCache(1, HEADS, SIZE, dtype, None)
    cache.begin(lengths)
    kept = [torch.randn(2, length, HEADS, SIZE, generator=draw).to(dtype) for length in lengths]
    for row, (keys, values) in enumerate(kept):
        cache.write(0, row, 0, keys, values)
        cache.lengths[row] = lengths[row]
    return cache, kept


def check_step(cache: RaggedCache, kept: Kept, seed: int = 1) -> Kept:
    """One more token of each row, which sees its row and nothing else; gives what is kept then."""
    draw = torch.Generator().manual_seed(seed)
    count, dtype = len(kept), kept[0].dtype
    cache.step()
    query = torch.randn(count, HEADS * SHARED, SIZE, generator=draw).to(dtype)
    new = torch.randn(2, count, HEADS, SIZE, generator=draw).to(dtype)
    found = cache.attend_each(0, query, new[0], new[1]).view(count, HEADS, SHARED, SIZE)
    grown = [torch.cat([old, new[:, row, None]], 1) for row, old in enumerate(kept)]
    for row, both in enumerate(grown):
        keys, values = both.float().transpose(1, 2)
        asked = query[row].float().view(HEADS, SHARED, SIZE)
        chances = torch.softmax(asked @ keys.transpose(1, 2) * SIZE**-0.5, -1)
        tolerance = 1e-5 if dtype is torch.float32 else 0.03
        torch.testing.assert_close(
            found[row].float(), chances @ values, atol=tolerance, rtol=tolerance
        )
    return grown


@pytest.mark.parametrize("lengths", [[5], [60, 58, 9, 3], [700, 650, 40, 8, 1], [33, 32, 31]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tiles", [False, True])
def test_each_row_sees_its_own_keys(
    lengths: list[int], dtype: torch.dtype, tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ragged_attention, "has_tiles", lambda: tiles)
    cache, kept = filled(lengths, dtype)
    check_step(cache, check_step(cache, kept), seed=2)
    assert cache.lengths == [length + 2 for length in lengths]


def test_full_rooms_are_built_anew_for_the_rows_that_are_left() -> None:
    lengths = [300, 300, 150, 40, 8]
    cache, kept = filled(lengths, torch.float32)
    assert [room.rows for room in cache._rooms] == [2, 1, 2]
    before = cache.size()
    places = cache.keep([4, 1, 2])
    cache.lengths[places[2]] = 140  # shorter than the room was built for
    kept = [kept[4], kept[1], kept[2][:, :140]]
    order = sorted(range(3), key=places.__getitem__)
    kept = [kept[each] for each in order]
    for step in range(60):
        kept = check_step(cache, kept, seed=step) if step % 20 == 0 else grow(cache, kept)
    check_step(cache, kept, seed=99)
    assert cache.size() < before, "room of rows that have left is still there"


def grow(cache: RaggedCache, kept: Kept) -> Kept:
    """A token of each row without a look at what it sees."""
    cache.step()
    new = torch.ones(2, len(kept), HEADS, SIZE, dtype=kept[0].dtype)
    cache.attend_each(0, new[0].repeat(1, SHARED, 1), new[0], new[1])
    return [torch.cat([old, new[:, row, None]], 1) for row, old in enumerate(kept)]


@pytest.mark.parametrize("chosen", [[2, 0, 2, 1, 0], [1, 1], [0, 1, 2]])
def test_rows_may_be_kept_several_times_and_become_each_other(chosen: list[int]) -> None:
    cache, kept = filled([300, 12, 12], torch.float32)
    places = cache.keep(chosen)
    assert sorted(places) == list(range(len(chosen)))
    lies = dict(zip(places, chosen, strict=True))
    kept = check_step(cache, [kept[lies[place]] for place in range(len(chosen))])
    # Of each row another one of the same length, as beams of a prompt are.
    twin = [max(at for at, one in enumerate(kept) if one.shape == each.shape) for each in kept]
    cache.select(torch.tensor(twin))
    check_step(cache, [kept[row] for row in twin], seed=2)


def test_rooms_hold_little_that_is_looked_at_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    lengths = [round(768 * 0.885**place) for place in range(32)]
    rooms = rooms_for(lengths, Heads(3, 64), ahead=48, most=None)
    assert [room.first for room in rooms] == [0, *_ends(rooms)[:-1]] and _ends(rooms)[-1] == 32
    looked_at = sum(room.rows * room.tokens for room in rooms)
    assert looked_at < 0.5 * 32 * max(lengths) and len(rooms) < 8
    assert all(room.tokens <= 700 for room in rooms_for([690, 5], Heads(3, 64), ahead=48, most=700))
    assert [room.tokens for room in rooms_for([1], Heads(3, 64), ahead=0, most=None)] == [1]


def _ends(rooms: list[ragged_room.Room]) -> list[int]:
    return [room.first + room.rows for room in rooms]


def test_rows_of_one_length_stay_together() -> None:
    parts = parted([700, 600, 600, 600, 600, 600, 20], 400)
    assert [(each.start, each.stop) for each in parts] == [(0, 6), (6, 7)]
