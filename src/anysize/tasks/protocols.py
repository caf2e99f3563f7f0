"""What a task must do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from anysize.core.protocols import Merger, Preprocess
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.models.network import Network
from anysize.sources import ColumnSpec

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.augment import Augmentation
    from anysize.models.execution import NetworkOutputs


class Task(Protocol):
    """One task: everything that differs between tasks is behind these methods.

    A plug-in module of ``anysize.tasks`` has ``PROVIDES`` and ``make(name) -> Task``.
    """

    name: str
    role: Literal["text", "image"]
    unit: Unit
    columns: tuple[ColumnSpec, ...]
    main_metric: str

    def labels(self, source: Source) -> tuple[str, ...]:
        """The label names of a source, sorted; numbers in numeric order.

        Raises:
            DataError: no record has a target, or fewer than two labels.
        """
        ...

    def preprocess(
        self, network: Network, *, augment: Augmentation | None = None, seed: int = 0
    ) -> Preprocess:
        """How a record becomes windows and examples for this network."""
        ...

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        """The target's index in ``labels``.

        Raises:
            DataError: no target, or one that is not among the labels.
        """
        ...

    def pool(
        self,
        network: Network,
        outputs: NetworkOutputs,
        weights: Tensor,
        owners: Tensor,
        records: int,
        rule: str,
    ) -> Tensor:
        """Joins window outputs into record outputs, differentiably, as the merger does.

        Args:
            network: for learned pooling.
            outputs: of all windows of these records.
            weights: extent of each window's core, ``[windows]``.
            owners: which record each window belongs to, ``[windows]``, 0-based.
            records: how many records.
            rule: the merge rule.

        Returns:
            ``[records, classes]``.
        """
        ...

    def loss(self, pooled: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        """The sum (not the mean) of the records' losses."""
        ...

    def new_merger(
        self, labels: Sequence[str], rule: str, *, keep_first: bool = False
    ) -> Callable[[str], Merger]:
        """Makes the merger of a record from its id."""
        ...
