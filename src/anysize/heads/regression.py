"""A number for each record: learned in standard units, predicted in its own.

Its prediction interval is split-conformal (Papadopoulos et al. 2002; Lei et al. 2018,
arXiv:1604.04173): the errors of the validation records, of which as many lie inside as the level
says, give its half width.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from anysize import heads
from anysize.core.errors import BundleError, DataError
from anysize.core.findings import Findings
from anysize.core.protocols import Meter
from anysize.core.records import Source
from anysize.core.results import Decision
from anysize.heads.number_meter import METRICS, NumberMeter
from anysize.heads.numbers import (
    NumberTally,
    Reading,
    name_of_target,
    plain_number,
    tell,
)
from anysize.heads.protocols import Family, Head, HeadLoss, Logits, ProblemType, Targets
from anysize.readers.values import Decimal
from anysize.sources.columns import ColumnSpec
from anysize.sources.labels.findings import short
from anysize.sources.labels.named import Labelled, Named
from anysize.sources.labels.tally import tallied_parts, tally

if TYPE_CHECKING:
    from torch import Tensor

PROVIDES = ("regression", "number")

LEVEL = 0.9
"""Of the prediction interval, unless another one is asked for."""

_NAME = "value"
_DIGITS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One output, learned by the squared error of the standardised target.

    Attributes:
        mean, deviation: of the training targets; a logit of 0 is the mean, 1 one deviation above.
        median, low, high: of the training targets.
        records: how many there were; 0 before data are seen.
        decimal: the decimal mark in the cells of the training data.
        level: part of the records whose true value is to lie in the prediction interval.
        width: half of the interval's width; None where it is not known.
        calibrated_on: records that the width was found on.
    """

    name: ClassVar[str] = "regression"
    family: ClassVar[Family] = "regression"
    problem_type: ClassVar[ProblemType] = "regression"
    main_metric: ClassVar[str] = "r2"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    lower: ClassVar[frozenset[str]] = frozenset({"mae", "rmse"})
    evaluation: ClassVar[str] = "regression"
    by_window: ClassVar[bool] = False

    mean: float = 0.0
    deviation: float = 1.0
    median: float = 0.0
    low: float = 0.0
    high: float = 0.0
    records: int = 0
    decimal: Decimal = "."
    level: float = LEVEL
    width: float | None = None
    calibrated_on: int = 0

    def configured(self, options: Mapping[str, Any]) -> Head:
        heads.check_options(self, options, ("interval",))
        return dataclasses.replace(self, level=options.get("interval", self.level))

    def column(self, spec: ColumnSpec) -> ColumnSpec:
        return dataclasses.replace(spec, reading=plain_number)

    def claims(self, cells: Sequence[str]) -> str:
        return ""

    def settle(
        self, parts: Mapping[str, Source], findings: Findings, preferred: Sequence[str] = ()
    ) -> Targets:
        found = tallied_parts(parts, NumberTally)
        training, where = found["train"]
        decimal = training.decimal(self.decimal)
        for each, source in found.values():
            tell(each, source, decimal, findings)
        moments = training.moments(decimal)
        deviation = moments.deviation
        numbers = training.forms.total()
        self._refuse(training, where, deviation, findings)
        findings.refuse()
        head = self
        if not self.records:
            head = dataclasses.replace(
                self,
                mean=moments.mean,
                deviation=deviation,
                median=moments.median,
                low=moments.low,
                high=moments.high,
                records=numbers,
                decimal=decimal,
            )
        complete = all(not each.empty and not each.odd for each, _ in found.values())
        return Targets(
            head=head,
            labels=(name_of_target(where, _NAME),),
            cut=Labelled(Reading(decimal), complete=complete, reading=plain_number),
            summary=f"{numbers:,} numbers from {moments.low:g} to {moments.high:g}, mean "
            f"{moments.mean:g}",
        )

    @staticmethod
    def _refuse(found: NumberTally, source: Source, deviation: float, findings: Findings) -> None:
        where, numbers = short(source), found.forms.total()
        if not numbers and not found.odd:
            findings.add(
                "targets-none",
                f"{where}: no record for training has a number to learn",
                level="refusal",
                count=found.records,
                unit="records",
                remedy="name the column with the numbers with --columns target=NAME",
            )
        elif found.odd > numbers:
            findings.add(
                "targets-words",
                f"{where}: most targets are not numbers",
                level="refusal",
                count=found.odd,
                unit="records",
                examples=[repr(cell) for _, cell in found.examples],
                remedy="name the column with the numbers with --columns target=NAME, write them "
                "without their units, or for classes take the task of the same name that ends in "
                "-classification",
            )
        elif not deviation:
            findings.add(
                "targets-constant",
                f"{where}: all targets are the same number, so that there is nothing to learn",
                level="refusal",
                count=numbers,
                unit="records",
                remedy="name the right column with --columns target=NAME",
            )

    def inspected(self, source: Source, parts: Mapping[str, Source], findings: Findings) -> Source:
        found = tallied_parts(parts, NumberTally)
        training, where = found["train"]
        decimal = training.decimal(self.decimal)
        for each, whole in found.values():
            tell(each, whole, decimal, findings)
        self._refuse(training, where, training.moments(decimal).deviation, findings)
        return Named(source, Reading(decimal))

    def known(self, labels: Sequence[str]) -> Callable[[Source], Source]:
        return Labelled(Reading(self.decimal), reading=plain_number)

    def comparable(
        self,
        source: Source,
        labels: Sequence[str],
        findings: Findings,
        seen: NDArray[np.bool_] | None = None,
    ) -> Source:
        found = tally(source, NumberTally())
        decimal = found.decimal(self.decimal)
        tell(found, source, decimal, findings)
        return Named(source, Reading(decimal), seen)

    def labels(self, source: Source) -> tuple[str, ...]:
        return (name_of_target(source, _NAME),)

    def counts(self, source: Source) -> dict[str, int]:
        return {}

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(labels)

    def encode(self, target: Any, labels: Sequence[str], record: str) -> float:
        value = Reading(self.decimal)(target)
        if value is None:
            raise DataError(record, "has no number to learn")
        return (value - self.mean) / self.deviation

    def made_up(self, outputs: int) -> float:
        return 0.0

    def loss(self, pooled: Tensor, targets: Sequence[Any], options: HeadLoss) -> Tensor:
        import torch

        wanted = torch.tensor(targets, dtype=torch.float32, device=pooled.device)
        return (pooled[:, 0] - wanted).square().sum()

    def soft_loss(
        self, student: Tensor, teacher: Tensor, teachers: Head, temperature: float
    ) -> Tensor:
        assert isinstance(teachers, Number)
        # Both in the student's unit, whatever the teacher's standardisation was.
        value = teacher.float() * teachers.deviation + teachers.mean
        return (student.float() - (value - self.mean) / self.deviation).square().sum(-1)

    def weights(self, counts: Mapping[str, int], labels: Sequence[str]) -> tuple[float, ...]:
        return ()

    def stratum(self, target: Any, counts: Mapping[str, int]) -> str:
        return ""

    def new_meter(self, labels: Sequence[str], metric: str) -> Meter:
        return NumberMeter(metric=metric, deviation=self.deviation, level=self.level)

    def decide(self, logits: Logits, labels: Sequence[str]) -> Decision:
        value = float(logits[0]) * self.deviation + self.mean
        details: dict[str, Any] = {}
        if self.width is not None:
            details["interval"] = [_rounded(value - self.width), _rounded(value + self.width)]
        return Decision(
            prediction=_rounded(value), score=None, details=details, compared=_rounded(value)
        )

    def calibrated(self, found: Mapping[str, Any]) -> Head:
        return dataclasses.replace(
            self, width=found.get("width"), calibrated_on=int(found.get("records", 0))
        )

    def to_json(self) -> Mapping[str, Any]:
        entries = dataclasses.asdict(self)
        return {name: value for name, value in entries.items() if value is not None}

    @classmethod
    def read(cls, entries: Mapping[str, Any], origin: str) -> Self:
        """The head as a card has it.

        Raises:
            BundleError: entries that are not known, no numbers, or out of range.
        """
        fields = {each.name for each in dataclasses.fields(cls)}
        problems = [f"head.{name} is not known" for name in entries if name not in fields]
        for name in fields & entries.keys() - {"decimal"}:
            value = entries[name]
            if type(value) not in (int, float) or not math.isfinite(value):
                problems.append(f"head.{name} must be a number, not {value!r:.40}")
        if entries.get("decimal", ".") not in (".", ","):
            problems.append(f"head.decimal must be '.' or ',', not {entries['decimal']!r:.40}")
        if problems:
            raise BundleError(origin, "not a valid card: " + "; ".join(problems))
        head = cls(**entries)
        if not head.deviation > 0:
            problems.append(f"head.deviation must be above 0, not {head.deviation:g}")
        if not 0 < head.level < 1:
            problems.append(f"head.level must be between 0 and 1, not {head.level:g}")
        if head.width is not None and head.width < 0:
            problems.append(f"head.width must not be negative, not {head.width:g}")
        if problems:
            raise BundleError(origin, "not a valid card: " + "; ".join(problems))
        return head


def _rounded(value: float) -> float:
    """To the digits that float32 has."""
    return float(f"{value:.{_DIGITS}g}")


def make() -> Number:
    """The head, before it has seen data."""
    return Number()


def read(entries: Mapping[str, Any], origin: str) -> Number:
    """The head as a card has it; see `Number.read`."""
    return Number.read(entries, origin)
