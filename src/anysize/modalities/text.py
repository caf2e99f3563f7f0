"""Text: windows of tokens along a stream of any length."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.excerpts import Excerpt
from anysize.core.records import Field, Source
from anysize.core.windows import Span, Window
from anysize.modalities.parts import BATCH, LENGTH, Costs, Defaults, Feeding, GraphInput
from anysize.modalities.protocols import Modality
from anysize.modalities.settings import Settings
from anysize.modalities.texts.settings import TextFacts, TextOptions, TextSettings

if TYPE_CHECKING:
    import torch

    from anysize.core.examples import Example
    from anysize.models.execution import Execution, Tensors
    from anysize.models.network import Network

PROVIDES = ("text",)

_SEED = 20
_CHARACTERS_PER_TOKEN = 4


class Text(Modality):
    """See the module."""

    key = "text"
    settings = TextSettings
    options = TextOptions
    costs = Costs(most=16384, enough=4096, trained=8192)
    main_input = "input_ids"
    noun = "text"
    bare = True
    strings = True
    joined = True
    longest_column = True
    light = True
    augmented = True
    sheet_by = "anysize.evaluation.augmented_texts:sheet"

    @cached_property
    def suffixes(self) -> frozenset[str]:
        from anysize.readers import documents

        return frozenset({".txt", ".text"}) | documents.suffixes()

    def file(self, path: Path, *, encoding: str = "utf-8") -> Field:
        from anysize.modalities.texts.cells import of_file

        return of_file(path, encoding)

    def cells(
        self, cells: Mapping[str, Any], origin: str, notes: Sequence[str] = ()
    ) -> Field | None:
        from anysize.modalities.texts.cells import field_of

        return field_of(cells, origin, notes)

    def memory(self, item: Any, origin: str) -> Field:
        from anysize.modalities.texts.cells import in_memory

        return in_memory(item, origin)

    def owns(self, field: Field) -> bool:
        return hasattr(field, "chunks") and hasattr(field, "read")

    def content(self, field: Any) -> Iterator[bytes]:
        return (chunk.strip().encode("utf-8", "replace") for chunk in field.chunks())

    def excerpt(self, field: Any, region: Mapping[str, int]) -> Excerpt:
        from anysize.modalities.texts.excerpt import excerpt_of

        return excerpt_of(field, region)

    def estimated_cost(self, field: Any) -> float:
        return float(field.size_hint / _CHARACTERS_PER_TOKEN)

    def facts(self, source: Source, *, role: str, task: str, teacher: str | None) -> TextFacts:
        return TextFacts(texts=lambda: _texts(source, role), tokenizer=_tokenizer(teacher))

    def opened(self, spec: str, module: Any, wishes: Any) -> dict[str, Any]:
        from anysize.modalities.texts.tokenizer import opened

        if hasattr(module, "make_reader"):  # it makes ids of texts itself
            return {"settings": TextSettings(window=_window(wishes) or module.config.window)}
        return opened(spec, module.config, _window(wishes))

    def changed(self, network: Network, wishes: Any) -> Settings:
        from anysize.models.hub_settings import longest_window

        settings = network.reads(TextSettings)
        if wishes.window is not None:
            longest = longest_window(network.module.config, wishes.window)
            if wishes.window > longest:
                raise ConfigurationError(
                    f"window must be at most {longest} tokens, the positions of the model, not "
                    f"{wishes.window}"
                )
        return dataclasses.replace(settings, **_given(window=wishes.window, overlap=wishes.overlap))

    def enlarged(self, network: Network, wishes: Any) -> Settings:
        from anysize.modalities.texts.tokenizer import check_window

        settings = network.reads(TextSettings)
        if wishes.window is None:
            return settings
        assert network.hub_tokenizer is not None
        check_window(network.spec, network.module.config, network.hub_tokenizer, wishes.window)
        return dataclasses.replace(settings, window=wishes.window)

    def save(self, folder: Path, network: Network) -> None:
        from anysize.modalities.texts.tokenizer import save

        save(folder, network)

    def restore(self, network: Network, place: Path) -> None:
        from anysize.modalities.texts.tokenizer import restore

        restore(network, place)

    def inspected(self, folder: Path) -> dict[str, Any]:
        from anysize.modalities.texts.tokenizer import inspected

        return inspected(folder)

    def problems(self, network: Network, settings: Settings) -> list[str]:
        from anysize.modalities.texts.tokenizer import check_window

        assert isinstance(settings, TextSettings)
        if network.hub_tokenizer is None:
            return []
        longest = check_window(network.spec, network.module.config, network.hub_tokenizer, None)
        if settings.window <= longest:
            return []
        return [
            f"its card has windows of {settings.window} tokens, and the model positions for "
            f"{longest}"
        ]

    def made_up(self, network: Network, costs: Sequence[int]) -> list[Example]:
        from anysize.core.examples import Example

        random = np.random.default_rng(_SEED)
        vocabulary = int(network.module.config.vocab_size)
        # Special tokens come first in most vocabularies; some families count padding differently.
        lowest = min(1000, vocabulary // 2)
        found = []
        for ordinal, cost in enumerate(costs):
            length = max(cost, 4)
            ids = random.integers(lowest, vocabulary, length, dtype=np.int32)
            span = Span(0, length)
            window = Window(record=f"probe-{ordinal}", index=0, region=span, core=span, last=True)
            arrays = {"input_ids": ids}
            arrays |= {name: np.zeros(length, np.int32) for name in network.beside}
            found.append(Example(ordinal=ordinal, window=window, arrays=arrays, cost=length))
        return found

    def execution(
        self, network: Network, device: torch.device, *, packed: bool | None = None
    ) -> Execution:
        from anysize.modalities.texts.execution import PackedText, PackedTokens, PaddedText
        from anysize.models.packed_tokens import supports_packed_tokens
        from anysize.models.packing import supports_packing

        if network.outputs == ("losses",):
            from anysize.modalities.texts.causal import CausalText

            return CausalText(network, device, packed=packed)
        if network.outputs == ("target_logits",):
            from anysize.modalities.texts.pairs import PairedText
            from anysize.modalities.texts.prompted import PromptedText

            if getattr(network.module.config, "is_encoder_decoder", False):
                return PairedText(network, device)
            return PromptedText(network, device, packed=packed)
        if packed or (packed is None and device.type == "cpu"):
            if not network.per_token and supports_packing(network.module):
                return PackedText(network)
            alone = set(network.outputs) == set(network.per_token)
            if alone and supports_packed_tokens(network.module):
                return PackedTokens(network)
        return PaddedText(network, device)

    def inference(
        self, network: Network, execution: Execution, device: torch.device, precision: str
    ) -> Callable[[Sequence[Example]], Tensors] | None:
        from anysize.modalities.texts.execution import FusedText

        if not execution.packed or device.type != "cpu" or not network.has_graph:
            return None
        return FusedText(network, precision)

    def graph_inputs(self, network: Network) -> tuple[GraphInput, ...]:
        names = ("input_ids", "attention_mask", *network.beside)
        return tuple(GraphInput(name, (BATCH, LENGTH), np.int64) for name in names)

    def lengths(self, examples: Sequence[Example], network: Network) -> NDArray[np.int64]:
        from anysize.modalities.texts.padding import token_lengths

        return token_lengths(examples)

    def feeding(self, network: Network) -> Feeding:
        from anysize.modalities.texts.feeding import TokenFeeding

        return TokenFeeding(network)

    def noise(
        self, network: Network, random: np.random.Generator, batch: int, length: int
    ) -> list[NDArray[Any]]:
        length = min(length, network.reads(TextSettings).window)
        vocabulary = int(getattr(network.module.config, "vocab_size", 0) or 2)
        ids = random.integers(vocabulary // 2, vocabulary, (batch, length))
        mask = np.ones_like(ids)
        if batch > 1:
            mask[-1, length // 2 :] = 0  # the last text is shorter
        return [ids, mask, *(np.zeros_like(ids) for _ in network.beside)]

    def graph_notes(self, network: Network) -> dict[str, Any]:
        return {"pad_token_id": int(getattr(network.module.config, "pad_token_id", None) or 0)}

    def fitted(self, settings: Any, shape: tuple[int, ...], problems: list[str]) -> Settings:
        assert isinstance(settings, TextSettings)
        if shape and shape[-1]:
            problems.append(
                f"its texts must all be {shape[-1]} tokens long: export it with a free length"
            )
        return settings

    def defaults(self, *, pretrained: bool, normalised: bool = False) -> Defaults:
        if pretrained:
            return Defaults(
                epochs=3, batch=32, learning_rate=5e-5, optimizer="adamw", weight_decay=0.01,
                schedule="linear", warmup=0.08, clip=1.0, label_smoothing=0.0,
                others={"sgd": {"learning_rate": 1e-2}}, head={"learning_rate": 2e-3},
            )  # fmt: skip
        return Defaults(
            epochs=8, batch=32, learning_rate=1e-3, optimizer="adamw", weight_decay=0.05,
            schedule="cosine", warmup=0.05, clip=1.0, label_smoothing=0.0,
            others={"sgd": {"learning_rate": 0.1}},
        )  # fmt: skip

    def differences(self, student: Network, teacher: Network) -> list[str]:
        from anysize.modalities.texts.tokenizer import differences

        return differences(student, teacher)

    def taken_over(self, settings: Any) -> dict[str, Any]:
        return {"window": settings.window}


def _texts(source: Source, role: str) -> Iterator[str]:
    for index in range(len(source)):
        try:
            yield from source[index].text(role).chunks()
        except DataError:
            continue


def _tokenizer(teacher: str | None) -> Any:
    """A student without a tokenizer of its own reads what its teacher reads."""
    if teacher is None:
        return None
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(teacher, trust_remote_code=False)


def _window(wishes: Any) -> int | None:
    return wishes.window if isinstance(wishes, TextOptions) else None


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def make(key: str) -> Text:
    """The modality."""
    return Text()
