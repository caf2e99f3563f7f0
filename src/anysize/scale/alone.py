"""A team of one: the worker is this process."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from anysize.scale.protocols import Team, Work

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Alone(Team):
    """Nobody to add up or gather with."""

    device: torch.device
    rank: int = 0
    size: int = 1
    around: int = 0

    @property
    def beside(self) -> int:
        """See `Team`."""
        return self.around

    def add_up(self, values: Tensor) -> None:
        """Leaves the values as they are."""

    def gather(self, value: Any) -> list[Any]:
        """The value itself, as the only one."""
        return [value]


@dataclass(slots=True)
class OnlyMember:
    """The only worker, before it begins."""

    rank: int = 0
    waited: float = 0.0
    attempt: int = 0

    def join(self) -> Team:
        """A team of one."""
        return alone()


def alone(beside: int = 0) -> Team:
    """A team of one, on the best device of this machine.

    Args:
        beside: see `Team`; of a worker in whose name several are planned.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Alone(device, around=beside)


def work_of(name: str) -> Work:
    """The function that does a team's work.

    Args:
        name: ``package.module:function``.
    """
    module, _, function = name.partition(":")
    return cast(Work, getattr(importlib.import_module(module), function))
