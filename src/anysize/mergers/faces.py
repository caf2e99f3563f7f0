"""The faces of a picture with their embeddings, largest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage
from anysize.mergers.embedding import direction
from anysize.windows.faces import Face, FaceWindow

PROVIDES = ("faces",)


class FacesMerger:
    """Lists one picture's faces.

    The result has no prediction yet: who they are is for a gallery to say
    (``anysize.recognition.naming``). Its details hold ``found``, a list of faces: ``box``,
    ``confidence``, ``landmarks`` where known, and the ``embedding`` of length one; with several
    pages also the ``page``, counted from 1. The largest face of all pages comes first.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, unit: Unit) -> None:
        self._record = record
        self._coverage = Coverage(unit)
        self._found: list[tuple[tuple[float, int, int], dict[str, Any]]] = []

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        face = window.face if isinstance(window, FaceWindow) else None
        if face is None:
            return
        embedding = direction(np.asarray(output["embeddings"], dtype=np.float64))
        entry = _entry(face) | {"embedding": _rounded(embedding)}
        self._found.append(((-face.area, window.page, window.index), entry))

    def finish(self) -> Result:
        several = self._coverage.pages > 1
        found = [
            {"page": place[1] + 1, **entry} if several else entry
            for place, entry in sorted(self._found, key=lambda pair: pair[0])
        ]
        return Result(
            id=self._record,
            prediction=None,
            score=float(found[0]["confidence"]) if found else 0.0,
            receipt=self._coverage.receipt("faces", "local"),
            details={"found": found},
        )


def _entry(face: Face) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "box": [round(value, 2) for value in face.box],
        "confidence": round(face.score, 6),
    }
    if face.landmarks is not None:
        entry["landmarks"] = [[round(x, 2), round(y, 2)] for x, y in face.landmarks]
    return entry


def _rounded(vector: Any) -> list[float]:
    return [round(float(value), 7) for value in vector]


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return FacesMerger(record, unit)
