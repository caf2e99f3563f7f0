"""What a modality says of itself: inputs of graphs, costs, defaults of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.options import Options

if TYPE_CHECKING:
    from anysize.core.examples import Example

Feeding: TypeAlias = "Callable[[Sequence[Example]], list[NDArray[Any]]]"
"""From examples to the arrays of a graph's inputs, in their order."""

BATCH, LENGTH = "batch", "length"
"""Names of the axes of a graph's inputs that are free."""


@dataclass(frozen=True, slots=True)
class GraphInput:
    """One input of a graph.

    Attributes:
        name: what the module's ``forward`` calls it.
        axes: each axis's size, or the name of a free one.
        kind: of its numbers.
        least: the shortest length that it may have.
    """

    name: str
    axes: tuple[int | str, ...]
    kind: type[np.generic]
    least: int = 1

    def example(self, batch: int = 2, length: int = 16) -> NDArray[Any]:
        """Ones or zeros of a shape that it may have."""
        sizes = {BATCH: batch, LENGTH: max(length, self.least)}
        shape = [sizes[axis] if isinstance(axis, str) else axis for axis in self.axes]
        # A mask of zeros would attend to nothing.
        return (np.zeros if self.kind is np.float32 else np.ones)(shape, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """How much of a modality is worth running at once, in its unit.

    Attributes:
        most: more at once was never faster in prediction, on a processor.
        enough: taken even where a probe finds less to be as fast: its rates are rough.
        straight: the largest window of which a handful is run without a probe.
        trained: more at once was not faster in training, on a processor.
    """

    most: int = 16384
    enough: int = 4096
    straight: int = 4096
    trained: int = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a kind of model is trained with unless the recipe says otherwise.

    Attributes:
        others: what differs where the recipe asks for another optimizer, by its name.
        head: what differs where a head alone is trained over weights that do not change.
        records_seen: a small table is seen more often: so many records in all, …
        most_epochs: … but no more epochs than these; 0 leaves ``epochs`` as it is.
    """

    epochs: float
    batch: int
    learning_rate: float
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.01
    schedule: Literal["constant", "linear", "cosine", "one-cycle"] = "cosine"
    warmup: float = 0.05
    clip: float = 1.0
    label_smoothing: float = 0.0
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    head: Mapping[str, float] = field(default_factory=dict)
    records_seen: int = 0
    most_epochs: int = 0


@dataclass(frozen=True, kw_only=True)
class NoOptions(Options):
    """Of a modality whose windows cannot be asked for otherwise."""


# Not every length is a shape to be compiled: beyond this many they are rounded up, to steps that
# grow with them, so that a sixteenth is added at most, and two in a hundred in the mean.
_EXACT = 32


def padded_length(length: int) -> int:
    """The next length that rows of tokens or frames are filled up to for a graph."""
    step = 1
    while step * _EXACT < length:
        step *= 2
    return -(-length // step) * step
