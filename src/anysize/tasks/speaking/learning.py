"""What training reads of a record: a text, and the recording of it, as ids and frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.records import Record, Source
from anysize.core.results import Result
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage
from anysize.readers.spectra.front import FrontEnd
from anysize.readers.spectra.stream import frames
from anysize.synthesis.phonemes import Reader
from anysize.synthesis.vocabulary import SpeechFacts
from anysize.windows.utterances import utterances

FRAMES_PER_ID = 6
"""Of the examples that are made up, and by which a recording's length counts in a batch."""

_LONGEST = 2000
_MOST_SECONDS = 60
_LOOKED_AT = 64
_RATES = (8_000, 22_050)


class LearningPreprocess:
    """A record's ``text`` and ``audio`` to one example of ``input_ids`` and ``frames``.

    Args:
        module: the model, whose reader and front end are used.
        window: ids that it takes at once.
    """

    def __init__(self, module: Any, window: int) -> None:
        self._module, self._window = module, window
        self._reader: Reader | None = None

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        text = "".join(record.text("text").chunks())
        ids = self._ids(record, text)
        found = self.frames(record)
        if len(found) < len(ids):
            raise DataError(
                record.id,
                f"its recording has {len(found)} frames for {len(ids)} phonemes: it belongs to "
                "another text, or is cut off",
            )
        span = Span(0, len(text))
        yield Example(
            ordinal=ordinal,
            window=Window(record=record.id, index=0, region=span, core=span, last=True),
            arrays={"input_ids": ids, "frames": found},
            cost=max(len(ids), -(-len(found) // FRAMES_PER_ID)),
        )

    def frames(self, record: Record) -> NDArray[np.float32]:
        """The frames of a record's recording, ``[frames, mels]``.

        Raises:
            DataError: it cannot be read, or is too long.
        """
        front: FrontEnd = self._module.front
        most = _MOST_SECONDS * front.rate // front.hop
        parts: list[NDArray[np.float32]] = []
        for part in frames(record.audio("audio").blocks(front.rate), front):
            parts.append(part)
            if sum(map(len, parts)) > most:
                raise DataError(
                    record.id,
                    f"its recording is longer than {_MOST_SECONDS} seconds: cut it, with its text, "
                    "into sentences",
                )
        if not parts:
            raise DataError(record.id, "its recording is empty")
        return np.concatenate(parts)

    def _ids(self, record: Record, text: str) -> NDArray[np.int32]:
        if self._reader is None:
            self._reader = self._module.make_reader()
        said = " ".join(each.text for each in utterances([text], longest=_LONGEST))
        ids = self._reader.said(said).ids
        if not len(ids):
            raise DataError(record.id, "its text has no words to learn from")
        if len(ids) > self._window:
            raise DataError(
                record.id,
                f"its text has {len(ids)} phonemes, and the model takes {self._window}: cut it, "
                "with its recording, into sentences, or give a larger --window",
            )
        return ids


class DistanceMerger:
    """The loss of a record's one window, as its prediction.

    Args:
        record: the record's id.
    """

    order_independent = True

    def __init__(self, record: str) -> None:
        self._record = record
        self._coverage = Coverage("characters")
        self._loss = 0.0

    def add(self, window: Window, output: Any) -> None:
        self._coverage.add(window)
        self._loss += float(output["losses"])

    def finish(self) -> Result:
        return Result(
            id=self._record,
            prediction=self._loss,
            score=None,
            receipt=self._coverage.receipt("distance", "exact"),
        )


class DistanceMeter:
    """The mean of the records' losses."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, result: Result, target: Any) -> None:
        self._sum += float(result.prediction)
        self._count += 1

    def state(self) -> tuple[float, int]:
        return self._sum, self._count

    def join(self, states: Sequence[tuple[float, int]]) -> None:
        self._sum = sum(each for each, _ in states)
        self._count = sum(count for _, count in states)

    def score(self) -> tuple[float, float]:
        mean = self._sum / max(self._count, 1)
        return mean, mean


def facts_of(source: Source) -> SpeechFacts:
    """What a builder is to know: the texts, and the rate of the recordings.

    Raises:
        DataError: none of the first recordings can be read.
    """
    rates: list[int] = []
    first: DataError | None = None
    for index in range(min(len(source), _LOOKED_AT)):
        try:
            rates.append(source[index].audio("audio").header.rate)
        except DataError as error:
            first = first or error
    if not rates:
        raise first or DataError(source.name, "has no recording that can be read")
    rate = max(set(rates), key=rates.count)

    def texts() -> Iterator[str]:
        for index in range(len(source)):
            try:
                yield "".join(source[index].text("text").chunks())
            except DataError:
                continue

    return SpeechFacts(texts=texts, sample_rate=min(max(rate, _RATES[0]), _RATES[1]))
