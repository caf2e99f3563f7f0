"""Several labels for each record: each is there or not, whatever the others are.

The threshold of each label is the probability at which its F1 on the validation records is highest
(Lipton et al. 2014, arXiv:1402.1892).
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from anysize.heads.set_meter import METRICS, SetMeter
from anysize.heads.single_label_classification import counted_classes, ordered
from anysize.sources.columns import ColumnSpec
from anysize.sources.labels.alike import tell_alike
from anysize.sources.labels.findings import short, tell_unreadable
from anysize.sources.labels.named import Labelled, Named
from anysize.sources.labels.sets import (
    LabelSets,
    SetTally,
    lists_in,
    plain_set,
    separator_of,
)
from anysize.sources.labels.spelling import LabelNames, settled
from anysize.sources.labels.tally import tallied_parts, tally

if TYPE_CHECKING:
    from torch import Tensor

PROVIDES = ("multi_label_classification", "several")

HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralLabels:
    """A sigmoid for each label, learned by the mean binary cross entropy over the labels.

    Attributes:
        separator: the separator of labels in a cell of the training data; empty where they are
            lists, or columns.
        thresholds: from which probability on each label is predicted; empty is 0.5 for all.
        calibrated_on: records that the thresholds were found on.
    """

    name: ClassVar[str] = "multi_label_classification"
    family: ClassVar[Family] = "classification"
    problem_type: ClassVar[ProblemType] = "multi_label_classification"
    main_metric: ClassVar[str] = "macro_f1"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    lower: ClassVar[frozenset[str]] = frozenset()
    evaluation: ClassVar[str] = "multi_label_classification"
    by_window: ClassVar[bool] = False

    separator: str = ""
    thresholds: tuple[float, ...] = ()
    calibrated_on: int = 0

    def configured(self, options: Mapping[str, Any]) -> Head:
        own = ("separator", "class_weights", "sampling", "focal")
        heads.check_options(self, options, own)
        return dataclasses.replace(self, separator=options.get("separator", self.separator))

    def column(self, spec: ColumnSpec) -> ColumnSpec:
        return dataclasses.replace(spec, reading=plain_set)

    def claims(self, cells: Sequence[str]) -> str:
        lists = lists_in(cells)
        if not lists:
            return ""
        return f"a record may have several labels, such as {lists[0]:.80}"

    def settle(
        self, parts: Mapping[str, Source], findings: Findings, preferred: Sequence[str] = ()
    ) -> Targets:
        found = tallied_parts(parts, SetTally)
        training, source = found["train"]
        separator = self.separator or separator_of(training.cells)
        names = settled(training.labels(separator))
        liked = LabelNames(preferred)
        order = ordered(training.named(LabelSets(names, separator)), source)
        if preferred and {liked(name) for name in order} == set(preferred):
            names, order = liked, tuple(preferred)
        sets = LabelSets(names, separator)
        for each, whole in found.values():
            _tell(each, whole, findings)
        counts = {part: dict(each.named(sets)) for part, (each, _) in found.items()}
        tell_alike(counts.values(), short(source), findings)
        _tell_absent(counts, order, short(source), findings)
        return Targets(
            head=dataclasses.replace(self, separator=separator),
            labels=order,
            cut=Labelled(sets, reading=plain_set),
            counts=counts,
            summary=counted_classes(counts["train"], order, "labels"),
        )

    def inspected(self, source: Source, parts: Mapping[str, Source], findings: Findings) -> Source:
        found = tallied_parts(parts, SetTally)
        for each, whole in found.values():
            _tell(each, whole, findings)
        training = found["train"][0]
        separator = self.separator or separator_of(training.cells)
        sets = LabelSets(settled(training.labels(separator)), separator)
        tell_alike([each.named(sets) for each, _ in found.values()], short(source), findings)
        return Named(source, sets)

    def known(self, labels: Sequence[str]) -> Callable[[Source], Source]:
        return Labelled(LabelSets(LabelNames(labels), self.separator), reading=plain_set)

    def comparable(
        self,
        source: Source,
        labels: Sequence[str],
        findings: Findings,
        seen: NDArray[np.bool_] | None = None,
    ) -> Source:
        sets = LabelSets(LabelNames(labels), self.separator)
        found = tally(source, SetTally())
        _tell(found, source, findings)
        tell_alike([dict.fromkeys(labels, 0), found.named(sets)], short(source), findings)
        unknown = {name: n for name, n in found.named(sets).items() if name not in labels}
        if unknown:
            findings.add(
                "labels-unknown",
                f"{short(source)}: records have labels that the model does not know; these labels "
                "are not counted in any score",
                count=sum(unknown.values()),
                unit="labels",
                examples=[f"{name!r} ({count:,})" for name, count in unknown.items()],
            )
        return Named(source, sets, seen)

    def labels(self, source: Source) -> tuple[str, ...]:
        return ordered(self.counts(source), source)

    def counts(self, source: Source) -> dict[str, int]:
        found = tally(source, SetTally())
        return dict(found.labels(self.separator or separator_of(found.cells)))

    def outputs(self, labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(labels)

    def encode(self, target: Any, labels: Sequence[str], record: str) -> NDArray[np.float32]:
        if isinstance(target, str):
            target = LabelSets(LabelNames(labels), self.separator)(target)
        if target is None:
            raise DataError(record, "has no labels; write [] where none of them is right")
        found = np.zeros(len(labels), np.float32)
        for name in target:
            if name in labels:  # of validation records; the others are named with the data
                found[labels.index(name)] = 1
        return found

    def made_up(self, outputs: int) -> NDArray[np.float32]:
        return np.zeros(outputs, np.float32)

    def loss(self, pooled: Tensor, targets: Sequence[Any], options: HeadLoss) -> Tensor:
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

        wanted = torch.from_numpy(np.stack(targets)).to(pooled)
        smoothed = wanted * (1 - options.label_smoothing) + options.label_smoothing / 2
        each = binary_cross_entropy_with_logits(pooled, smoothed, reduction="none")
        if options.focal:
            right = torch.where(wanted > HALF, logsigmoid(pooled), logsigmoid(-pooled)).exp()
            each = each * (1 - right) ** options.focal
        if options.weights:
            weights = torch.tensor(options.weights, device=pooled.device)
            each = each * torch.where(wanted > HALF, weights, 1.0)
        return each.mean(1).sum()

    def soft_loss(
        self, student: Tensor, teacher: Tensor, teachers: Head, temperature: float
    ) -> Tensor:
        from anysize.heads.soft import bernoulli_divergence

        return bernoulli_divergence(student, teacher, temperature)

    def weights(self, counts: Mapping[str, int], labels: Sequence[str]) -> tuple[float, ...]:
        """How much more a label counts where it is there, so that its two sides weigh alike."""
        total = counts.get("", 0)
        found = []
        for label in labels:
            there = max(counts.get(label, 0), 1)
            found.append(min(max((total - there) / there, 1.0), 100.0))
        return tuple(found)

    def start(
        self, counts: Mapping[str, int], records: int, labels: Sequence[str]
    ) -> tuple[float, ...]:
        """The log-odds of each label.

        Most labels are rare. Starting at even odds, the first steps push all logits down at once,
        through the features, and a pretrained encoder may lose what it knows (Lin et al. 2017,
        arXiv:1708.02002, section 4.1).
        """
        there = [min(counts.get(label, 0), records) for label in labels]
        return tuple(math.log((n + 0.5) / (records - n + 0.5)) for n in there)

    def stratum(self, target: Any, counts: Mapping[str, int]) -> str:
        """A record counts as the rarest of its labels."""
        return min(target, key=lambda name: counts.get(name, 0), default="")

    def new_meter(self, labels: Sequence[str], metric: str) -> Meter:
        return SetMeter(labels, metric)

    def decide(self, logits: Logits, labels: Sequence[str]) -> Decision:
        likely = sigmoid(logits)
        least = np.array(self.thresholds or [HALF] * len(labels))
        told = likely >= least
        named = {label: round(float(p), 6) for label, p in zip(labels, likely, strict=True)}
        sure = np.where(told, likely, 1 - likely).min()
        return Decision(
            prediction=[label for label, yes in zip(labels, told.tolist(), strict=True) if yes],
            score=float(sure),
            details={"probabilities": named},
            compared=named,
        )

    def calibrated(self, found: Mapping[str, Any]) -> Head:
        return dataclasses.replace(
            self,
            thresholds=tuple(found.get("thresholds", ())),
            calibrated_on=int(found.get("records", 0)),
        )

    def to_json(self) -> Mapping[str, Any]:
        return dataclasses.asdict(self)


def _tell(found: SetTally, source: Source, findings: Findings) -> None:
    where = short(source)
    tell_unreadable(found.unreadable, found.faults, source, findings)
    if found.empty:
        findings.add(
            "labels-missing",
            f"{where}: records without labels are left out",
            count=found.empty,
            unit="records",
            remedy="write [] where none of the labels is right",
        )


def _tell_absent(
    counts: Mapping[str, Mapping[str, int]],
    labels: Iterable[str],
    where: str,
    findings: Findings,
) -> None:
    for part in ("validation", "test"):
        held = counts.get(part)
        absent = [name for name in labels if not held.get(name)] if held else []
        if absent:
            findings.add(
                f"labels-absent-{part}",
                f"{where}: labels that no record of the {part} part has, so that nothing measured "
                "there says how well they are recognised",
                count=len(absent),
                unit="labels",
                examples=[repr(name) for name in absent],
                remedy="more records, or a larger part: --validation, --test",
            )


def counted(targets: Iterable[Sequence[str] | None]) -> Counter[str]:
    """Records by label, and under the empty name all of them."""
    found: Counter[str] = Counter()
    for target in targets:
        if target is not None:
            found.update(target)
            found[""] += 1
    return found


def make() -> SeveralLabels:
    """The head, before it has seen data."""
    return SeveralLabels()


def read(entries: Mapping[str, Any], origin: str) -> SeveralLabels:
    """The head as a card has it.

    Raises:
        BundleError: entries that are not known, or thresholds that are no probabilities.
    """
    fields = {each.name for each in dataclasses.fields(SeveralLabels)}
    problems = [f"head.{name} is not known" for name in entries if name not in fields]
    given = entries.get("thresholds", ())
    if not isinstance(given, list | tuple) or not all(
        type(each) in (int, float) and math.isfinite(each) and 0 <= each <= 1 for each in given
    ):
        problems.append("head.thresholds must be a list of probabilities")
    if not isinstance(entries.get("separator", ""), str):
        problems.append("head.separator must be a text")
    if type(entries.get("calibrated_on", 0)) is not int:
        problems.append("head.calibrated_on must be a whole number")
    if problems:
        raise BundleError(origin, "not a valid card: " + "; ".join(problems))
    return SeveralLabels(**{**entries, "thresholds": tuple(given)})
