"""Token classification: entities in texts of any length, as stretches of characters.

Each word has the tag (IOB2) of its first token. In training the loss is taken at those tokens
alone, each in the window that owns it, so that a word counts once however windows overlap.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize import mergers
from anysize.core.entities import Entity, Tag, tag_names
from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.progress import counted
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.core.results import Result
from anysize.modalities.texts.settings import TextSettings
from anysize.models.architectures import Architecture
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.distilling import Side, SoftTargets
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.text_classification import example_of, nothing_to_read
from anysize.tasks.token_targets import entities_in, labels_in, reading, words_of
from anysize.windows.tokens import TokenWindow, TokenWindows

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.models.execution import Tensors

PROVIDES = ("token-classification",)
ARCHITECTURE = Architecture(
    auto="AutoModelForTokenClassification",
    suffixes=("ForTokenClassification",),
    per_token=("logits",),
)

TEXT = ColumnSpec(
    role="text",
    kind="text",
    names=("text", "tokens", "words", "sentence", "document", "content"),
)
TAGS = ColumnSpec(
    role="tags",
    kind="target",
    names=("tags", "ner_tags", "entities", "spans", "labels", "label", "ner", "iob"),
    required=False,
    folders=False,
    reading=reading,
)

_IGNORED = -100
MOST_LABELS = 10_000


class TokenClassification:
    """Windows of tokens over ``text``; the tags of tokens are joined into entities."""

    name = "token-classification"
    role = "text"
    unit: Unit = "tokens"
    columns: tuple[ColumnSpec, ...] = (TEXT, TAGS)
    main_metric = "f1"
    lower_is_better = False
    augmentation = "none"
    separable = True
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = ONE_WAY

    def labels(self, source: Source) -> tuple[str, ...]:
        found = self.label_counts(source)
        if not found:
            raise DataError(
                source.name,
                "no record has tags or entities: add a column of tags (one for each word) or of "
                "entities (start, end, label), or name it with --columns tags=NAME",
            )
        if len(found) > MOST_LABELS:
            raise DataError(
                source.name,
                f"{len(found)} different labels, more than {MOST_LABELS}: is the column of tags "
                "right? Name it with --columns tags=NAME",
            )
        return tag_names(found)

    def label_counts(self, source: Source) -> dict[str, int]:
        """How many records have an entity of each label."""
        counts: Counter[str] = Counter()
        indices = range(len(source))
        for index in counted(indices, f"reading the tags of {source.name}", len(source)):
            try:
                record = source[index]
                if record.target is not None:
                    counts.update(labels_in(record.target, record.id))
            except DataError:
                continue
        return dict(sorted(counts.items()))

    def label_of(self, record: Record) -> tuple[str, ...] | None:
        """The labels of a record's entities; see ``tasks.abilities.Naming``."""
        return None if record.target is None else tuple(sorted(labels_in(record.target, record.id)))

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Nothing to prepare."""

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        return {"label_smoothing": 0.0}

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        settings = network.reads(TextSettings)
        windows = TokenWindows(
            tokenizer=network.needed_tokenizer(),
            size=settings.window,
            overlap=settings.overlap,
            places=True,
        )
        names = network.module.config.id2label or {}
        return TokenPreprocess(windows, {str(name): int(place) for place, name in names.items()})

    def target_of(self, record: Record) -> tuple[Entity, ...] | None:
        """The entities of a record; see ``ReadsTargets``."""
        return None if record.target is None else entities_in(record.target, record.text("text"))

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """Checks the target; the windows carry its tags. How many words a record has, about."""
        entities = self.target_of(record)
        if entities is None:
            raise DataError(record.id, "nothing says which words have which label")
        known = {Tag.of(label).label for label in labels} - {""}
        unknown = {each.label for each in entities} - known
        if unknown:
            raise DataError(
                record.id,
                f"has {', '.join(sorted(unknown))}, which the model does not know; it knows "
                f"{', '.join(sorted(known))}",
            )
        return max(words_of(record.text("text").chunks()), 1)

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        length = len(example.arrays["input_ids"])
        tags = np.arange(length, dtype=np.int64) % labels
        aside = {"first": np.array(0), "tags": tags}
        return dataclasses.replace(example, aside=aside), length

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        """The mean over a record's words of the cross entropy, summed over the records."""
        import torch
        from torch.nn.functional import cross_entropy

        assert batch.lengths is not None
        logits = outputs["logits"].float()
        wanted = np.full(len(logits), _IGNORED, np.int64)
        begin = 0
        for example, length in zip(batch.examples, batch.lengths.tolist(), strict=True):
            tags = example.aside["tags"]
            first = begin + int(example.aside["first"])
            wanted[first : first + len(tags)] = tags
            begin += length
        losses = cross_entropy(
            logits,
            torch.from_numpy(wanted).to(logits.device),
            reduction="none",
            ignore_index=_IGNORED,
            label_smoothing=batch.options.label_smoothing,
        )
        return (losses * by_words(batch).repeat_interleave(batch.lengths)).sum()

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """Divergence at the first tokens of words, where the tags are learned too."""
        order = [teacher.labels.index(label) for label in student.labels]

        def loss(own: Tensors, wanted: Tensors, examples: Sequence[Example]) -> Tensor:
            import torch

            from anysize.heads.soft import divergence
            from anysize.modalities.texts.padding import token_lengths

            counted = [example.aside["tags"] != _IGNORED for example in examples]
            lengths = token_lengths(examples)
            rows, begin = [], 0
            for example, tags, length in zip(examples, counted, lengths.tolist(), strict=True):
                rows.append(begin + int(example.aside["first"]) + np.flatnonzero(tags))
                begin += length
            device = own["logits"].device
            index = torch.from_numpy(np.concatenate(rows)).to(device)
            owners = np.repeat(np.arange(len(examples)), [len(each) for each in rows])
            found = divergence(own["logits"][index], wanted["logits"][index][:, order], temperature)
            totals = torch.zeros(len(examples), dtype=found.dtype, device=device)
            return totals.index_add(0, torch.from_numpy(owners).to(device), found)

        return SoftTargets(loss=loss, shares=by_words)

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return EntityMeter()

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(self.name, options, "each token is taken from the window that owns it")
        return mergers.maker(labels, "entities", self.unit)


def by_words(batch: LossBatch) -> Tensor:
    """One over the words of each window's record, ``[windows]``: what a word counts."""
    import torch

    words = torch.tensor(batch.targets, dtype=torch.float32, device=batch.owners.device)
    return 1 / words[batch.owners]


class TokenPreprocess:
    """A record's ``text`` to examples of token ids, with what places and tags its tokens have.

    Args:
        windows: with places.
        names: of the tags, their places in the model's outputs.
    """

    def __init__(self, windows: TokenWindows, names: Mapping[str, int]) -> None:
        self._windows = windows
        self._names = names

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        text = record.text("text")
        tags = None
        if draw is not None:
            tags = _Tags(entities_in(record.target, text), self._names)
        for index, window in enumerate(self._windows.stream(text)):
            if window.last and not window.region.stop:
                raise DataError(text.origin, nothing_to_read(window))
            assert window.places is not None
            aside: dict[str, NDArray[Any]] = {
                "first": np.array(window.first),
                "offsets": window.places.offsets,
                "starts": window.places.starts,
            }
            if tags is not None:
                aside["tags"] = tags.of(window)
            yield example_of(ordinal, record.id, index, window, aside=aside)


class _Tags:
    """The tags of a record's tokens, window after window."""

    def __init__(self, entities: Sequence[Entity], names: Mapping[str, int]) -> None:
        self._starts = np.array([each.start for each in entities], np.int64)
        self._stops = np.array([each.stop for each in entities], np.int64)
        begins = [names.get(f"B-{each.label}", 0) for each in entities]
        inside = [names.get(f"I-{each.label}", 0) for each in entities]
        self._places = np.array([inside, begins], np.int64)
        self._outside = names.get("O", 0)
        self._last = -1  # the entity that the word before belongs to

    def of(self, window: TokenWindow) -> NDArray[np.int64]:
        """``[tokens of the region]``: of first tokens of words in the core, -100 of others."""
        assert window.places is not None
        region, core = window.region, window.core
        found = np.full(region.size, _IGNORED, np.int64)
        own = slice(core.start - region.start, core.stop - region.start)
        at = np.flatnonzero(window.places.starts[own]) + own.start
        if not len(at):
            return found
        found[at] = self._outside
        if len(self._starts):
            characters = window.places.offsets[at, 0]
            owner = np.searchsorted(self._starts, characters, "right") - 1
            owner[(owner >= 0) & (characters >= self._stops[owner])] = -1
            first = owner != np.concatenate(([self._last], owner[:-1]))
            self._last = int(owner[-1])
            inside = owner >= 0
            found[at[inside]] = self._places[first[inside].astype(int), owner[inside]]
        return found


@dataclass(slots=True)
class EntityMeter:
    """F1 over entities (Tjong Kim Sang and De Meulder 2003): label and characters must agree."""

    right: int = 0
    found: int = 0
    wanted: int = 0
    missed: float = field(default=0.0)

    def add(self, result: Result, target: Sequence[Entity]) -> None:
        found = {
            (each["start"], each["end"], each["label"]): each["score"] for each in result.prediction
        }
        wanted = {(each.start, each.stop, each.label) for each in target}
        both = wanted & found.keys()
        self.right += len(both)
        self.found += len(found)
        self.wanted += len(wanted)
        self.missed += len(wanted) - sum(found[each] for each in both)

    def state(self) -> tuple[int, int, int, float]:
        return self.right, self.found, self.wanted, self.missed

    def join(self, states: Sequence[tuple[int, int, int, float]]) -> None:
        self.right, self.found, self.wanted, self.missed = map(sum, zip(*states, strict=True))

    def score(self) -> tuple[float, float]:
        both = self.found + self.wanted
        f1 = 2 * self.right / both if both else 1.0
        return f1, self.missed / max(self.wanted, 1)


def make(name: str) -> TokenClassification:
    """The task."""
    return TokenClassification()
