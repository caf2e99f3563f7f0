"""Whether a model is judged on records that it learned from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.records import Source
from anysize.sources.opening import Paths, all_matching, called

if TYPE_CHECKING:
    from anysize.models.bundle import Card

_PART = " (training part)"


def divided_for_training(card: Card, data: Paths) -> bool:
    """Whether the model was trained on a part of this data, which has no splits of its own.

    Args:
        card: of the model.
        data: a path, a pattern or several; or what several are called.
    """
    learned = str(card.provenance.get("data", ""))
    if not learned.endswith(_PART):
        return False
    whole = learned.removesuffix(_PART)
    if Path(whole).absolute() == Path(called(data)).absolute():
        return True
    trained = (card.provenance.get("recipe") or {}).get("data")
    return isinstance(trained, list | tuple) and _places(trained) == _places(data)


def _places(data: Paths) -> set[str]:
    """Where the files are; empty where one of them is not there."""
    try:
        return {os.path.realpath(path) for path in all_matching(data)}
    except DataError:
        return set()


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
