"""Transcripts from the steps of windows: joined over the windows first, collapsed once.

The outputs are ``steps`` (``core.ctc``: what the model gives for the steps that the window owns),
``search``, which makes the search of a recording, ``reading``, what its tokens say, and ``exact``,
whether what windows share is all that a step depends on. What is held is the transcript, what the
search keeps, and windows that came before their turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from anysize.core.ctc import Search, Steps
from anysize.core.ctc_words import Lines
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.transcripts import Score, Segment, joined
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage

PROVIDES = ("ctc",)

_APPROXIMATE = (
    "what a step of the model depends on reaches beyond what neighbouring windows share (--overlap)"
)


class CTCMerger:
    """Joins one record's windows.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, unit: Unit = "samples") -> None:
        self._record = record
        self._coverage = Coverage(unit)
        self._waiting: dict[int, Steps] = {}
        self._next = 0
        self._borders: dict[int, int] = {}
        self._search: Search | None = None
        self._lines: Lines | None = None
        self._segments: list[Segment] = []
        self._fresh = 0
        self._exact = True
        self._score = Score()

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        if self._search is None or self._lines is None:
            self._search, self._lines = output["search"](), Lines(output["reading"])
        self._exact = self._exact and bool(output["exact"])
        if not window.last:
            assert isinstance(window.core, Span)
            self._borders[window.index] = round(window.core.stop * 1000 / output["rate"])
        self._waiting[window.index] = output["steps"]
        before = len(self._segments)
        while (steps := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            for spoken in self._search.add(steps):
                self._segments += self._lines.add(spoken)
        self._fresh = len(self._segments) - before

    def partial(self, window: Window, output: Mapping[str, Any]) -> Any:
        """The segments that the window before this one settled; see ``core.protocols.Showing``."""
        if not self._fresh:
            return None
        return [each.to_json() for each in self._segments[-self._fresh :]]

    def settled(self) -> tuple[str, Mapping[str, Any]] | None:
        """The segments that are finished; see ``core.protocols.Settling``."""
        found, self._segments, self._fresh = self._segments, [], 0
        self._borders.clear()
        if not found:
            return None
        self._score.add(found)
        text = joined(each.text for each in found)
        return text, {"segments": [each.to_json() for each in found]}

    def finish(self) -> Result:
        if self._search is not None and self._lines is not None:
            for spoken in self._search.rest():
                self._segments += self._lines.add(spoken)
            self._segments += self._lines.rest()
        seams = [self._borders[index] for index in sorted(self._borders)]
        fidelity = "exact" if self._exact else "approximate"
        receipt = self._coverage.receipt("ctc", fidelity)  # type: ignore[arg-type]
        if receipt.fidelity == "approximate":
            receipt = replace(receipt, notes=(_APPROXIMATE,))
        details: dict[str, Any] = {"segments": [each.to_json() for each in self._segments]}
        if seams:
            details["seams"] = seams
        return Result(
            id=self._record,
            prediction=joined(each.text for each in self._segments),
            score=self._score.add(self._segments).mean(),
            receipt=receipt,
            details=details,
        )


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return CTCMerger(record, unit)
