"""Goes on writing: each window of a text is a prompt, and what is written is read once more.

The continuations of the windows, one after the other, are the text of a second round (as partial
summaries are summarised again); what is written from that is the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.generation import GenerationOptions
from anysize.core.protocols import Merger
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import NextRound, Result
from anysize.core.steps import Generation
from anysize.core.windows import Window
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.readers.text import Text
from anysize.tasks.protocols import MergeOptions
from anysize.tasks.text_classification import TEXT, TextClassification

PROVIDES = ("toy-writing",)
ARCHITECTURE = Architecture(auto="AutoModelForCausalLM")
NEW_TOKENS = 4


class Writing(TextClassification):
    """Only what prediction asks of a task differs from reading a text."""

    name = "toy-writing"
    columns = (TEXT,)

    def step(self, network: Network) -> Generation:
        tokenizer = network.tokenizer

        def decode(tokens: NDArray[np.int32]) -> str:
            assert tokenizer is not None
            return str(tokenizer.decode(tokens.tolist()))

        options = GenerationOptions(most=NEW_TOKENS, least=2)
        return Generation(options=options, decode=decode)

    def new_merger(self, labels: Sequence[str], options: MergeOptions) -> Callable[[str], Merger]:
        return Joined


class Joined:
    """The continuations, in the order of the windows; several of them make another round."""

    order_independent = True

    def __init__(self, record: str) -> None:
        self._record = record
        self._texts: dict[int, str] = {}
        self._scores: dict[int, float] = {}
        self._extent = 0

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._texts[window.index] = output["text"]
        self._scores[window.index] = float(output["score"])
        self._extent = max(self._extent, window.core.stop)  # type: ignore[union-attr]

    def partial(self, window: Window, output: Mapping[str, Any]) -> str:
        return str(output["text"])

    def finish(self) -> Result | NextRound:
        count = len(self._texts)
        receipt = Receipt(
            extent=self._extent, unit="tokens", windows=count, covered=1.0, dropped=0,
            merge="joined", fidelity="approximate",
        )  # fmt: skip
        text = " ".join(self._texts[index] for index in range(count))
        if count > 1:
            field = Text(text, origin=self._record)
            return NextRound(
                record=Record(id=self._record, fields={"text": field}), receipt=receipt
            )
        score = float(np.exp(self._scores[0]))
        return Result(id=self._record, prediction=text, score=score, receipt=receipt)


def make(name: str) -> Writing:
    """The task."""
    return Writing()
