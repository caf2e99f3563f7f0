"""What every splitter of the room must do: regions inside the extent, cores that partition it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from anysize.core.records import TextField
from anysize.core.windows import Box, Span
from anysize.windows.boxes import tiles
from anysize.windows.spans import spans
from anysize.windows.tokens import TokenWindows

Windows = list[tuple[Span | Box, Span | Box]]


@dataclass(frozen=True)
class Words:
    """A text of so many one-letter words."""

    count: int
    origin: str = "memory"

    @property
    def size_hint(self) -> int:
        return 2 * self.count

    def chunks(self) -> Iterator[str]:
        for _ in range(self.count):
            yield "a "

    def read(self, start: int, stop: int) -> str:
        return ("a " * self.count)[start:stop]


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[CLS]": 1, "[SEP]": 2, "?": 3}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return tokenizer


def _spans(extent: tuple[int, int], size: int, overlap: int) -> Windows:
    return list(spans(extent[0], size, overlap))


def _tiles(extent: tuple[int, int], size: int, overlap: int) -> Windows:
    return list(tiles(*extent, size, size, overlap))


def _tokens(extent: tuple[int, int], size: int, overlap: int) -> Windows:
    text = Words(extent[0])
    assert isinstance(text, TextField)
    windows = list(TokenWindows(_tokenizer(), size + 2, overlap, chunk=64).stream(text))
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]
    assert all(len(window.ids) == window.region.size + 2 for window in windows)
    return [(window.region, window.core) for window in windows]


SPLITTERS: dict[str, Callable[[tuple[int, int], int, int], Windows]] = {
    "spans": _spans,
    "tiles": _tiles,
    "tokens": _tokens,
}


def _sides(region: Span | Box) -> tuple[slice, slice]:
    if isinstance(region, Span):
        return slice(0, 1), slice(region.start, region.stop)
    return slice(region.top, region.bottom), slice(region.left, region.right)


@pytest.mark.parametrize("name", list(SPLITTERS))
@pytest.mark.parametrize("extent", [(1, 1), (7, 5), (23, 17), (24, 24), (60, 9), (61, 40)])
@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (5, 0), (8, 3), (8, 7), (100, 4)])
def test_cores_partition_the_extent(
    name: str, extent: tuple[int, int], size: int, overlap: int
) -> None:
    windows = SPLITTERS[name](extent, size, overlap)
    width, height = extent if name == "tiles" else (extent[0], 1)
    owners = np.zeros((height, width), int)
    reads = np.zeros((height, width), int)
    for region, core in windows:
        rows, columns = _sides(region)
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width
        assert columns.stop - columns.start == min(size, width)
        own_rows, own_columns = _sides(core)
        assert rows.start <= own_rows.start < own_rows.stop <= rows.stop
        assert columns.start <= own_columns.start < own_columns.stop <= columns.stop
        owners[own_rows, own_columns] += 1
        reads[rows, columns] += 1
    assert (owners == 1).all()
    assert (reads >= 1).all()
    assert SPLITTERS[name](extent, size, overlap) == windows
