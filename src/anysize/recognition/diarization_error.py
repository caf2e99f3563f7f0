"""The diarization error rate: how much of the time is given to the wrong speaker, or to nobody.

As NIST's Rich Transcription evaluations define it (2009 plan, section 6): time is weighed by how
many people speak in it; the speakers found are matched to those of the reference one to one, in the
way that makes the rate smallest (the assignment problem).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError, MissingExtraError
from anysize.recognition.turns import Turn

COLLAR = 0.25
"""Seconds before and behind each border of the reference that are not scored, unless asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiarizationError:
    """Seconds of speech, and of what went wrong with it; sums of several recordings add up.

    Attributes:
        speech: of the reference, of each speaker by themselves.
        missed: in which fewer people were found than speak.
        false_alarm: in which more were found.
        confusion: given to somebody else.
        collar: seconds around each border of the reference that were not scored.
        speakers: of the reference, and found.
    """

    speech: float
    missed: float
    false_alarm: float
    confusion: float
    collar: float
    speakers: tuple[int, int] = (0, 0)

    @property
    def rate(self) -> float:
        """Diarization error rate (DER): all errors over the speech; above 1 is possible.

        Raises:
            DataError: there is no speech in the reference to score.
        """
        if not self.speech:
            raise DataError("reference", "has no speech outside the collars: nothing to score")
        return (self.missed + self.false_alarm + self.confusion) / self.speech

    def __add__(self, other: DiarizationError) -> DiarizationError:
        if self.collar != other.collar:
            raise ConfigurationError("errors with different collars cannot be added up")
        return DiarizationError(
            speech=self.speech + other.speech,
            missed=self.missed + other.missed,
            false_alarm=self.false_alarm + other.false_alarm,
            confusion=self.confusion + other.confusion,
            collar=self.collar,
            speakers=(
                self.speakers[0] + other.speakers[0],
                self.speakers[1] + other.speakers[1],
            ),
        )

    def to_json(self) -> dict[str, object]:
        return {
            "der": self.rate,
            "speech": self.speech,
            "missed": self.missed,
            "false_alarm": self.false_alarm,
            "confusion": self.confusion,
            "collar": self.collar,
            "speakers": list(self.speakers),
        }


@dataclass(frozen=True, slots=True)
class Mistake:
    """A stretch of time with one mistake.

    Attributes:
        start, stop: in seconds.
        kind: ``missed``, ``false alarm`` or ``confusion``.
        reference, found: who speaks, by the names of either side.
    """

    start: float
    stop: float
    kind: str
    reference: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """The turns of one recording against its reference.

    Attributes:
        error: the sums.
        matched: of speakers found, who of the reference they are taken for; others have no match.
        mistakes: in order; none lies in a collar.
    """

    error: DiarizationError
    matched: dict[str, str]
    mistakes: tuple[Mistake, ...]


def diarization_error(
    reference: Sequence[Turn], found: Sequence[Turn], *, collar: float = COLLAR
) -> DiarizationError:
    """Scores the turns of one recording; see `compared`."""
    return compared(reference, found, collar=collar).error


def compared(
    reference: Sequence[Turn], found: Sequence[Turn], *, collar: float = COLLAR
) -> Compared:
    """Scores the turns of one recording, and says what is wrong where.

    Turns of one speaker that overlap count once. Time in which several people speak is scored.

    Args:
        reference: who really speaks when.
        found: what is judged; the names may be any.
        collar: seconds before and behind each border of the reference that are not scored.

    Raises:
        MissingExtraError: scipy is not installed.
        ConfigurationError: a collar below 0.
    """
    if collar < 0:
        raise ConfigurationError(f"collar must be at least 0 seconds, not {collar}")
    names = [sorted({turn.speaker for turn in turns}) for turns in (reference, found)]
    places = [{name: place for place, name in enumerate(each)} for each in names]
    borders = [time for turn in reference for time in (turn.start, turn.stop)]
    times = {time for turn in (*reference, *found) for time in (turn.start, turn.stop)}
    times |= {border + side for border in borders for side in (-collar, collar)}
    cuts = sorted(times)
    there, given = (
        _present(turns, place, cuts)
        for turns, place in zip((reference, found), places, strict=True)
    )
    lengths = np.array([later - earlier for earlier, later in pairwise(cuts)])
    if collar and len(cuts) > 1:
        lengths = np.where(_near(np.array(cuts), np.array(sorted(borders)), collar), 0.0, lengths)
    speaking, counted = there.sum(axis=0), given.sum(axis=0)
    common = (there * lengths) @ given.T
    rows, columns = _assigned(common) if common.size else (np.zeros(0, np.int64),) * 2
    used = common[rows, columns] > 0
    rows, columns = rows[used], columns[used]
    error = DiarizationError(
        speech=float((lengths * speaking).sum()),
        missed=float((lengths * np.maximum(speaking - counted, 0)).sum()),
        false_alarm=float((lengths * np.maximum(counted - speaking, 0)).sum()),
        confusion=max(
            float((lengths * np.minimum(speaking, counted)).sum())
            - float(common[rows, columns].sum()),
            0.0,
        ),
        collar=collar,
        speakers=(len(names[0]), len(names[1])),
    )
    right = (there[rows] * given[columns]).sum(axis=0)
    kinds = np.select(
        [
            np.minimum(speaking, counted) > right,
            speaking > counted,
            counted > speaking,
        ],
        [1, 2, 3],
        0,
    )
    matched = {names[1][column]: names[0][row] for row, column in zip(rows, columns, strict=True)}
    return Compared(
        error, matched, tuple(_mistakes(cuts, np.where(lengths > 0, kinds, 0), names, there, given))
    )


_KINDS = ("", "confusion", "missed", "false alarm")


def _mistakes(
    cuts: Sequence[float],
    kinds: NDArray[Any],
    names: Sequence[Sequence[str]],
    there: NDArray[Any],
    given: NDArray[Any],
) -> Iterator[Mistake]:
    """Neighbouring pieces with the same mistake of the same speakers are one."""
    held: Mistake | None = None
    for place in np.flatnonzero(kinds).tolist():
        mistake = Mistake(
            cuts[place],
            cuts[place + 1],
            _KINDS[kinds[place]],
            tuple(names[0][row] for row in np.flatnonzero(there[:, place]).tolist()),
            tuple(names[1][row] for row in np.flatnonzero(given[:, place]).tolist()),
        )
        if (
            held is not None
            and held == replace(mistake, start=held.start, stop=held.stop)
            and (held.stop == mistake.start)
        ):
            held = replace(held, stop=mistake.stop)
            continue
        if held is not None:
            yield held
        held = mistake
    if held is not None:
        yield held


def _present(turns: Iterable[Turn], places: dict[str, int], cuts: Sequence[float]) -> NDArray[Any]:
    """Whether each speaker speaks in each piece of time between two cuts, 0 or 1."""
    index = {time: place for place, time in enumerate(cuts)}
    found = np.zeros((len(places), max(len(cuts) - 1, 0)))
    for turn in turns:
        found[places[turn.speaker], index[turn.start] : index[turn.stop]] = 1.0
    return found


def _near(cuts: NDArray[Any], borders: NDArray[Any], collar: float) -> NDArray[Any]:
    """Whether the middle of each piece is nearer to a border than the collar."""
    middles = (cuts[:-1] + cuts[1:]) / 2
    if not len(borders):
        return np.zeros(len(middles), bool)
    behind = np.searchsorted(borders, middles).clip(1, len(borders)) - 1
    ahead = (behind + 1).clip(max=len(borders) - 1)
    gaps = np.minimum(np.abs(middles - borders[behind]), np.abs(middles - borders[ahead]))
    near: NDArray[Any] = gaps < collar
    return near


def _assigned(common: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and columns of the one-to-one matching with the largest sum."""
    try:
        from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("scipy", "speech") from error
    rows, columns = linear_sum_assignment(common, maximize=True)
    return rows, columns
