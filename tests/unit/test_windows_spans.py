"""Properties of the splitting arithmetic in one and two dimensions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.core.windows import Box, Span
from anysize.windows.boxes import tiles
from anysize.windows.spans import SpanCutter, spans


@st.composite
def size_and_overlap(draw: st.DrawFn, most: int = 40) -> tuple[int, int]:
    size = draw(st.integers(1, most))
    return size, draw(st.integers(0, size - 1))


@settings(deadline=None)
@given(st.integers(0, 400), size_and_overlap())
def test_spans_partition(extent: int, cut: tuple[int, int]) -> None:
    size, overlap = cut
    windows = list(spans(extent, size, overlap))
    assert windows[0][1].start == 0
    assert windows[-1][1].stop == extent
    for region, core in windows:
        assert region.size == min(size, extent)
        assert 0 <= region.start <= core.start <= core.stop <= region.stop <= extent
        assert core.size > 0 or extent == 0
    for (left, left_core), (right, right_core) in pairwise(windows):
        assert left_core.stop == right_core.start
        shared = left.stop - right.start
        assert shared >= overlap
        assert left_core.stop == right.start + shared // 2
    for (left, _), (right, _) in pairwise(windows[:-1]):
        assert left.stop - right.start == overlap


@settings(deadline=None)
@given(st.integers(1, 400), size_and_overlap())
def test_spans_are_as_few_as_can_be(extent: int, cut: tuple[int, int]) -> None:
    size, overlap = cut
    needed = 1 + max(0, -(-(extent - size) // (size - overlap)))
    assert len(list(spans(extent, size, overlap))) == needed


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12), size_and_overlap())
def test_growing_extent_gives_the_same_windows(steps: list[int], cut: tuple[int, int]) -> None:
    size, overlap = cut
    cutter = SpanCutter(size, overlap)
    got, extent = [], 0
    for step in steps:
        extent += step
        got += list(cutter.grow(extent))
        # What has been held back is less than two windows.
        assert extent - (got[-1][0].stop if got else 0) < 2 * size
    got += list(cutter.finish())
    assert got == list(spans(extent, size, overlap))


def test_last_window_is_shifted_back() -> None:
    assert list(spans(11, 5, 1)) == [
        (Span(0, 5), Span(0, 4)),
        (Span(4, 9), Span(4, 7)),
        (Span(6, 11), Span(7, 11)),
    ]
    assert list(spans(0, 5, 1)) == [(Span(0, 0), Span(0, 0))]
    assert list(spans(3, 5, 1)) == [(Span(0, 3), Span(0, 3))]


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (-1, 0), (5, 5), (5, -1), (5, 9)])
def test_spans_reject(size: int, overlap: int) -> None:
    with pytest.raises(ConfigurationError, match=str(overlap if size > 0 else size)):
        spans(10, size, overlap)


def test_spans_report_all_faults_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        spans(10, 0, -3)
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigurationError, match="extent"):
        spans(-1, 5, 0)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.integers(1, 20), st.data())
def test_tiles_partition(
    width: int, height: int, tile_width: int, tile_height: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, min(tile_width, tile_height) - 1))
    found = list(tiles(width, height, tile_width, tile_height, overlap))
    owners = [[0] * width for _ in range(height)]
    for region, core in found:
        assert (region.width, region.height) == (min(tile_width, width), min(tile_height, height))
        assert 0 <= region.left <= core.left < core.right <= region.right <= width
        assert 0 <= region.top <= core.top < core.bottom <= region.bottom <= height
        for row in range(core.top, core.bottom):
            for column in range(core.left, core.right):
                owners[row][column] += 1
    assert all(count == 1 for row in owners for count in row)
    corners = [(region.top, region.left) for region, _ in found]
    assert corners == sorted(corners)
    assert len(set(corners)) == len(corners)


def test_tiles_example() -> None:
    assert list(tiles(5, 2, 3, 3, 1)) == [
        (Box(0, 0, 3, 2), Box(0, 0, 2, 2)),
        (Box(2, 0, 5, 2), Box(2, 0, 5, 2)),
    ]


def test_tiles_report_all_faults_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        tiles(0, 0, 0, 4, 7)
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigurationError, match="shorter side 3"):
        tiles(10, 10, 3, 5, 3)
