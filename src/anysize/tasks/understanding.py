"""Data understood for a task: opened by its splits, its labels settled, all of it said."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anysize import heads
from anysize.core.errors import DataError
from anysize.core.findings import Finding, Findings
from anysize.core.plurals import number_of
from anysize.core.records import Source
from anysize.sources import Splits, open_splits
from anysize.sources.concat import Concat
from anysize.sources.content import leaves
from anysize.sources.copies import seen_in, tell_seen
from anysize.sources.inputs import Chosen
from anysize.sources.labels.targets import spellings
from anysize.sources.opening import NOTHING, Paths, called
from anysize.sources.profile.reading import profile_of, spread_of
from anysize.sources.relabelled import Relabelled
from anysize.sources.splits import SHARE
from anysize.tasks.abilities import Naming, survey
from anysize.tasks.protocols import Headed, Task, head_of

_LEFT_OUT = re.compile(r"left out|passed over|not (read|used|counted)|ignored|skipped")
_MOST_SHOWN = 3
_LOOKED_AT = 1000


@dataclass(frozen=True, kw_only=True)
class Understood:
    """Data as a task takes it.

    Attributes:
        data: what it is called.
        task: what it was read for.
        splits: the parts, with the classes as targets; records without a label are in none.
        labels: the labels in their order; None where the task finds them otherwise.
        counts: records by label, for each part; empty where ``labels`` is None.
        learns: what there is to learn, in words.
    """

    data: str
    task: Task
    splits: Splits
    labels: tuple[str, ...] | None = None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    learns: str = ""

    @property
    def training(self) -> Source:
        """The training part, which has records."""
        assert self.splits.train is not None
        return self.splits.train

    @property
    def validation(self) -> Source | None:
        """The validation part, where it has records."""
        held = self.splits.validation
        return held if held is not None and len(held) else None

    def summary(self, findings: Findings) -> tuple[str, str, str]:
        """What was read as what, what is used, and what is left out and why."""
        return self._read(), self._used(), _left_out(findings)

    def _read(self) -> str:
        splits = self.splits
        parts = [part for part in (splits.train, splits.validation, splits.test) if part]
        records = sum(map(len, parts))
        roles = _roles(self.training)
        columns = ", ".join(
            role if role == column else f"{role} from the column {column!r}"
            for role, column in roles.items()
        ) or ", ".join(f"{role} from {place}" for role, place in _beside(self.training).items())
        how = {
            "files": "its files name the parts",
            "folders": "its folders name the parts",
            "hash": "divided by a hash of the records",
        }[splits.how]
        features = _columns(self.training)
        shown = ", ".join(filter(None, (features, columns))) or self.task.role
        return f"read: {number_of(records, 'record')} of {self.data} ({shown}); {how}"

    def _used(self) -> str:
        splits = self.splits
        held = [
            f"{len(part):,} for {name}" if part is not None and len(part) else f"none for {name}"
            for name, part in (("validation", splits.validation), ("testing", splits.test))
        ]
        words = f"used: {len(self.training):,} for training, {', '.join(held)}"
        return f"{words}; {self.learns}" if self.learns else words


def understand(
    data: Paths,
    task: Task,
    *,
    columns: Mapping[str, str] = NOTHING,
    encoding: str = "utf-8",
    validation: float = SHARE,
    test: float = SHARE,
    labels: Sequence[str] | None = None,
    preferred: Sequence[str] = (),
    findings: Findings,
) -> Understood:
    """Opens data to train on.

    Args:
        data: as for ``open_splits``.
        task: what it is read for.
        columns: the same.
        encoding: the same.
        validation: the same.
        test: the same.
        labels: the classes, where they are known (a run that goes on); None finds them.
        preferred: names that are taken if the data have the same classes, in whatever case.
        findings: takes what is guessed, repaired or left out.

    Raises:
        DataError: there is nothing to train on.
        ConfigurationError: as ``open_splits``.
    """
    name = Path(data).name or str(data) if isinstance(data, str | Path) else called(data)

    def opened(task: Task, findings: Findings) -> Splits:
        return open_splits(
            data,
            roles=task.columns,
            columns=columns,
            encoding=encoding,
            validation=validation,
            test=test,
            by_target=task.by_target,
            findings=findings,
        )

    first = Findings()
    splits = opened(task, first)
    claimed = None if labels is not None else _claimed(task, splits, findings)
    if claimed is None:
        first.lead_to(findings)  # what is learned of the columns is still to come
    else:
        task = claimed
        splits = opened(task, findings)
    if splits.train is None or not len(splits.train):
        raise DataError(called(data), "has no training records")
    _tell_across(splits, task, findings)
    for part in splits.named().values():
        survey(task, part, findings)
    if not isinstance(task, Headed) or task.by_target:
        return Understood(data=name, task=task, splits=splits)
    if labels is not None:
        return Understood(data=name, task=task, splits=_with(splits, task.head.known(labels)))
    found = task.head.settle(splits.named(), findings, preferred)
    return Understood(
        data=name,
        task=task.headed(found.head, task.main_metric),
        splits=_with(splits, found.cut),
        labels=found.labels,
        counts=found.counts,
        learns=found.summary,
    )


def _claimed(task: Task, splits: Splits, findings: Findings) -> Task | None:
    """The task with the head that the data look made for, where none was named."""
    if not isinstance(task, Headed) or task.by_target or task.chosen or splits.train is None:
        return None
    cells = itertools.islice(spellings(_cut_from(splits.train)), _LOOKED_AT)
    some = [cell for cell in cells if cell]
    for head in heads.of_family(task.head.family):
        why = head.claims(some)
        if why:
            findings.add(
                "head-chosen",
                f"the head {head.name} is taken, because {why}",
                level="note",
                unit="columns",
                remedy="name another one with --head if that is not meant",
            )
            return task.headed(head)
    return None


def inspected(
    data: Paths,
    task: Task,
    *,
    columns: Mapping[str, str] = NOTHING,
    encoding: str = "utf-8",
    findings: Findings,
) -> tuple[Source, dict[str, int]]:
    """All records of data, and how many are in each part that the data names.

    Args:
        data: as for ``open_splits``.
        task: what it is read for.
        columns: the same.
        encoding: the same.
        findings: takes what training on these data would guess, repair, leave out or refuse.
    """
    first = Findings()
    splits = open_splits(
        data,
        roles=task.columns,
        columns=columns,
        encoding=encoding,
        by_target=task.by_target,
        findings=first,
    )
    claimed = _claimed(task, splits, findings)
    if claimed is not None:
        return inspected(data, claimed, columns=columns, encoding=encoding, findings=findings)
    first.lead_to(findings)
    _tell_across(splits, task, findings)
    parts = splits.named()
    named = splits.how != "hash"
    sources = list(parts.values())
    source = Concat(called(data), sources) if named or not sources else _cut_from(sources[0])
    survey(task, source, findings)
    head = head_of(task)
    if head is not None and "train" in parts:
        source = head.inspected(source, parts, findings)
    elif isinstance(task, Naming):
        source = Relabelled(source, task.label_of)
    return source, {name: len(part) for name, part in parts.items()} if named else {}


def _tell_across(splits: Splits, task: Task, findings: Findings) -> None:
    """Says which records of a named part have the content of a training record."""
    if splits.apart or task.by_target or splits.train is None:
        return
    for name, part in splits.named().items():
        if name != "train":
            tell_seen(part, name, seen_in(splits.train, part), findings)


def _cut_from(part: Source) -> Source:
    """What a part was divided from."""
    whole: Source = getattr(part, "source", part)
    return whole


def comparable(chosen: Chosen, task: Task, labels: Sequence[str], findings: Findings) -> Source:
    """Records to be compared with a model's answers: their targets are its classes.

    Args:
        chosen: the records, and maybe those that the model learned from.
        task: of the model.
        labels: of the model.
        findings: takes what is odd about the labels of the records, and how many of the records
            have the content of training records.
    """
    source, seen = chosen.source, None
    survey(task, source, findings)
    if chosen.training is not None and not task.by_target:
        seen = seen_in(chosen.training, source)
        tell_seen(source, "evaluated", seen, findings)
    head = head_of(task)
    if head is None:
        return source
    if seen is not None and not seen.any():
        seen = None
    return head.comparable(source, labels, findings, seen)


def with_classes(splits: Splits, task: Task, labels: Sequence[str]) -> Splits:
    """The parts with a model's targets; records without one are in none."""
    head = head_of(task)
    return splits if head is None else _with(splits, head.known(labels))


def _with(splits: Splits, cut: Callable[[Source], Source]) -> Splits:
    parts = {name: cut(part) for name, part in splits.named().items()}
    return dataclasses.replace(
        splits,
        train=parts.get("train"),
        validation=parts.get("validation"),
        test=parts.get("test"),
    )


def _whole(source: Source) -> Source:
    """What a part was taken from."""
    while (inner := getattr(source, "source", None)) is not None:
        source = inner
    return source


def _roles(source: Source) -> Mapping[str, str]:
    """Role to column, of the first table."""
    whole = _whole(source)
    parts = getattr(whole, "parts", ())
    if parts:
        return _roles(parts[0])
    found: Mapping[str, str] = getattr(whole, "roles", {})
    joined: Mapping[str, Sequence[str]] = getattr(whole, "joined", {})
    return {**found, **{role: "+".join(columns) for role, columns in joined.items()}}


def _beside(source: Source) -> Mapping[str, str]:
    """Role to where it is read from, of files with transcripts beside them."""
    found: Mapping[str, str] = getattr(next(leaves(source), source), "beside", {})
    return found


def _columns(source: Source) -> str:
    """How many columns of numbers and the like are the features."""
    spread = spread_of(source)
    if spread is None:
        return ""
    known = None if spread.chosen else profile_of(source)
    usable = [name for name in spread.names if known is None or known.columns[name].usable]
    return f"{number_of(len(usable), 'column')} as features"


def _left_out(findings: Findings) -> str:
    left = [one for one in findings if _LEFT_OUT.search(one.message)]
    if not left:
        return "left out: nothing"
    shown = "; ".join(map(_reason, left[:_MOST_SHOWN]))
    more = len(left) - _MOST_SHOWN
    return f"left out: {shown}" + (f"; and {more:,} more" if more > 0 else "")


def _reason(finding: Finding) -> str:
    if finding.unit == "tables":  # of which something is left out, and not they
        return finding.message
    return f"{finding.amount} ({finding.message})"
