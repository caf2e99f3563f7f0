"""Front ends: how a frame of samples becomes a vector of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from anysize.readers.spectra.filters import Bank, cosines

FRAMES = 256
"""Frames that are computed at once, counted from the beginning of the recording.

Always as many, the last ones filled up: a matrix product may round otherwise in another size, and
frames must not depend on how the samples come.
"""


@dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """Short-time power spectra through a filter bank, and their logarithms.

    Attributes:
        rate: samples a second.
        length: samples of a frame.
        hop: samples from the beginning of one frame to that of the next.
        bank: the filters.
        fft: samples that a frame is filled up to with zeros.
        taper: the window of a frame: ``hann`` (periodic), ``hanning`` (symmetric), or Kaldi's
            ``povey``.
        centred: whether frame ``t`` has sample ``t * hop`` in its middle, and the ends are
            mirrored; else it begins there, and what is left at the end is no frame of its own.
        emphasis: part of each sample that is taken off the next one, in its frame.
        level: whether the mean of a frame is taken off.
        gain: by which samples are multiplied.
        logarithm: ``natural`` or ``decimal``; ``none`` leaves the energies as they are.
        floor: the smallest energy of a filter.
        cepstra: coefficients of the cosine transform; 0 leaves the logarithms as they are.
    """

    rate: int
    length: int
    hop: int
    bank: Bank
    fft: int
    taper: Literal["hann", "hanning", "povey"] = "hann"
    centred: bool = True
    emphasis: float = 0.0
    level: bool = False
    gain: float = 1.0
    logarithm: Literal["natural", "decimal", "none"] = "natural"
    floor: float = 1e-7
    cepstra: int = 0

    @property
    def width(self) -> int:
        """Numbers of a frame."""
        return self.cepstra or self.bank.count

    @property
    def margin(self) -> int:
        """Samples that are mirrored at both ends."""
        return self.length // 2 if self.centred else 0

    def frames(self, samples: int) -> int:
        """How many frames so many samples have; at least one."""
        if self.centred:
            return max(-(-samples // self.hop), 1)
        return max(1 + (samples - self.length) // self.hop, 1)

    @property
    def span(self) -> int:
        """Samples that `FRAMES` frames lie over."""
        return (FRAMES - 1) * self.hop + self.length

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The frames ``[FRAMES, width]`` of ``span`` samples."""
        cut = sliding_window_view(samples, self.length)[:: self.hop].astype(np.float64)
        if self.gain != 1.0:
            cut *= self.gain
        if self.level:
            cut -= cut.mean(axis=1, keepdims=True)
        if self.emphasis:
            before = cut[:, :-1].copy()
            cut[:, 1:] -= self.emphasis * before
            cut[:, 0] *= 1.0 - self.emphasis
        cut *= self._taper
        spectrum = np.fft.rfft(cut, self.fft)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        energies = np.maximum(power @ self._matrix, self.floor)
        found = self._logarithms(energies)
        if self.cepstra:
            found = found @ self._cosines
        return found.astype(np.float32)

    def _logarithms(self, energies: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.logarithm == "none":
            return energies
        return np.log(energies) if self.logarithm == "natural" else np.log10(energies)

    @cached_property
    def _taper(self) -> NDArray[np.float64]:
        if self.taper == "hann":
            return np.hanning(self.length + 1)[:-1]
        if self.taper == "hanning":
            return np.hanning(self.length)
        return np.asarray(np.hanning(self.length) ** 0.85)

    @cached_property
    def _matrix(self) -> NDArray[np.float64]:
        return self.bank.matrix(self.fft // 2 + 1, self.rate)

    @cached_property
    def _cosines(self) -> NDArray[np.float64]:
        return cosines(self.bank.count, self.cepstra)


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """No spectrum: each sample is a frame of one number.

    Attributes:
        rate: samples a second.
    """

    rate: int
    hop: ClassVar[int] = 1
    width: ClassVar[int] = 1

    def frames(self, samples: int) -> int:
        """As many as there are samples."""
        return samples


Front: TypeAlias = FrontEnd | Waveform
"""What makes frames of samples."""


def log_mel(rate: int, mels: int, *, cepstra: int = 0) -> FrontEnd:
    """Frames of 25 ms every 10 ms, all samples in the middle of some frame.

    Args:
        rate: samples a second.
        mels: filters.
        cepstra: coefficients of the cosine transform (MFCC); 0 gives the logarithms.
    """
    length = rate // 40
    return FrontEnd(
        rate=rate,
        length=length,
        hop=rate // 100,
        bank=Bank(count=mels, low=20.0),
        fft=1 << (length - 1).bit_length(),
        cepstra=cepstra,
    )


def energies(rate: int, mels: int) -> FrontEnd:
    """Energies through filters, without a logarithm, as librosa makes them and Resemblyzer reads.

    Args:
        rate: samples a second.
        mels: filters.
    """
    length = rate // 40
    return FrontEnd(
        rate=rate, length=length, hop=rate // 100, fft=length,
        bank=Bank(count=mels, scale="slaney", even=True),
        logarithm="none", floor=0.0,
    )  # fmt: skip


def whisper(mels: int = 80) -> FrontEnd:
    """That of Whisper (Radford et al. 2022), before its limit to a range of 8."""
    return FrontEnd(
        rate=16_000, length=400, hop=160, fft=400,
        bank=Bank(count=mels, high=8000.0, scale="slaney", even=True),
        logarithm="decimal", floor=1e-10,
    )  # fmt: skip


def kaldi(
    mels: int, *, taper: Literal["hanning", "povey"] = "povey", gain: float = 1.0
) -> FrontEnd:
    """Filter banks as Kaldi makes them, for the Audio Spectrogram Transformer and Speech2Text.

    Args:
        mels: filters.
        taper: ``hanning`` of the first, ``povey`` of the second.
        gain: 1 of the first; 32768 of the second, which takes samples as 16-bit numbers.
    """
    return FrontEnd(
        rate=16_000, length=400, hop=160,
        bank=Bank(count=mels, low=20.0, high=8000.0, scale="kaldi", in_mels=True),
        fft=512, taper=taper, centred=False, emphasis=0.97, level=True, gain=gain,
        floor=float(np.finfo(np.float32).eps),
    )  # fmt: skip
