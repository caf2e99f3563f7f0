"""Summaries that a model writes: passages as prompts, and what becomes of what it writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.core.steps import Generation
from anysize.core.windows import Window
from anysize.mergers.written import Partials
from anysize.modalities.texts.settings import TextSettings
from anysize.models.hub_settings import longest_window
from anysize.models.network import Network
from anysize.tasks.extraction import nothing_to_summarise
from anysize.tasks.summary_options import SummaryOptions
from anysize.tasks.summary_prompts import Prompt, generation_of, prompt_of
from anysize.tasks.unknown_tokens import UnknownTokens
from anysize.windows.passages import Passages

METHOD = "written"

# Of models with positions for more, tokens of a window.
_WINDOW = 2048
_UNKNOWN = "it is summarised without it; a model for this language reads more of it"


def adapt(network: Network) -> None:
    """Takes as much of a text at once as a model that was just opened has positions for."""
    settings = network.reads(TextSettings)
    limit = int(getattr(network.hub_tokenizer, "model_max_length", 0) or 0)
    longest = longest_window(network.module.config, limit) if limit else settings.window
    window = max(settings.window, min(longest, _WINDOW))
    network.settings = dataclasses.replace(settings, window=window)


def step_of(network: Network, options: SummaryOptions) -> Generation:
    """Generates a summary of each passage."""
    tokenizer = network.needed_tokenizer()

    def decode(tokens: NDArray[np.int32]) -> str:
        return str(tokenizer.decode(tokens.tolist()))

    return Generation(options=generation_of(network, options), decode=decode)


class PassagePreprocess:
    """A record's ``text`` to examples, a passage of whole sentences each.

    Attributes:
        prompt: how the model reads a passage.

    Args:
        network: an encoder-decoder or a decoder.
        options: of prediction.
    """

    def __init__(self, network: Network, options: SummaryOptions) -> None:
        self.prompt: Prompt = prompt_of(network, options)
        self._passages = Passages(most=self.prompt.most, size=self.prompt.size)

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        text = record.text("text")
        aside: dict[str, NDArray[Any]] = {"method": np.array(METHOD)}
        if isinstance(text, Partials):
            aside["leaves"] = np.empty((), object)
            aside["leaves"][()] = text.leaves
        unknown = UnknownTokens(self.prompt.encoder)
        for index, passage in enumerate(self._passages.stream(text)):
            if passage.last and not index and not passage.sentences:
                raise DataError(text.origin, nothing_to_summarise(passage))
            arrays = self.prompt.arrays(passage.text)
            unknown.look(passage.text, arrays["input_ids"])
            core = passage.core
            yield Example(
                ordinal=ordinal,
                window=Window(record.id, index, core, core, passage.last),
                arrays=arrays,
                cost=len(arrays["input_ids"]),
                facts=unknown.facts(core.stop, _UNKNOWN) if passage.last else None,
                aside=aside,
            )
