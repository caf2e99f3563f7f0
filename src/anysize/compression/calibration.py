"""Windows of the training data to calibrate on: few, of many records, the same ones every time."""

from __future__ import annotations

from itertools import islice

from anysize.compression.protocols import Context
from anysize.core.errors import DataError
from anysize.core.examples import Example, Failure
from anysize.core.pipeline import Position, examples
from anysize.core.records import Source
from anysize.models.network import Network
from anysize.tasks.protocols import Task
from anysize.training.order import Permutation

# One long record must not be all that is seen.
_WINDOWS_OF_ONE = 8


def of_training(context: Context, method: str, network: Network, count: int) -> list[Example]:
    """`windows` of the training data of a method, which refuses to work without data."""
    source = context.calibration(method)
    return windows(source, context.task, network, count=count, seed=context.seed)


def windows(
    source: Source, task: Task, network: Network, *, count: int, seed: int = 0
) -> list[Example]:
    """Windows of records drawn without replacement; of long records only the first few.

    Args:
        source: the data.
        task: makes windows for ``network``.
        network: whose windows they are.
        count: how many, at most.
        seed: of the drawing.

    Raises:
        DataError: no record can be read.
    """
    found: list[Example] = []
    preprocess = task.preprocess(network)
    drawn = Permutation(len(source), seed, 0) if len(source) else None
    for place in range(len(source)):
        if drawn is None or len(found) >= count:
            break
        index = drawn(place)
        stream = examples(source, [Position(index, index)], preprocess)
        found += [item for item in islice(stream, _WINDOWS_OF_ONE) if not isinstance(item, Failure)]
    if not found:
        raise DataError(source.name, "has no readable record to calibrate on")
    return found[:count]
