"""Results: one per record, written as one line of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anysize.core.receipts import Receipt

if TYPE_CHECKING:
    from anysize.core.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the outputs of a model mean.

    Attributes:
        prediction: what is predicted.
        score: confidence in it, 0 to 1; None where there is no such thing.
        details: more of it, by name, as a result has it.
        compared: what evaluation compares with a target: probabilities by label, or a number.
    """

    prediction: Any
    score: float | None
    details: Mapping[str, Any]
    compared: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A prediction and what was read to make it.

    Attributes:
        id: the record's id.
        prediction: what the task predicts (a label's name for classification).
        score: the model's confidence in it, 0 to 1; None where there is no such thing.
        receipt: what was read.
        details: task fields (``probabilities`` by label for classification).
        target: the record's own target where it has one.
    """

    id: str
    prediction: Any
    score: float | None
    receipt: Receipt
    details: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None

    @property
    def label(self) -> Any:
        """The prediction, by the name that classification users expect."""
        return self.prediction

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "prediction": plain(self.prediction),
            **({} if self.score is None else {"score": self.score}),
            **self.details,
            "receipt": self.receipt.to_json(),
        }


def plain(prediction: Any) -> Any:
    """A prediction as JSON has it; one that is no plain value says so itself (``to_json``)."""
    own = getattr(prediction, "to_json", None)
    return prediction if own is None else own()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResult:
    """A record that could not be read, in the place of its result.

    Attributes:
        id: the record's id.
        error: what is wrong with it, one sentence that names it.
    """

    id: str
    error: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "error": self.error}


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRound:
    """What a merger gives in place of a result where what it joined is to be read once more.

    The summaries of a book's parts, one after the other, are a text that is summarised again.

    Attributes:
        record: what is read next, for the same result.
        receipt: what was read in this round.
    """

    record: Record
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialResult:
    """What is known of a record's prediction while it is being made.

    Attributes:
        id: the record's id.
        partial: the prediction so far, as the task shows it.
        window: which window it comes from.
        round: how many rounds went before; see ``NextRound``.
    """

    id: str
    partial: Any
    window: int
    round: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "partial": plain(self.partial),
            "window": self.window,
            "round": self.round,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledResult:
    """A part of a record's result that nothing further changes, of a record without an end.

    Attributes:
        id: the record's id.
        part: how many came before.
        prediction: as a ``Result`` has it, of this part.
        details: the same.
    """

    id: str
    part: int
    prediction: Any
    details: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "part": self.part,
            "prediction": plain(self.prediction),
            **self.details,
        }
