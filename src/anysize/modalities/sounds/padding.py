"""Windows of frames as the arrays that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.examples import Example
from anysize.modalities.parts import BATCH, LENGTH, GraphInput, padded_length
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models.network import Network

FRAMES = "frames"
"""The array of an example: float32 ``[frames, width]``."""
FEATURES, VALUES, MASK = "input_features", "input_values", "attention_mask"


def frame_counts(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Frames of each window; int64 ``[windows]``."""
    counts = (len(example.arrays[FRAMES]) for example in examples)
    return np.fromiter(counts, np.int64, len(examples))


def padded(
    examples: Sequence[Example], length: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Frames ``[n, length, width]``, zeros behind, and a mask ``[n, length]``, 1 at frames."""
    mask = (np.arange(length) < frame_counts(examples)[:, None]).astype(np.int64)
    values = np.zeros((*mask.shape, examples[0].arrays[FRAMES].shape[1]), np.float32)
    for row, example in zip(values, examples, strict=True):
        frames = example.arrays[FRAMES]
        row[: len(frames)] = frames
    return values, mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the windows of a batch are given to a model.

    Attributes:
        name: of the argument that takes them.
        width: numbers of a frame.
        size: frames of each window; 0 where there are many.
        masked: whether a mask goes with them; without it all windows of a batch have one length.
        turned: whether time is the last axis.
        flat: whether frames are single samples, without an axis of their own.
        least: the fewest frames that the model takes.
    """

    name: str
    width: int
    size: int
    masked: bool
    turned: bool
    flat: bool
    least: int

    @classmethod
    def of(cls, settings: AudioSettings) -> Layout:
        """That of a model's settings."""
        spectrum = settings.spectrum
        return cls(
            name=VALUES if spectrum in ("ast", "waveform") else FEATURES,
            width=settings.front.width,
            size=settings.frames if settings.one_size else 0,
            masked=settings.masked,
            turned=spectrum == "whisper" and not settings.masked,
            flat=spectrum == "waveform",
            least=max(settings.silence // settings.front.hop, 1),
        )

    @property
    def inputs(self) -> tuple[GraphInput, ...]:
        """The inputs of a graph, in order."""
        length: int | str = self.size or LENGTH
        axes: tuple[int | str, ...] = (BATCH, length, self.width)
        if self.turned:
            axes = (BATCH, self.width, length)
        elif self.flat:
            axes = (BATCH, length)
        values = GraphInput(self.name, axes, np.float32, self.least)
        if not self.masked:
            return (values,)
        return values, GraphInput(MASK, (BATCH, length), np.int64, self.least)

    def arrays(self, values: NDArray[np.float32], mask: NDArray[np.int64]) -> list[NDArray[Any]]:
        """The arrays of ``inputs``, of padded frames and their mask."""
        if self.turned:
            values = np.ascontiguousarray(values.transpose(0, 2, 1))
        elif self.flat:
            values = values[:, :, 0]
        return [values, mask] if self.masked else [values]


class FrameFeeding:
    """The inputs of a graph, padded to few different lengths where it takes a mask.

    Args:
        network: its settings are read.
    """

    def __init__(self, network: Network) -> None:
        settings = network.reads(AudioSettings)
        self._window = settings.frames
        self._layout = Layout.of(settings)

    def __call__(self, examples: Sequence[Example]) -> list[NDArray[Any]]:
        longest = int(frame_counts(examples).max())
        length = longest
        if self._layout.masked:
            length = max(min(padded_length(longest), self._window), longest)
        return self._layout.arrays(*padded(examples, length))
