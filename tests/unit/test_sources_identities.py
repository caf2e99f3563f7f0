"""Division by target: no identity in two parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.sources.identities import parts_of
from anysize.sources.splits import open_splits
from anysize.tasks.face_recognition import FaceRecognition


@pytest.fixture
def people(tmp_path: Path) -> Path:
    from PIL import Image

    for person in range(12):
        folder = tmp_path / f"p{person:02d}"
        folder.mkdir()
        for number in range(3):
            pixels = np.full((8, 8, 3), 20 * person + number, np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path


def names(source) -> set[str]:  # type: ignore[no-untyped-def]
    return {source[index].target for index in range(len(source))}


def test_no_identity_is_in_two_parts(people: Path) -> None:
    splits = open_splits(
        people, roles=FaceRecognition.columns, validation=0.25, test=0.25, by_target=True
    )
    assert splits.train is not None and splits.validation is not None and splits.test is not None
    parts = [names(part) for part in (splits.train, splits.validation, splits.test)]
    assert [len(part) for part in parts] == [6, 3, 3]
    assert len(set.union(*parts)) == 12
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [18, 9, 9]
    again = open_splits(
        people, roles=FaceRecognition.columns, validation=0.25, test=0.25, by_target=True
    )
    assert again.test is not None and names(again.test) == parts[2]


def test_small_shares_still_get_two_identities(people: Path) -> None:
    splits = open_splits(
        people, roles=FaceRecognition.columns, validation=0.01, test=0.0, by_target=True
    )
    assert splits.validation is not None and len(names(splits.validation)) == 2
    assert splits.test is None


@given(st.integers(0, 40), st.floats(0, 0.5), st.floats(0, 0.49), st.integers(0, 5))
def test_the_remainder_keeps_two_identities(
    count: int, validation: float, test: float, seed: int
) -> None:
    counts = {f"p{number}": 1 for number in range(count)}
    parts = parts_of(counts, [validation, test], seed)
    sizes = [sum(part == number for part in parts.values()) for number in range(3)]
    assert sum(sizes) == count
    assert sizes[0] >= min(count, 2)
    assert all(size == 0 or size >= 2 for size in sizes[1:])
