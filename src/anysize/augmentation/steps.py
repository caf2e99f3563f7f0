"""What a step is: an immutable description that draws operations."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from anysize.augmentation.draws import Draws
from anysize.augmentation.operations import Canvas, Operation
from anysize.augmentation.parameters import WrongValueError, converted, number, rules, written
from anysize.core.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """A change of a picture, in general terms; `draw` makes it particular.

    A subclass's docstring is its documentation. Its fields, whose metadata the functions of
    ``augmentation.parameters`` make, are its parameters, in the order in which a specification may
    give them without names. Values are converted and checked when a step is made.

    Raises:
        ConfigurationError: parameters break their rules; all faults are reported at once.
    """

    name: ClassVar[str]
    fuses: ClassVar[str]
    """What it becomes part of: ``warp``, ``matrix``, ``table``, ``batch``, or ``none``; of steps
    for recordings what it changes, ``samples`` or ``frames``."""
    content: ClassVar[str] = "pictures"
    """What it changes: ``content`` of the settings of a modality."""

    def __post_init__(self) -> None:
        faults = []
        for key, rule in rules(type(self)).items():
            try:
                object.__setattr__(self, key, converted(getattr(self, key), rule))
            except WrongValueError as error:
                faults.append(f"{self.name}: {key} {error}")
        if faults:
            raise ConfigurationError(faults)

    def __str__(self) -> str:
        parts = [
            f"{item.name}={written(value)}"
            for item in dataclasses.fields(self)
            if (value := getattr(self, item.name)) != item.default
        ]
        return f"{self.name}({', '.join(parts)})" if parts else self.name

    @abstractmethod
    def draw(self, draws: Draws, canvas: Canvas) -> tuple[Operation, ...]:
        """The operations for one picture.

        Args:
            draws: this step's random numbers.
            canvas: the picture's size at this step.
        """


CHANCE = number("probability that the step is done", 0, 1)
"""Metadata of the field ``p`` that most steps have."""
