"""The timeline of a recording: who speaks when, by clustering short windows of speech."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.protocols import Merger
from anysize.core.receipts import Receipt, Unit
from anysize.core.results import Result
from anysize.core.windows import Window
from anysize.mergers.coverage import Coverage
from anysize.recognition.clustering import Speakers, VoiceClusters
from anysize.recognition.turns import Turn

PROVIDES = ("turns",)

# Windows apart of which two share nothing, and that are most probably of one speaker.
_APART = 3
_FEWEST = 8
_LEAST_SECONDS = 2.0
_MOST_LEAST = 0.05
_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRules:
    """How windows become turns.

    Attributes:
        number: of speakers; None finds it out.
        strangers: usual cosine of short windows of two speakers, by the model.
        bridge: seconds of silence that a turn goes on over.
        mixed: of the way from the cosine between two speakers to that of one speaker's windows,
            how far a window's to the second one must be, for both to speak.
    """

    number: int | None = None
    strangers: float = 0.0
    bridge: float = 1.0
    mixed: float = 0.5


class TurnsMerger:
    """Lists the turns of one recording.

    The result's details hold ``timeline``, lines of ``start`` and ``end`` (milliseconds),
    ``speaker`` and, where somebody else speaks too, ``overlap``; and ``found``, the speakers,
    who speaks most first: ``speaker``, ``seconds``, ``confidence`` (mean cosine of their windows to
    their embedding) and the ``embedding`` of length one. Speakers are numbered as they begin. The
    prediction is how many there are, the score the mean confidence.

    What is held is a byte for each number of a window's embedding, beside the timeline itself.

    Args:
        record: the record's id.
        unit: what the record's extent counts.
        rules: how windows become turns.
    """

    order_independent = False

    def __init__(self, record: str, unit: Unit, rules: TurnRules) -> None:
        self._record = record
        self._rules = rules
        self._coverage = Coverage(unit)
        self._clusters = VoiceClusters()
        self._places = array("q")  # the number of each window that has speech
        self._times = array("d")  # its start and stop
        self._joined = array("b")  # whether it is of the stretch of the one before
        self._near: dict[int, NDArray[np.float64]] = {}
        self._likeness = [0.0, 0]  # sum and count of cosines of windows close in time

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        start, stop, joined = np.asarray(output["speech"], np.float64).tolist()
        if "strangers" in output:
            self._rules = replace(self._rules, strangers=float(output["strangers"]))
        if stop <= start:
            return
        vector = np.asarray(output["embeddings"], np.float64)
        vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        self._clusters.add(vector)
        self._places.append(window.index)
        self._times.extend((start, stop))
        self._joined.append(int(joined))
        self._compare(window.index, vector, joined=bool(joined))

    def finish(self) -> Result:
        receipt = self._coverage.receipt("turns", "approximate")
        if not len(self._clusters):
            return self._result(receipt, 0, [], [], 0.0)
        order = np.argsort(np.array(self._places), kind="stable")
        times = np.array(self._times).reshape(-1, 2)[order]
        joined = np.array(self._joined, bool)[order]
        spoken = float((times[:, 1] - times[:, 0]).sum())
        speakers = self._clusters.speakers(
            self._rules.number, self._threshold(), min(_LEAST_SECONDS / spoken, _MOST_LEAST)
        )
        labels = _smoothed(speakers.labels[order], joined)
        there, begins = np.unique(labels, return_index=True)
        names = {
            label: f"speaker {place + 1}"
            for place, label in enumerate(there[np.argsort(begins)].tolist())
        }
        second = _second(speakers, order, labels, joined, self._rules)
        turns = sorted(
            [*_turns(times, labels, names, second, self._rules.bridge)],
            key=lambda turn: (turn.start, turn.stop, turn.speaker),
        )
        lengths = times[:, 1] - times[:, 0]
        found = [
            {
                "speaker": names[label],
                "seconds": round(float(lengths[labels == label].sum()), 3),
                "confidence": round(float(speakers.nearness[order][labels == label].mean()), 6),
                "embedding": [round(float(value), 7) for value in speakers.centres[label]],
            }
            for label in names
        ]
        found.sort(key=lambda entry: (-float(str(entry["seconds"])), entry["speaker"]))
        return self._result(receipt, len(found), turns, found, float(speakers.nearness.mean()))

    def _result(
        self, receipt: Receipt, count: int, turns: list[Turn], found: list[Any], score: float
    ) -> Result:
        return Result(
            id=self._record,
            prediction=count,
            score=round(max(score, 0.0), 6),
            receipt=receipt,
            details={"timeline": [turn.to_json() for turn in turns], "found": found},
        )

    def _compare(self, index: int, vector: NDArray[np.float64], *, joined: bool) -> None:
        """Adds up how alike windows are that follow each other closely and share nothing."""
        other = self._near.get(index - _APART)
        if other is not None and joined:
            self._likeness[0] += float(other @ vector)
            self._likeness[1] += 1
        self._near[index] = vector
        for old in [place for place in self._near if place < index - 64 * _APART]:
            del self._near[old]

    def _threshold(self) -> float:
        """Half way between two speakers of the model and one speaker of this recording."""
        total, count = self._likeness
        one = total / count if count >= _FEWEST else (1.0 + self._rules.strangers) / 2
        return (one + self._rules.strangers) / 2


def _smoothed(labels: NDArray[np.int64], joined: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Without single windows inside a stretch whose neighbours agree on another speaker."""
    found = labels.copy()
    inner = np.flatnonzero(
        (labels[:-2] == labels[2:]) & (labels[1:-1] != labels[:-2]) & joined[1:-1] & joined[2:]
    )
    found[inner + 1] = labels[inner]
    return found


def _second(
    speakers: Speakers,
    order: NDArray[np.int64],
    labels: NDArray[np.int64],
    joined: NDArray[np.bool_],
    rules: TurnRules,
) -> NDArray[np.int64]:
    """A second speaker of each window, -1 where there is none.

    A window at a change of speakers lies between two of them as well, so what counts is a run
    of windows longer than a window itself.
    """
    found = np.full(len(labels), -1, np.int64)
    if len(speakers.centres) < 2:
        return found
    pairs = np.sort(np.stack([speakers.labels[order], speakers.second[order]]), axis=0)
    between = (speakers.centres @ speakers.centres.T)[pairs[0], pairs[1]]
    usual = float(speakers.nearness.mean())
    mixed = speakers.ambiguity[order] - between > rules.mixed * np.maximum(usual - between, 0.05)
    start = 0
    for place in range(1, len(labels) + 1):
        same = (
            place < len(labels)
            and bool(joined[place])
            and mixed[place] == mixed[start]
            and bool((pairs[:, place] == pairs[:, start]).all())
        )
        if same:
            continue
        if mixed[start] and place - start > _APART:
            for each in range(start, place):
                first, other = pairs[:, each].tolist()
                found[each] = other if labels[each] == first else first
        start = place
    return found


def _turns(
    times: NDArray[np.float64],
    labels: NDArray[np.int64],
    names: Mapping[int, str],
    second: NDArray[np.int64],
    bridge: float,
) -> Iterator[Turn]:
    """Windows of one speaker that follow each other, as turns; a second speaker's beside them."""
    held: Turn | None = None
    beside: Turn | None = None
    for (start, stop), label, other in _rows(times, labels, second):
        turn = Turn(start, stop, names[label], overlap=other in names)
        held, done = _extended(held, turn, bridge)
        if done is not None:
            yield done
        if other in names:
            beside, done = _extended(beside, Turn(start, stop, names[other], overlap=True), 1e-6)
            if done is not None:
                yield done
    for turn_left in (held, beside):
        if turn_left is not None:
            yield turn_left


def _rows(*arrays: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of arrays as Python's numbers, some thousand at a time."""
    for start in range(0, len(arrays[0]), _ROWS):
        some = (each[start : start + _ROWS].tolist() for each in arrays)
        yield from zip(*some, strict=True)


def _extended(held: Turn | None, turn: Turn, bridge: float) -> tuple[Turn, Turn | None]:
    """The turn that goes on, and the one that has ended."""
    if held is None:
        return turn, None
    same = (held.speaker, held.overlap) == (turn.speaker, turn.overlap)
    if same and turn.start - held.stop <= bridge:
        return Turn(held.start, turn.stop, turn.speaker, turn.overlap), None
    return turn, held


def make(
    record: str,
    labels: Sequence[str],
    rule: str,
    unit: Unit,
    *,
    keep_first: bool = False,
    rules: TurnRules | None = None,
) -> Merger:
    """The merger of one record."""
    return TurnsMerger(record, unit, rules or TurnRules())
