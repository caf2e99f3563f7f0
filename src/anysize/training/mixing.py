"""MixUp and CutMix in a micro-batch: of its pictures here, of its targets in the loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anysize.tasks.protocols import Mixture
from anysize.training.order import mix
from anysize.training.pooled import Windows

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation

_PIXELS = "pixels"


class Mixing:
    """Mixes records that are one window of pixels each; others pass as they are.

    What is mixed with what depends on the seed and the micro-batch alone.

    Args:
        augmentation: with steps that mix batches.
        seed: of the run.
        rank: of the worker.
    """

    def __init__(self, augmentation: Augmentation, seed: int, rank: int) -> None:
        self._augmentation = augmentation
        self._seed = seed
        self._rank = rank

    def __call__(
        self, records: Sequence[Windows], epoch: int, step: int, number: int
    ) -> tuple[Sequence[Windows], Mixture | None]:
        """The micro-batch with mixed pictures, and what the loss must know of it.

        Args:
            records: of the micro-batch.
            epoch: of the run.
            step: of the run.
            number: of the micro-batch within the step.
        """
        if any(len(record.examples) != 1 for record in records):
            return records, None
        pictures = [record.examples[0].arrays[_PIXELS] for record in records]
        height, width = pictures[0].shape[:2]
        found = self._augmentation.mix(
            len(records),
            (width, height),
            (self._seed, epoch, mix("mixing", step, self._rank, number)),
        )
        if found is None:
            return records, None
        mixed = found.pixels(np.stack(pictures))
        changed = [
            Windows(
                [dataclasses.replace(example, arrays={**example.arrays, _PIXELS: pixels})], target
            )
            for (example,), target, pixels in (
                (record.examples, record.target, pixels)
                for record, pixels in zip(records, mixed, strict=True)
            )
        ]
        return changed, Mixture(partners=tuple(found.partners.tolist()), share=found.share)
