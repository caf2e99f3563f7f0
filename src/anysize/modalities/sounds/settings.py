"""Recordings: how they become windows, what may be asked of it, and what builders know of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from anysize.core.errors import ConfigurationError
from anysize.core.options import Options, Together, option
from anysize.core.receipts import Unit
from anysize.modalities.settings import Settings

if TYPE_CHECKING:
    from anysize.readers.spectra.front import Front
    from anysize.readers.spectra.normalizing import Normalizing

Spectrum = Literal["log-mel", "mfcc", "whisper", "kaldi", "mel", "ast", "waveform"]
SPECTRA: tuple[Spectrum, ...] = ("log-mel", "mfcc", "whisper", "kaldi", "mel")
"""What a user may choose; folders of others may have more."""

RATES = (4_000, 96_000)
LARGEST_WINDOW = 1 << 26
"""Samples of a window at most: more than an hour at 16 kHz."""
SECONDS = 10
"""Of a window, unless another one is asked for."""
_FIXED_RATE = 16_000
_FEWEST_FRAMES = 8
_MOST_MELS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSettings(Settings):
    """How a recording becomes model input: frames of a spectrum, in windows along time.

    Attributes:
        sample_rate: samples a second that recordings are brought to.
        spectrum: what a frame is made of; see ``readers.spectra.front``. ``waveform`` is none:
            each sample is a frame of one number.
        mels: filters on the mel scale.
        cepstra: coefficients of ``mfcc``; 0 for the others.
        normalize: ``recording`` gives each number of a frame the mean 0 and the variance 1 over
            the whole recording, ``window`` over each window.
        window: samples that the model reads at once.
        overlap: samples that neighbouring windows share.
        tolerant: whether damaged recordings are read as far as possible; not kept in bundles.
        silence: samples; a recording of fewer is followed by silence up to there.
        filled: whether windows are filled up with frames of zeros to the size of a whole one.
        shift, scale: what is taken off each number of a frame, and by what it is divided then.
        masked: whether the model is given a mask; windows of different lengths are run apart
            without one.
        loudness: decibels below full scale to which a quieter recording is raised before all else,
            in a first pass over it; 0 leaves all as they are.
    """

    modality: ClassVar[str] = "audio"
    content: ClassVar[str] = "recordings"

    sample_rate: int = _FIXED_RATE
    spectrum: Spectrum = "log-mel"
    mels: int = 64
    cepstra: int = 0
    normalize: Literal["none", "recording", "window"] = "none"
    window: int = SECONDS * _FIXED_RATE
    overlap: int = 0
    tolerant: bool = False
    silence: int = 0
    filled: bool = False
    shift: float = 0.0
    scale: float = 1.0
    masked: bool = True
    loudness: float = 0.0

    @property
    def unit(self) -> Unit:
        """What an input's extent counts."""
        return "samples"

    @property
    def varying(self) -> bool:
        """Whether windows come in many sizes."""
        return not self.one_size

    @property
    def one_size(self) -> bool:
        """Whether the model takes whole windows alone."""
        return self.filled or self.silence >= self.window

    @property
    def whole(self) -> int:
        """The cost of one whole window."""
        return self.frames * self.front.hop

    @property
    def frames(self) -> int:
        """Frames of a whole window."""
        return max(self.window // self.front.hop, 1)

    @property
    def shared(self) -> int:
        """Frames that neighbouring windows share."""
        return min(self.overlap // self.front.hop, self.frames - 1)

    @property
    def front(self) -> Front:
        """What makes the frames."""
        from anysize.readers.spectra import front

        if self.spectrum == "whisper":
            return front.whisper(self.mels)
        if self.spectrum == "kaldi":
            return front.kaldi(self.mels, gain=32768.0)
        if self.spectrum == "ast":
            return front.kaldi(self.mels, taper="hanning")
        if self.spectrum == "waveform":
            return front.Waveform(rate=self.sample_rate)
        if self.spectrum == "mel":
            return front.energies(self.sample_rate, self.mels)
        return front.log_mel(self.sample_rate, self.mels, cepstra=self.cepstra)

    @property
    def normalizing(self) -> Normalizing:
        """What is done with frames once the whole recording is known."""
        if self.normalize != "none":
            return self.normalize
        return "range" if self.spectrum == "whisper" else "none"

    def sharing(self, part: float) -> AudioSettings:
        """See ``Settings``."""
        return self if self.overlap else replace(self, overlap=int(part * self.window))

    def kept(self) -> AudioSettings:
        """The same without ``tolerant``, a wish of one run."""
        return replace(self, tolerant=False)

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be from {low} to {high}, not {value}"
            for name, low, high in (
                ("sample_rate", *RATES),
                ("silence", 0, LARGEST_WINDOW),
                ("loudness", -90, 0),
            )
            if not low <= (value := getattr(self, name)) <= high
        ]
        if self.spectrum not in get_args(Spectrum):
            known = ", ".join(get_args(Spectrum))
            problems.append(f"spectrum must be one of {known}, not {self.spectrum!r}")
        elif self.spectrum in ("whisper", "kaldi", "ast") and self.sample_rate != _FIXED_RATE:
            problems.append(
                f"sample_rate must be {_FIXED_RATE} for the spectrum {self.spectrum}, not "
                f"{self.sample_rate}"
            )
        if self.normalize not in ("none", "recording", "window"):
            problems.append(f"normalize must be none, recording or window, not {self.normalize!r}")
        if not self.scale > 0:
            problems.append(f"scale must be above 0, not {self.scale}")
        if not 8 <= self.mels <= _MOST_MELS:
            problems.append(f"mels must be from 8 to {_MOST_MELS}, not {self.mels}")
        if (self.spectrum == "mfcc") != bool(self.cepstra) or not 0 <= self.cepstra <= self.mels:
            problems.append(
                f"cepstra must be from 1 to mels ({self.mels}) for the spectrum mfcc and 0 for "
                f"others, not {self.cepstra} for {self.spectrum}"
            )
        least = _FEWEST_FRAMES * (self.sample_rate // 100)
        if not least <= self.window <= LARGEST_WINDOW:
            problems.append(
                f"window must be from {least} samples ({_FEWEST_FRAMES} frames) to "
                f"{LARGEST_WINDOW}, not {self.window}"
            )
        elif not 0 <= self.overlap < self.window:
            problems.append(
                f"overlap must be from 0 to below window ({self.window} samples), not "
                f"{self.overlap}"
            )
        if problems:
            raise ConfigurationError(problems)


def _below_window(overlap: int | None, window: int | None) -> str | None:
    if overlap is None or window is None or overlap < window:
        return None
    return f"must be below window ({window}), not {overlap}"


@dataclass(frozen=True, kw_only=True)
class AudioOptions(Options):
    """How recordings are read and cut into windows."""

    table: ClassVar[str] = "audio"
    together: ClassVar[tuple[Together, ...]] = (Together(("overlap", "window"), _below_window),)

    sample_rate: int | None = option(
        None, low=RATES[0], high=RATES[1], unit="samples a second",
        automatic="that of most recordings, at most 16000",
        help="Sample rate that recordings are converted to, in Hz.",
    )  # fmt: skip
    spectrum: str | None = option(
        None, choices=SPECTRA, automatic="log-mel",
        help="Features of a frame: log-mel energies, cepstral coefficients (mfcc), those of "
        "Whisper or Kaldi, or mel energies without a logarithm (mel).",
    )  # fmt: skip
    mels: int | None = option(
        None, low=8, high=_MOST_MELS, automatic="64, or 80 for whisper and kaldi",
        help="Number of mel filters.",
    )  # fmt: skip
    cepstra: int | None = option(
        None, low=1, high=_MOST_MELS, automatic="20 for mfcc",
        help="Number of cepstral coefficients; only for the spectrum mfcc.",
    )  # fmt: skip
    normalize: str | None = option(
        None, choices=("none", "recording"), off="none", automatic="none",
        help="Normalization of frames: none, or each coefficient to mean 0 and variance 1 over "
        "the whole recording (one longer than a window is then read twice).",
    )  # fmt: skip
    window: int | None = option(
        None, low=1, high=LARGEST_WINDOW, unit="samples", automatic="10 seconds",
        help="Samples that the model reads at once, at its sample rate.",
    )  # fmt: skip
    overlap: int | None = option(
        None, low=0, high=LARGEST_WINDOW, unit="samples", automatic="none",
        help="Samples that neighbouring windows share.",
    )  # fmt: skip
    tolerant: bool | None = option(
        None, off=False, automatic="no",
        help="Read damaged recordings as far as possible, and report them.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """What a model builder knows of the training recordings.

    Attributes:
        sample_rate: of most of those that were looked at; None where none can be read.
        texts: gives what is said in them, as a stream, where a task knows it.
    """

    sample_rate: int | None = None
    texts: Callable[[], Iterator[str]] | None = None


def settings_for(facts: AudioFacts, wishes: AudioOptions) -> AudioSettings:
    """The settings of a fresh model.

    Raises:
        ConfigurationError: wishes that contradict each other.
    """
    spectrum = wishes.spectrum or "log-mel"
    fixed = spectrum in ("whisper", "kaldi")
    usual = min(max(facts.sample_rate or _FIXED_RATE, 8_000), _FIXED_RATE)
    rate = wishes.sample_rate or (_FIXED_RATE if fixed else usual)
    given = {
        "mels": wishes.mels or (80 if fixed else 64),
        "cepstra": wishes.cepstra or (20 if spectrum == "mfcc" else 0),
        "normalize": wishes.normalize or "none",
        "window": SECONDS * rate if wishes.window is None else wishes.window,
        "overlap": wishes.overlap or 0,
        "tolerant": bool(wishes.tolerant),
    }
    # The types were checked with the options.
    return AudioSettings(sample_rate=rate, spectrum=spectrum, **given)  # type: ignore[arg-type]
