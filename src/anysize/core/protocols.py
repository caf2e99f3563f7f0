"""What the parts of a pipeline must do, for whoever writes a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from anysize.core.examples import Example, Outputs
from anysize.core.records import Record
from anysize.core.results import NextRound, Result
from anysize.core.windows import Window

if TYPE_CHECKING:
    from anysize.core.generation import GenerationOptions, Growth
    from anysize.core.transcription import Transcriber


class Preprocess(Protocol):
    """Turns a record into its windows' examples, in order, the last one marked ``last``.

    Bounded memory: a generator that holds one window (and its overlap) at a time. Safe to call
    from several threads. ``draw`` is the epoch number in training, which together with
    the seed and the record's id fixes every random choice of augmentation; None means no
    augmentation (prediction and evaluation).

    Where a window depends on the result of the one before, the object has ``carries = True`` and
    each call returns a generator (of Python) that is sent every window's output: ``output = yield
    example``. The windows of a record are then run one after the other, and batched with windows
    of other records. It ends when there is no further window, so ``last`` need not be known. It is
    sent None where windows are only looked at (in planning), or come with their targets (in
    training); it must go on then as without a result.

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
        """Takes one window's output arrays, by name, and what its example has ``aside``.

        They are views of a whole batch's: what is kept of them is to be copied.
        """
        ...

    def finish(self) -> Result | NextRound:
        """The result, or what is to be read next; called once, after the last window."""
        ...


@runtime_checkable
class Showing(Protocol):
    """A merger that can show what is known of a record's prediction before it is finished."""

    def partial(self, window: Window, output: Mapping[str, Any]) -> Any:
        """The prediction so far, ready for JSON; None where there is nothing to show.

        Called with each output that is still growing, and with every window's whole output before
        ``add``. It changes nothing.
        """
        ...


@runtime_checkable
class Settling(Protocol):
    """A merger that can give what is settled of a record without an end, and let go of it.

    ``finish`` then has what is left, and the receipt of all.
    """

    def settled(self) -> tuple[Any, Mapping[str, Any]] | None:
        """Prediction and details of what no further window changes; None where there is nothing.

        What was given is not given again, and is held no longer.
        """
        ...


class Meter(Protocol):
    """Counts up, over the results of validation records, how good a network is."""

    def add(self, result: Result, target: Any) -> None:
        """Takes a record's result and its target as it is in the data."""
        ...

    def state(self) -> Any:
        """What was counted, in plain numbers, lists and arrays."""
        ...

    def join(self, states: Sequence[Any]) -> None:
        """Replaces what was counted by the workers' states together."""
        ...

    def score(self) -> tuple[float, float]:
        """The metric that checkpoints are compared by, and the loss that decides between equals."""
        ...


@runtime_checkable
class Calibrating(Protocol):
    """A meter that also finds what predictions need: thresholds, sizes of errors."""

    def calibration(self) -> Mapping[str, Any]:
        """What was found, in plain values (JSON)."""
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


class Generator(Protocol):
    """Generates sequences with a model; knows neither task nor modality.

    A plug-in module of ``anysize.runtimes`` that can has ``generation_precisions(network)`` (what
    a network can generate in here, the likely fastest first; empty where it cannot) and
    ``open_generator(network, precision, folder=None, threads=0) -> Generator``. It may have
    ``generation_refusals(options) -> list[str]``: what `GenerationOptions` ask for that it cannot
    do, and ``generation_opening_memory(network, precision) -> int``: bytes that opening takes for
    generation on top of its ``opening_memory``. The other attributes of the module and of what it
    opens are as for `Runtime`.

    It may have ``rehearse(examples, options, *, limits) -> float``: takes the memory that
    generating to the very limits would take, at its peak, without generating all of the tokens, and
    returns the seconds that it would take. Without it the planner generates to the limits.

    It may be ``ragged``: prompts and caches of different lengths go side by side at no cost of
    time, though each row takes the memory of the longest.
    """

    name: str
    precision: str

    @property
    def token_bytes(self) -> int:
        """What the cache holds of one token, in bytes."""
        ...

    def generate(
        self,
        examples: Sequence[Example],
        options: GenerationOptions,
        *,
        limits: Sequence[int] | None = None,
        partial: bool = False,
    ) -> Iterator[Growth]:
        """One finished sequence for each example, in any order, as soon as it ends.

        What one example gives does not depend on the others but for rounding. A row that has
        ended takes no more part in the work, and its cache is released.

        Args:
            examples: prompts.
            options: how.
            limits: the largest number of new tokens of each; None is ``options.most`` for all.
            partial: whether a sequence is also given after each of its tokens.
        """
        ...

    def close(self) -> None:
        """Releases the memory of weights and compiled forms."""
        ...


Opened: TypeAlias = "Runtime | Generator | Transcriber"
"""What a runtime's module opens."""
