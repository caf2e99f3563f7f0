"""Generation in CTranslate2: what is asked for in its words, and what it gives in ours."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions, Growth
from anysize.core.loops import first_loop
from anysize.models.network import Network
from anysize.models.sequence_ends import end_tokens, start_token
from anysize.runtimes.ctranslate2_conversion import token_names
from anysize.runtimes.generation_limits import (
    NOT_A_NUMBER,
    begun_together,
    encodes,
    never_of,
    room_of,
    too_long,
)
from anysize.runtimes.rehearsal import Moment
from anysize.runtimes.torch_generation import TorchGenerator

_KEPT = frozenset(
    {"most", "least", "seed", "end", "beams", "length_penalty", "no_repeat", "context", "top_k",
     "top_p"}
)  # fmt: skip
# Steps of a rehearsal that are timed.
_FIRST, _TIMED = 1, 5
# Rows (sequences times beams) of an encoder-decoder that the engine has side by side in one stream:
# of 1,000 sentences at beam 4 in two streams, 64 rows gave 1.09 times the rate of 256 (Zen 4).
_AT_ONCE = 64


def refused(options: GenerationOptions) -> list[str]:
    """What is asked for and CTranslate2 does not do as torch does it, one sentence each."""
    found = []
    if options.temperature > 0:
        found.append(
            "cannot draw tokens (temperature above 0), because what it draws depends on the batch"
        )
    usual = GenerationOptions()
    for each in dataclasses.fields(options):
        if each.name in _KEPT or each.name == "temperature":
            continue
        if each.name == "loops" and options.loops == "stop":
            continue  # found in what came
        if getattr(options, each.name) != getattr(usual, each.name):
            found.append(f"has no {each.name.replace('_', ' ')}")
    return found


class CTranslate2Generator:
    """Generates with a converted model; see ``core.protocols.Generator``.

    What CTranslate2 cannot do (a memory of a decoder that lets tokens go, empty sources, sequences
    before they are finished) is done in torch by the same weights.

    Args:
        network: that was converted.
        precision: that the engine computes in.
        engine: a ``ctranslate2.Translator`` or ``Generator``.
        streams: batches that it runs side by side.
    """

    name = "ctranslate2"
    packed = False

    def __init__(self, network: Network, precision: str, engine: Any, streams: int) -> None:
        self.precision, self.streams = precision, streams
        self._network, self._module = network, network.module
        self._engine = engine
        self._encodes = encodes(self._module)
        self._ends, self._never = end_tokens(self._module), never_of(self._module)
        self.start = start_token(self._module)

    @property
    def ragged(self) -> bool:
        """Whether padding takes no time: the engine sorts what it gets and divides it again."""
        return self._encodes

    @cached_property
    def token_bytes(self) -> int:
        """What the cache holds of one token, in bytes."""
        config: Any = self._module.config.get_text_config(decoder=True)
        layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
        size = _first(config, "head_dim", "d_kv") or int(config.hidden_size) // heads
        return 2 * 4 * layers * size * (_first(config, "num_key_value_heads") or heads)

    def generate(
        self,
        examples: Sequence[Example],
        options: GenerationOptions,
        *,
        limits: Sequence[int] | None = None,
        partial: bool = False,
    ) -> Iterator[Growth]:
        """See ``core.protocols.Generator``."""
        if problems := refused(options):
            raise ConfigurationError([f"runtime ctranslate2 {each}" for each in problems])
        every = list(limits or [options.most] * len(examples))
        aside: list[int] = list(range(len(examples))) if partial and self._torch else []
        for places in self._groups(examples) if not aside else ():
            rows = []
            for place in places:
                room = room_of(self._module, examples[place])
                if self._only_torch_can(examples[place], every[place], room, options):
                    aside.append(place)
                elif room < 1:
                    problem = too_long(self._module, room)
                    yield Growth(place, np.array([], np.int32), 0.0, problem=problem)
                else:
                    every[place] = min(every[place], room)
                    rows.append(place)
            yield from self._within(examples, rows, every, options)
        if aside:
            yield from self._in_torch(examples, aside, every, options, partial=partial)

    def rehearse(
        self, examples: Sequence[Example], options: GenerationOptions, *, limits: Sequence[int]
    ) -> float:
        """See ``core.protocols.Generator``: a few steps beside memory as large as the cache."""
        seconds = 0.0
        plain = dataclasses.replace(options, no_repeat=0, loops="keep")
        for places in self._groups(examples):
            room = min(room_of(self._module, examples[place]) for place in places)
            steps = max(min(max(limits[place] for place in places), room), 1)
            cache = np.ones(len(places) * options.beams * steps * self.token_bytes, np.uint8)
            first, later = (
                self._timed([examples[place] for place in places], plain, min(count, steps))
                for count in (_FIRST, _TIMED)
            )
            del cache
            more = max(later - first, 0.0) / max(min(_TIMED, steps) - _FIRST, 1)
            seconds += first + more * (steps - 1)
        return seconds

    def close(self) -> None:
        """Releases the model."""
        self._engine.unload_model()

    @cached_property
    def _torch(self) -> TorchGenerator | None:
        """The same weights in torch; None where there is only the converted model."""
        if self._network.form is not None:
            return None
        precision = "bfloat16" if self.precision == "bfloat16" else "float32"
        return TorchGenerator(self._network, precision, torch.device("cpu"))

    def _in_torch(
        self, examples: Sequence[Example], places: Sequence[int], limits: Sequence[int],
        options: GenerationOptions, *, partial: bool,
    ) -> Iterator[Growth]:  # fmt: skip
        assert self._torch is not None
        asked = [examples[place] for place in places]
        most = [limits[place] for place in places]
        for growth in self._torch.generate(asked, options, limits=most, partial=partial):
            yield growth._replace(row=places[growth.row])

    def _only_torch_can(
        self, example: Example, limit: int, room: int, options: GenerationOptions
    ) -> bool:
        """Whether an example is none for CTranslate2.

        A decoder's prompt and what follows may need a memory that lets tokens go, and what has
        nothing but a token that ends it is given back empty.
        """
        if self._torch is None:
            return False
        ids = example.arrays["input_ids"]
        if self._encodes:
            return len(ids) == 1 and int(ids[0]) in self._ends
        return bool(options.context) and (limit > room or len(ids) + limit > options.context)

    def _groups(self, examples: Sequence[Example]) -> list[list[int]]:
        """Places of examples that are begun together: of decoders, those of the same length.

        Of longer prompts the rest would be read a token at a time, and a token that ends sequences
        would end it there.
        """
        if self._encodes:
            return begun_together(self._module, examples)
        groups: dict[int, list[int]] = {}
        for place, example in enumerate(examples):
            groups.setdefault(len(example.arrays["input_ids"]), []).append(place)
        return list(groups.values())

    def _within(
        self, examples: Sequence[Example], places: Sequence[int], limits: Sequence[int],
        options: GenerationOptions,
    ) -> Iterator[Growth]:  # fmt: skip
        """Each within its own limit: those that went beyond it are done again, by their limits."""
        again: dict[int, list[int]] = {}
        most = max((limits[place] for place in places), default=0)
        for place, found in zip(
            places, self._sequences([examples[place] for place in places], options, most),
            strict=True,
        ):  # fmt: skip
            if len(found.tokens) + (found.ending == "end") > limits[place]:
                again.setdefault(limits[place], []).append(place)
            else:
                yield found._replace(row=place)
        for limit, rows in again.items():
            asked = [examples[place] for place in rows]
            for place, found in zip(rows, self._sequences(asked, options, limit), strict=True):
                yield found._replace(row=place)

    def _timed(self, examples: Sequence[Example], options: GenerationOptions, steps: int) -> float:
        """The shorter of two runs: a difference of such times says something of a few steps."""
        exact, taken = dataclasses.replace(options, least=steps, most=steps), []
        for _ in range(2):
            started = Moment.now()
            self._sequences(examples, exact, steps)
            taken.append(started.until(Moment.now()))
        return min(taken)

    def _sequences(
        self, examples: Sequence[Example], options: GenerationOptions, most: int
    ) -> list[Growth]:
        """What each example gives, in their order; all begin with as many tokens."""
        if not examples:
            return []
        ends = options.end if options.end is not None else self._ends
        wishes: dict[str, Any] = {
            "beam_size": options.beams,
            "length_penalty": options.length_penalty if options.beams > 1 else 0.0,
            "no_repeat_ngram_size": options.no_repeat,
            "suppress_sequences": [[each] for each in token_names(self._never)] or None,
            "return_end_token": True,
            "return_scores": True,
        }
        if ends:
            wishes["end_token"] = list(ends)
        texts = [token_names(example.arrays["input_ids"].tolist()) for example in examples]
        if not self._encodes:
            found = self._engine.generate_batch(
                texts, max_length=most, min_length=options.least, include_prompt_in_result=False,
                **wishes,
            )  # fmt: skip
            return [
                _growth(each.sequences_ids[0], each.scores[0], 0, options, ends) for each in found
            ]
        usual = np.array([self.start], np.int32)
        begins = [
            token_names(example.arrays.get("decoder_input_ids", usual).tolist())
            for example in examples
        ]
        begun = len(begins[0]) - 1
        found = self._engine.translate_batch(
            texts, begins, max_input_length=max(map(len, texts)), max_decoding_length=begun + most,
            min_decoding_length=begun + options.least,
            max_batch_size=max(_AT_ONCE // options.beams, 1), **wishes,
        )  # fmt: skip
        return [
            _growth(list(map(int, each.hypotheses[0])), each.scores[0], begun, options, ends)
            for each in found
        ]


def _growth(
    tokens: Sequence[int], score: float, begun: int, options: GenerationOptions,
    ends: Sequence[int],
) -> Growth:  # fmt: skip
    """A sequence without what it was begun with, which its score was divided by the length of."""
    if not math.isfinite(score):
        return Growth(0, np.array([], np.int32), 0.0, problem=NOT_A_NUMBER)
    if options.beams > 1:
        score *= len(tokens) ** options.length_penalty
    tokens = tokens[begun:]
    ended = bool(tokens) and tokens[-1] in ends
    written = tokens[:-1] if ended else tokens
    kept = None if options.loops == "keep" else first_loop(written, options.least)
    if kept is not None:
        return Growth(0, np.array(written[:kept], np.int32), score, "loop")
    return Growth(0, np.array(written, np.int32), score, "end" if ended else "length")


def _first(config: Any, *names: str) -> int:
    """The first of these settings that there is; 0 where there is none."""
    return next((int(value) for each in names if (value := getattr(config, each, None))), 0)
