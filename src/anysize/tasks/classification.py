"""What the classification tasks share: labels, loss, pooling, merger."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anysize import mergers
from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.protocols import Merger
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.core.results import Result
from anysize.models.network import Network, Role
from anysize.sources import ColumnSpec
from anysize.sources.labels.spelling import class_order
from anysize.tasks.protocols import LossBatch, Meter

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.execution import Tensors

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

_LEAST = 1e-6
_LOOKED_AT = 1000


class Classification:
    """One label per record. The tasks set the attributes and add ``preprocess``."""

    name: str
    role: Role
    unit: Unit
    columns: tuple[ColumnSpec, ...]
    main_metric = "accuracy"
    augmentation: str
    separable = False
    by_target = False

    def labels(self, source: Source) -> tuple[str, ...]:
        from anysize.sources import target_counts

        return self.ordered(target_counts(source), source)

    def ordered(self, counts: Mapping[str, int], source: Source) -> tuple[str, ...]:
        found = counts
        if len(found) > MOST_LABELS:
            raise DataError(
                source.name,
                f"{len(found)} different labels, more than {MOST_LABELS}: is the label column "
                "right? Name it with --columns label=NAME",
            )
        if not found:
            raise DataError(
                source.name,
                "no record has a label: "
                + (
                    first_fault(source)
                    or "add a label column (or name it with --columns label=NAME), or use one "
                    "folder per class"
                ),
            )
        if len(found) < 2:
            only = next(iter(found))
            fault = first_fault(source)
            raise DataError(
                source.name,
                f"only one label, {only!r}: there is nothing to tell apart"
                + (f" ({fault})" if fault else ""),
            )
        return class_order(found)

    def label_counts(self, source: Source) -> dict[str, int]:
        from anysize.sources import target_counts

        return dict(target_counts(source))

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Nothing to prepare."""

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

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        return {}

    def made_up(self, example: Example, labels: int) -> tuple[Example, int]:
        return example, 0

    def loss(
        self,
        network: Network,
        outputs: Tensors,
        batch: LossBatch,
        *,
        rule: str,
        label_smoothing: float,
    ) -> Tensor:
        import torch
        from torch.nn.functional import cross_entropy

        from anysize.tasks.pooling import pool_windows

        targets = torch.tensor(batch.targets, device=outputs["logits"].device)
        pooled = pool_windows(
            outputs["logits"],
            outputs["scores"] if rule == "attention" else None,
            batch.weights,
            batch.owners,
            len(targets),
            rule,
        )

        def summed(wanted: Tensor) -> Tensor:
            return cross_entropy(pooled, wanted, reduction="sum", label_smoothing=label_smoothing)

        if batch.mixture is None:
            return summed(targets)
        # Cross entropy is linear in its target: that of a mixed target is the mixture of both.
        share, partners = batch.mixture.share, list(batch.mixture.partners)
        return share * summed(targets) + (1.0 - share) * summed(targets[partners])

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return AccuracyMeter()

    def new_merger(
        self, labels: Sequence[str], rule: str, *, keep_first: bool = False
    ) -> Callable[[str], Merger]:
        return mergers.maker(labels, rule, self.unit, keep_first=keep_first)


@dataclass(slots=True)
class AccuracyMeter:
    """Accuracy and mean cross entropy of classification results."""

    right: float = 0.0
    loss: float = 0.0
    count: float = 0.0

    def add(self, result: Result, target: str) -> None:
        likely = max(result.details["probabilities"][target], _LEAST)
        self.right += result.prediction == target
        self.loss -= math.log(likely)
        self.count += 1

    def state(self) -> tuple[float, float, float]:
        return self.right, self.loss, self.count

    def join(self, states: Sequence[tuple[float, float, float]]) -> None:
        self.right, self.loss, self.count = map(sum, zip(*states, strict=True))

    def score(self) -> tuple[float, float]:
        return self.right / self.count, self.loss / self.count


def first_fault(source: Source) -> str | None:
    """What is wrong with the first record that cannot be read, of those at the beginning."""
    for index in range(min(len(source), _LOOKED_AT)):
        try:
            _ = source[index]
        except DataError as error:
            return f"{error} (the first that cannot be read)"
    return None
