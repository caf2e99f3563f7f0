"""Ordered labels: one of a row of steps, where being one step off is better than being two.

Of K steps there are K - 1 outputs: whether a record that is above all lower steps is above this one
too. The probability of being above a step is the product of these, so that it never
grows along the row (CORN: Shi, Cao and Raschka 2021, arXiv:2111.08851).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize import heads
from anysize.core.activations import sigmoid
from anysize.core.errors import BundleError, DataError
from anysize.core.findings import Findings
from anysize.core.protocols import Meter
from anysize.core.records import Source
from anysize.core.results import Decision
from anysize.heads.protocols import Family, Head, HeadLoss, Logits, ProblemType, Targets
from anysize.heads.rank_meter import METRICS, RankMeter
from anysize.heads.single_label_classification import SingleLabel, balanced, place_of
from anysize.sources.columns import ColumnSpec

if TYPE_CHECKING:
    from torch import Tensor

PROVIDES = ("ordinal_regression", "ordered")

_HALF = 0.5
_ONE = SingleLabel()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedLabels:
    """Steps in their order: numbers by value, or as they were named.

    Attributes:
        steps: the labels from the lowest to the highest, where they were named; empty takes numbers
            by their values.
    """

    name: ClassVar[str] = "ordinal_regression"
    family: ClassVar[Family] = "classification"
    problem_type: ClassVar[ProblemType] = "multi_label_classification"
    main_metric: ClassVar[str] = "quadratic_kappa"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    lower: ClassVar[frozenset[str]] = frozenset({"mae"})
    evaluation: ClassVar[str] = "ordinal_regression"
    by_window: ClassVar[bool] = False

    steps: tuple[str, ...] = ()

    def configured(self, options: Mapping[str, Any]) -> Head:
        heads.check_options(self, options, ("order", "class_weights", "sampling", "focal"))
        return dataclasses.replace(self, steps=tuple(options.get("order", self.steps)))

    def column(self, spec: ColumnSpec) -> ColumnSpec:
        return _ONE.column(spec)

    def claims(self, cells: Sequence[str]) -> str:
        return ""

    def settle(
        self, parts: Mapping[str, Source], findings: Findings, preferred: Sequence[str] = ()
    ) -> Targets:
        found = _ONE.settle(parts, findings, self.steps or preferred)
        labels = self._in_order(found.labels, parts["train"].name)
        return dataclasses.replace(
            found,
            head=self,
            labels=labels,
            summary=f"{len(labels):,} steps from {labels[0]!r} to {labels[-1]!r}",
        )

    def _in_order(self, found: Sequence[str], where: str) -> tuple[str, ...]:
        """The labels from the lowest to the highest.

        Raises:
            DataError: words whose order was not given, or steps that are not those of the data.
        """
        if self.steps:
            if strange := sorted(set(found) ^ set(self.steps)):
                raise DataError(
                    where,
                    "the ordered labels must be those of the data; not in both: "
                    f"{', '.join(strange[:10])}",
                )
            return self.steps
        words = [name for name in found if not _is_number(name)]
        if words:
            raise DataError(
                where,
                f"the labels are not all numbers ({', '.join(map(repr, words[:5]))}), so that "
                "nobody knows their order: name them from the lowest to the highest with "
                "--order LOW,…,HIGH",
            )
        return tuple(found)

    def inspected(self, source: Source, parts: Mapping[str, Source], findings: Findings) -> Source:
        return _ONE.inspected(source, parts, findings)

    def known(self, labels: Sequence[str]) -> Callable[[Source], Source]:
        return _ONE.known(labels)

    def comparable(
        self,
        source: Source,
        labels: Sequence[str],
        findings: Findings,
        seen: NDArray[np.bool_] | None = None,
    ) -> Source:
        return _ONE.comparable(source, labels, findings, seen)

    def labels(self, source: Source) -> tuple[str, ...]:
        return self._in_order(_ONE.labels(source), source.name)

    def counts(self, source: Source) -> dict[str, int]:
        return _ONE.counts(source)

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"above {label}" for label in labels[:-1])

    def encode(self, target: Any, labels: Sequence[str], record: str) -> int:
        return place_of(target, labels, record)

    def made_up(self, outputs: int) -> int:
        return 0

    def loss(self, pooled: Tensor, targets: Sequence[Any], options: HeadLoss) -> Tensor:
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

        places = torch.tensor(targets, device=pooled.device)[:, None]
        steps = torch.arange(pooled.shape[1], device=pooled.device)
        wanted = (places > steps).to(pooled)
        # A step is asked only of the records that are above all steps before it.
        asked = (places >= steps).to(pooled)
        smoothed = wanted * (1 - options.label_smoothing) + options.label_smoothing / 2
        each = binary_cross_entropy_with_logits(pooled, smoothed, reduction="none") * asked
        if options.focal:
            right = torch.where(wanted > _HALF, logsigmoid(pooled), logsigmoid(-pooled)).exp()
            each = each * (1 - right) ** options.focal
        if options.weights:
            each = each * torch.tensor(options.weights, device=pooled.device)[places]
        return each.sum()

    def soft_loss(
        self, student: Tensor, teacher: Tensor, teachers: Head, temperature: float
    ) -> Tensor:
        from anysize.heads.soft import bernoulli_divergence

        return bernoulli_divergence(student, teacher, temperature)

    def weights(self, counts: Mapping[str, int], labels: Sequence[str]) -> tuple[float, ...]:
        return balanced(counts, labels)

    def stratum(self, target: Any, counts: Mapping[str, int]) -> str:
        return str(target)

    def new_meter(self, labels: Sequence[str], metric: str) -> Meter:
        return RankMeter(labels, metric)

    def decide(self, logits: Logits, labels: Sequence[str]) -> Decision:
        above = np.cumprod(sigmoid(logits))
        share = -np.diff(above, prepend=1.0, append=0.0)
        # The median: the step at which the probability of being above falls to a half.
        place = int((above > _HALF).sum())
        named = {label: round(float(p), 6) for label, p in zip(labels, share, strict=True)}
        return Decision(
            prediction=labels[place],
            score=float(share[place]),
            details={"probabilities": named},
            compared=named,
        )

    def calibrated(self, found: Mapping[str, Any]) -> Head:
        return self

    def to_json(self) -> Mapping[str, Any]:
        return {"steps": list(self.steps)} if self.steps else {}


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def make() -> OrderedLabels:
    """The head, before it has seen data."""
    return OrderedLabels()


def read(entries: Mapping[str, Any], origin: str) -> OrderedLabels:
    """The head as a card has it.

    Raises:
        BundleError: entries that are not known.
    """
    steps = entries.get("steps", ())
    problems = [f"head.{name} is not known" for name in entries if name != "steps"]
    if not isinstance(steps, list | tuple) or not all(isinstance(each, str) for each in steps):
        problems.append("head.steps must be a list of texts")
    if problems:
        raise BundleError(origin, "not a valid card: " + "; ".join(problems))
    return OrderedLabels(steps=tuple(steps))
