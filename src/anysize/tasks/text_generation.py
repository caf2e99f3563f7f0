"""Text generation: language models, measured by how likely they find texts, asked to continue them.

Training and evaluation read passages (``sources.passages``), and every token of them is predicted
exactly once; the text before a passage is context. What prediction does is in
``tasks.text_continuation``.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from anysize import mergers
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.examples import Example
from anysize.core.findings import Findings
from anysize.core.protocols import Merger, Meter, Preprocess
from anysize.core.receipts import Facts, Unit
from anysize.core.records import Record, Source
from anysize.core.results import Result
from anysize.core.windows import Window
from anysize.modalities.texts.settings import TextSettings
from anysize.models.architectures import Architecture
from anysize.models.chat_template import AS_CHAT
from anysize.models.network import Network
from anysize.sources import ColumnSpec, conversations
from anysize.sources.conversations import Conversation
from anysize.sources.passages import BEFORE, CONTINUES
from anysize.tasks.abilities import NO_CLASSES, ONE_WAY
from anysize.tasks.continuation_options import AnswerOptions
from anysize.tasks.continuation_timing import continuation_timing
from anysize.tasks.conversation_findings import is_conversation, survey_conversations
from anysize.tasks.conversation_windows import Writer, ensure_template, windows_of
from anysize.tasks.distilling import Side, SoftTargets
from anysize.tasks.perplexity_meter import PerplexityMeter
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.tasks.text_continuation import TextContinuation, begin_of, end_of
from anysize.tasks.timing import Timing
from anysize.tasks.token_distilling import soft_tokens
from anysize.windows.language import LanguageWindow, LanguageWindows

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augmentation import Augmentation
    from anysize.models.execution import Tensors

PROVIDES = ("text-generation",)
ARCHITECTURE = Architecture(
    auto="AutoModelForCausalLM",
    suffixes=("ForCausalLM", "LMHeadModel", "LanguageModel"),
    outputs=("losses",),
    per_token=("losses",),
    beside=("labels",),
)

TEXT = ColumnSpec(
    role="text",
    kind="text",
    names=("text", "document", "content", "article", "story", "sentence"),
    passages=True,
    unless=conversations.INSTEAD,
)

_log = logging.getLogger("anysize")
_LOOKED_AT = 64
_TOKENS = "tokens_per_record"
# Of answers that a teacher writes.
_NOT_FINISHED = {"length": "cut off", "loop": "looping"}


class TextGeneration:
    """Windows of tokens over ``text``; each token's loss is that of predicting it.

    Args:
        options: of prediction; of them evaluation takes ``stride``.
    """

    name = "text-generation"
    role = "text"
    unit: Unit = "tokens"
    columns: tuple[ColumnSpec, ...] = (TEXT, *conversations.COLUMNS)
    main_metric = "perplexity"
    lower_is_better = True
    augmentation = "none"
    separable = True
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, **NO_CLASSES}
    prediction: ClassVar[type[AnswerOptions]] = AnswerOptions

    def __init__(self, options: AnswerOptions | None = None) -> None:
        self.options = options or AnswerOptions()

    def predicting(self, options: AnswerOptions) -> TextGeneration:
        """The task with other options of prediction."""
        return TextGeneration(options)

    def answering(self) -> TextContinuation:
        """What prediction does; see ``tasks.protocols.Answering``."""
        return TextContinuation(self.options)

    def timing(self, network: Network) -> Timing:
        """How fast prompts are continued; see ``tasks.timing.Timed``."""
        return continuation_timing(network)

    def labels(self, source: Source) -> tuple[str, ...]:
        """None: what is predicted is the next token."""
        return ()

    def label_counts(self, source: Source) -> dict[str, int]:
        """None."""
        return {}

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Notes how many tokens a record of the training data has, on average of a few.

        A record's loss is its tokens' losses over this number, so that every token of the data
        counts the same, and the loss of a step is about that of a token.
        """
        if is_conversation(source) and ensure_template(network):
            _log.warning(
                "%s has no chat template: conversations are written with a plain one, which is "
                "kept in the bundle", network.spec,
            )  # fmt: skip
        preprocess = self.preprocess(network)
        found = []
        for index in range(0, len(source), max(len(source) // _LOOKED_AT, 1)):
            try:
                examples = preprocess(index, source[index], None)
                found.append(sum(int((one.arrays["labels"] >= 0).sum()) for one in examples))
            except DataError:
                continue  # counted and named when training reads it
        mean = sum(found) / len(found) if found else 0.0
        # It is trained to answer, or to continue texts, whatever it was before.
        chat = is_conversation(source)
        network.module.config.update({_TOKENS: max(mean, 1.0), AS_CHAT: chat})

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        common: dict[str, Any] = {"label_smoothing": 0.0}
        if pretrained:
            return {**common, "batch": 8}
        return {**common, "batch": 8, "epochs": 20, "learning_rate": 2e-3, "weight_decay": 0.1}

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        refuse_augmentation(self.name, augment)
        settings = network.reads(TextSettings)
        windows = LanguageWindows(
            tokenizer=network.needed_tokenizer(),
            size=settings.window,
            context=min(settings.overlap, settings.window - 1),
            begin=begin_of(network),
            end=end_of(network),
        )
        stride = self.options.stride or (settings.window + 1) // 2
        if stride > settings.window:
            raise ConfigurationError(
                f"stride must be at most the window, {settings.window} tokens, not {stride}"
            )
        measured = dataclasses.replace(windows, context=settings.window - stride)
        return LanguagePreprocess(windows, measured, seed, network)

    def target_of(self, record: Record) -> TextCounts:
        """How many words, characters and bytes are predicted; see ``ReadsTargets``."""
        text = record.text(self.role)
        if isinstance(text, Conversation):
            return counts_of(f"{answer} " for answer in text.answers())
        return counts_of(text.chunks())

    def survey(self, source: Source, findings: Findings) -> None:
        """Counts conversations that cannot be learned from; see ``tasks.abilities.Surveying``."""
        survey_conversations(source, findings)

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """Nothing: the windows have their labels with them."""
        return 0

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        ids = example.arrays["input_ids"]
        wanted = np.roll(ids, -1).astype(np.int32)
        return dataclasses.replace(example, arrays={**example.arrays, "labels": wanted}), 0

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        """The sum of the tokens' losses over the tokens of an average record."""
        total: Tensor = outputs["losses"].sum() / _mean_tokens(network)
        return total

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """Divergence of each token that is predicted; see ``tasks.distilling``."""
        mean = _mean_tokens(student.network)
        return soft_tokens(student, teacher, temperature, per_record=mean)

    def asked(self, source: Source) -> Source | None:
        """Conversations up to their last answer; see ``tasks.distilling.Answered``."""
        return conversations.Asked(source, self.role) if is_conversation(source) else None

    def unanswered(self, result: Result) -> str | None:
        """Why a teacher's answer is nothing to learn from; see ``tasks.distilling.Answered``."""
        if not str(result.prediction).strip():
            return "empty"
        return _NOT_FINISHED.get(str(result.details.get("ending")))

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return PerplexityMeter()

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        refuse_merge(self.name, options, "each token is predicted by the window that owns it")
        return mergers.maker(labels, "likelihood", self.unit)


def _mean_tokens(network: Network) -> float:
    """Tokens of an average record of the training data, as noted in the beginning."""
    return float(getattr(network.module.config, _TOKENS, None) or 1.0)


class LanguagePreprocess:
    """A record's ``text`` to examples of token ids with the tokens that come next.

    Args:
        training: windows to train on; where the first one ends changes from epoch to epoch.
        measured: windows to measure with.
        seed: of the run.
        network: whose chat template writes conversations; None where there are none.
    """

    def __init__(
        self,
        training: LanguageWindows,
        measured: LanguageWindows,
        seed: int = 0,
        network: Network | None = None,
    ) -> None:
        self._training, self._measured, self._seed = training, measured, seed
        self._network = network
        self._writer: Writer | None = None

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        text: Any = record.text("text")
        before: Any = record.fields.get(BEFORE)
        if isinstance(text, Conversation):
            stream = self._answers(record, text, learning=draw is not None)
        elif draw is None:
            stream = self._measured.stream(text, before)
        else:
            size = self._training.size
            key = f"{self._seed} {draw} {record.id}".encode()
            first = size - int.from_bytes(blake2b(key, digest_size=4).digest()) % (size // 2)
            ending = CONTINUES not in record.values
            stream = self._training.stream(text, before, ending=ending, first=first)
        unknown = 0
        for index, window in enumerate(stream):
            if not len(window.ids) or (window.last and not window.core.stop and before is None):
                raise DataError(text.origin, "it is empty")
            unknown += window.unknown
            facts = None
            if window.last and unknown:
                facts = Facts(counts={"unknown_tokens": unknown})
            yield Example(
                ordinal=ordinal,
                window=Window(
                    record=record.id,
                    index=index,
                    region=window.region,
                    core=window.core,
                    last=window.last,
                ),
                arrays={"input_ids": window.ids, "labels": window.labels},
                cost=len(window.ids),
                facts=facts,
                aside={"predicted": np.array((window.labels >= 0).sum())},
            )

    def _answers(
        self, record: Record, text: Conversation, *, learning: bool
    ) -> Iterator[LanguageWindow]:
        """Windows of a conversation, half of which neighbours share.

        A teacher's answer is the record's target, and takes the place of the last one.
        """
        if self._writer is None:
            assert self._network is not None
            ensure_template(self._network)
            self._writer = Writer(self._network)
        said = record.target if learning else None
        messages = text.messages() if said is None else text.answered(str(said))
        written = self._writer(messages, text.origin)
        windows = self._measured
        if learning:
            windows = dataclasses.replace(self._training, context=self._training.size // 2)
        yield from windows_of(written, windows, learning=learning)


@dataclass(frozen=True, slots=True)
class TextCounts:
    """How long a text is.

    Attributes:
        words: stretches without blanks, and line ends, which count as a word each.
        characters: of the text.
        bytes: in UTF-8.
    """

    words: int = 0
    characters: int = 0
    bytes: int = 0


def counts_of(chunks: Iterator[str]) -> TextCounts:
    """The length of a text that comes as a stream."""
    words = characters = size = 0
    inside = False
    for chunk in chunks:
        found = chunk.split()
        # A word that goes on from the last piece was counted there.
        words += len(found) - (inside and bool(chunk) and not chunk[0].isspace())
        words += chunk.count("\n")
        characters += len(chunk)
        size += len(chunk.encode("utf-8", "replace"))
        inside = bool(chunk) and not chunk[-1].isspace()
    return TextCounts(words, characters, size)


def make(name: str) -> TextGeneration:
    """The task."""
    return TextGeneration()
