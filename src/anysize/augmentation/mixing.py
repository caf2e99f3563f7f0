"""MixUp and CutMix: steps that work on whole batches with their targets."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import Draws, generator
from anysize.augmentation.operations import Canvas, Operation
from anysize.augmentation.parameters import number
from anysize.augmentation.steps import CHANCE, Step
from anysize.core.windows import Box

PROVIDES = ("cutmix", "mixup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What is mixed with what in one batch.

    Attributes:
        partners: int64 ``[n]``: which example each is mixed with.
        share: what each example keeps of its own target.
        box: what comes from the partner (CutMix); None where everything is blended (MixUp).
    """

    partners: NDArray[np.int64]
    share: float
    box: Box | None = None

    def pixels(self, batch: Any, *, channels_first: bool = False) -> Any:
        """Mixed pictures, a new array of the same kind and type.

        Args:
            batch: ``[n, h, w, c]``, or ``[n, c, h, w]`` with ``channels_first``; a NumPy array or a
                torch tensor. Whole numbers are blended in float32 and rounded.
            channels_first: see there.
        """
        partner = batch[self.partners.tolist()]
        if self.box is not None:
            rows, columns = (
                slice(self.box.top, self.box.bottom),
                slice(self.box.left, self.box.right),
            )
            place = (..., rows, columns) if channels_first else (slice(None), rows, columns)
            found = batch.clone() if hasattr(batch, "clone") else batch.copy()
            found[place] = partner[place]
            return found
        # Whole numbers become float32 when one of the factors is.
        share = np.float32(self.share) if isinstance(batch, np.ndarray) else self.share
        mixed = batch * share + partner * (1 - share)
        if "float" in str(batch.dtype):
            return mixed
        if isinstance(mixed, np.ndarray):
            return np.rint(mixed).astype(batch.dtype)
        return mixed.round().to(batch.dtype)

    def targets(self, soft: Any) -> Any:
        """Mixed targets ``[n, classes]``, probabilities, NumPy or torch."""
        return self.share * soft + (1 - self.share) * soft[self.partners.tolist()]


@dataclass(frozen=True, kw_only=True)
class BatchStep(Step):
    """A step that works on batches."""

    fuses: ClassVar[str] = "batch"

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Operation, ...]:
        return ()

    @abstractmethod
    def mix(self, draws: np.random.Generator, count: int, size: tuple[int, int]) -> Mix:
        """What is mixed with what.

        Args:
            draws: where random numbers come from.
            count: examples of the batch.
            size: ``(width, height)`` of the pictures.
        """


@dataclass(frozen=True, kw_only=True)
class MixUp(BatchStep):
    """Blends each picture and target of a batch with another's (Zhang et al. 2018)."""

    name: ClassVar[str] = "mixup"
    alpha: float = field(
        default=0.2, metadata=number("of the Beta distribution of the share", 0.01, 100)
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def mix(self, draws: np.random.Generator, count: int, size: tuple[int, int]) -> Mix:
        share = float(draws.beta(self.alpha, self.alpha))
        return Mix(partners=draws.permutation(count).astype(np.int64), share=share)


@dataclass(frozen=True, kw_only=True)
class CutMix(BatchStep):
    """Pastes a rectangle of another picture and mixes the targets (Yun et al. 2019)."""

    name: ClassVar[str] = "cutmix"
    alpha: float = field(
        default=1.0, metadata=number("of the Beta distribution of the share", 0.01, 100)
    )
    p: float = field(default=1.0, metadata=CHANCE)

    def mix(self, draws: np.random.Generator, count: int, size: tuple[int, int]) -> Mix:
        width, height = size
        side = math.sqrt(1 - float(draws.beta(self.alpha, self.alpha)))
        x, y = draws.integers(width), draws.integers(height)
        across, down = int(width * side) // 2, int(height * side) // 2
        box = Box(
            max(int(x) - across, 0),
            max(int(y) - down, 0),
            min(int(x) + across, width),
            min(int(y) + down, height),
        )
        # What was cut off at the border belongs to the example again.
        share = 1 - box.width * box.height / (width * height)
        return Mix(partners=draws.permutation(count).astype(np.int64), share=share, box=box)


def draw_mix(
    steps: tuple[BatchStep, ...],
    count: int,
    size: tuple[int, int],
    draw: tuple[int, int, int],
) -> Mix | None:
    """What is done to a batch; None leaves it.

    Of several steps one is drawn for each batch, evenly; then its probability decides.

    Args:
        steps: MixUp, CutMix, or both.
        count: examples of the batch.
        size: ``(width, height)`` of the pictures.
        draw: seed, epoch and the number of the batch, which fix the random numbers.
    """
    if not steps or count < 2:
        return None
    seed, epoch, number_of_batch = draw
    draws = generator((seed, epoch, "batch", number_of_batch))
    which, sure = draws.random(2).tolist()
    step = steps[int(which * len(steps))]
    if sure >= step.p:  # type: ignore[attr-defined]
        return None
    return step.mix(draws, count, size)


STEPS: tuple[type[Step], ...] = (CutMix, MixUp)
