"""What the classification tasks share: labels, loss, pooling, merger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from anysize import mergers
from anysize.core.errors import DataError
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.models.network import Network
from anysize.sources import ColumnSpec

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.execution import NetworkOutputs

LABEL = ColumnSpec(
    role="label",
    kind="target",
    names=(
        "label", "labels", "class", "category", "target", "sentiment", "intent", "topic", "stars",
        "rating", "polarity", "coarse", "y",
    ),
    required=False,
)  # fmt: skip

MOST_LABELS = 100_000


class Classification:
    """One label per record. The tasks set the attributes and add ``preprocess``."""

    name: str
    role: Literal["text", "image"]
    unit: Unit
    columns: tuple[ColumnSpec, ...]
    main_metric = "accuracy"

    def labels(self, source: Source) -> tuple[str, ...]:
        from anysize.sources import target_counts

        found = target_counts(source)
        if len(found) > MOST_LABELS:
            raise DataError(
                source.name,
                f"{len(found)} different labels, more than {MOST_LABELS}: is the label column "
                "right? Name it with --columns label=NAME",
            )
        if not found:
            raise DataError(
                source.name,
                "no record has a label: add a label column (or name it with --columns label=NAME), "
                "or use one folder per class",
            )
        if len(found) < 2:
            only = next(iter(found))
            raise DataError(
                source.name, f"only one label, {only!r}: there is nothing to tell apart"
            )
        return tuple(sorted(found, key=_label_order))

    def encode_target(self, record: Record, labels: Sequence[str]) -> int:
        if record.target is None:
            raise DataError(record.id, "has no label")
        try:
            return labels.index(record.target)
        except ValueError:
            raise DataError(
                record.id,
                f"label {record.target!r} is not one of the model's {len(labels)} labels "
                f"({', '.join(labels[:10])}{', …' if len(labels) > 10 else ''})",
            ) from None

    def pool(
        self,
        network: Network,
        outputs: NetworkOutputs,
        weights: Tensor,
        owners: Tensor,
        records: int,
        rule: str,
    ) -> Tensor:
        from anysize.tasks.pooling import pool_windows

        scores = None
        if rule == "attention":
            if network.pool is None:
                raise ValueError("attention pooling needs a network with a pool layer")
            scores = network.pool(outputs.features.float()).squeeze(-1)
        return pool_windows(outputs.logits, scores, weights, owners, records, rule)

    def loss(self, pooled: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(pooled, targets, reduction="sum", label_smoothing=label_smoothing)

    def new_merger(
        self, labels: Sequence[str], rule: str, *, keep_first: bool = False
    ) -> Callable[[str], Merger]:
        def new(record: str) -> Merger:
            return mergers.make(record, labels, rule, self.unit, keep_first=keep_first)

        return new


def _label_order(label: str) -> tuple[int, float, str]:
    """Numbers by value, before words by spelling."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
