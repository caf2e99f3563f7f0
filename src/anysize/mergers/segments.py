"""Texts joined from their segments, in order, with what was between them.

The outputs are ``text``, and beside it ``before`` and ``after``, which stay as they are, and
``problems``, what a guard found. What is held while a record is read are the texts so far and
segments that came before their turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage

PROVIDES = ("segments",)

_MOST_MARKED = 100


class _Piece(NamedTuple):
    """What came of a segment.

    Attributes:
        text: with what stays around it.
        marked: what is wrong with it, for the result; None where nothing is.
    """

    text: str
    marked: dict[str, Any] | None


class SegmentMerger:
    """Joins one record's segments.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, unit: Unit = "characters") -> None:
        self._record = record
        self._coverage = Coverage(unit)
        self._waiting: dict[int, _Piece] = {}
        self._texts: list[str] = []
        self._marked: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        text = str(output["text"])
        problems = tuple(output.get("problems", ()))
        self._counts["segments"] += bool(text)
        self._counts["tried_again"] += bool(output.get("tried_again", False))
        self._counts["in_fragments"] += bool(output.get("in_fragments", False))
        self._counts["doubtful"] += bool(problems)
        marked = None
        if problems:
            core = window.core
            assert isinstance(core, Span)
            marked = {"start": core.start, "end": core.stop, "problems": list(problems)}
        whole = f"{output['before']}{text}{output['after']}"
        self._waiting[window.index] = _Piece(whole, marked)
        while (piece := self._waiting.pop(len(self._texts), None)) is not None:
            self._texts.append(piece.text)
            if piece.marked is not None and len(self._marked) < _MOST_MARKED:
                self._marked.append(piece.marked)

    def finish(self) -> Result:
        counts = {name: count for name, count in self._counts.items() if count}
        receipt = self._coverage.receipt("segments", "approximate")
        doubtful = self._counts["doubtful"]
        notes: tuple[str, ...] = ()
        if doubtful:
            one = self._marked[0]
            notes = (
                f"{doubtful} of {self._counts['segments']} segments are doubtful, see 'doubtful'; "
                f"the first: characters {one['start']} to {one['end']}, "
                f"{', '.join(one['problems'])}",
            )
        return Result(
            id=self._record,
            prediction="".join(self._texts),
            score=None,
            receipt=replace(receipt, counts=counts or None, notes=notes),
            details={"doubtful": self._marked} if self._marked else {},
        )


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return SegmentMerger(record, unit)
