"""What a caller may ask of prediction, checked, and applied to a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core import memory as memory_sizes
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.modalities import foreign, modality_of
from anysize.readers.pages import pages_problems

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """How to predict. ``None`` and ``auto`` leave the choice to the bundle or the planner.

    Attributes:
        memory: budget in bytes, or as ``2GiB``; None is 70 % of what the machine has free.
        merge: ``mean``, ``max`` or ``attention``.
        window, overlap: tokens of a text window or steps of a sequence's, and those that neighbours
            share.
        tiles: when pictures are cut into tiles.
        tile: a tile's side in picture pixels; tiles larger than the model's input are shrunk to it,
            which is faster and loses what is small. ``overlap`` grows with it unless it is given.
        crop: how much of a picture that is not tiled is read, as a part of its shorter side; 0
            reads all of it.
        pages: which pages or frames of a picture are read: ``all``, ``first``, or a number: so
            many, evenly spread; None is what the bundle was trained with.
        tolerant: read damaged pictures as far as possible; the receipt says so.
        runtime: ``torch``, ``openvino``, …, or the fastest of them by measurement.
        precision: ``float32``, ``bfloat16``, or the faster that the processor has. Compressed
            bundles have their own.
        threads: reader threads.
        strict: stop at the first record that cannot be read.
        columns: column of a table for each role (``{"text": "review"}``).
        encoding: of text files.
        gallery: of a recognition task: the folder of those who are known by name.
        threshold: of the gallery: the lowest cosine that is accepted, instead of its own; of
            object-detection: the lowest score of an object in the prediction, instead of the
            bundle's own (0.25 unless training was given another).
        nms_iou: of object-detection: the overlap (intersection over union) above which the weaker
            of two objects of a class is suppressed, instead of the bundle's own (0.6 unless
            training was given another).
    """

    memory: int | str | None = None
    merge: str | None = None
    window: int | None = None
    overlap: int | None = None
    tiles: str | None = None
    tile: int | None = None
    crop: float | None = None
    pages: str | int | None = None
    tolerant: bool = False
    runtime: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    strict: bool = False
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    encoding: str = "utf-8"
    gallery: str | Path | None = None
    threshold: float | None = None
    nms_iou: float | None = None

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be one of {', '.join(allowed)}, not {value!r}"
            for name, value, allowed in (
                ("tiles", self.tiles, ("auto", "always", "never")),
                ("runtime", self.runtime, ("auto", *plugins.keys("runtimes"))),
                ("merge", self.merge, tuple(plugins.keys("mergers"))),
            )
            if value is not None and value not in allowed
        ]
        problems += [
            f"{name} must be at least {least}, not {value}"
            for name, value, least in (
                ("window", self.window, 4),
                ("overlap", self.overlap, 0),
                ("tile", self.tile, 1),
                ("crop", self.crop, 0),
                ("threads", self.threads, 0),
            )
            if value is not None and value < least
        ]
        if self.pages is not None:
            problems += pages_problems(str(self.pages))
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            problems.append(f"threshold must be a cosine from -1 to 1, not {self.threshold}")
        if self.nms_iou is not None and not 0 < self.nms_iou <= 1:
            problems.append(f"nms_iou must be above 0 and at most 1, not {self.nms_iou}")
        if self.memory is not None:
            try:
                memory_sizes.parse_size(self.memory)
            except ConfigurationError as error:
                problems += error.problems
        if problems:
            raise ConfigurationError(problems)

    def wishes(self) -> dict[str, Any]:
        """What is asked of the windows, of whatever modality; None leaves an option as it is."""
        return {
            "window": self.window,
            "overlap": self.overlap,
            "tiles": self.tiles,
            "tile": self.tile,
            "crop": self.crop,
            "pages": None if self.pages is None else str(self.pages),
            "tolerant": self.tolerant or None,
        }

    @property
    def budget(self) -> int:
        """``memory`` in bytes."""
        if self.memory is None:
            return memory_sizes.default_budget()
        return memory_sizes.parse_size(self.memory)


def with_settings(options: PredictOptions | None, settings: Mapping[str, Any]) -> PredictOptions:
    """The options with some fields set otherwise.

    Raises:
        ConfigurationError: no such field, or a wrong value.
    """
    known = [item.name for item in dataclasses.fields(PredictOptions)]
    unknown = [
        f"{name!r} is not an option of prediction; known: {', '.join(known)}"
        for name in settings
        if name not in known
    ]
    if unknown:
        raise ConfigurationError(unknown)
    return dataclasses.replace(options or PredictOptions(), **settings)


def adapted(network: Network, card: Card, options: PredictOptions) -> tuple[Network, str]:
    """The network with the caller's windows, and the merge rule.

    Raises:
        ConfigurationError: a merge rule that the model was not trained for, or an option of
            another kind of input.
    """
    _check_fit(network, card, options)
    modality = modality_of(network.settings)
    wishes = modality.as_options(options.wishes())
    network = dataclasses.replace(network, settings=modality.changed(network, wishes))
    merge = options.merge or card.merge
    if merge == "attention" and network.pool is None:
        raise ConfigurationError(
            "merge 'attention' needs a model trained with it (--merge attention in training)"
        )
    return network, merge


def _check_fit(network: Network, card: Card, options: PredictOptions) -> None:
    """An option that would do nothing is a misunderstanding."""
    problems = foreign(network.settings, options.wishes())
    if options.threshold is not None and card.task not in ("object-detection", "face-recognition"):
        problems.append(f"threshold is for objects and faces, not for {card.task}")
    if options.nms_iou is not None and card.task != "object-detection":
        problems.append(f"nms_iou is for object-detection, not for {card.task}")
    if problems:
        raise ConfigurationError(problems)
