"""What the tasks with a head share: labels, loss, pooling, merger."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from anysize import heads, mergers
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.protocols import Merger, Meter
from anysize.core.receipts import Unit
from anysize.core.records import Record, Source
from anysize.heads.protocols import Family, Head, HeadLoss
from anysize.heads.single_label_classification import SingleLabel
from anysize.models.network import Network
from anysize.sources import ColumnSpec
from anysize.tasks.abilities import NO_CLASSES
from anysize.tasks.distilling import Side, SoftTargets
from anysize.tasks.protocols import MERGED_AS_USUAL, LossBatch, MergeOptions

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


class Classification:
    """Something learned of each record by a head. The tasks set the attributes and ``preprocess``.

    Attributes:
        family: the heads that it takes.
    """

    name: str
    role: str
    unit: Unit
    columns: tuple[ColumnSpec, ...]
    family: Family = "classification"
    head: Head = SingleLabel()
    chosen = False
    options: Mapping[str, Any] = MappingProxyType({})
    metric = ""
    loss_options = HeadLoss()
    main_metric = "accuracy"
    lower_is_better = False
    augmentation: str
    separable = False
    by_target = False

    @property
    def takes(self) -> Mapping[str, Sequence[str]]:
        """See ``abilities.Selective``: heads of other families are not for this task."""
        heads_of = {"head": tuple(head.name for head in heads.of_family(self.family))}
        return {**heads_of, **NO_CLASSES} if self.family == "regression" else heads_of

    def wishing(self, options: Mapping[str, Any], metric: str) -> Self:
        """See ``Headed.wishing``."""
        other = copy.copy(self)
        other.options, other.metric = options, metric
        return other

    def losing(self, options: HeadLoss) -> Self:
        """See ``Headed.losing``."""
        other = copy.copy(self)
        other.loss_options = options
        return other

    def headed(self, head: Head, metric: str = "") -> Self:
        """See ``Headed.headed``."""
        metric = self.metric or metric
        problems = []
        if head.family != self.family:
            problems.append(f"head {head.name!r} is for {head.family}, not for {self.name}")
        elif metric and metric not in head.metrics:
            problems.append(
                f"metric must be one of {', '.join(head.metrics)} for {self.name} with the head "
                f"{head.name}, not {metric!r}"
            )
        if problems:
            raise ConfigurationError(problems)
        other = copy.copy(self)
        head = head.configured(self.options)
        other.head, other.chosen = head, True
        other.main_metric = metric or head.main_metric
        other.lower_is_better = other.main_metric in head.lower
        other.columns = tuple(
            head.column(spec) if spec.kind == "target" else spec for spec in self.columns
        )
        return other

    def labels(self, source: Source) -> tuple[str, ...]:
        return self.head.labels(source)

    def label_counts(self, source: Source) -> dict[str, int]:
        return self.head.counts(source)

    def begin(self, network: Network, source: Source, labels: Sequence[str]) -> None:
        """Nothing to prepare."""

    def encode_target(self, record: Record, labels: Sequence[str]) -> Any:
        return self.head.encode(record.target, labels, record.id)

    def recipe_defaults(self, *, pretrained: bool) -> Mapping[str, Any]:
        return {}

    def made_up(self, example: Example, labels: int) -> tuple[Example, Any]:
        return example, self.head.made_up(labels)

    def loss(self, network: Network, outputs: Tensors, batch: LossBatch) -> Tensor:
        from anysize.tasks.pooling import pool_windows

        targets, rule = batch.targets, batch.options.rule
        pooled = pool_windows(
            outputs["logits"],
            outputs["scores"] if rule == "attention" else None,
            batch.weights,
            batch.owners,
            len(targets),
            rule,
        )
        options = dataclasses.replace(
            self.loss_options, label_smoothing=batch.options.label_smoothing
        )
        if batch.mixture is None:
            return self.head.loss(pooled, targets, options)
        # Cross entropy is linear in its target: that of a mixed target is the mixture of both. The
        # gradient of a squared error is that of the mixed target.
        share, partners = batch.mixture.share, batch.mixture.partners
        mixed = [targets[partner] for partner in partners]
        own, other = (self.head.loss(pooled, each, options) for each in (targets, mixed))
        return share * own + (1.0 - share) * other

    def soft_targets(self, student: Side, teacher: Side, temperature: float) -> SoftTargets:
        """The head's, of each window's logits."""
        head, theirs = self.head, heads.of(teacher.head)
        outputs = theirs.outputs(teacher.labels)
        places = [outputs.index(name) for name in head.outputs(student.labels)]

        def loss(own: Tensors, wanted: Tensors, _examples: Sequence[Example]) -> Tensor:
            return head.soft_loss(own["logits"], wanted["logits"][:, places], theirs, temperature)

        return SoftTargets(loss=loss)

    def new_meter(self, labels: Sequence[str]) -> Meter:
        return self.head.new_meter(labels, self.main_metric)

    def new_merger(
        self, labels: Sequence[str], options: MergeOptions = MERGED_AS_USUAL
    ) -> Callable[[str], Merger]:
        head, rule = self.head, options.rule
        if rule == "grid" and not head.by_window:
            raise ConfigurationError(
                f"merge must not be 'grid' with the head {head.name}: windows are not answered one "
                "by one"
            )
        if rule == "timeline" and head.family != "classification":
            raise ConfigurationError(
                f"merge must not be 'timeline' with the head {head.name}: events have labels"
            )
        return mergers.maker(
            labels,
            rule,
            self.unit,
            keep_first=options.keep_first,
            decide=lambda logits: head.decide(logits, labels),
            **self.merging(rule),
        )

    def merging(self, rule: str) -> Mapping[str, Any]:
        """What the task gives the mergers of a rule beside what all of them take."""
        return {}
