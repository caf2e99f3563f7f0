"""Word and character errors by jiwer: substitutions, insertions and deletions, each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import MissingExtraError
from anysize.tasks.transcripts.normalizing import characters, words, words_as_written

Operation = Literal["equal", "substitute", "delete", "insert"]

SIZE = 12
"""Numbers that a record adds: hits, substitutions, deletions and insertions of words, of
characters, and of words as they are written."""


class Aligned(NamedTuple):
    """One step of an alignment.

    Attributes:
        operation: what it does to the reference.
        reference: place of the word in the reference; of an insertion, of the word after it.
        found: place of the word in the transcript; of a deletion, of the word after it.
    """

    operation: Operation
    reference: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """How a transcript differs from its reference, in words or in characters.

    Attributes:
        hits: what is right.
        substitutions, deletions, insertions: what is something else, missing, and too much.
    """

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def reference(self) -> int:
        """Words or characters of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors for each word or character of the reference; may be above 1.

        Where the reference has none, each insertion counts as one of one.
        """
        wrong = self.substitutions + self.deletions + self.insertions
        return wrong / max(self.reference, 1)

    def to_json(self) -> dict[str, int]:
        return {
            "reference": self.reference,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
        }


def error_counts(found: str, reference: str) -> NDArray[np.int64]:
    """What a record adds to the error rates, int64 ``[SIZE]``.

    Args:
        found: the transcript.
        reference: what was said.

    Raises:
        MissingExtraError: jiwer is not installed.
    """
    own, wanted = words(found), words(reference)
    return np.array(
        [
            *_counts(own, wanted),
            *_counts(characters(own), characters(wanted)),
            *_counts(words_as_written(found), words_as_written(reference)),
        ],
        np.int64,
    )


def word_errors(counts: NDArray[Any]) -> Errors:
    """Of words without case and punctuation, from summed counts ``[SIZE]``."""
    return _errors(counts[:4])


def character_errors(counts: NDArray[Any]) -> Errors:
    """Of characters, from summed counts ``[SIZE]``."""
    return _errors(counts[4:8])


def written_errors(counts: NDArray[Any]) -> Errors:
    """Of words with case and punctuation, from summed counts ``[SIZE]``."""
    return _errors(counts[8:])


def alignment(found: Sequence[str], reference: Sequence[str]) -> list[Aligned]:
    """The steps from a reference to a transcript with the fewest errors, in order.

    Args:
        found: words of the transcript, without blanks in them.
        reference: words of what was said.

    Raises:
        MissingExtraError: jiwer is not installed.
    """
    steps: list[Aligned] = []
    for chunk in _aligned(found, reference):
        kind, at, place = chunk.type, chunk.ref_start_idx, chunk.hyp_start_idx
        count = max(chunk.ref_end_idx - at, chunk.hyp_end_idx - place)
        across = 0 if kind == "insert" else 1
        along = 0 if kind == "delete" else 1
        steps += [Aligned(kind, at + n * across, place + n * along) for n in range(count)]
    return steps


def needed() -> None:
    """Looks whether jiwer is there, before work begins.

    Raises:
        MissingExtraError: it is not.
    """
    _module()


def _errors(counts: NDArray[Any]) -> Errors:
    hits, substitutions, deletions, insertions = (int(each) for each in counts)
    return Errors(
        hits=hits, substitutions=substitutions, deletions=deletions, insertions=insertions
    )


def _counts(found: Sequence[str], reference: Sequence[str]) -> list[int]:
    if not found or not reference:
        return [0, 0, len(reference), len(found)]
    if isinstance(found, str):
        output = _module().process_characters(reference, found)
    else:
        output = _module().process_words(" ".join(reference), " ".join(found))
    return [output.hits, output.substitutions, output.deletions, output.insertions]


def _aligned(found: Sequence[str], reference: Sequence[str]) -> Sequence[Any]:
    steps: Sequence[Any] = (
        _module().process_words(" ".join(reference), " ".join(found)).alignments[0]
    )
    return steps


def _module() -> Any:
    try:
        import jiwer
    except ImportError:
        raise MissingExtraError("jiwer", "speech") from None
    return jiwer
