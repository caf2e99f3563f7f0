"""Non-maximum suppression against the definition, and in crowds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.core.objects import Detections
from anysize.mergers.containment import contained
from anysize.mergers.neighbours import Neighbourhood, Overlaps
from anysize.mergers.nms import suppress
from anysize.mergers.runs import members


def by_definition(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, threshold: float
) -> list[int]:
    """One box after the other against all that are left."""
    alive = np.ones(len(boxes), bool)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept = []
    for best in np.argsort(-scores, kind="stable").tolist():
        if not alive[best]:
            continue
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[:, :2])
        shared = np.maximum(np.minimum(boxes[best, 2:], boxes[:, 2:]) - low, 0).prod(1)
        over = shared > np.float32(threshold) * (areas[best] + areas - shared)
        alive &= ~(over & (classes == classes[best]))
        alive[best] = False
    return kept


def crowd(
    seed: int, objects: int, copies: int, side: float, sizes: tuple[float, float], classes: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes of objects that were found several times each."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0, side, (objects, 2)).repeat(copies, 0)
    half = np.exp(rng.uniform(*np.log(sizes), (objects, 2))).repeat(copies, 0) / 2
    centre += rng.normal(0, 0.05, centre.shape) * half
    half *= np.exp(rng.normal(0, 0.1, half.shape))
    boxes = np.concatenate([centre - half, centre + half], 1).astype(np.float32)
    labels = rng.integers(0, classes, objects).repeat(copies)
    return boxes, rng.random(len(boxes)).astype(np.float32), labels


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    objects=st.integers(1, 120),
    copies=st.sampled_from([1, 2, 9]),
    side=st.sampled_from([1.0, 60.0, 5000.0]),
    largest=st.sampled_from([2.0, 40.0, 900.0]),
    classes=st.sampled_from([1, 3, 500]),
    threshold=st.sampled_from([0.05, 0.3, 0.5, 0.65, 0.95]),
)
def test_equals_the_definition(
    seed: int,
    objects: int,
    copies: int,
    side: float,
    largest: float,
    classes: int,
    threshold: float,
) -> None:
    boxes, scores, labels = crowd(seed, objects, copies, side, (1.5, largest), classes)
    if seed % 3 == 0:
        boxes -= 1000  # left of and above the origin
        scores = np.round(scores, 1)  # with ties
    found = suppress(boxes, scores, labels, threshold=threshold)
    assert found.tolist() == by_definition(boxes, scores, labels, threshold)


def test_more_boxes_than_a_block_holds() -> None:
    boxes, scores, labels = crowd(3, 1500, 8, 900.0, (8.0, 90.0), 2)
    found = suppress(boxes, scores, labels, threshold=0.5)
    assert found.tolist() == by_definition(boxes, scores, labels, 0.5)


@pytest.mark.parametrize(
    ("objects", "copies", "side", "sizes"),
    [
        (5000, 1, 400.0, (4.0, 300.0)),  # everything overlaps, little is alike: all at once
        (60, 80, 400.0, (10.0, 90.0)),  # many alike: block by block
        (2, 2500, 300.0, (30.0, 60.0)),  # blocks that must be made smaller
    ],
)
@pytest.mark.parametrize("threshold", [0.3, 0.6])
def test_crowds_equal_the_definition(
    objects: int, copies: int, side: float, sizes: tuple[float, float], threshold: float
) -> None:
    boxes, scores, labels = crowd(7, objects, copies, side, sizes)
    found = suppress(boxes, scores, labels, threshold=threshold)
    assert found.tolist() == by_definition(boxes, scores, labels, threshold)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    side=st.sampled_from([5.0, 80.0, 3000.0]),
    largest=st.sampled_from([3.0, 50.0, 700.0]),
    threshold=st.sampled_from([0.1, 0.5, 0.8, 1.0]),
)
def test_neighbours_are_all_pairs_that_overlap(
    seed: int, side: float, largest: float, threshold: float
) -> None:
    boxes, _, labels = crowd(seed, 40, 4, side, (1.5, largest), 2)
    first, second = np.triu_indices(len(boxes), 1)
    above = Overlaps(boxes, threshold).above(first, second) & (labels[first] == labels[second])
    expected = set(zip(first[above].tolist(), second[above].tolist(), strict=True))
    near = Neighbourhood(boxes, labels, threshold)
    pairs = near.within(np.arange(len(boxes)), len(boxes))
    assert pairs is not None
    ends = [tuple(sorted(pair)) for pair in zip(*(end.tolist() for end in pairs), strict=True)]
    assert len(ends) == len(set(ends)) and set(ends) == expected
    these, others = np.arange(0, len(boxes), 3), np.arange(1, len(boxes), 3)
    held = set(others.tolist())
    partners = {a: {b for pair in expected if a in pair for b in pair if b != a} for a in these}
    assert near.touched(these, others).tolist() == [bool(partners[a] & held) for a in these]


@settings(max_examples=50, deadline=None)
@given(
    runs=st.lists(st.tuples(st.integers(0, 30), st.integers(-3, 12)), max_size=20),
    most=st.integers(1, 25),
)
def test_members_of_runs(runs: list[tuple[int, int]], most: int) -> None:
    start = np.array([first for first, _ in runs], np.int64)
    stop = start + np.array([length for _, length in runs], np.int64)
    parts = list(members(start, stop, most))
    found = [pair for rows, places in parts for pair in zip(rows, places, strict=True)]
    expected = [
        (row, place)
        for row, (first, length) in enumerate(runs)
        for place in range(first, first + length)
    ]
    assert found == expected
    assert all(len(rows) <= most or len(set(rows.tolist())) == 1 for rows, _ in parts)


def test_one_object_found_very_often_needs_little_memory() -> None:
    boxes, scores, _ = crowd(0, 3, 6000, 500.0, (30.0, 60.0))
    tracemalloc.start()
    found = suppress(boxes, scores, threshold=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) < 100
    # All pairs would be 1.3 GB as float32.
    assert peak < 64 << 20


def test_boxes_without_area_stay_and_remove_nothing() -> None:
    boxes = np.array([[0, 0, 0, 9], [0, 0, 9, 9], [0, 0, 9, 9], [4, 4, 4, 4]], np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    assert suppress(boxes, scores, threshold=0.5).tolist() == [0, 1, 3]


@pytest.mark.parametrize("count", [0, 1])
def test_few(count: int) -> None:
    boxes = np.zeros((count, 4), np.float32)
    assert suppress(boxes, np.ones(count, np.float32), threshold=0.5).tolist() == [0][:count]


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5])
def test_the_threshold_is_checked(threshold: float) -> None:
    with pytest.raises(ConfigurationError, match=f"not {threshold}"):
        suppress(np.zeros((2, 4), np.float32), np.zeros(2, np.float32), threshold=threshold)


@pytest.mark.parametrize("seed", range(8))
def test_containment_equals_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    small = crowd(seed, 300, 1, 400.0, (2.0, 60.0), 2)
    large = crowd(seed + 100, 40 + 60 * (seed % 3), 1, 400.0, (3.0, 500.0), 2)
    these, others = (Detections(boxes, scores, labels) for boxes, scores, labels in (small, large))
    part = float(rng.uniform(0.55, 0.95))
    low = np.maximum(these.boxes[:, None, :2], others.boxes[None, :, :2])
    high = np.minimum(these.boxes[:, None, 2:], others.boxes[None, :, 2:])
    inside = np.maximum(high - low, 0).prod(2)
    inside = inside >= part * (these.boxes[:, 2:] - these.boxes[:, :2]).prod(1)[:, None]
    expected = (inside & (these.classes[:, None] == others.classes[None])).any(1)
    assert 0 < expected.sum() < len(expected)
    assert contained(these, others, part).tolist() == expected.tolist()
    nothing = Detections.none()
    assert not contained(these, nothing, part).any()
    assert len(contained(nothing, others, part)) == 0
