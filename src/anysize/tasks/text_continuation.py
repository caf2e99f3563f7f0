"""What a language model is asked for in prediction: the continuation of prompts."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.generation import SHORTEST, SINKS, GenerationOptions
from anysize.core.plurals import number_of
from anysize.core.protocols import Merger, Preprocess
from anysize.core.receipts import Facts
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.steps import RETRY_PENALTY, Generation
from anysize.core.stops import StopStrings
from anysize.core.windows import Span, Window
from anysize.mergers.coverage import Coverage
from anysize.models.chat_template import needed
from anysize.models.network import Network
from anysize.models.positions import position_count
from anysize.models.sequence_ends import end_tokens
from anysize.sources import ColumnSpec
from anysize.sources.conversations import INPUT, MESSAGES, SYSTEM, with_input
from anysize.tasks import chat_prompts, json_schema
from anysize.tasks.abilities import NO_CLASSES, ONE_WAY
from anysize.tasks.chat_prompts import ChatPrompts
from anysize.tasks.continuation_options import AnswerOptions
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
    required=False,
)


_UNSAID = "its column system was not used: a system prompt needs a chat template"


class TextContinuation:
    """The task as prediction carries it out: a prompt is a record, its continuation the answer.

    Args:
        options: how it is continued.
    """

    name = "text-generation"
    role = "text"
    unit = "tokens"
    columns: tuple[ColumnSpec, ...] = (PROMPT, MESSAGES, INPUT, SYSTEM)
    by_target = False
    takes: ClassVar[Mapping[str, Sequence[str]]] = {**ONE_WAY, **NO_CLASSES}
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
        options = self.options
        wanted = chat_prompts.wanted(network, chat=options.chat, system=options.system)
        chat = ChatPrompts(needed(network), options.system) if wanted else None
        return _Prompts(network, chat)

    def step(self, network: Network) -> Generation:
        """A generation; see ``tasks.protocols.Stepped``."""
        options, decode = self.options, Decoding(network)
        schema = json_schema.read(options.json_schema)
        return Generation(
            options=GenerationOptions(
                most=options.max_new_tokens,
                temperature=options.temperature,
                top_k=options.top_k,
                top_p=options.top_p,
                seed=options.seed,
                end=end_tokens(network.module),
                context=options.context or _positions(network),
                stop_strings=StopStrings(options.stop, decode) if options.stop else None,
                no_repeat=options.no_repeat_ngram,
                penalty=options.repetition_penalty,
                of_prompt=bool(options.no_repeat_ngram) or options.repetition_penalty != 1,
                # What JSON repeats is the schema's business.
                loops=cast(Any, "keep" if schema else options.loops),
                schema=schema,
            ),
            decode=decode,
        )

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        """The continuation of a record's prompt."""
        refuse_merge(self.name, options, "a prompt is read at once")
        return functools.partial(ContinuationMerger, as_json=bool(self.options.json_schema))


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
    """A record's prompt to one example of token ids.

    A ``text`` that is to be continued begins with the token that documents begin with; what is said
    in a conversation goes through the chat template.
    """

    def __init__(self, network: Network, chat: ChatPrompts | None) -> None:
        assert network.tokenizer is not None
        self._chat = chat
        self._encoder = encoder_of(network.tokenizer)
        begin = begin_of(network)
        self._begin = np.array([] if begin is None else [begin], np.int32)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        if self._chat is None and MESSAGES.role in record.values:
            raise DataError(
                record.id,
                "has messages, which need a chat template, and none is used (the model has none, "
                "or --no-chat): give a column prompt",
            )
        if self._chat is not None:
            ids, facts = self._chat.ids(record)
            span = Span(0, len(ids))
        else:
            text = record.text("text")
            more = with_input("", record.values)
            chunks = itertools.chain(text.chunks(), [more] if more else [])
            own = np.concatenate([self._begin[:0], *tokens_of(self._encoder, chunks)])
            ids = np.concatenate([self._begin, own])
            unsaid = (_UNSAID,) if record.values.get(SYSTEM.role, "").strip() else ()
            facts = Facts(notes=unsaid).joined(self._unknown(own))
            if not len(ids):
                raise DataError(
                    text.origin, "is an empty prompt, and the model has no token to begin"
                )
            span = Span(0, len(own))
        yield Example(
            ordinal=ordinal,
            window=Window(record.id, 0, span, span, last=True),
            arrays={"input_ids": ids},
            cost=len(ids),
            facts=facts,
        )

    def _unknown(self, ids: NDArray[np.int32]) -> Facts | None:
        """How many tokens of a prompt stand for what the vocabulary does not have."""
        count = 0 if self._encoder.unknown is None else int((ids == self._encoder.unknown).sum())
        if not count:
            return None
        words = number_of(count, "token of the prompt is", "tokens of the prompt are")
        return Facts(
            counts={"unknown_tokens": count},
            unread=count,
            reason=f"{words} not in the model's vocabulary",
        )


class ContinuationMerger:
    """The continuation of one prompt.

    The result's prediction is the text; ``details`` has ``ending`` (``end``, ``stop``, ``length``,
    ``loop``), ``tokens``, how many were generated, and ``log_probability``, of all of them.

    Args:
        record: the record's id.
        as_json: whether it keeps to a JSON schema; ``details`` then has its ``value``, where the
            model came to the end of it.
    """

    order_independent = True

    def __init__(self, record: str, *, as_json: bool = False) -> None:
        self._record, self._as_json = record, as_json
        self._coverage = Coverage("tokens")
        self._output: Mapping[str, Any] = {}

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        self._coverage.add(window)
        self._output = {
            "text": output["text"],
            "tokens": len(output["tokens"]),
            "score": float(output["score"]),
            "ending": output["ending"],
            "retried": bool(output.get("retried")),
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
                f"kept the first {SINKS} and the last {max(whole - lost - SINKS, 0):,}"
            )
            receipt = replace(receipt, fidelity="approximate").with_facts(
                Facts(
                    notes=(note,),
                    unread=unread,
                    reason="the model has no positions for the rest" if unread else None,
                )
            )
        value, cut = json_schema.value_of(output) if self._as_json else ({}, ())
        receipt = receipt.with_facts(Facts(notes=(*_repetition(output), *cut)))
        return Result(
            id=self._record,
            prediction=output["text"],
            score=None,
            receipt=receipt,
            details={
                "ending": output["ending"],
                "tokens": output["tokens"],
                "log_probability": output["score"],
                **value,
            },
        )


def _repetition(output: Mapping[str, Any]) -> tuple[str, ...]:
    """What was done about a continuation that repeated itself."""
    notes = []
    if output["retried"]:
        notes.append(
            "the continuation repeated itself, and was generated again with a repetition penalty "
            f"of {RETRY_PENALTY}"
        )
    if output["ending"] == "loop":
        notes.append("the continuation repeats itself, and was cut after the first repetition")
    return tuple(notes)


def begin_of(network: Network) -> int | None:
    """The token that a model's documents begin with, as its tokenizer says; None where none."""
    assert network.tokenizer is not None
    prefix = encoder_of(network.tokenizer).frames.single.prefix
    return int(prefix[-1]) if len(prefix) else None


def end_of(network: Network) -> int | None:
    """The token that a model's documents end with; None where it has none."""
    found = end_tokens(network.module)
    return found[0] if found else None
