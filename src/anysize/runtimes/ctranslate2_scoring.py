"""How likely texts are in CTranslate2: for language models of which there is no other form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.examples import Example, Outputs, Ragged
from anysize.windows.language import IGNORED

LOSSES = "losses"


class CTranslate2Scorer:
    """Gives ``losses`` of tokens; see ``core.protocols.Runtime`` and ``modalities.texts.causal``.

    Examples have ``input_ids`` and ``labels``. They are padded behind, where no token looks.

    Args:
        precision: that the engine computes in.
        engine: a ``ctranslate2.Generator``.
        streams: batches that it runs side by side.
    """

    name = "ctranslate2"
    packed = False

    def __init__(self, precision: str, engine: Any, streams: int = 1) -> None:
        self.precision, self.streams = precision, streams
        self._engine = engine

    def run(self, examples: Sequence[Example]) -> Outputs:
        """Minus the natural logarithm of each wanted token's probability; 0 where none is."""
        import ctranslate2

        ids = [example.arrays["input_ids"].tolist() for example in examples]
        found = self._engine.forward_batch(ids, return_log_probs=True)
        likely = np.asarray(found.to(ctranslate2.DataType.float32))
        rows = [
            _losses(row, example.arrays["labels"])
            for row, example in zip(likely, examples, strict=True)
        ]
        return Outputs({LOSSES: Ragged.of(rows)})

    def close(self) -> None:
        """Releases the model."""
        self._engine.unload_model()


def _losses(likely: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float32]:
    """The losses of one example's labels ``[length]``, from ``[padded length, vocabulary]``."""
    wanted = np.where(labels == IGNORED, 0, labels)
    losses = -likely[np.arange(len(labels)), wanted]
    return np.where(labels == IGNORED, np.float32(0), losses).astype(np.float32)
