"""Whether a model is judged on records that it learned from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anysize.core.findings import Findings
from anysize.core.records import Source

if TYPE_CHECKING:
    from anysize.models.bundle import Card

_PART = " (training part)"


def divided_for_training(card: Card, data: str | Path) -> bool:
    """Whether the model was trained on a part of this data, which has no splits of its own."""
    learned = str(card.provenance.get("data", ""))
    whole = Path(learned.removesuffix(_PART))
    return learned.endswith(_PART) and whole.absolute() == Path(data).absolute()


def note_learned(card: Card, source: Source, findings: Findings) -> None:
    """Says where data that was divided for training is evaluated as a whole.

    Such data has no splits of its own, so that evaluating it without naming one takes all of it.
    """
    if divided_for_training(card, source.name):
        findings.add(
            "evaluated-on-training",
            f"{source.name}: all records are evaluated, those included that the model learned from",
            count=len(source),
            unit="records",
            remedy="--split test takes those alone that it never saw",
        )
