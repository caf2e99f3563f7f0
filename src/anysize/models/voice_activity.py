"""Voice activity: where somebody speaks, by the network of the package silero-vad.

It is a short-time spectrum by a convolution, four convolutions over its frames and a recurrent
layer (Silero Team 2021-2025, https://github.com/snakers4/silero-vad, MIT). The weights are read
from the package's safetensors file; its code is not imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import pad

from anysize.core.errors import BundleError, MissingExtraError

RATE = 16_000
"""Samples a second that it reads."""
FRAME = 512
"""Samples that one probability is for: 32 ms."""

_CONTEXT = 64
_PACKAGE, _FILE = "silero_vad", "data/silero_vad_16k.safetensors"
_WIDTH = 128
_BINS = 129


def weights() -> Path:
    """The file of the weights inside the installed package, which is found and not imported.

    Raises:
        MissingExtraError: it is not installed.
        BundleError: it is installed without its weights.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError("silero-vad", "speech")
    found = Path(spec.origin).parent / _FILE
    if not found.is_file():
        raise BundleError(str(found.parent), f"has no {found.name}; install silero-vad again")
    return found


class VoiceActivity(nn.Module):
    """Probabilities of speech, one for each frame of 512 samples at 16 kHz."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * _BINS, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(_BINS, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm = nn.LSTM(_WIDTH, _WIDTH)
        self.final_conv = nn.Conv1d(_WIDTH, 1, 1)

    @classmethod
    def opened(cls, path: Path | None = None) -> VoiceActivity:
        """With its weights.

        Args:
            path: their file; None takes the package's.

        Raises:
            MissingExtraError: the package is not installed.
            BundleError: the file holds something else.
        """
        from safetensors.torch import load_file

        place = weights() if path is None else path
        with torch.device("meta"):
            found = cls()
        try:
            stored = load_file(place)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                stored[f"lstm.{name}_l0"] = stored.pop(f"lstm_cell.{name}")
            found.load_state_dict(stored, assign=True)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BundleError(str(place), f"is not a voice activity detector: {reason}") from error
        return found.requires_grad_(False).eval()

    def forward(
        self, windows: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Probabilities ``[frames]`` and the next state.

        Args:
            windows: ``[frames, 576]``, each with the 64 samples before it.
            state: of the recurrent layer.
        """
        spectrum = self.stft_conv(pad(windows, (0, _CONTEXT), mode="reflect").unsqueeze(1))
        values = (spectrum[:, :_BINS].square() + spectrum[:, _BINS:].square()).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            values = layer(values).relu()
        hidden, state = self.lstm(values.squeeze(-1), state)
        return self.final_conv(hidden.relu().T).sigmoid().squeeze(0), state


class VoiceStream:
    """Probabilities of speech of one recording, as its samples come.

    They are computed for so many frames at a time, counted from the beginning, so that they do
    not depend on how the samples come.

    Args:
        network: may be shared.
        block: frames at a time; fewer are slower and come sooner.
    """

    block = 256

    def __init__(self, network: VoiceActivity, block: int = block) -> None:
        self._network = network
        self.block = block
        zeros = torch.zeros(1, _WIDTH)
        self._state = (zeros, zeros)
        self._held = np.zeros(_CONTEXT, np.float32)

    def add(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes the next samples ``[n]``; the probabilities that they settle, in order."""
        self._held = np.concatenate([self._held, samples])
        found = [np.zeros(0, np.float32)]
        while len(self._held) >= _CONTEXT + self.block * FRAME:
            found.append(self._run(self._held[: _CONTEXT + self.block * FRAME]))
            self._held = self._held[self.block * FRAME :]
        return np.concatenate(found)

    def rest(self) -> NDArray[np.float32]:
        """The probabilities that are left once there are no more samples."""
        left = len(self._held) - _CONTEXT
        if not left:
            return np.zeros(0, np.float32)
        count = -(-left // FRAME)
        whole = np.zeros(_CONTEXT + count * FRAME, np.float32)
        whole[: len(self._held)] = self._held
        self._held = self._held[:_CONTEXT]
        return self._run(whole)

    def _run(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        cut = np.lib.stride_tricks.sliding_window_view(samples, _CONTEXT + FRAME)[::FRAME]
        with torch.inference_mode():
            found, self._state = self._network(torch.from_numpy(cut.copy()), self._state)
        return np.asarray(found.numpy())
