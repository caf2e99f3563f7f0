"""What all voices share: examples of ids to sound, one after the other, by noise of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anysize.core.examples import Example
from anysize.models.execution import Tensors

OUTPUTS = ("waveform", "samples")
"""``waveform`` float32 ``[windows, longest]`` and how many ``samples`` of it are each window's."""

ENDLESS = "endless"
"""Whether each window had no end and was stopped, of voices that look for one themselves."""


class Wishes(Protocol):
    """What a user asks of speech, as far as it is a voice's own."""

    @property
    def speed(self) -> float: ...

    @property
    def variation(self) -> float: ...

    @property
    def speaker(self) -> str | None: ...

    @property
    def vocoder(self) -> str | None: ...


class Asking(Protocol):
    """A module that knows itself who speaks, and in what sound."""

    def asked(self, wishes: Wishes) -> Mapping[str, NDArray[Any]]:
        """What the examples of a prediction carry beside their ids.

        Raises:
            ConfigurationError: it cannot do what is asked, or misses something for it.
        """
        ...


class Voice(Protocol):
    """A module that speaks.

    Attributes:
        sample_rate: samples a second.
    """

    sample_rate: int

    def speak(
        self, ids: NDArray[np.int64], *, speed: float, speaker: int, noise: float, seed: int
    ) -> NDArray[np.float32]:
        """The samples of a sequence of ids, ``[n]``.

        Args:
            ids: of phonemes or characters, ``[length]``.
            speed: 1 as it was learned, 2 twice as fast.
            speaker: number of it.
            noise: factor of the voice's own noise; 0 gives none.
            seed: of the noise.
        """
        ...


class SpeakingExecution:
    """An ``Execution`` of a `Voice`: sequences one by one, so that none depends on another.

    Args:
        voice: the module.
    """

    packed = True
    side = 1.0

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        found = [self._spoken(example) for example in examples]
        longest = max(len(each) for each in found)
        waveform = torch.zeros(len(found), longest)
        for row, samples in enumerate(found):
            waveform[row, : len(samples)] = torch.from_numpy(samples)
        counts: Tensor = torch.tensor([len(each) for each in found])
        return dict(zip(OUTPUTS, (waveform, counts), strict=True))

    def _spoken(self, example: Example) -> NDArray[np.float32]:
        arrays = example.arrays

        def asked(name: str, default: float) -> Any:
            # Examples of a probe ask for nothing.
            return arrays[name].item() if name in arrays else default

        return self._voice.speak(
            arrays["input_ids"].astype(np.int64),
            speed=float(asked("speed", 1.0)),
            speaker=int(asked("speaker", 0)),
            noise=float(asked("noise", 1.0)),
            seed=int(asked("seed", 0)),
        )
