"""Text classification: documents of any length, one label each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.protocols import Preprocess
from anysize.core.records import Record
from anysize.core.windows import Window
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.classification import LABEL, Classification
from anysize.windows.tokens import TokenWindows

if TYPE_CHECKING:
    from anysize.augment import Augmentation

PROVIDES = ("text-classification",)

TEXT = ColumnSpec(
    role="text",
    kind="text",
    names=(
        "text", "sentence", "review", "document", "content", "article", "body", "comment",
        "message", "tweet", "question", "title", "utterance", "query", "x",
    ),
)  # fmt: skip


class TextClassification(Classification):
    """Windows of tokens over ``text``; window logits are pooled into the document's."""

    name = "text-classification"
    role = "text"
    unit = "tokens"
    columns = (TEXT, LABEL)
    augmentation = "none"

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        if augment is not None:
            raise ConfigurationError(
                f"augment={augment.spec!r} is for pictures; text-classification takes 'none'"
            )
        if network.text is None or network.tokenizer is None:
            raise ConfigurationError(
                f"model {network.spec!r} reads pictures, text-classification needs a text model"
            )
        return TextPreprocess(
            TokenWindows(
                tokenizer=network.tokenizer,
                size=network.text.window,
                overlap=network.text.overlap,
            )
        )


class TextPreprocess:
    """A record's ``text`` to examples of token ids."""

    def __init__(self, windows: TokenWindows) -> None:
        self._windows = windows

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        for index, window in enumerate(self._windows.stream(record.text("text"))):
            yield Example(
                ordinal=ordinal,
                window=Window(
                    record=record.id,
                    index=index,
                    region=window.region,
                    core=window.core,
                    last=window.last,
                ),
                arrays={"input_ids": window.ids},
                cost=window.ids.shape[0],
            )


def make(name: str) -> TextClassification:
    """The task."""
    return TextClassification()
