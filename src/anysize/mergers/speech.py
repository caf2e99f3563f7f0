"""Speech joined from its utterances, in order, with the pauses between them.

The outputs are ``waveform`` and its ``samples``, and beside them what the utterance has ``aside``
(``tasks.speaking.preprocess``). What is held while a record is read are the places of its
sentences, and utterances that came before their turn; the sound itself goes to a file.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.plurals import number_of
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage
from anysize.synthesis.joining import Pauses, faded
from anysize.synthesis.speech import Chapter, Speech, SpeechWriter

PROVIDES = ("speech",)

_FIRST_RATE = 16_000  # of a record without a sound


class SpeechMerger:
    """Joins one record's utterances.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
        pauses: between utterances.
    """

    order_independent = True

    def __init__(
        self, record: str, unit: Unit = "characters", pauses: Pauses | None = None
    ) -> None:
        self._record = record
        self._coverage = Coverage(unit)
        self._pauses = pauses or Pauses()
        self._waiting: dict[int, tuple[Span, Mapping[str, Any]]] = {}
        self._next = 0
        self._writer: SpeechWriter | None = None
        self._rate = _FIRST_RATE
        self._behind = 0.0
        self._chapter = ""
        self._endless = 0
        # Of each sentence: characters [start, stop), samples [from, to).
        self._places = array("q")

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        assert isinstance(window.core, Span)
        count = int(output["samples"])
        kept = {name: np.array(output[name]) for name in _ASIDE if name in output}
        self._rate = int(output.get("sample_rate", self._rate))
        self._endless += bool(output.get("endless", False))
        kept["waveform"] = np.array(output["waveform"][:count], np.float32)
        self._waiting[window.index] = (window.core, kept)
        while (found := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            self._say(*found)

    def partial(self, window: Window, output: Mapping[str, Any]) -> Speech | None:
        """The utterances that can be heard once this one is added; see ``core.protocols``."""
        if window.index != self._next:
            return None
        writer = SpeechWriter(int(output.get("sample_rate", self._rate)))
        behind, place = self._behind, window.index
        following: Mapping[str, Any] = output
        while True:
            samples = following["waveform"][: int(following["samples"])]
            behind = self._put(writer, samples, following, behind)
            place += 1
            if place not in self._waiting:
                return writer.finish() if writer.count else None
            following = {**self._waiting[place][1]}
            following["samples"] = len(following["waveform"])

    def finish(self) -> Result:
        writer = self._writer or SpeechWriter(self._rate)
        speech = writer.finish()
        receipt = self._coverage.receipt("speech", "approximate")
        notes: list[str] = []
        counts = {"utterances": len(self._places) // 4}
        if writer.clipped:
            counts["clipped_samples"] = writer.clipped
            samples = number_of(writer.clipped, "sample was", "samples were")
            notes.append(f"{samples} louder than a file can hold, and clipped")
        if self._endless:
            counts["endless_utterances"] = self._endless
            found = number_of(self._endless, "utterance")
            notes.append(
                f"the voice found no end of {found} and was stopped: listen to the recording, or "
                "try --take 1"
            )
        if not speech.count:
            notes.append("there is nothing to speak in it, so the recording is empty")
        return Result(
            id=self._record,
            prediction=speech,
            score=None,
            receipt=replace(receipt, counts=counts, notes=tuple(notes)),
            details=self._details(speech),
        )

    def _say(self, core: Span, output: Mapping[str, Any]) -> None:
        samples = output["waveform"]
        if not len(samples) and not str(output.get("chapter", "")):
            return
        if self._writer is None:
            self._writer = SpeechWriter(self._rate)
        writer = self._writer
        title = str(output.get("chapter", ""))
        if title and title != self._chapter:
            self._chapter = title
            if writer.count:
                self._behind = max(self._behind, self._pauses.chapter)
                writer.silence(self._behind)
                self._behind = 0.0
            writer.chapter(title)
        if not len(samples):
            return
        before = self._behind
        self._behind = self._put(writer, samples, output, before)
        self._places.extend((core.start, core.stop, writer.count - len(samples), writer.count))

    def _put(
        self, writer: SpeechWriter, samples: NDArray[np.float32], output: Mapping[str, Any],
        behind: float,
    ) -> float:  # fmt: skip
        """Adds an utterance behind its pause; how long the next pause is."""
        if not len(samples):
            return behind
        writer.silence(behind)
        writer.add(faded(samples, writer.sample_rate))
        kind = str(output.get("pause", "sentence"))
        speed = float(output.get("speed", 1.0))
        return float(getattr(self._pauses, kind)) / speed

    def _details(self, speech: Speech) -> dict[str, Any]:
        rate = speech.sample_rate
        rows = [self._places[at : at + 4] for at in range(0, len(self._places), 4)]
        details: dict[str, Any] = {
            "sentences": [
                {"start": row[0], "end": row[1], "seconds": [_time(row[2], rate),
                                                             _time(row[3], rate)]}
                for row in rows
            ]
        }  # fmt: skip
        if speech.chapters:
            details["chapters"] = [_chapter(each, rate) for each in speech.chapters]
        return details


_ASIDE = ("sample_rate", "pause", "chapter", "speed")


def _time(sample: int, rate: int) -> float:
    return round(sample / rate, 3)


def _chapter(chapter: Chapter, rate: int) -> dict[str, Any]:
    return {"title": chapter.title, "seconds": _time(chapter.sample, rate)}


def make(
    record: str, labels: Sequence[str], rule: str, unit: Unit, *, keep_first: bool = False
) -> Merger:
    """The merger of one record."""
    return SpeechMerger(record, unit)
