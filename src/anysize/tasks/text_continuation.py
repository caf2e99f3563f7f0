"""What a language model is asked for in prediction: the continuation of prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.generation import SHORTEST, SINKS, GenerationOptions
from anysize.core.options import Options, option
from anysize.core.protocols import Merger, Preprocess
from anysize.core.receipts import Facts
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.steps import Generation
from anysize.core.stops import StopStrings
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage
from anysize.models.network import Network
from anysize.models.positions import position_count
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import ONE_WAY
from anysize.tasks.protocols import MERGED_AS_USUAL, MergeOptions
from anysize.tasks.refusals import refuse_augmentation, refuse_merge
from anysize.windows.encoding import encoder_of
from anysize.windows.language import tokens_of

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

PROMPT = ColumnSpec(
    role="text",
    kind="text",
    names=("prompt", "text", "instruction", "question", "input", "content"),
)


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(Options):
    """How a language model continues prompts, and by what stride it is measured."""

    table: ClassVar[str] = "text-generation"

    max_new_tokens: int = option(
        128,
        low=1,
        unit="tokens",
        help="The most tokens that a prompt is continued by.",
    )
    temperature: float = option(
        0.0, low=0,
        help="Divides the logits before a token is drawn; 0 takes the most probable one.",
    )  # fmt: skip
    top_k: int = option(
        0, low=0, help="Draw from so many of the most probable tokens only; 0 from all."
    )
    top_p: float = option(
        1.0, above=0, high=1,
        help="Draw from the fewest tokens whose probabilities add up to this.",
    )  # fmt: skip
    seed: int = option(0, help="Of what is drawn; each record draws by itself.")
    stop: tuple[str, ...] = option(
        (), help="Texts at which a continuation ends; they are no part of it."
    )
    context: int | None = option(
        None, low=SHORTEST, unit="tokens", automatic="as many as the model has positions",
        help="Tokens of a prompt and its continuation that the model keeps in memory; beyond that "
        "it keeps the first few and the last.",
    )  # fmt: skip
    stride: int | None = option(
        None, low=1, unit="tokens", automatic="half the window",
        help="In evaluation, tokens that a window predicts; what it reads beside them is context.",
    )  # fmt: skip


class TextContinuation:
    """The task as prediction carries it out: a prompt is a record, its continuation the answer.

    Args:
        options: how it is continued.
    """

    name = "text-generation"
    role = "text"
    unit = "tokens"
    columns: tuple[ColumnSpec, ...] = (PROMPT,)
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = ONE_WAY
    prediction: ClassVar[type[AnswerOptions]] = AnswerOptions

    def __init__(self, options: AnswerOptions) -> None:
        self.options = options

    def predicting(self, options: AnswerOptions) -> TextContinuation:
        """The task with other options; see ``tasks.protocols.Predicting``."""
        return TextContinuation(options)

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        """A prompt becomes one example."""
        refuse_augmentation(self.name, augment)
        return _Prompts(network)

    def step(self, network: Network) -> Generation:
        """A generation; see ``tasks.protocols.Stepped``."""
        options, decode = self.options, Decoding(network)
        return Generation(
            options=GenerationOptions(
                most=options.max_new_tokens,
                temperature=options.temperature,
                top_k=options.top_k,
                top_p=options.top_p,
                seed=options.seed,
                end=ends_of(network),
                context=options.context or _positions(network),
                stop_strings=StopStrings(options.stop, decode) if options.stop else None,
            ),
            decode=decode,
        )

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        """The continuation of a record's prompt."""
        refuse_merge(self.name, options, "a prompt is read at once")
        return ContinuationMerger


def _positions(network: Network) -> int:
    """Tokens that a model has positions for, where its memory has use of a bound; else 0."""
    found = position_count(network.module.config) or 0
    return found if found >= SHORTEST else 0


class Decoding:
    """From token ids to text, special tokens left out.

    Args:
        network: a language model.
    """

    def __init__(self, network: Network) -> None:
        self._tokenizer: Any = network.tokenizer

    def __call__(self, tokens: NDArray[np.int32]) -> str:
        text: str = self._tokenizer.decode(tokens.tolist(), skip_special_tokens=True)
        return text


class _Prompts:
    """A record's ``text`` to one example of token ids, with the token that documents begin with."""

    def __init__(self, network: Network) -> None:
        assert network.tokenizer is not None
        self._encoder = encoder_of(network.tokenizer)
        begin = begin_of(network)
        self._begin = np.array([] if begin is None else [begin], np.int32)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        text = record.text("text")
        own = np.concatenate([self._begin[:0], *tokens_of(self._encoder, text.chunks())])
        ids = np.concatenate([self._begin, own])
        if not len(ids):
            raise DataError(text.origin, "is an empty prompt, and the model has no token to begin")
        span = Span(0, len(own))
        yield Example(
            ordinal=ordinal,
            window=Window(record.id, 0, span, span, last=True),
            arrays={"input_ids": ids},
            cost=len(ids),
        )


class ContinuationMerger:
    """The continuation of one prompt.

    The result's prediction is the text; ``details`` has ``ending`` (``end``, ``stop``, ``length``),
    ``tokens``, how many were generated, and ``log_probability``, of all of them together.

    Args:
        record: the record's id.
    """

    order_independent = True

    def __init__(self, record: str) -> None:
        self._record = record
        self._coverage = Coverage("tokens")
        self._output: Mapping[str, Any] = {}

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        self._output = {
            "text": output["text"],
            "tokens": len(output["tokens"]),
            "score": float(output["score"]),
            "ending": output["ending"],
            "lost": int(output["lost"]),
            "unread": int(output["unread"]),
        }

    def partial(self, window: Window, output: Mapping[str, Any]) -> Any:
        """The text so far; see ``core.protocols.Showing``."""
        # Half of a character that takes several tokens is not shown.
        return str(output["text"]).removesuffix("\N{REPLACEMENT CHARACTER}")

    def finish(self) -> Result:
        output = self._output
        lost, unread = output["lost"], output["unread"]
        receipt = self._coverage.receipt("continuation", "exact")
        if lost:
            whole = receipt.extent + output["tokens"]
            note = (
                f"{lost:,} of {whole:,} tokens had left the model's memory when the text ended: it "
                f"saw the first {SINKS} and the last {max(whole - lost - SINKS, 0):,}"
            )
            receipt = replace(receipt, fidelity="approximate").with_facts(
                Facts(
                    notes=(note,),
                    unread=unread,
                    reason="the model has no positions for the rest" if unread else None,
                )
            )
        return Result(
            id=self._record,
            prediction=output["text"],
            score=None,
            receipt=receipt,
            details={
                "ending": output["ending"],
                "tokens": output["tokens"],
                "log_probability": output["score"],
            },
        )


def begin_of(network: Network) -> int | None:
    """The token that a model's documents begin with, as its tokenizer says; None where none."""
    assert network.tokenizer is not None
    prefix = encoder_of(network.tokenizer).frames.single.prefix
    return int(prefix[-1]) if len(prefix) else None


def ends_of(network: Network) -> tuple[int, ...]:
    """The tokens that end what a model generates."""
    module: Any = network.module
    for owner in (getattr(module, "generation_config", None), module.config):
        found = getattr(owner, "eos_token_id", None)
        if found is not None:
            return tuple(map(int, found)) if isinstance(found, list | tuple) else (int(found),)
    return ()


def end_of(network: Network) -> int | None:
    """The token that a model's documents end with; None where it has none."""
    found = ends_of(network)
    return found[0] if found else None
