"""Whether a model is judged on records that it learned from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from anysize.core.records import Source

if TYPE_CHECKING:
    from anysize.models.bundle import Card

_PART = " (training part)"

_log = logging.getLogger("anysize")


def divided_for_training(card: Card, data: str | Path) -> bool:
    """Whether the model was trained on a part of this data, which has no splits of its own."""
    learned = str(card.provenance.get("data", ""))
    whole = Path(learned.removesuffix(_PART))
    return learned.endswith(_PART) and whole.absolute() == Path(data).absolute()


def warn_of_learned(card: Card, source: Source) -> None:
    """Warns where data that was divided for training is evaluated as a whole.

    Such data has no splits of its own, so that evaluating it without naming one takes all of it.
    """
    if divided_for_training(card, source.name):
        _log.warning(
            "%s: all records are evaluated, those included that the model learned from; "
            "--split test takes those alone that it never saw",
            source.name,
        )
