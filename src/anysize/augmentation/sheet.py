"""A contact sheet: pictures, and what an augmentation makes of each."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.captions import font_for, pillow
from anysize.augmentation.image import Augmentation
from anysize.augmentation.operations import Pixels
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.files import write_bytes
from anysize.core.findings import Finding
from anysize.core.records import ImageField, Record, Source
from anysize.readers.image import Image
from anysize.readers.pages import chosen_pages
from anysize.readers.resize import resize

Row = TypeVar("Row")
MOST_ROWS = 100
"""Rows of a sheet, with all pages."""

_GAP = 6
_LINE = 18
_PAPER = 250
_INK = (40, 40, 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A contact sheet.

    Attributes:
        pixels: uint8 ``[h, w, 3]``.
        records: ids of the records shown, from top to bottom.
        failures: what could not be shown, one sentence each.
        augment: specification of the augmentation; empty where there is none.
        rows: what each row shows, where it is not a record each: a page of a picture of several.
        findings: what opening the data guessed, repaired or left out.
    """

    noun: ClassVar[str] = "pictures"

    pixels: Pixels
    records: tuple[str, ...]
    failures: tuple[str, ...]
    augment: str = ""
    rows: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """See ``Shown``."""
        return {"width": self.pixels.shape[1], "height": self.pixels.shape[0]}

    def lines(self) -> Iterator[str]:
        """See ``Shown``."""
        return iter(())

    def write(self, out: Path) -> None:
        """See ``Shown``."""
        refuse_suffix(out, (".png",), "pictures")
        write_png(self.pixels, out)


class Shown(Protocol):
    """What an augmentation makes of records, to be looked at.

    Attributes:
        noun: what the records are.
        records: their ids.
        failures: what could not be shown, one sentence each.
        augment: specification of the augmentation.
        rows: what each row shows, where it is not a record each.
        findings: what opening the data guessed, repaired or left out.
    """

    noun: ClassVar[str]

    @property
    def records(self) -> tuple[str, ...]: ...

    @property
    def failures(self) -> tuple[str, ...]: ...

    @property
    def augment(self) -> str: ...

    @property
    def rows(self) -> tuple[str, ...]: ...

    @property
    def findings(self) -> tuple[Finding, ...]: ...

    def facts(self) -> dict[str, Any]:
        """What ``--json`` says of it besides."""
        ...

    def lines(self) -> Iterator[str]:
        """What is shown on a terminal."""
        ...

    def write(self, out: Path) -> None:
        """Writes it.

        Raises:
            ConfigurationError: the name of ``out`` says no format that it has.
            DataError: it cannot be written.
        """
        ...


def refuse_suffix(out: Path, suffixes: Sequence[str], noun: str, *, folder: bool = False) -> None:
    """Refuses a place to write to whose name says no format.

    Args:
        out: the place.
        suffixes: of the formats that there are.
        noun: of the records.
        folder: whether a folder will do too.

    Raises:
        ConfigurationError: as said.
    """
    if out.suffix.lower() in suffixes:
        return
    if folder and not out.suffix and (out.is_dir() or not out.exists()):
        return
    more = ", or a folder," if folder else ""
    raise ConfigurationError(
        f"--out must be a file that ends in {' or '.join(suffixes)}{more} for {noun}, not "
        f"{str(out)!r}"
    )


def contact_sheet(
    source: Source,
    augmentation: Augmentation,
    *,
    count: int = 6,
    draws: int = 6,
    seed: int = 0,
    size: tuple[int, int] = (224, 224),
    side: int = 160,
    pages: str = "all",
    tolerant: bool = False,
) -> Sheet:
    """One row a page: the picture as it is, then as it comes in each of some epochs.

    Args:
        source: records with a field ``image``; those shown are spread evenly over it.
        augmentation: what is shown.
        count: records at most.
        draws: epochs shown.
        seed: of the draws.
        size: ``(width, height)`` of the model's input.
        side: largest side of a picture on the sheet, in pixels.
        pages: which pages or frames of a picture are shown: ``all``, ``first``, or a number of
            them; at most ``MOST_ROWS`` in all.
        tolerant: read damaged pictures as far as possible.

    Raises:
        DataError: none of the pictures can be read.
    """
    rows: list[list[Pixels]] = []
    names: list[str] = []
    shown: list[str] = []
    failures: list[str] = []
    for place in range(min(count, len(source))):
        try:
            record = source[place * len(source) // min(count, len(source))]
            found = _pages(record, pages, tolerant, MOST_ROWS - len(rows), failures)
            for name, key, image in found:
                rows.append(_row(image, key, augmentation, draws, seed, size, side))
                names.append(name)
                shown += [record.id] if shown[-1:] != [record.id] else []
        except DataError as error:
            failures.append(str(error))
    if not rows:
        raise DataError(source.name, "; ".join(failures) or "has no pictures")
    heads = ["", *(f"epoch {epoch}" for epoch in range(draws))]
    pixels = laid_out(rows, [[name] for name in names], heads, side)
    return Sheet(
        pixels=pixels,
        records=tuple(shown),
        failures=tuple(failures),
        augment=augmentation.spec,
        rows=tuple(names),
    )


def _pages(
    record: Record, wish: str, tolerant: bool, most: int, failures: list[str]
) -> Iterator[tuple[str, str, ImageField]]:
    """The caption of each page that is shown, what its changes are drawn by, and the page."""
    image = record.image("image")
    if isinstance(image, Image) and tolerant:
        image.tolerant()
    if not isinstance(image, Image) or image.pages == 1:
        yield record.id, record.id, image
        return
    numbers = chosen_pages(image.pages, wish)
    if len(numbers) > most:
        failures.append(
            f"{record.id}: {len(numbers) - most:,} of its {image.pages:,} pages, because a sheet "
            f"has {MOST_ROWS} rows at most; --pages first, or a number, shows fewer"
        )
    numbers = numbers[:most]
    for number, page in zip(numbers, image.read_pages(numbers), strict=True):
        # As in training: a page has changes of its own, and the first those of the picture.
        key = f"{record.id}#{number}" if number else record.id
        yield f"{record.id}, page {number + 1} of {image.pages}", key, page


def write_png(pixels: Pixels, path: Path) -> None:
    """Writes a picture; the file is either complete or as it was."""
    buffer = io.BytesIO()
    pillow().Image.fromarray(pixels).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def _row(
    image: ImageField,
    key: str,
    augmentation: Augmentation,
    draws: int,
    seed: int,
    size: tuple[int, int],
    side: int,
) -> list[Pixels]:
    found = [image.resized(*fitted(image.extent, side))]
    for epoch in range(draws):
        pixels = augmentation.read(image, (seed, epoch, key, 0), size=size).pixels
        found.append(resize(pixels, *fitted((pixels.shape[1], pixels.shape[0]), side)))
    return found


def fitted(extent: tuple[int, int], side: int) -> tuple[int, int]:
    """``(width, height)`` of what is fitted into a square."""
    ratio = side / max(extent)
    width, height = (max(round(length * ratio), 1) for length in extent)
    return width, height


def spread(
    source: Source, count: int, show: Callable[[Record], Row], noun: str
) -> tuple[list[tuple[str, Row]], list[str]]:
    """What is shown of records spread evenly over the data, by their ids; and the failures.

    Args:
        source: the data.
        count: records at most.
        show: what is shown of one; a ``DataError`` is a failure, a sentence each.
        noun: what the records are.

    Raises:
        DataError: none can be shown.
    """
    shown, failures = [], []
    for place in range(min(count, len(source))):
        try:
            record = source[place * len(source) // min(count, len(source))]
            shown.append((record.id, show(record)))
        except DataError as error:
            failures.append(str(error))
    if not shown:
        raise DataError(source.name, "; ".join(failures) or f"has no {noun}")
    return shown, failures


def laid_out(
    rows: Sequence[Sequence[Pixels]],
    names: Sequence[Sequence[str]],
    heads: Sequence[str],
    side: int,
) -> Pixels:
    """Pictures in rows, each in a square.

    Args:
        rows: the pictures.
        names: of each row, below its first pictures.
        heads: above the columns.
        side: of the squares, in pixels.
    """
    step, columns = side + _GAP, max(len(row) for row in rows)
    shape = (_LINE + len(rows) * (step + _LINE) + _GAP, columns * step + _GAP, 3)
    sheet: Pixels = np.full(shape, _PAPER, dtype=np.uint8)
    captions: list[tuple[int, int, str]] = [
        (_GAP + place * step, 2, head) for place, head in enumerate(heads)
    ]
    for number, (row, below) in enumerate(zip(rows, names, strict=True)):
        top = _LINE + _GAP + number * (step + _LINE)
        captions += [
            (_GAP + place * step, top + side + 2, name) for place, name in enumerate(below)
        ]
        for place, pixels in enumerate(row):
            height, width = pixels.shape[:2]
            left = _GAP + place * step + (side - width) // 2
            down = top + (side - height) // 2
            sheet[down : down + height, left : left + width] = pixels
    return _with_captions(sheet, captions)


def _with_captions(sheet: Pixels, captions: Sequence[tuple[int, int, str]]) -> Pixels:
    picture = pillow().Image.fromarray(sheet)
    pen = pillow().ImageDraw.Draw(picture)
    font = font_for("".join(text for _, _, text in captions))
    for left, top, text in captions:
        pen.text((left, top), text, fill=_INK, font=font)
    found: NDArray[np.uint8] = np.asarray(picture)
    return found
