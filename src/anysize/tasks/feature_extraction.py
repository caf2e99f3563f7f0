"""Feature extraction: one vector of a text of any length, and the passages nearest to a query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.options import Options, option
from anysize.core.protocols import Merger, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, TextField
from anysize.core.windows import Window
from anysize.mergers.passages import OUTPUT, PassageMerger, aside
from anysize.modalities.texts.settings import TextSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.models.sentence import SentencePooling, pooling_of
from anysize.models.sentence import adapt as adapt
from anysize.readers.text import Text
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import NO_CLASSES, ONE_WAY
from anysize.tasks.protocols import MERGED_AS_USUAL, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.text_classification import nothing_to_read, unknown_facts
from anysize.tasks.untrained import Untrained
from anysize.windows.tokens import TokenWindow, TokenWindows

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

PROVIDES = ("feature-extraction",)
ARCHITECTURE = Architecture(
    auto="AutoModel",
    suffixes=(
        "BertModel", "RobertaModel", "CamembertModel", "ElectraModel", "AlbertModel", "MPNetModel",
    ),
    outputs=(OUTPUT,),
    per_token=(OUTPUT,),
    unused=("pooler.",),
)  # fmt: skip

TEXT = ColumnSpec(
    role="text",
    kind="text",
    names=(
        "text", "passage", "document", "context", "content", "article", "body", "sentence",
        "paragraph", "abstract", "review", "summary",
    ),
)  # fmt: skip
QUERY = ColumnSpec(
    role="query",
    kind="target",
    names=("query", "question"),
    required=False,
    folders=False,
    reading=str,
)


@dataclass(frozen=True, kw_only=True)
class EmbeddingOptions(Options):
    """How texts are embedded, and what they are compared with."""

    table: ClassVar[str] = "feature-extraction"

    near: str | None = option(
        None, metavar="TEXT",
        help="Compare every record with this text: results are the similarity of its nearest "
        "passage (a window) instead of a vector.",
    )  # fmt: skip
    passages: int = option(
        1, low=1, high=1000, help="Number of nearest passages in a result, with --near."
    )
    pooling: str = option(
        "tokens", choices=("tokens", "windows"),
        help="The vector of a long text: of all its tokens, each counted once, or the mean of its "
        "windows' vectors.",
    )  # fmt: skip


class FeatureExtraction(Untrained):
    """Windows of tokens over ``text``; their states are pooled into the text's vector.

    Measured by how well each record's text is found by its own query among all texts.

    Args:
        options: of prediction.
        measuring: whether each record is compared with its own query.
    """

    name = "feature-extraction"
    role = "text"
    unit: Unit = "tokens"
    columns: tuple[ColumnSpec, ...] = (TEXT, QUERY)
    main_metric = "recall_at_1"
    lower_is_better = False
    augmentation = "none"
    separable = False
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, **NO_CLASSES}
    untrained: ClassVar[str] = (
        "feature-extraction is not trained: take a sentence encoder that is trained already "
        "(minilm, a folder of sentence-transformers, a hub id)"
    )
    prediction: ClassVar[type[Options]] = EmbeddingOptions

    def __init__(self, options: EmbeddingOptions | None = None, *, measuring: bool = True) -> None:
        self.options = options or EmbeddingOptions()
        self._measuring = measuring

    def answering(self) -> FeatureExtraction:
        """The task as prediction carries it out: a query is given, not read from the data."""
        return FeatureExtraction(self.options, measuring=False)

    def predicting(self, options: Any) -> FeatureExtraction:
        """See ``Predicting``.

        Raises:
            ConfigurationError: the text to be near is empty.
        """
        if options.near is not None and not options.near.strip():
            raise ConfigurationError("near must be a text, and it is empty")
        return FeatureExtraction(options, measuring=self._measuring)

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        settings = network.reads(TextSettings)
        windows = TokenWindows(
            tokenizer=network.needed_tokenizer(), size=settings.window, overlap=settings.overlap
        )
        pooling = pooling_of(network)
        query: list[TokenWindow] = []
        if not self._measuring and self.options.near is not None:
            query = _query(windows, Text(self.options.near, origin="near"), pooling)
        return EmbeddingPreprocess(windows, pooling, query, own_query=self._measuring)

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(self.name, options, "--pooling says how windows become one vector")
        own, measuring = self.options, self._measuring

        def new(record: str) -> PassageMerger:
            return PassageMerger(record, self.unit, own.pooling, own.passages, measuring=measuring)

        return new


class EmbeddingPreprocess:
    """A record's ``text`` to examples of token ids, before them that of a query.

    Args:
        windows: of texts.
        pooling: of the model.
        query: windows of the text that every record is compared with; none without one.
        own_query: whether a record's target is what it is compared with.
    """

    def __init__(
        self,
        windows: TokenWindows,
        pooling: SentencePooling,
        query: list[TokenWindow],
        *,
        own_query: bool,
    ) -> None:
        self._windows, self._pooling = windows, pooling
        self._query, self._own_query = query, own_query

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        text = record.text("text")
        query = self._query
        if self._own_query and record.target is not None:
            origin = f"{record.id} query"
            query = _query(self._windows, Text(record.target, origin=origin), self._pooling)
        compares, count = bool(query), len(query)
        for index, window in enumerate(query):
            yield self._example(ordinal, record.id, index, window, query=count, compares=True)
        for index, window in enumerate(self._windows.stream(text), count):
            if window.last and not window.region.stop:
                raise DataError(text.origin, nothing_to_read(window))
            yield self._example(ordinal, record.id, index, window, query=0, compares=compares)

    def _example(
        self, ordinal: int, record: str, index: int, window: TokenWindow, *, query: int,
        compares: bool,
    ) -> Example:  # fmt: skip
        unknown = None if window.unknown is None or query else window.unknown
        return Example(
            ordinal=ordinal,
            window=Window(
                record=record,
                index=index,
                region=window.region,
                core=window.core,
                last=window.last and not query,
            ),
            arrays={"input_ids": window.ids},
            cost=window.ids.shape[0],
            facts=None if unknown is None else unknown_facts(window, unknown),
            aside=aside(
                pooling=self._pooling.pooling,
                normalize=self._pooling.normalize,
                own=_own(window),
                characters=(window.characters.start, window.characters.stop),
                query=query,
                compares=compares,
            ),
        )


def _own(window: TokenWindow) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which tokens of a window count for the text: its own, and the special ones at the ends."""
    found = np.zeros(len(window.ids), np.bool_)
    begin = window.first - window.region.start
    found[begin + window.core.start : begin + window.core.stop] = True
    if window.region.start == 0:
        found[: window.first] = True
    if window.last:
        found[begin + window.region.stop :] = True
    return found


def _query(windows: TokenWindows, text: TextField, pooling: SentencePooling) -> list[TokenWindow]:
    """The windows of a query, with the prompt that the model wants before it.

    Raises:
        DataError: it is empty.
    """
    words = pooling.query_prompt + "".join(text.chunks())
    found = list(windows.stream(Text(words, origin=text.origin)))
    if not found[-1].region.stop:
        raise DataError(text.origin, nothing_to_read(found[-1]))
    return found


def make(name: str) -> FeatureExtraction:
    """The task."""
    return FeatureExtraction()
