"""Changes of recordings: of the samples as they stream, and of the frames of each window."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.draws import Draws, rows
from anysize.augmentation.linear import Linear
from anysize.augmentation.operations import Canvas, Operation
from anysize.augmentation.steps import Step
from anysize.core.errors import ConfigurationError

Samples: TypeAlias = NDArray[np.float32]
Blocks: TypeAlias = Iterator[Samples]
Change: TypeAlias = Callable[[Blocks, int], Blocks]
"""Samples in order, and their rate, to other samples; the same ones in each pass."""


@dataclass(frozen=True, kw_only=True)
class _Heard(Step):
    content: ClassVar[str] = "recordings"

    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Operation, ...]:
        """See ``Step``.

        Raises:
            ConfigurationError: always: there is no picture to change.
        """
        raise ConfigurationError(f"augment: {self.name} changes recordings, not pictures")


@dataclass(frozen=True, kw_only=True)
class SoundStep(_Heard):
    """A step that changes the samples of a recording, all of them in the same way."""

    fuses: ClassVar[str] = "samples"

    @abstractmethod
    def change(self, draws: Draws) -> Change | None:
        """What is done to one recording; None does nothing.

        Args:
            draws: this step's random numbers; all of them are drawn here.
        """

    def problem(self, rate: int) -> str:
        """Why it can do nothing at a model's rate; empty where it can."""
        return ""


@dataclass(frozen=True, kw_only=True)
class FrameStep(_Heard):
    """A step that changes the frames of a window."""

    fuses: ClassVar[str] = "frames"

    @abstractmethod
    def mask(self, draws: Draws, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        """What is hidden of frames ``[n, width]``; None hides nothing.

        Args:
            draws: this step's random numbers.
            shape: of the frames.
        """


class SoundChanges:
    """The steps of an augmentation, for recordings.

    What is done to the samples depends on the seed, the epoch and the record's id, so that all
    windows of a recording have the same speed and the same room; what is done to frames depends
    on the window's index as well.

    Args:
        steps: in order.
        seed: of the run.
        rate: of the samples, a second.

    Raises:
        ConfigurationError: a step is not for recordings, changes samples after one that changes
            frames, or can do nothing at this rate.
    """

    def __init__(self, steps: Sequence[Step], seed: int, rate: int) -> None:
        self._steps = tuple(steps)
        self._seed = seed
        problems, masked = [], ""
        for step in steps:
            if isinstance(step, FrameStep):
                masked = step.name
            elif not isinstance(step, SoundStep):
                problems.append(f"augment: {step.name} does not change recordings")
            elif masked:
                problems.append(
                    f"augment: {step.name} changes samples, and {masked} before it changes the "
                    f"frames that are made of them: write {step.name} before {masked}"
                )
            elif why := step.problem(rate):
                problems.append(f"augment: {step.name} {why}")
        if problems:
            raise ConfigurationError(problems)

    def samples(self, epoch: int, record: str) -> Change:
        """What is done to the samples of a record."""
        drawn = rows((self._seed, epoch, record, 0), len(self._steps))
        changes: list[Change] = []
        for step, draws in zip(self._steps, drawn, strict=True):
            change = step.change(draws) if isinstance(step, SoundStep) else None
            if change is None:
                continue
            last = changes[-1] if changes else None
            both = None
            if isinstance(last, Linear) and isinstance(change, Linear):
                both = last.then(change)
            changes[len(changes) - (both is not None) :] = [both or change]

        def run(blocks: Blocks, rate: int) -> Blocks:
            for change in changes:
                blocks = change(blocks, rate)
            return blocks

        return run

    def frames(
        self, found: Samples, epoch: int, record: str, index: int, *, each: int = 1
    ) -> Samples:
        """The frames ``[n, width]`` of a window, with the steps that hide some of them.

        Each number that is hidden takes its mean over the window.

        Args:
            found: the frames.
            epoch: of the run.
            record: id of the record.
            index: of the window.
            each: so many neighbours are hidden together: the samples of a hundredth of a second,
                where frames are samples.
        """
        drawn = rows((self._seed, epoch, record, index), len(self._steps))
        count, width = found.shape
        hidden = np.zeros((-(-count // each), width), np.bool_)
        for step, draws in zip(self._steps, drawn, strict=True):
            if isinstance(step, FrameStep):
                mask = step.mask(draws, (len(hidden), width))
                if mask is not None:
                    hidden |= mask
        hidden = hidden.repeat(each, axis=0)[:count] if each > 1 else hidden
        if not hidden.any():
            return found
        means = found.mean(axis=0, dtype=np.float64).astype(np.float32)
        masked = found.copy()
        np.copyto(masked, means, where=hidden)
        return masked
