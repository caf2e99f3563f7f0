"""One label for each record, of classes that exclude each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize import heads
from anysize.core.activations import softmax
from anysize.core.errors import BundleError, DataError
from anysize.core.findings import Findings
from anysize.core.protocols import Meter
from anysize.core.records import Source
from anysize.core.results import Decision, Result
from anysize.heads.class_meter import METRICS, ClassMeter
from anysize.heads.protocols import Family, Head, HeadLoss, Logits, ProblemType, Targets
from anysize.sources import target_counts
from anysize.sources.columns import ColumnSpec
from anysize.sources.labels.class_findings import tell_single
from anysize.sources.labels.findings import note_known, settle, short
from anysize.sources.labels.named import Labelled, Named
from anysize.sources.labels.spelling import LabelNames, class_order

if TYPE_CHECKING:
    from torch import Tensor

PROVIDES = ("single_label_classification", "one")

MOST_LABELS = 100_000

_LEAST = 1e-6
_LOOKED_AT = 1000
_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class SingleLabel:
    """A softmax over the classes, learned by cross entropy."""

    name: ClassVar[str] = "single_label_classification"
    family: ClassVar[Family] = "classification"
    problem_type: ClassVar[ProblemType] = "single_label_classification"
    main_metric: ClassVar[str] = "accuracy"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", *METRICS)
    lower: ClassVar[frozenset[str]] = frozenset({"log_loss"})
    evaluation: ClassVar[str] = "single_label_classification"
    by_window: ClassVar[bool] = True

    def configured(self, options: Mapping[str, Any]) -> Head:
        heads.check_options(self, options, ("class_weights", "sampling", "focal"))
        return self

    def column(self, spec: ColumnSpec) -> ColumnSpec:
        return spec

    def claims(self, cells: Sequence[str]) -> str:
        return ""

    def settle(
        self, parts: Mapping[str, Source], findings: Findings, preferred: Sequence[str] = ()
    ) -> Targets:
        found = settle(parts, findings)
        findings.refuse()
        order = ordered(found.counts["train"], parts["train"])
        names, counts = found.names, found.counts
        liked = LabelNames(preferred)
        if preferred and {liked(name) for name in order} == set(preferred):
            counts = {
                part: {str(liked(name)): count for name, count in each.items()}
                for part, each in counts.items()
            }
            names, order = liked, tuple(preferred)
        return Targets(
            head=self,
            labels=order,
            cut=Labelled(names, complete=found.complete),
            counts=counts,
            summary=counted_classes(counts["train"], order),
        )

    def inspected(self, source: Source, parts: Mapping[str, Source], findings: Findings) -> Source:
        found = settle(parts, findings)
        tell_single(found.counts["train"], short(source), findings)
        return Named(source, found.names) if found.counts["train"] else source

    def known(self, labels: Sequence[str]) -> Callable[[Source], Source]:
        return Labelled(LabelNames(labels))

    def comparable(
        self,
        source: Source,
        labels: Sequence[str],
        findings: Findings,
        seen: NDArray[np.bool_] | None = None,
    ) -> Source:
        names = LabelNames(labels)
        note_known(source, names, findings)
        return Named(source, names, seen)

    def labels(self, source: Source) -> tuple[str, ...]:
        return ordered(target_counts(source), source)

    def counts(self, source: Source) -> dict[str, int]:
        return dict(target_counts(source))

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(labels)

    def encode(self, target: Any, labels: Sequence[str], record: str) -> int:
        return place_of(target, labels, record)

    def made_up(self, outputs: int) -> int:
        return 0

    def loss(self, pooled: Tensor, targets: Sequence[Any], options: HeadLoss) -> Tensor:
        import torch
        from torch.nn.functional import cross_entropy, log_softmax

        wanted = torch.tensor(targets, device=pooled.device)
        if options.weights or options.focal:
            each = cross_entropy(
                pooled, wanted, reduction="none", label_smoothing=options.label_smoothing
            )
            if options.focal:
                right = log_softmax(pooled, 1).gather(1, wanted[:, None])[:, 0].exp()
                each = each * (1 - right) ** options.focal
            if options.weights:
                each = each * torch.tensor(options.weights, device=pooled.device)[wanted]
            return each.sum()
        return cross_entropy(
            pooled, wanted, reduction="sum", label_smoothing=options.label_smoothing
        )

    def soft_loss(
        self, student: Tensor, teacher: Tensor, teachers: Head, temperature: float
    ) -> Tensor:
        from anysize.heads.soft import divergence

        return divergence(student, teacher, temperature)

    def weights(self, counts: Mapping[str, int], labels: Sequence[str]) -> tuple[float, ...]:
        return balanced(counts, labels)

    def stratum(self, target: Any, counts: Mapping[str, int]) -> str:
        return str(target)

    def new_meter(self, labels: Sequence[str], metric: str) -> Meter:
        return AccuracyMeter() if metric == self.main_metric else ClassMeter(labels, metric)

    def decide(self, logits: Logits, labels: Sequence[str]) -> Decision:
        share = softmax(logits).tolist()
        score = max(share)
        named = {label: round(p, 6) for label, p in zip(labels, share, strict=True)}
        return Decision(
            prediction=labels[share.index(score)],
            score=score,
            details={"probabilities": named},
            compared=named,
        )

    def calibrated(self, found: Mapping[str, Any]) -> Head:
        return self

    def to_json(self) -> Mapping[str, Any]:
        return {}


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


def balanced(counts: Mapping[str, int], labels: Sequence[str]) -> tuple[float, ...]:
    """Weights with which all classes count alike and a mean record counts 1.

    As ``class_weight="balanced"`` of scikit-learn: records / (classes * records of the class).
    """
    known = [max(counts.get(label, 0), 1) for label in labels]
    return tuple(sum(known) / (len(known) * each) for each in known)


def place_of(target: Any, labels: Sequence[str], record: str) -> int:
    """The index of a label among those of a model.

    Raises:
        DataError: no label, or one that is not among them.
    """
    if target is None:
        raise DataError(record, "has no label")
    try:
        return labels.index(target)
    except ValueError:
        raise DataError(
            record,
            f"label {target!r} is not one of the model's {len(labels)} labels "
            f"({', '.join(labels[:10])}{', …' if len(labels) > 10 else ''})",
        ) from None


def ordered(counts: Mapping[str, int], source: Source) -> tuple[str, ...]:
    """The classes in the order of the outputs: numbers by value, then words.

    Raises:
        DataError: no record has a label, fewer than two labels, or far too many.
    """
    if len(counts) > MOST_LABELS:
        raise DataError(
            source.name,
            f"{len(counts)} different labels, more than {MOST_LABELS}: is the label column "
            "right? Name it with --columns label=NAME",
        )
    if not counts:
        raise DataError(
            source.name,
            "no record has a label: "
            + (
                first_fault(source)
                or "add a label column (or name it with --columns label=NAME), or use one "
                "folder per class"
            ),
        )
    if len(counts) < 2:
        only = next(iter(counts))
        fault = first_fault(source)
        raise DataError(
            source.name,
            f"only one label, {only!r}: there is nothing to learn"
            + (f" ({fault})" if fault else ""),
        )
    return class_order(counts)


def first_fault(source: Source) -> str | None:
    """What is wrong with the first record that cannot be read, of those at the beginning."""
    for index in range(min(len(source), _LOOKED_AT)):
        try:
            _ = source[index]
        except DataError as error:
            return f"{error} (the first that cannot be read)"
    return None


def counted_classes(counts: Mapping[str, int], labels: Sequence[str], noun: str = "classes") -> str:
    """How many records the first classes have: ``3 classes: a 10, b 7, c 5``."""
    shown = [f"{name} {counts.get(name, 0):,}" for name in labels[:_MOST_SHOWN]]
    more = len(labels) - len(shown)
    return f"{len(labels):,} {noun}: {', '.join(shown)}" + (
        f" and {more:,} more" if more > 0 else ""
    )


def make() -> SingleLabel:
    """The head."""
    return SingleLabel()


def read(entries: Mapping[str, Any], origin: str) -> SingleLabel:
    """The head as a card has it."""
    if entries:
        raise BundleError(origin, f"not a valid card: head.{next(iter(entries))} is not known")
    return SingleLabel()
