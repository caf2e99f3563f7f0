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


def warn_of_learned(card: Card, source: Source) -> None:
    """Warns where data that was divided for training is evaluated as a whole.

    Such data has no splits of its own, so that evaluating it without naming one takes all of it.
    """
    learned = str(card.provenance.get("data", ""))
    if not learned.endswith(_PART):
        return
    if Path(learned.removesuffix(_PART)).absolute() == Path(source.name).absolute():
        _log.warning(
            "%s: all records are evaluated, those included that the model learned from; "
            "--split test takes those alone that it never saw",
            source.name,
        )
