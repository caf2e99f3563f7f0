"""What an augmentation makes of recordings: spectra side by side, and files to listen to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation import Augmentation
from anysize.augmentation.captions import pillow
from anysize.augmentation.noises import opening
from anysize.augmentation.operations import Pixels
from anysize.augmentation.sheet import laid_out, refuse_suffix, spread, write_png
from anysize.augmentation.sounds import SoundChanges
from anysize.augmentation.specification import refuse_unfit
from anysize.core.errors import DataError
from anysize.core.files import write_bytes, write_text
from anysize.core.findings import Finding
from anysize.core.records import AudioField, Record, Source
from anysize.evaluation.pages import page
from anysize.modalities.sounds import view
from anysize.modalities.sounds.facts import facts
from anysize.modalities.sounds.settings import AudioOptions, settings_for
from anysize.readers.audio.libsndfile import soundfile_library
from anysize.readers.spectra.front import log_mel
from anysize.readers.spectra.stream import frames

SECONDS = 10
"""Of each recording that is shown."""
_SIDE = 200
_USUAL = "light"
_SHEET, _PAGE = "sheet.png", "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One recording as it is, or as it comes in an epoch.

    Attributes:
        name: ``original`` or ``epoch 2``.
        samples: float32 ``[n]``.
        colours: numbers of colours of its spectrum, with masks (``modalities.sounds.view``).
    """

    name: str
    samples: NDArray[np.float32]
    colours: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSheet:
    """Recordings, and what an augmentation makes of each.

    Attributes:
        records: ids of the records shown, from top to bottom.
        failures: what could not be shown, one sentence each.
        augment: specification of the augmentation.
        rate: of the samples, a second.
        heard: of each record, as it is and in each epoch.
        rows: none: each row is a record.
        findings: what opening the data guessed, repaired or left out.
    """

    noun: ClassVar[str] = "recordings"

    records: tuple[str, ...]
    failures: tuple[str, ...]
    augment: str
    rate: int
    heard: tuple[tuple[Heard, ...], ...]
    rows: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def pixels(self) -> Pixels:
        """The spectra as a picture, uint8 ``[h, w, 3]``."""
        colours = view.palette()
        names = [one.name for one in self.heard[0]]
        # Each filter is three pixels high, so that a spectrum fills its square.
        rows = [[colours[one.colours.repeat(3, axis=0)] for one in row] for row in self.heard]
        return laid_out(rows, [[name] for name in self.records], names, _SIDE)

    def facts(self) -> dict[str, Any]:
        """What ``--json`` says of it besides."""
        height, width = self.pixels.shape[:2]
        return {"width": width, "height": height, "sample_rate": self.rate, "seconds": SECONDS}

    def lines(self) -> Iterator[str]:
        """See ``Shown``."""
        return iter(())

    def write(self, out: Path) -> None:
        """Writes the picture, or into a folder the picture, the sounds and a page of them.

        Raises:
            ConfigurationError: the name of ``out`` is neither that of a picture nor of a folder.
            DataError: it cannot be written.
        """
        refuse_suffix(out, (".png",), self.noun, folder=True)
        if out.suffix.lower() == ".png":
            write_png(self.pixels, out)
            return
        out.mkdir(parents=True, exist_ok=True)
        rows = []
        for number, (record, row) in enumerate(zip(self.records, self.heard, strict=True), 1):
            cells = []
            for one in row:
                stem = f"{number:02d}-{one.name.replace(' ', '-')}"
                write_bytes(out / f"{stem}.flac", self._flac(one.samples), durable=False)
                write_bytes(out / f"{stem}.png", view.png(one.colours), durable=False)
                cells.append((one.name, stem))
            rows.append((record, cells))
        write_png(self.pixels, out / _SHEET)
        text = page(
            "evaluation/templates/sounds.html",
            title="Augmentation of recordings",
            subtitle=self.augment,
            rows=rows,
            words=f"At most the first {SECONDS} seconds of each, {self.rate:,} samples a second.",
            failures=self.failures,
            findings=self.findings,
            provenance=None,
        )
        write_text(out / _PAGE, text)

    def _flac(self, samples: NDArray[np.float32]) -> bytes:
        buffer = io.BytesIO()
        clipped = np.clip(samples, -1.0, 1.0)
        soundfile_library().write(buffer, clipped, self.rate, format="FLAC", subtype="PCM_16")
        return buffer.getvalue()


def sheet(
    source: Source,
    augment: str | Augmentation,
    *,
    role: str,
    count: int,
    draws: int,
    seed: int,
) -> SoundSheet:
    """Recordings spread evenly over the data, as they are and as they come in some epochs.

    Args:
        source: the data.
        augment: a specification, or what was made of one; ``auto`` is what audio-classification
            takes.
        role: the field of the recordings.
        count: recordings at most.
        draws: epochs shown of each.
        seed: of the draws.

    Raises:
        ConfigurationError: steps that are not for recordings.
        DataError: none of the recordings can be read.
        MissingExtraError: pillow is not installed.
    """
    pillow()
    chosen = augment
    if isinstance(chosen, str):
        chosen = Augmentation(_USUAL if chosen == "auto" else chosen)
    steps = (*chosen.steps, *chosen.batch_steps)
    refuse_unfit(steps, "recordings")
    rate = settings_for(facts(source, role), AudioOptions()).sample_rate
    changes = SoundChanges(steps, seed, rate)

    def show(record: Record) -> tuple[Heard, ...]:
        return tuple(_row(record, role, changes, draws, rate))

    shown, failures = spread(source, count, show, "recordings")
    return SoundSheet(
        records=tuple(name for name, _ in shown),
        heard=tuple(row for _, row in shown),
        failures=tuple(failures),
        augment=chosen.spec,
        rate=rate,
    )


def _row(
    record: Record, role: str, changes: SoundChanges, draws: int, rate: int
) -> Iterator[Heard]:
    sound = record.audio(role)
    yield _heard("original", sound, rate, None, 0, record.id)
    for epoch in range(draws):
        yield _heard(f"epoch {epoch}", sound, rate, changes, epoch, record.id)


def _heard(
    name: str,
    sound: AudioField,
    rate: int,
    changes: SoundChanges | None,
    epoch: int,
    record: str,
) -> Heard:
    blocks: Any = sound.blocks(rate)
    if changes is not None:
        blocks = changes.samples(epoch, record)(blocks, rate)
    samples, _ = opening(blocks, SECONDS * rate)
    if not len(samples):
        raise DataError(sound.origin, "is empty: it has no samples")
    spectrum = np.concatenate(list(frames([samples], log_mel(rate, view.MELS))))
    if changes is not None:
        spectrum = changes.frames(spectrum, epoch, record, 0)
    return Heard(name=name, samples=samples, colours=view.shades(spectrum, _SIDE))
