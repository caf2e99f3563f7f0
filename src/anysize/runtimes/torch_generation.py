"""Generation in torch, for the models of transformers that generate token by token.

Decoders (GPT-2, Llama, …) and encoder-decoders (T5, BART, Marian, Whisper, …) share one loop over a
cache of keys and values that grows by a token a step. A batch is padded; rows that have ended leave
it with their part of the cache.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.generation import Ending, GenerationOptions, Growth, cut_at_stop
from anysize.core.loops import loop_start
from anysize.core.windows import Window
from anysize.models.network import Network
from anysize.models.positions import position_count
from anysize.models.sequence_ends import end_tokens
from anysize.runtimes import decoder_weights, paired_weights
from anysize.runtimes.beam_search import BeamSearch
from anysize.runtimes.constrained import ConstrainedRows, JsonSchema
from anysize.runtimes.decoder_only import Causal
from anysize.runtimes.decoder_weights import DecoderWeights
from anysize.runtimes.decoding import Cached, EncoderDecoder
from anysize.runtimes.forgetting import Turning
from anysize.runtimes.generation_limits import (
    NOT_A_NUMBER,
    UNBOUNDED,
    begun_together,
    encodes,
    never_of,
    room_of,
    too_long,
)
from anysize.runtimes.paired_decoding import Paired
from anysize.runtimes.paired_weights import PairedWeights
from anysize.runtimes.ragged_decoding import Ragged
from anysize.runtimes.recurrent_decoding import Recurrent
from anysize.runtimes.rehearsal import STEPS, Moment, Rehearsed
from anysize.runtimes.restrictions import restricted
from anysize.runtimes.sampling import Chooser


def can_generate(module: nn.Module) -> bool:
    """Whether a module generates: with a cache of keys and values, or with a recurrent state."""
    if getattr(module, "recurrent", False):
        return True
    able = getattr(module, "can_generate", None)
    if able is None or not able() or getattr(module, "_is_stateful", False):
        return False
    return "past_key_values" in inspect.signature(module.forward).parameters


@dataclass(slots=True)
class _Row:
    """A sequence that grows; ``before`` it are the tokens that repetitions are counted in, too."""

    place: int
    limit: int
    window: Window
    before: Sequence[int] = ()
    tokens: list[int] = field(default_factory=list)
    score: float = 0.0

    def take(
        self, token: int, score: float, options: GenerationOptions, ends: Sequence[int]
    ) -> Ending | None:
        """Adds a token; why the sequence ends with it, where it does."""
        self.score += score
        if token in ends:
            return "end"
        self.tokens.append(token)
        kept = cut_at_stop(self.tokens, options.stop, options.least)
        if kept is not None:
            self.tokens = kept
            return "stop"
        strings = options.stop_strings
        late = len(self.tokens) > options.least
        if late and strings is not None and strings.reached(self.tokens):
            return "stop"
        if late and options.loops != "keep":
            start = loop_start(self.tokens)
            if start is not None:
                self.tokens = self.tokens[: max(start, options.least)]
                return "loop"
        return "length" if len(self.tokens) >= self.limit else None

    def growth(self, ending: Ending | None = None, problem: str | None = None) -> Growth:
        """What has grown until now."""
        tokens = np.array(self.tokens, np.int32)
        return Growth(self.place, tokens, self.score, ending, problem)


class TorchGenerator:
    """Generates with a network in torch; see ``core.protocols.Generator``.

    Examples have ``input_ids``, int32 ``[length]``; of an encoder-decoder what its encoder reads
    (``input_ids``, or an array of one shape for all, as ``input_features``), and
    ``decoder_input_ids`` where its decoder is to begin with other tokens than its start token.

    Args:
        network: put into evaluation mode and moved to ``device``.
        precision: ``float32`` or ``bfloat16``.
        device: ``cpu``, ``cuda``, …

    Raises:
        ConfigurationError: the network cannot generate, or an unknown precision.
    """

    name = "torch"
    packed = False

    def __init__(self, network: Network, precision: str, device: torch.device) -> None:
        if precision not in ("float32", "bfloat16"):
            raise ConfigurationError(f"precision must be float32 or bfloat16, not {precision!r}")
        if not can_generate(network.module):
            raise ConfigurationError(
                f"{network.spec} cannot generate: it is not a decoder or encoder-decoder of "
                "transformers with a language-model head"
            )
        self.precision = precision
        self._network = network
        self._schemas: dict[str, JsonSchema] = {}
        self._module = network.module.eval().to(device)
        self._device = device
        self._weights: DecoderWeights | PairedWeights | None = None
        if decoder_weights.supports(self._module, device):
            self._weights = DecoderWeights(self._module, getattr(torch, precision))
        elif paired_weights.supports(self._module, device):
            self._weights = PairedWeights(self._module, getattr(torch, precision))

    @property
    def ragged(self) -> bool:
        """Whether padding takes no time: a decoder of our own attends to each row by itself."""
        return isinstance(self._weights, DecoderWeights)

    @cached_property
    def token_bytes(self) -> int:
        """What the cache holds of one token, in bytes, as measured on one."""
        batch = self._batch()
        batch.begin_empty()
        return batch.size() // batch.length

    def generate(
        self,
        examples: Sequence[Example],
        options: GenerationOptions,
        *,
        limits: Sequence[int] | None = None,
        partial: bool = False,
    ) -> Iterator[Growth]:
        """See ``core.protocols.Generator``."""
        every, bound = limits or [options.most] * len(examples), self._bound(options)
        for places in begun_together(self._module, examples):
            rows = []
            for place in places:
                room = self._room(examples[place], bound)
                if room < 1:
                    yield Growth(
                        place, np.array([], np.int32), 0.0, problem=too_long(self._module, room)
                    )
                    continue
                before = self._counted(examples[place], options)
                rows.append(_Row(place, min(every[place], room), examples[place].window, before))
            if rows:
                batch = self._begin([examples[row.place].arrays for row in rows], bound)
                yield from self._growing(batch, rows, options, partial=partial)

    def rehearse(
        self, examples: Sequence[Example], options: GenerationOptions, *, limits: Sequence[int]
    ) -> float:
        """See ``core.protocols.Generator``: a few steps, with the cache grown to its full size."""
        seconds, bound = 0.0, self._bound(options)
        for places in begun_together(self._module, examples):
            room = min(self._room(examples[place], bound) for place in places)
            steps = max(min(max(limits[place] for place in places), room), 1)
            few = min(STEPS, steps)
            plain = replace(options, most=few, least=few, stop=(), stop_strings=None, schema="",
                            loops="keep")  # fmt: skip
            started = Moment.now()
            batch = self._begin([examples[place].arrays for place in places], bound)
            rows = [_Row(place, few, examples[place].window) for place in places]
            seconds += started.until(Moment.now())
            rehearsed = Rehearsed(batch, steps - few)
            for _ in self._growing(rehearsed, rows, plain):
                pass
            seconds += rehearsed.seconds(steps)
        return seconds

    def close(self) -> None:
        """Releases weights in a form of their own; caches go with their batch."""
        self._weights = None

    def _growing(
        self, batch: Cached, rows: list[_Row], options: GenerationOptions, *, partial: bool = False
    ) -> Iterator[Growth]:
        """Grows the rows of a batch that has read their prompts."""
        if options.beams == 1:
            return self._grow(batch, rows, options, partial=partial)
        # What grows in a search is not shown, since it may change up to its beginning.
        return self._search(batch, rows, options)

    def _grow(
        self, batch: Cached, rows: list[_Row], options: GenerationOptions, *, partial: bool
    ) -> Iterator[Growth]:
        ends = options.end if options.end is not None else self._ends
        choose = Chooser(options, [row.window for row in rows])
        logits = batch.logits
        restricting = bool(options.no_repeat) or options.penalty != 1
        schema = self._constrained(options, len(rows))
        for step in itertools.count():
            texts = [[*row.before, *row.tokens] for row in rows] if restricting else []
            early = ends if step < options.least else ()
            changed = restricted(logits, texts, options) if restricting else None
            if schema is not None:
                changed = schema.allowed(logits if changed is None else changed)
            tokens, scores, sound = choose(logits, (*self._never, *early), changed)
            going: list[int] = []
            for index, (row, token, score) in enumerate(zip(rows, tokens, scores, strict=True)):
                if not sound[index]:
                    yield row.growth(problem=NOT_A_NUMBER)
                    continue
                ending = row.take(token, score, options, ends)
                if schema is not None and schema.take(index, token) and ending in (None, "length"):
                    problem = schema.problem(index)
                    if problem is not None:
                        yield row.growth(problem=problem)
                        continue
                    ending = "end"
                if ending is None:
                    going.append(index)
                if ending is not None or partial:
                    yield _remembered(row.growth(ending), batch, index)
            if not going:
                return
            if len(going) < len(rows):
                batch.keep(going)
                choose.keep(going)
                if schema is not None:
                    schema.keep(going)
                rows = [rows[index] for index in going]
            last = torch.tensor([row.tokens[-1] for row in rows], device=self._device)
            logits = batch.advance(last)

    def _constrained(self, options: GenerationOptions, rows: int) -> ConstrainedRows | None:
        """The schema's state of rows that begin, where there is one."""
        if not options.schema:
            return None
        if options.schema not in self._schemas:
            ends = options.end if options.end is not None else self._ends
            config: Any = self._module.config.get_text_config(decoder=True)
            self._schemas[options.schema] = JsonSchema(
                options.schema, self._network.needed_tokenizer(), int(config.vocab_size), ends
            )
        return self._schemas[options.schema].rows(rows)

    def _search(
        self, batch: Cached, rows: list[_Row], options: GenerationOptions
    ) -> Iterator[Growth]:
        return BeamSearch(
            batch,
            [row.place for row in rows],
            [row.limit for row in rows],
            options,
            ends=options.end if options.end is not None else self._ends,
            never=self._never,
            problem=NOT_A_NUMBER,
        )()

    def _begin(self, arrays: Sequence[Any], bound: int | None) -> Cached:
        batch = self._batch(bound)
        batch.begin(arrays)
        return batch

    def _batch(self, bound: int | None = None) -> Cached:
        module, device, bfloat16 = self._module, self._device, self.precision == "bfloat16"
        if getattr(module, "recurrent", False):
            return Recurrent(module, device, bfloat16=bfloat16)
        if isinstance(self._weights, PairedWeights):
            return Paired(module, self._weights)
        if self._encodes:
            return EncoderDecoder(module, device, bfloat16=bfloat16)
        if self._weights is not None:
            turning = None if bound is None else Turning.of(module)
            first = int(getattr(module.config, "bos_token_id", None) or 0)
            return Ragged(self._weights, turning, bound, first)
        return Causal(module, device, bfloat16=bfloat16, bound=bound)

    def _counted(self, example: Example, options: GenerationOptions) -> list[int]:
        """The tokens of a prompt that repetitions are counted in."""
        if not options.of_prompt or self._encodes:
            return []
        found: list[int] = example.arrays["input_ids"].tolist()
        return found

    def _bound(self, options: GenerationOptions) -> int | None:
        """Tokens of a row that a decoder keeps at most; None for all."""
        if not options.context or self._encodes or getattr(self._module, "recurrent", False):
            return None
        positions = position_count(self._module.config)
        return min(options.context, positions) if positions else options.context

    @property
    def _encodes(self) -> bool:
        return encodes(self._module)

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return end_tokens(self._module)

    @cached_property
    def _never(self) -> tuple[int, ...]:
        return never_of(self._module)

    def _room(self, example: Example, bound: int | None) -> int:
        """New tokens that the model has positions for; 0 or below where the prompt is too long."""
        return UNBOUNDED if bound is not None else room_of(self._module, example)


def _remembered(growth: Growth, batch: Cached, row: int) -> Growth:
    """With what the row's model does not see any more, or never saw."""
    if not isinstance(batch, Causal | Ragged):
        return growth
    return growth._replace(lost=batch.lost[row], unread=batch.unread[row])
