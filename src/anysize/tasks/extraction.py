"""Summaries of a text's own sentences: how it is read, and which of them are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.protocols import Merger
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.steps import Ability, Answer
from anysize.core.windows import Window
from anysize.mergers.extracts import LeadMerger, RankingMerger
from anysize.mergers.ranking import Embeddings, Terms, term_arrays
from anysize.modalities.texts.settings import TextSettings
from anysize.models.network import Network
from anysize.tasks.summary_options import SummaryOptions
from anysize.tasks.unknown_tokens import UnknownTokens
from anysize.windows.encoding import TextEncoder, encoder_of
from anysize.windows.passages import Passage, Passages

SENTENCES = 3
"""Sentences of a summary, unless said otherwise."""

METHODS = ("lead", "sentence-ranking", "tfidf-ranking")
"""The models that summarise a text with its own sentences."""

WEIGHTLESS = ("lead", "tfidf-ranking")
"""Methods without a model, with which every other one is compared."""

# Sentences and characters that are read together where no model reads them.
_BLOCK = 128
_CHARACTERS = 32_768
_PER_TOKEN = 4
_RANKED = "sentences are ranked by the rest; tfidf-ranking knows every word"


@dataclass(frozen=True, slots=True)
class Reading:
    """The step of methods without a model: what windows hold is their output."""

    needs: ClassVar[Ability] = "run"

    def cost(self, own: int) -> int:
        """The example's own."""
        return own

    def answers(
        self, runtime: Any, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """What each example has aside."""
        for example in examples:
            yield Answer(example, example.aside)

    def rehearse(self, runtime: Any, examples: Sequence[Example]) -> float | None:
        """Nothing takes memory."""
        return None


class ExtractPreprocess:
    """A record's ``text`` to examples: of ``sentence-ranking`` a sentence each, else blocks.

    Args:
        method: name of the model.
        network: of ``sentence-ranking``; the others have no use for it.
    """

    def __init__(self, method: str, network: Network | None = None) -> None:
        self._method = method
        self._encode: Callable[[str], NDArray[np.int32]] | None = None
        self._encoder: TextEncoder | None = None
        if method != "sentence-ranking":
            self._passages = Passages(most=_CHARACTERS, size=len, sentences=_BLOCK)
            return
        assert network is not None
        assert network.tokenizer is not None
        encoder = encoder_of(network.tokenizer)
        frame = encoder.frames.single
        room = network.reads(TextSettings).window - len(frame)
        self._passages = Passages(most=room, size=lambda text: len(encoder.ids(text)), sentences=1)
        self._encode = lambda text: frame.around(encoder.ids(text))
        self._encoder = encoder

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        text = record.text("text")
        unknown = UnknownTokens(self._encoder)
        for index, passage in enumerate(self._passages.stream(text)):
            if passage.last and not index and not passage.sentences:
                raise DataError(text.origin, nothing_to_summarise(passage))
            texts = [each.text for each in passage.sentences]
            aside: dict[str, NDArray[Any]] = {
                "method": np.array(self._method),
                "starts": np.array([each.start for each in passage.sentences], np.int64),
                "texts": np.array(texts),
                "pieces": np.array(sum(each.piece for each in passage.sentences)),
            }
            arrays = {}
            cost = max(passage.core.size // _PER_TOKEN, 1)
            if self._encode is not None:
                ids = arrays["input_ids"] = self._encode(texts[0])
                cost = len(ids)
                unknown.look(texts[0], ids)
            elif self._method == "tfidf-ranking":
                aside |= term_arrays(texts)
            core = passage.core
            yield Example(
                ordinal=ordinal,
                window=Window(record.id, index, core, core, passage.last),
                arrays=arrays,
                cost=cost,
                facts=unknown.facts(core.stop, _RANKED) if passage.last else None,
                aside=aside,
            )


def method_of(network: Network) -> str | None:
    """Which of `METHODS` a network is; None of one that writes summaries."""
    found: str | None = getattr(network.module.config, "extractive", None)
    return found


def nothing_to_summarise(passage: Passage) -> str:
    """Why a text without sentences has no summary."""
    if not passage.core.stop:
        return "nothing to summarise: the text is empty"
    return f"nothing to summarise: the {passage.core.stop} characters are white space"


def merger(method: str, record: str, options: SummaryOptions) -> Merger:
    """What joins a record's windows.

    Args:
        method: name of the model.
        record: the record's id.
        options: of prediction.
    """
    count = options.sentences or SENTENCES
    if method == "lead":
        return LeadMerger(record, count)
    space = Embeddings() if method == "sentence-ranking" else Terms()
    return RankingMerger(record, count, space, options.diversity)


def extract(method: str, record: Record, options: SummaryOptions) -> Result:
    """A summary by a method without a model (``WEIGHTLESS``).

    Raises:
        DataError: the record cannot be read.
    """
    joined = merger(method, record.id, options)
    for example in ExtractPreprocess(method)(0, record):
        joined.add(example.window, example.aside)
    found = joined.finish()
    assert isinstance(found, Result)
    return found
