"""Results drawn on pictures: what is on the first page, and a word on the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.readers.image import Image
from anysize.results.drawing import Drawing

pillow = pytest.importorskip("PIL.Image")


def scan(path: Path) -> Record:
    """Two white pages."""
    pages = [pillow.new("RGB", (200, 100), "white") for _ in range(2)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return Record(id=path.name, fields={"image": Image(path)})


def result(prediction: Any, **details: Any) -> Result:
    receipt = Receipt(
        extent=40_000, unit="pixels", windows=2, covered=1.0, dropped=0, merge="objects",
        fidelity="local",
    )  # fmt: skip
    return Result(id="scan.tif", prediction=prediction, score=0.9, receipt=receipt, details=details)


def marked(path: Path) -> tuple[bool, bool]:
    """Whether something is drawn in the left half, below the captions, and in the right."""
    pixels = np.asarray(pillow.open(path).convert("RGB"))[40:]
    dark = (pixels < 180).any(axis=2)
    return bool(dark[:, :100].any()), bool(dark[:, 100:].any())


def box(left: int, **more: Any) -> dict[str, Any]:
    return {"box": [left, 45, left + 60, 90], **more}


@pytest.mark.parametrize("kind", ["objects", "faces", "regions"])
def test_boxes_of_other_pages_are_not_drawn_on_the_first(kind: str, tmp_path: Path) -> None:
    first, second = box(20, page=1), box(120, page=2)
    if kind == "objects":
        found = [{**each, "label": "cell", "score": 0.9} for each in (first, second)]
        given = result(found)
    elif kind == "faces":
        given = result("Ann", found=[{**each, "confidence": 0.9} for each in (first, second)])
    else:
        regions = [{"core": each["box"], "page": each["page"], "label": "cell", "score": 0.9}
                   for each in (first, second)]  # fmt: skip
        given = result("cell", regions=regions)
    drawing = Drawing(tmp_path / "drawn")
    drawing.add("scan.tif", scan(tmp_path / "scan.tif"), given)
    assert marked(tmp_path / "drawn" / "scan.tif.jpg") == (True, False)
    (_, said) = drawing.words()
    assert said.startswith("not drawn: 1 on further pages")


def test_a_picture_of_one_page_has_all_its_boxes(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path / "drawn")
    found = [box(left, label="cell", score=0.9) for left in (20, 120)]
    drawing.add("a", scan(tmp_path / "scan.tif"), result(found))
    assert marked(tmp_path / "drawn" / "a.jpg") == (True, True)
    assert len(list(drawing.words())) == 1


def test_a_first_page_without_boxes_says_so(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path / "drawn")
    drawing.add("a", scan(tmp_path / "scan.tif"), result([box(20, page=2, label="x", score=0.5)]))
    assert marked(tmp_path / "drawn" / "a.jpg") == (False, False)
    assert drawing.elsewhere == 1
