"""Audio: recordings of any length, as frames of a spectrum in windows along time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.excerpts import Excerpt
from anysize.core.files import write_json
from anysize.core.records import Field, Source
from anysize.core.windows import Span, Window
from anysize.modalities.parts import LENGTH, Costs, Defaults, Feeding, GraphInput
from anysize.modalities.protocols import Modality
from anysize.modalities.settings import Settings
from anysize.modalities.sounds import extractors, vocabulary
from anysize.modalities.sounds.padding import (
    FEATURES,
    FRAMES,
    VALUES,
    FrameFeeding,
    Layout,
    frame_counts,
)
from anysize.modalities.sounds.settings import AudioFacts, AudioOptions, AudioSettings
from anysize.readers.audio.pcm import LiveOptions
from anysize.readers.audio.suffixes import AUDIO_SUFFIXES

if TYPE_CHECKING:
    import torch

    from anysize.models.execution import Execution
    from anysize.models.network import Network

PROVIDES = ("audio",)

_SEED = 20
_SECOND = 16_000
_ENTRY = "anysize_settings"
_FIXED = ("sample_rate", "spectrum", "mels", "cepstra", "normalize")


class Audio(Modality):
    """See the module."""

    key = "audio"
    settings = AudioSettings
    options = AudioOptions
    costs = Costs(
        most=160 * _SECOND, enough=10 * _SECOND, straight=10 * _SECOND, trained=160 * _SECOND
    )
    instead: ClassVar[Mapping[str, str]] = {"tile": "window"}
    main_input = FEATURES
    noun = "recording"
    suffixes = AUDIO_SUFFIXES
    in_files = True
    live_options = LiveOptions
    reads_slowly = True
    augmented = True
    drawn_by = "anysize.results.sound_pages:SoundPages"
    sheet_by = "anysize.evaluation.augmented_sounds:sheet"

    def file(self, path: Path, *, encoding: str = "utf-8") -> Field:
        from anysize.readers.audio.sound import Sound

        return Sound(path)

    def packed(self, content: bytes, origin: str) -> Field:
        from anysize.readers.audio.sound import Sound

        return Sound(content, origin)

    def memory(self, item: Any, origin: str) -> Field:
        from anysize.modalities.sounds.memory import recording

        return recording(item, origin)

    def live(self, stream: Any, origin: str, options: Any) -> Field:
        from anysize.readers.audio.live import live_sound

        return live_sound(stream, origin, options)

    def is_one(self, item: Any, axes: int) -> bool:
        """Samples with their rate, as a pair."""
        return (
            isinstance(item, tuple)
            and len(item) == 2
            and any(hasattr(one, "dtype") and np.ndim(one) for one in item)
            and any(isinstance(one, int | np.integer) for one in item)
        )

    def owns(self, field: Field) -> bool:
        return hasattr(field, "stretches")

    def content(self, field: Any) -> Iterator[bytes]:
        yield str(field.header.rate).encode()
        for block in field.blocks():
            yield block.tobytes()

    def excerpt(self, field: Any, region: Mapping[str, int]) -> Excerpt:
        from anysize.modalities.sounds.excerpt import excerpt_of

        return excerpt_of(field, region)

    def estimated_cost(self, field: Any) -> float:
        return float(field.size_hint * _SECOND)

    def facts(self, source: Source, *, role: str, task: str, teacher: str | None) -> AudioFacts:
        from anysize.modalities.sounds.facts import facts

        return facts(source, role)

    def takes(self, name: str) -> bool:
        return name in (FEATURES, VALUES)

    def apart(self, network: Network) -> str:
        return "" if network.reads(AudioSettings).masked else FRAMES

    def save(self, folder: Path, network: Network) -> None:
        settings = network.reads(AudioSettings)
        entries = {**extractors.written(settings), _ENTRY: settings.kept().to_json()}
        write_json(folder / extractors.FILE, entries)
        vocabulary.save(folder, network)

    def restore(self, network: Network, place: Path) -> None:
        vocabulary.restore(network, place)

    def opened(self, spec: str, module: Any, wishes: Any) -> dict[str, Any]:
        entries = extractors.entries_of(spec)
        own = entries.get(_ENTRY)
        if own is None:
            settings = extractors.settings_of(spec, module, entries)
            settings = vocabulary.sharing(settings, module.config)
        else:
            settings = AudioSettings.from_json(own, spec)
        if getattr(module.config, "apply_spec_augment", False):
            # It hides frames by numpy's global generator; --augment does so by the seed.
            module.config.apply_spec_augment = False
        return {
            "settings": settings if wishes is None else _changed(settings, wishes),
            **vocabulary.opened(spec, module.config),
        }

    def changed(self, network: Network, wishes: Any) -> Settings:
        return _changed(network.reads(AudioSettings), wishes)

    def problems(self, network: Network, settings: Settings) -> list[str]:
        assert isinstance(settings, AudioSettings)
        own = getattr(network.module.config, "feature_size", None) or settings.front.width
        if own == settings.front.width:
            return []
        return [f"its card has frames of {settings.front.width} numbers, its model reads {own}"]

    def made_up(self, network: Network, costs: Sequence[int]) -> list[Example]:
        random = np.random.default_rng(_SEED)
        settings = network.reads(AudioSettings)
        front, layout = settings.front, Layout.of(settings)
        found = []
        for ordinal, cost in enumerate(costs):
            count = layout.size or max(cost // front.hop, layout.least)
            values = random.standard_normal((count, front.width), np.float32)
            span = Span(0, count * front.hop)
            window = Window(record=f"probe-{ordinal}", index=0, region=span, core=span, last=True)
            arrays = {FRAMES: values}
            found.append(Example(ordinal=ordinal, window=window, arrays=arrays, cost=span.size))
        return found

    def smallest(self, network: Network) -> int:
        settings = network.reads(AudioSettings)
        return settings.whole if settings.one_size else max(settings.sample_rate // 3, 1)

    def execution(
        self, network: Network, device: torch.device, *, packed: bool | None = None
    ) -> Execution:
        from anysize.modalities.sounds.execution import Sounds

        return Sounds(network, device)

    def lengths(self, examples: Sequence[Example], network: Network) -> NDArray[np.int64]:
        from anysize.models.step_grid import step_counts

        return step_counts(network.module.config, frame_counts(examples))

    def graph_inputs(self, network: Network) -> tuple[GraphInput, ...]:
        return Layout.of(network.reads(AudioSettings)).inputs

    def feeding(self, network: Network) -> Feeding:
        return FrameFeeding(network)

    def noise(
        self, network: Network, random: np.random.Generator, batch: int, length: int
    ) -> list[NDArray[Any]]:
        settings = network.reads(AudioSettings)
        layout = Layout.of(settings)
        length = layout.size or max(min(length, settings.frames), layout.least)
        mask = np.ones((batch, length), np.int64)
        if batch > 1 and layout.masked:
            mask[-1, max(length // 2, layout.least) :] = 0  # the last recording is shorter
        values = random.standard_normal((batch, length, layout.width)).astype(np.float32)
        return layout.arrays(values * mask[..., None].astype(np.float32), mask)

    def fitted(self, settings: Any, shape: tuple[int, ...], problems: list[str]) -> Settings:
        assert isinstance(settings, AudioSettings)
        (values, *_) = Layout.of(settings).inputs
        fits = len(shape) == len(values.axes) and all(
            not size or isinstance(axis, str) or size == axis
            for size, axis in zip(shape, values.axes, strict=False)
        )
        if shape and not fits:
            problems.append(
                f"its metadata name frames of {settings.front.width} numbers as "
                f"{list(values.axes)}, and its graph takes {list(shape)}"
            )
        elif shape and LENGTH in values.axes and (length := shape[values.axes.index(LENGTH)]):
            problems.append(
                f"its windows must all have {length} frames: export it with a free length"
            )
        return settings

    def graph_notes(self, network: Network) -> dict[str, Any]:
        front = network.reads(AudioSettings).front
        entries = dataclasses.asdict(front)
        return {"front_end": {name: value for name, value in entries.items() if value is not None}}

    def defaults(self, *, pretrained: bool, normalised: bool = False) -> Defaults:
        if pretrained:
            return Defaults(
                epochs=5, batch=32, learning_rate=1e-4, optimizer="adamw", weight_decay=0.01,
                schedule="cosine", warmup=0.1, clip=1.0, label_smoothing=0.0,
                others={"sgd": {"learning_rate": 1e-2}}, head={"learning_rate": 1e-3},
            )  # fmt: skip
        return Defaults(
            epochs=20, batch=32, learning_rate=2e-3, optimizer="adamw", weight_decay=0.05,
            schedule="one-cycle", warmup=0.2, clip=1.0, label_smoothing=0.05,
            others={"sgd": {"learning_rate": 0.05}}, records_seen=40_000, most_epochs=40,
        )  # fmt: skip

    def differences(self, student: Network, teacher: Network) -> list[str]:
        own, theirs = student.reads(AudioSettings), teacher.settings
        if not isinstance(theirs, AudioSettings):
            return []
        return [
            f"student and teacher must read the same frames: {name} of {student.spec} is "
            f"{getattr(own, name)!r}, and of its teacher {getattr(theirs, name)!r}"
            for name in _FIXED
            if getattr(own, name) != getattr(theirs, name)
        ]

    def taken_over(self, settings: Any) -> dict[str, Any]:
        names = ("sample_rate", "spectrum", "mels", "normalize", "window")
        found = {name: getattr(settings, name) for name in names}
        return {**found, "cepstra": settings.cepstra or None}


def _changed(settings: AudioSettings, wishes: AudioOptions) -> AudioSettings:
    """The settings of a model with a user's wishes.

    Raises:
        ConfigurationError: what the model was made for is another.
    """
    given = {name: value for name, value in dataclasses.asdict(wishes).items() if value is not None}
    fixed = (*_FIXED, "window") if settings.one_size else _FIXED
    problems = [
        f"{name} must be {getattr(settings, name)!r}, which the model was made for, not "
        f"{given[name]!r}"
        for name in fixed
        if name in given and given[name] != getattr(settings, name)
    ]
    if problems:
        raise ConfigurationError(problems)
    return dataclasses.replace(settings, **given)


def make(key: str) -> Audio:
    """The modality."""
    return Audio()
