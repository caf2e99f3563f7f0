"""Text classification: documents of any length, one label each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from anysize.augmentation.texts import TextChanges
from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.protocols import Preprocess
from anysize.core.receipts import Facts
from anysize.core.records import Record
from anysize.core.windows import Window
from anysize.heads.options import ClassOptions, HeadOptions
from anysize.modalities.texts.settings import TextSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.classification import LABEL, Classification
from anysize.windows.tokens import TokenWindow, TokenWindows, Unknown

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

OPTIONS = (HeadOptions, ClassOptions)
PROVIDES = ("text-classification",)
ARCHITECTURE = Architecture(
    auto="AutoModelForSequenceClassification", suffixes=("ForSequenceClassification",)
)

# Of a text, from which on its unknown part is worth a note.
_LARGE_SHARE = 0.1

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
        settings = network.reads(TextSettings)
        changes = None
        if augment is not None:
            changes = TextChanges((*augment.steps, *augment.batch_steps), seed)
        return TextPreprocess(
            TokenWindows(
                tokenizer=network.needed_tokenizer(),
                size=settings.window,
                overlap=settings.overlap,
            ),
            changes,
        )


class TextPreprocess:
    """A record's ``text`` to examples of token ids.

    Args:
        windows: cuts texts.
        changes: of training texts; None changes nothing.
    """

    def __init__(self, windows: TokenWindows, changes: TextChanges | None = None) -> None:
        self._windows = windows
        self._changes = changes

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        text = record.text("text")
        if self._changes is not None and draw is not None:
            text = self._changes.changed(text, draw, record.id)
        for index, window in enumerate(self._windows.stream(text)):
            if window.last and not window.region.stop:
                raise DataError(text.origin, nothing_to_read(window))
            yield example_of(ordinal, record.id, index, window)


def example_of(
    ordinal: int, record: str, index: int, window: TokenWindow,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    aside: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> Example:  # fmt: skip
    """An example of a window of tokens.

    Args:
        ordinal: of the record in the stream.
        record: its id.
        index: of the window in the record, from 0.
        window: what is read.
        arrays: what the model takes; None: the ids alone.
        aside: what goes beside them to the loss and the merger.
    """
    return Example(
        ordinal=ordinal,
        window=Window(
            record=record, index=index, region=window.region, core=window.core, last=window.last
        ),
        arrays={"input_ids": window.ids} if arrays is None else arrays,
        cost=window.ids.shape[0],
        facts=None if window.unknown is None else unknown_facts(window, window.unknown),
        aside=aside,
    )


def nothing_to_read(window: TokenWindow) -> str:
    """Why a text without tokens cannot be read."""
    characters = window.characters.stop
    if not characters:
        return "nothing to read: the text is empty"
    return (
        f"nothing to read: the {characters} characters of the text are white space or left out by "
        "the model's tokenizer"
    )


def unknown_facts(window: TokenWindow, unknown: Unknown) -> Facts:
    """What the receipt says of tokens that are not in the vocabulary.

    One of them may be a word of a million characters, so the part of the text that was not
    read is that of the tokens or that of the characters, whichever is larger.
    """
    tokens, characters = window.region.stop, max(window.characters.stop, 1)
    share = min(max(unknown.tokens / tokens, unknown.characters / characters), 1.0)
    notes: tuple[str, ...] = ()
    if share >= _LARGE_SHARE:
        notes = (
            f"{share:.0%} of the text is unknown to the model's tokenizer: the prediction is made "
            "from the rest; a model for this language reads more of it",
        )
    return Facts(
        notes=notes,
        counts={"unknown_tokens": unknown.tokens},
        unread=math.ceil(share * tokens),
        reason=(
            f"{unknown.tokens} tokens ({unknown.characters} characters) are not in the model's "
            "vocabulary"
        ),
    )


def make(name: str) -> TextClassification:
    """The task."""
    return TextClassification()
