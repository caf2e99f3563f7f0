"""An augmentation: steps that change pictures, each time differently, and always the same again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import Draw
from anysize.augmentation.execute import execute
from anysize.augmentation.mixing import BatchStep, Mix, draw_mix
from anysize.augmentation.operations import Geometry, Pixels
from anysize.augmentation.plan import Plan, make_plan
from anysize.augmentation.regions import fineness, seen
from anysize.augmentation.sample import Augmented, Normalisation, Targets
from anysize.augmentation.specification import Specification, parse, written
from anysize.augmentation.targets import mapped
from anysize.core.records import ImageField
from anysize.core.windows import Box
from anysize.readers.parts import Part, read_part

_NO_TARGETS = Targets()


class Augmentation:
    """Changes pictures by a list of steps.

    What is done depends on the steps and on ``draw`` (seed, epoch, record id, window index) alone:
    it is the same in any thread, process or resumed run. Safe to use from several threads.

    Args:
        specification: see ``anysize.augmentation.specification``.

    Attributes:
        spec: the specification as text, policies spelled out.
        steps: those that change single pictures.
        batch_steps: those that mix the pictures of a batch.

    Raises:
        ConfigurationError: the specification is wrong; all faults at once.
    """

    def __init__(self, specification: Specification) -> None:
        steps = parse(specification)
        self.spec = written(steps)
        self.steps = tuple(step for step in steps if not isinstance(step, BatchStep))
        self.batch_steps = tuple(step for step in steps if isinstance(step, BatchStep))

    def __repr__(self) -> str:
        return f"Augmentation({self.spec!r})"

    def __call__(
        self, pixels: Pixels, draw: Draw, *, size: tuple[int, int] | None = None
    ) -> Pixels:
        """A new picture, uint8 ``[height, width, 3]``.

        Args:
            pixels: the picture or tile, uint8 ``[h, w, 3]``.
            draw: seed, epoch, record id and window index.
            size: ``(width, height)`` of the result; None leaves it to the steps.

        Raises:
            ConfigurationError: a step needs the wanted size, which is not known.
        """
        plan = self.plan((pixels.shape[1], pixels.shape[0]), draw, size=size)
        found: Pixels = execute(Part.whole(pixels), plan)
        return found

    def plan(
        self, extent: tuple[int, int], draw: Draw, *, size: tuple[int, int] | None = None
    ) -> Plan:
        """What would be done to a picture of this ``(width, height)``."""
        return make_plan(self.steps, extent, draw, size)

    def apply(
        self,
        pixels: Pixels,
        draw: Draw,
        targets: Targets = _NO_TARGETS,
        *,
        size: tuple[int, int] | None = None,
        normalisation: Normalisation | None = None,
        min_visibility: float = 0.1,
    ) -> Augmented:
        """A new picture with its targets.

        Args:
            pixels: the picture or tile, uint8 ``[h, w, 3]``.
            draw: seed, epoch, record id and window index.
            targets: boxes, masks and points of the picture.
            size: ``(width, height)`` of the result; None leaves it to the steps.
            normalisation: makes float32 of the pixels; None leaves uint8.
            min_visibility: boxes of which a smaller part of the area is left are dropped.

        Raises:
            ConfigurationError: a step needs the wanted size, which is not known, or lays pictures
                over each other although there are targets.
        """
        plan = self.plan((pixels.shape[1], pixels.shape[0]), draw, size=size)
        return _augmented(Part.whole(pixels), plan, targets, normalisation, min_visibility)

    def read(
        self,
        image: ImageField,
        draw: Draw,
        targets: Targets = _NO_TARGETS,
        *,
        size: tuple[int, int] | None = None,
        normalisation: Normalisation | None = None,
        min_visibility: float = 0.1,
    ) -> Augmented:
        """As `apply`, for a picture that is not decoded yet.

        Only the part that the first warp looks at is read, a JPEG at a half, a quarter or an eighth
        of its size where the result is that much coarser.

        Raises:
            DataError: the picture is damaged.
        """
        plan = self.plan(image.extent, draw, size=size)
        return _augmented(_read(image, plan), plan, targets, normalisation, min_visibility)

    def mix(self, count: int, size: tuple[int, int], draw: tuple[int, int, int]) -> Mix | None:
        """What MixUp or CutMix do to a batch; None where nothing is mixed.

        Args:
            count: examples of the batch.
            size: ``(width, height)`` of its pictures.
            draw: seed, epoch and the number of the batch.
        """
        return draw_mix(self.batch_steps, count, size, draw)


def make(specification: Specification) -> Augmentation | None:
    """The augmentation of a specification; None where it has no steps.

    Raises:
        ConfigurationError: the specification is wrong; all faults at once.
    """
    found = Augmentation(specification)
    return found if found.steps or found.batch_steps else None


def _read(image: ImageField, plan: Plan) -> Part:
    width, height = plan.extent
    first = plan.stages[0] if plan.stages else None
    if not isinstance(first, Geometry):
        return read_part(image, Box(0, 0, width, height))
    box = seen(first, (width, height), plan.border)
    scale = fineness(first)
    return read_part(image, box, min(scale.across, 1.0), min(scale.down, 1.0))


def _augmented(
    part: Part,
    plan: Plan,
    targets: Targets,
    normalisation: Normalisation | None,
    min_visibility: float,
) -> Augmented:
    found: dict[str, NDArray[Any]] = {}
    if targets is not _NO_TARGETS:
        found = mapped(targets, plan, min_visibility)
    pixels = execute(part, plan, normalisation)
    return Augmented(pixels=pixels, matrix=np.array(plan.matrix), **found)
