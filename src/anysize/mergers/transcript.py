"""Transcripts joined from the segments of windows, on the recording's clock.

The outputs are ``segments`` (of ``core.transcripts``, in order), ``language`` and ``certainty``
(its probability), None where nobody asked, ``counts``, what guards did, and ``seam``, the
millisecond where the window gives way to the next one, and ``left_out``: whether it owns samples
that the model was not given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from anysize.core.plurals import number_of
from anysize.core.protocols import Merger
from anysize.core.receipts import Fidelity, Unit
from anysize.core.results import Result
from anysize.core.transcripts import Score, Segment, joined
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage

PROVIDES = ("transcript",)

_WINDOWS = ("window", "windows")
_NOTES: Mapping[str, tuple[tuple[str, str], str]] = {
    "tried_again": (_WINDOWS, "decoded again because of repetitions or improbable words"),
    "read_again": (
        ("time", "times"),
        "the text ended before the speech of its window, and the rest was read again",
    ),
    "silenced": (_WINDOWS, "without speech in which the model wrote text, which was left out"),
    "loops_cut": (_WINDOWS, "with repeated text, which was kept once"),
    "doubtful": (_WINDOWS, "of doubtful text: its words are improbable, or repeat themselves"),
}  # fmt: skip
_UNCERTAIN = 0.5


class TranscriptMerger:
    """Joins one record's windows. What is held is the transcript itself.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
    """

    order_independent = True

    def __init__(self, record: str, unit: Unit = "samples") -> None:
        self._record = record
        self._coverage = Coverage(unit)
        self._segments: dict[int, tuple[Segment, ...]] = {}
        self._counts: Counter[str] = Counter()
        self._language: tuple[str, float | None] | None = None
        self._left_out = False
        self._seams: list[int] = []
        self._next = 0
        self._score = Score()

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        self._segments[window.index] = tuple(output["segments"])
        self._counts.update(output.get("counts", {}))
        if not window.last and "seam" in output:
            self._seams.append(int(output["seam"]))
        language = output.get("language")
        if language is not None:
            self._language = (str(language), output.get("certainty"))
        self._left_out |= bool(output.get("left_out", False))

    def partial(self, window: Window, output: Mapping[str, Any]) -> Any:
        """The segments of the window."""
        return [each.to_json() for each in output["segments"]] or None

    def settled(self) -> tuple[str, Mapping[str, Any]] | None:
        """The segments of the windows that are complete; see ``core.protocols.Settling``."""
        found: list[Segment] = []
        while (own := self._segments.pop(self._next, None)) is not None:
            found += own
            self._next += 1
        self._seams.clear()
        if not found:
            return None
        self._score.add(found)
        details: dict[str, Any] = {} if self._language is None else {"language": self._language[0]}
        details["segments"] = [each.to_json() for each in found]
        return joined(each.text for each in found), details

    def finish(self) -> Result:
        segments = [each for index in sorted(self._segments) for each in self._segments[index]]
        counts = {name: count for name, count in self._counts.items() if count}
        notes = [
            f"{number_of(count, *_NOTES[name][0])} {_NOTES[name][1]}"
            for name, count in counts.items()
            if name in _NOTES
        ]
        details: dict[str, Any] = {}
        if self._language is not None:
            code, chance = self._language
            details["language"] = code
            if chance is not None and chance < 1:
                details["language_probability"] = round(chance, 4)
                if chance < _UNCERTAIN:
                    notes.append(
                        f"its language is uncertain: {code} has the probability {chance:.2f}; "
                        "set it with --language"
                    )
        details["segments"] = [each.to_json() for each in segments]
        if self._seams:
            details["seams"] = sorted(self._seams)
        receipt = self._coverage.receipt("transcript", "approximate")
        fidelity: Fidelity = "approximate" if self._left_out else receipt.fidelity
        return Result(
            id=self._record,
            prediction=joined(each.text for each in segments),
            score=self._score.add(segments).mean(),
            # Of a single window too, where silence was left out.
            receipt=replace(receipt, counts=counts or None, notes=tuple(notes), fidelity=fidelity),
            details=details,
        )


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return TranscriptMerger(record, unit)
