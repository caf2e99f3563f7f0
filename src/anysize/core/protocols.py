"""What the parts of a pipeline must do, for whoever writes a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from anysize.core.examples import Example, Outputs
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.core.windows import Window


class Preprocess(Protocol):
    """Turns a record into its windows' examples, in order, the last one marked ``last``.

    Bounded memory: a generator that holds one window (and its overlap) at a time. Safe to call
    from several threads. ``draw`` is the epoch number in training, which together with
    the seed and the record's id fixes every random choice of augmentation; None means no
    augmentation (prediction and evaluation).

    Raises:
        DataError: the record cannot be read.
    """

    def __call__(
        self, ordinal: int, record: Record, draw: int | None = None
    ) -> Iterator[Example]: ...


class Merger(Protocol):
    """Joins one record's window outputs into a result.

    ``add`` is called once per window. Mergers that set ``order_independent = True`` give the same
    result (up to floating-point rounding) whatever the order of the calls. Memory does not
    grow with the number of windows except where the task's result itself does.
    """

    order_independent: bool

    def add(self, window: Window, output: Mapping[str, Any]) -> None:
        """Takes one window's output arrays, by name."""
        ...

    def finish(self) -> Result:
        """The result; called once, after the last window."""
        ...


class Runtime(Protocol):
    """Runs a model on examples; knows neither task nor modality.

    A plug-in module of ``anysize.runtimes`` has ``PROVIDES``, ``precisions(network)`` (what a
    network may run in here, the likely fastest first; empty where it cannot run it or is not
    installed) and ``open_runtime(network, precision, folder=None, threads=0) -> Runtime``. With
    ``AUTOMATIC = False`` it is used only where it is asked for by name.

    It may have ``opening_memory(network, folder) -> int``: bytes that opening takes at its peak,
    beside the weights that are loaded; without it none.

    Not thread-safe: one caller at a time, or as many as ``streams`` says where it has that
    attribute. A module that can give a runtime streams has ``streams(network) -> int``, how many
    are best for many batches, and ``open_runtime`` takes ``streams``.

    With ``whole_only = True`` it takes whole windows alone: its graph was made for one size of
    picture.

    ``name`` is the file's name (``torch``, ``openvino``).
    """

    name: str
    precision: str

    def run(self, examples: Sequence[Example]) -> Outputs: ...

    def close(self) -> None:
        """Releases the memory of weights and compiled forms."""
        ...
