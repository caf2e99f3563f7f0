"""Features: numbers, a vector or a sequence of any length."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.examples import Example
from anysize.core.excerpts import Excerpt
from anysize.core.records import Field, Source
from anysize.core.windows import Span, Window
from anysize.modalities.numbers.settings import FeatureFacts, FeatureOptions, FeatureSettings
from anysize.modalities.parts import BATCH, LENGTH, Defaults, GraphInput
from anysize.modalities.protocols import Modality
from anysize.modalities.settings import Settings
from anysize.readers.cells import Cells

if TYPE_CHECKING:
    from anysize.models.network import Network

PROVIDES = ("features",)

_SEED = 20
_SMALLEST_PART = 64


class Features(Modality):
    """See the module."""

    key = "features"
    settings = FeatureSettings
    options = FeatureOptions
    main_input = "features"
    noun = "numbers"
    suffixes = frozenset({".npy"})
    spread = True
    one_shape = "features"

    def file(self, path: Path, *, encoding: str = "utf-8") -> Field:
        from anysize.readers.features import Features

        return Features(path)

    def holds(self, cell: Any) -> bool:
        from anysize.sources.numbers import names_file

        return not names_file(cell)

    def cells(
        self, cells: Mapping[str, Any], origin: str, notes: Sequence[str] = ()
    ) -> Field | None:
        from anysize.sources.numbers import cell_features

        ((column, cell),) = cells.items()
        return cell_features(cell, f"{origin} column {column!r}")

    def memory(self, item: Any, origin: str) -> Field:
        from anysize.readers.features import Features

        return Features(item, origin=origin)

    def owns(self, field: Field) -> bool:
        # The shape itself may be a question to a file.
        return hasattr(type(field), "shape")

    def content(self, field: Any) -> Iterator[bytes]:
        if isinstance(field, Cells):
            yield repr(sorted(field.cells.items())).encode("utf-8", "replace")
        else:
            yield np.ascontiguousarray(field.read(0, field.shape[0])).tobytes()

    def excerpt(self, field: Any, region: Mapping[str, int]) -> Excerpt:
        from anysize.modalities.numbers.excerpt import excerpt_of

        return excerpt_of(field)

    def estimated_cost(self, field: Any) -> float:
        return float(field.shape[0])

    def facts(self, source: Source, *, role: str, task: str, teacher: str | None) -> FeatureFacts:
        from anysize.modalities.numbers.facts import facts

        return facts(source, role=role, task=task, teacher=teacher)

    def begin(self, network: Network, facts: object | None) -> None:
        from anysize.modalities.numbers.facts import read_as_taught

        if isinstance(facts, FeatureFacts) and facts.taught is not None:
            read_as_taught(network, facts.taught)

    def opened(self, spec: str, module: Any, wishes: Any) -> dict[str, Any]:
        settings = getattr(module, "feature_settings", None)
        if settings is None:
            raise BundleError(spec, "does not say how many numbers it reads")
        return {"settings": settings}

    def changed(self, network: Network, wishes: Any) -> Settings:
        if wishes.window is not None and not network.reads(FeatureSettings).steps:
            raise ConfigurationError("window is for sequences, and this model reads vectors")
        given = {"steps": wishes.window, "overlap": wishes.overlap}
        return dataclasses.replace(
            network.reads(FeatureSettings),
            **{name: value for name, value in given.items() if value is not None},
        )

    def problems(self, network: Network, settings: Settings) -> list[str]:
        own = network.reads(FeatureSettings)
        assert isinstance(settings, FeatureSettings)
        if (own.width, bool(own.steps)) == (settings.width, bool(settings.steps)):
            return []
        return [f"its card has {settings.width} features, and its model reads {own.width}"]

    def made_up(self, network: Network, costs: Sequence[int]) -> list[Example]:
        random = np.random.default_rng(_SEED)
        settings = network.reads(FeatureSettings)
        found = []
        for ordinal, cost in enumerate(costs):
            steps = max(cost, settings.least)
            shape = (steps, settings.width) if settings.steps else (settings.width,)
            values = random.standard_normal(shape, dtype=np.float32)
            span = Span(0, shape[0])
            window = Window(record=f"probe-{ordinal}", index=0, region=span, core=span, last=True)
            arrays = {"features": values}
            found.append(Example(ordinal=ordinal, window=window, arrays=arrays, cost=steps))
        return found

    def smallest(self, network: Network) -> int:
        return max(_SMALLEST_PART, network.reads(FeatureSettings).least)

    def graph_inputs(self, network: Network) -> tuple[GraphInput, ...]:
        settings = network.reads(FeatureSettings)
        length = (LENGTH if settings.varying else settings.steps,) if settings.steps else ()
        axes = (BATCH, *length, settings.width)
        return (GraphInput("features", axes, np.float32, settings.least),)

    def fitted(self, settings: Any, shape: tuple[int, ...], problems: list[str]) -> Settings:
        assert isinstance(settings, FeatureSettings)
        wanted = 3 if settings.steps else 2
        if shape and (len(shape) != wanted or shape[-1] not in (0, settings.width)):
            problems.append(
                f"its metadata name {settings.width} numbers"
                f"{' for each step' if settings.steps else ''}, and its graph takes {list(shape)}"
            )
            return settings
        fixed = shape[1] if settings.steps and shape else 0
        if not fixed or fixed == settings.steps == settings.least:
            return settings
        overlap = min(settings.overlap, fixed - 1)
        return dataclasses.replace(settings, steps=fixed, least=fixed, overlap=overlap)

    def defaults(self, *, pretrained: bool, normalised: bool = False) -> Defaults:
        if pretrained:
            # As Keras trains: Adam (no weight decay), its learning rate and batch, nothing
            # scheduled.
            return Defaults(
                epochs=10, batch=32, learning_rate=1e-3, optimizer="adamw", weight_decay=0.0,
                schedule="constant", warmup=0.0, clip=0.0, label_smoothing=0.0,
                others={"sgd": {"learning_rate": 1e-2}},
            )  # fmt: skip
        return Defaults(
            epochs=20, batch=32, learning_rate=2e-3, optimizer="adamw", weight_decay=0.01,
            schedule="cosine", warmup=0.0, clip=1.0, label_smoothing=0.0,
            others={"sgd": {"learning_rate": 1e-2}}, records_seen=40_000, most_epochs=60,
        )  # fmt: skip


def make(key: str) -> Features:
    """The modality."""
    return Features()
