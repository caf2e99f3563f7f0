"""Summaries that a model has written of a text's passages, joined in the passages' order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import NextRound, Result
from anysize.core.rouge import words
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage
from anysize.readers.text import Text
from anysize.windows.sentences import sentences

# Partial summaries that are longer than this part of what they summarise are not read again: so
# the rounds have an end.
_SHRINKING = 0.5


class Leaf(NamedTuple):
    """What was written of a passage of the text itself.

    Attributes:
        window: its index.
        start, stop: its characters.
        text: the summary.
    """

    window: int
    start: int
    stop: int
    text: str


class Partials(Text):
    """Partial summaries, one after the other, as a text to be read.

    Args:
        content: the text.
        origin: what messages call it.
        leaves: what was written in the first round.
    """

    __slots__ = ("leaves",)

    def __init__(self, content: str, origin: str, leaves: Sequence[Leaf]) -> None:
        super().__init__(content, origin)
        self.leaves = tuple(leaves)


class WrittenMerger:
    """One summary for a record; where several windows were summarised, another round for them.

    Each window's output has ``text`` and ``ending`` of a generation, and in further rounds
    ``leaves``: those of the first, in an array of one object.

    Args:
        record: the record's id.
        count: sentences of the summary at most; None leaves it to the model.
    """

    order_independent = True

    def __init__(self, record: str, count: int | None) -> None:
        self._record, self._count = record, count
        self._coverage = Coverage("characters")
        self._written: dict[int, Leaf] = {}
        self._leaves: tuple[Leaf, ...] | None = None
        self._cut_off = self._extent = 0

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        core = window.core
        assert isinstance(core, Span)
        text = str(output["text"]).strip()
        self._written[window.index] = Leaf(window.index, core.start, core.stop, text)
        self._extent = max(self._extent, core.stop)
        self._cut_off += output["ending"] == "length"
        if "leaves" in output:
            self._leaves = output["leaves"].item()

    def finish(self) -> Result | NextRound:
        parts = [self._written[index] for index in sorted(self._written)]
        leaves = tuple(parts) if self._leaves is None else self._leaves
        text = "\n".join(each.text for each in parts if each.text)
        if len(parts) == 1 or not text:
            return self._result(text, leaves, ())
        if len(text) > _SHRINKING * self._extent:
            note = (
                f"the {len(parts)} partial summaries have {len(text)} characters, more than half "
                f"of the {self._extent} that they summarise, and are given one after the other: "
                "lower --max-new-tokens, or raise --window"
            )
            return self._result(text, leaves, (note,))
        field = Partials(text, f"the partial summaries of {self._record}", leaves)
        return NextRound(
            record=Record(id=self._record, fields={"text": field}), receipt=self._receipt(())
        )

    def _result(self, text: str, leaves: Sequence[Leaf], notes: tuple[str, ...]) -> Result:
        found = [part for part in sentences([text]) if part.kind == "sentence"]
        if self._count is not None and len(found) > self._count:
            left = len(found) - self._count
            notes += (f"{left} further sentences of the model were left out (sentences)",)
            found = found[: self._count]
            text = text[: found[-1].stop]
        if not text:
            notes += ("the model has written nothing",)
        return Result(
            id=self._record,
            prediction=text,
            score=None,
            details={"sentences": _drawn([part.text for part in found], leaves)},
            receipt=self._receipt(notes),
        )

    def _receipt(self, notes: tuple[str, ...]) -> Receipt:
        receipt = self._coverage.receipt("rounds", "approximate")
        if not self._cut_off:
            return replace(receipt, notes=notes)
        count = self._cut_off
        note = (
            f"{count} of {receipts_words(receipt.windows)} cut off at the largest number of new "
            "tokens: raise --max-new-tokens"
        )
        return replace(receipt, counts={"cut_off": count}, notes=(note, *notes))


def receipts_words(windows: int) -> str:
    """``1 summary was``, ``7 summaries were``."""
    return "1 summary was" if windows == 1 else f"{windows} summaries were"


def _drawn(written: Sequence[str], leaves: Sequence[Leaf]) -> list[dict[str, Any]]:
    """For each sentence the window whose own summary has most of its words, the first of equals.

    A model may have put together what several windows say: ``overlap`` is the part of the
    sentence's words that the window's summary has.
    """
    known = [set(words(leaf.text)) for leaf in leaves]
    found = []
    for text in written:
        own = words(text)
        shares: NDArray[np.float64] = np.array(
            [sum(word in each for word in own) / max(len(own), 1) for each in known]
        )
        leaf = leaves[int(shares.argmax())]
        found.append(
            {
                "text": text,
                "window": leaf.window,
                "start": leaf.start,
                "end": leaf.stop,
                "overlap": round(float(shares.max()), 4),
            }
        )
    return found
