"""Fingerprints notice content that changes under the same names, sizes and times."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from anysize.core.errors import DataError
from anysize.readers.features import Features
from anysize.sources import open_source
from anysize.sources.digests import evenly
from anysize.tasks.image_classification import IMAGE, LABEL


def data(folder: Path, table: bool) -> Path:
    """Pictures by class, or named by a table."""
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(3):
            Pillow.new("RGB", (8, 8), (number, 0, 0)).save(folder / label / f"{number}.bmp")
    if not table:
        return folder
    rows = [f"{label}/{number}.bmp,{label}" for label in ("a", "b") for number in range(3)]
    path = folder / "metadata.csv"
    path.write_text("\n".join(["file_name,label", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("table", [False, True])
def test_a_changed_picture_changes_the_fingerprint(tmp_path: Path, table: bool) -> None:
    path = data(tmp_path / "data", table)

    def fingerprint() -> str:
        return open_source(path, roles=(IMAGE, LABEL)).fingerprint()

    before = fingerprint()
    assert fingerprint() == before
    picture = tmp_path / "data" / "b" / "1.bmp"
    status = picture.stat()
    content = bytearray(picture.read_bytes())
    content[-1] ^= 1
    picture.write_bytes(content)
    os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = fingerprint()
    assert changed != before
    picture.unlink()
    assert fingerprint() not in (before, changed)


def test_samples_are_evenly_spread() -> None:
    assert list(evenly(3)) == [0, 1, 2]
    for count in (64, 65, 1000, 10**9):
        chosen = np.array(evenly(count))
        assert (chosen[0], chosen[-1], len(chosen)) == (0, count - 1, 64)
        steps = np.diff(chosen)
        assert steps.max() - steps.min() <= 1


def test_a_damaged_file_of_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(5, np.float32))
    whole = path.read_bytes()
    header = whole.index(b"{")
    refused, shapes = 0, set()
    for place in range(header, header + 40):
        for byte in b"\0('\\\n9":
            path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            try:
                shapes.add(Features(path).shape)
            except DataError:
                refused += 1
    # The first bytes name the type of the numbers and their order: nearly any change is refused,
    # and of what is read as something else the file must be long enough.
    assert refused > 100
    assert all(4 * math.prod(shape) <= len(whole) for shape in shapes)
