"""What a dataset looks like, in one pass and bounded memory."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from anysize.core.errors import DataError
from anysize.core.findings import Finding, Findings
from anysize.core.protocols import Preprocess
from anysize.core.records import ImageField, Record, Source
from anysize.core.results import ErrorResult
from anysize.core.windows import Span
from anysize.evaluation.column_lines import ColumnLine
from anysize.evaluation.common_counts import Common
from anysize.evaluation.picture_findings import noticed
from anysize.evaluation.sketches import (
    Distribution,
    Duplicates,
    LengthSketch,
    Numbers,
)
from anysize.readers.image import Image

_REDUCED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStatistics:
    """What text and picture datasets have in common.

    Attributes:
        name: what the user called the data.
        records: how many there are.
        read: how many were looked at (all, or ``limit`` of them evenly spread).
        labels: records by label, most frequent first (at most 100,000 different ones); a record
            that has several labels is counted by each.
        unlabelled: records without a label.
        duplicates: records with the same content.
        duplicate_names: ids of a few such pairs.
        unreadable: how many could not be read.
        unreadable_named: the first of them, with the reason.
        targets: range, mean and deviation where the targets are numbers.
        splits: records by the name of the split, where the data names splits.
        findings: what was guessed, repaired or left out.
        columns: of a table.
    """

    name: str
    records: int
    read: int
    labels: Mapping[str, int]
    unlabelled: int
    duplicates: Duplicates
    duplicate_names: tuple[tuple[str, str], ...]
    unreadable: int
    unreadable_named: tuple[ErrorResult, ...]
    targets: Numbers | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    columns: tuple[ColumnLine, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "data": self.name,
            "records": self.records,
            "read": self.read,
            "labels": dict(self.labels),
            "unlabelled": self.unlabelled,
            **({} if self.targets is None else {"targets": asdict(self.targets)}),
            "unreadable": self.unreadable,
            "unreadable_named": [entry.to_json() for entry in self.unreadable_named],
            "duplicates": {
                "copies": self.duplicates.copies,
                "contents_with_conflicting_labels": self.duplicates.conflicting,
                "exact": self.duplicates.exact,
                "examples": [list(pair) for pair in self.duplicate_names],
            },
            "splits": dict(self.splits),
            "columns": [line.to_json() for line in self.columns],
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStatistics(DataStatistics):
    """A dataset of documents.

    Attributes:
        empty: documents without any visible character.
        characters: lengths.
        tokens: lengths in the model's tokens; None without a model.
        windows: model calls that the looked-at documents take; None without a model.
        longer_than_window: documents that take more than one; None without a model.
    """

    empty: int
    characters: Distribution
    tokens: Distribution | None = None
    windows: int | None = None
    longer_than_window: int | None = None

    def to_json(self) -> dict[str, Any]:
        entries = {
            **DataStatistics.to_json(self),
            "empty": self.empty,
            "characters": self.characters.to_json(),
        }
        if self.tokens is not None:
            entries["tokens"] = self.tokens.to_json()
            entries["windows"] = self.windows
            entries["longer_than_window"] = self.longer_than_window
        return entries


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStatistics(DataStatistics):
    """A dataset of pictures.

    Attributes:
        widths, heights: in pixels, as displayed.
        pixels: width times height.
        sizes: records by ``(width, height)``, the most frequent first (at most 20).
        different_sizes: how many sizes there are; counting stops at 10,000.
        formats: records by file format (``JPEG``, ``progressive JPEG``, ``PNG`` …).
        modes: records by sample layout (``RGB``, ``L``, ``CMYK``, ``I;16`` …).
        grey: pictures whose three channels are equal everywhere.
    """

    widths: Distribution
    heights: Distribution
    pixels: Distribution
    sizes: tuple[tuple[tuple[int, int], int], ...]
    different_sizes: int
    formats: Mapping[str, int]
    modes: Mapping[str, int]
    grey: int

    def to_json(self) -> dict[str, Any]:
        return {
            **DataStatistics.to_json(self),
            "widths": self.widths.to_json(),
            "heights": self.heights.to_json(),
            "pixels": self.pixels.to_json(),
            "sizes": [
                {"width": width, "height": height, "count": count}
                for (width, height), count in self.sizes
            ],
            "different_sizes": self.different_sizes,
            "formats": dict(self.formats),
            "modes": dict(self.modes),
            "grey": self.grey,
        }


def text_statistics(
    source: Source,
    *,
    role: str = "text",
    preprocess: Preprocess | None = None,
    limit: int | None = None,
) -> TextStatistics:
    """Reads every document once (twice with ``preprocess``), as a stream.

    Args:
        source: where the records come from.
        role: the field to look at.
        preprocess: of a text model; counts tokens and windows as the model would see them.
        limit: look at only so many records, evenly spread over the source.

    Raises:
        ConfigurationError: ``limit`` is below 1.
    """
    common, empty, windows, longer = Common(), 0, 0, 0
    characters, tokens = LengthSketch(), LengthSketch()
    for index, record in common.readable(source, limit):
        try:
            length, blank, digest = _read_text(record, role)
            cut = _cut(preprocess, index, record) if preprocess else None
        except DataError as error:
            common.failed(record.id, error)
            continue
        common.add(index, record, digest)
        characters.add(length)
        empty += blank
        if cut is not None:
            tokens.add(cut[0])
            windows += cut[1]
            longer += cut[1] > 1
    return TextStatistics(
        **common.fields(source),
        empty=empty,
        characters=characters.distribution(),
        tokens=tokens.distribution() if preprocess else None,
        windows=windows if preprocess else None,
        longer_than_window=longer if preprocess else None,
    )


def _read_text(record: Record, role: str) -> tuple[int, bool, int]:
    """Length in characters, whether it is blank, and a hash of all of the record's texts."""
    length, blank, text = 0, True, record.text(role)
    hasher = hashlib.blake2b(digest_size=8)
    for name, other in record.fields.items():
        if name != role and hasattr(other, "chunks"):
            hasher.update("\0".join([*other.chunks(), ""]).encode("utf-8", "surrogatepass"))
    for chunk in text.chunks():
        length += len(chunk)
        blank = blank and not chunk.strip()
        hasher.update(chunk.encode("utf-8", "surrogatepass"))
    return length, blank, int.from_bytes(hasher.digest(), "little")


def _cut(preprocess: Preprocess, index: int, record: Record) -> tuple[int, int]:
    """Tokens and windows of a document, as the model's preprocessing cuts it."""
    extent = windows = 0
    for example in preprocess(index, record):
        windows += 1
        core = example.window.core
        extent = max(extent, core.stop if isinstance(core, Span) else 0)
    return extent, windows


def image_statistics(
    source: Source,
    *,
    role: str = "image",
    limit: int | None = None,
    label_of: Callable[[Record], Any] | None = None,
    findings: Findings | None = None,
) -> ImageStatistics:
    """Decodes every picture once, in bounded memory, so that a truncated file is found.

    Pictures of the same size whose reductions to 64 by 64 pixels are equal count as duplicates.

    Args:
        source: where the records come from.
        role: the field to look at.
        limit: look at only so many records, evenly spread over the source.
        label_of: gives the label of a record that could be read; its target by default.
        findings: takes what pictures have to say beside their sizes.

    Raises:
        ConfigurationError: ``limit`` is below 1.
    """
    common, grey = Common(label_of=label_of), 0
    widths, heights, pixels = LengthSketch(), LengthSketch(), LengthSketch()
    sizes: Counter[tuple[int, int]] = Counter()
    formats: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for index, record in common.readable(source, limit):
        try:
            image = record.image(role)
            width, height = image.extent
            reduced = image.resized(_REDUCED, _REDUCED)
        except DataError as error:
            common.failed(record.id, error)
            continue
        hasher = hashlib.blake2b(f"{width} {height} ".encode(), digest_size=8)
        hasher.update(np.ascontiguousarray(reduced).tobytes())
        common.add(index, record, int.from_bytes(hasher.digest(), "little"))
        if findings is not None:
            noticed(findings, record.id, image)
        grey += bool((reduced == reduced[..., :1]).all())
        widths.add(width)
        heights.add(height)
        pixels.add(width * height)
        if (width, height) in sizes or len(sizes) < 10_000:
            sizes[width, height] += 1
        kind, mode = _kind(image)
        formats[kind] += 1
        modes[mode] += 1
    return ImageStatistics(
        **common.fields(source),
        widths=widths.distribution(),
        heights=heights.distribution(),
        pixels=pixels.distribution(),
        sizes=tuple(sizes.most_common(20)),
        different_sizes=len(sizes),
        formats=dict(formats.most_common()),
        modes=dict(modes.most_common()),
        grey=grey,
    )


def _kind(image: ImageField) -> tuple[str, str]:
    """A picture file's format and sample layout, where its reader has a header to read."""
    if isinstance(image, Image):
        return image.header.kind, image.header.mode
    return "unknown", "unknown"
