"""What is noticed about the labels of data that a classifier is to be trained on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from anysize.core.findings import Findings
from anysize.core.records import Source, record_id
from anysize.sources.labels.alike import tell_alike
from anysize.sources.labels.class_findings import tell_joined, tell_rare, tell_uneven
from anysize.sources.labels.spelling import (
    LabelNames,
    is_missing_word,
    listed,
    plain_label,
    settled,
)
from anysize.sources.labels.tally import Tally, joined, tally, tally_parts
from anysize.sources.subset import Subset

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_FEW_RECORDS = 10
_MOST_VALUES = 50
_OWN_LABELS = 100


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The labels of data, understood.

    Attributes:
        names: how the classes are called.
        counts: records by class, for each part of the data.
        complete: whether every record has a label.
    """

    names: LabelNames
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    complete: bool = False


def settle(parts: Mapping[str, Source], findings: Findings) -> Settled:
    """Chooses the classes by the training part and says what is odd about the labels of all parts.

    Args:
        parts: ``train`` and maybe ``validation`` and ``test``; their labels are read in one pass
            each.
        findings: takes what is noticed; a refusal where the labels are none.
    """
    tallies: dict[str, Tally] = {}
    wholes: list[tuple[Tally, Source]] = []
    for source, several in _by_source(parts):
        cut = {part: each for part, each in several.items() if isinstance(each, Subset)}
        found = (
            tally_parts(source, cut, Tally)
            if cut
            else {part: tally(source, Tally()) for part in several}
        )
        tallies |= found
        wholes.append((joined(found.values()), source))
    training = tallies["train"]
    where = short(_whole(parts["train"]))
    refused = False
    for whole, source in wholes:
        refused |= _several(whole, source, short(source), findings)
    names = settled(training.plain())
    counts = {part: _by_class(found, names) for part, found in tallies.items()}
    if not refused:
        whole = next(found for found, source in wholes if source is _whole(parts["train"]))
        plain = whole.plain()
        _ = _numbers(plain, where, findings) or _own(plain, whole, where, findings)
    if refused or not training.cells:
        return Settled(names=names, counts=counts)
    for whole, source in wholes:
        _spelled(whole, source, names, findings)
        tell_unreadable(whole.unreadable, whole.faults, source, findings)
        _unlabelled(whole, source, names, findings)
    tell_joined(counts["train"], where, findings)
    tell_alike(counts.values(), where, findings)
    if not any(one.level == "refusal" for one in findings):
        tell_rare(counts, where, findings)
        tell_uneven(counts["train"], where, findings)
    classed = sum(sum(each.values()) for each in counts.values())
    known = sum(each.records - each.unreadable for each in tallies.values())
    return Settled(names=names, counts=counts, complete=classed == known)


def _whole(part: Source) -> Source:
    return part.source if isinstance(part, Subset) else part


def _by_source(parts: Mapping[str, Source]) -> list[tuple[Source, dict[str, Source]]]:
    """The parts of each source together, so that it is read once."""
    groups: dict[int, tuple[Source, dict[str, Source]]] = {}
    for name, part in parts.items():
        source = _whole(part)
        groups.setdefault(id(source), (source, {}))[1][name] = part
    return list(groups.values())


def note_known(source: Source, names: LabelNames, findings: Findings) -> None:
    """Says what is odd about labels that a model's answers are to be compared with.

    Args:
        source: the records; their labels are read in one pass.
        names: the model's classes.
        findings: takes what is noticed.
    """
    found = tally(source, Tally())
    _several(found, source, short(source), findings)
    tell_unreadable(found.unreadable, found.faults, source, findings)
    _spelled(found, source, names, findings)
    _unlabelled(found, source, names, findings)
    counts = _by_class(found, names)
    tell_alike([dict.fromkeys(names.names, 0), counts], short(source), findings)
    unknown = [name for name in counts if name not in names.names]
    if unknown:
        findings.add(
            "labels-unknown",
            f"{short(source)}: records have labels that the model does not know; they are not "
            "counted in any score",
            count=sum(counts[name] for name in unknown),
            unit="records",
            examples=[f"{name!r} ({counts[name]:,})" for name in unknown],
        )


def short(source: Source) -> str:
    """What a source is called in a sentence."""
    return Path(source.name).name or source.name


def _by_class(found: Tally, names: LabelNames) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for cell, label in found.labels():
        name = names(label)
        if name is not None:
            counts[name] += found.cells[cell]
    return dict(sorted(counts.items()))


def _examples(found: Tally, source: Source, cells: Iterable[str]) -> list[str]:
    return [f"{record_id(source, found.first[cell])}: {cell!r}" for cell in list(cells)[:5]]


def _several(found: Tally, source: Source, where: str, findings: Findings) -> bool:
    """Lists of labels, which are no single class."""
    lists = [cell for cell in found.cells if len(listed(cell) or ()) > 1]
    if lists:
        findings.add(
            "labels-several",
            f"{where}: the label column holds several labels for a record",
            level="refusal",
            count=sum(found.cells[cell] for cell in lists),
            unit="records",
            examples=_examples(found, source, lists),
            remedy="train with --head multi_label_classification, keep one label a record, or "
            "name another column with --columns label=NAME",
        )
        return True
    objects = [cell for cell in found.cells if cell.startswith("{") and cell.endswith("}")]
    if objects and sum(found.cells[cell] for cell in objects) * 2 > found.records:
        findings.add(
            "labels-objects",
            f"{where}: the label column holds JSON objects, not labels",
            level="refusal",
            count=sum(found.cells[cell] for cell in objects),
            unit="records",
            examples=_examples(found, source, objects),
            remedy="name the column or the field with the label with --columns label=NAME",
        )
        return True
    return False


def _numbers(plain: Mapping[str, int], where: str, findings: Findings) -> bool:
    """Many different numbers: a quantity, not classes."""
    numbers = {label: count for label, count in plain.items() if _NUMBER.fullmatch(label)}
    records, values = sum(numbers.values()), len(numbers)
    if records * 20 < sum(plain.values()) * 19 or values <= 20:
        return False
    few = records < _FEW_RECORDS * values
    whole = all(label.lstrip("+-").isdigit() for label in numbers)
    quantity = values > _MOST_VALUES and (not whole or records < 5 * values)
    if not quantity and not (few and not whole):
        return False
    low, high = min(map(float, numbers)), max(map(float, numbers))
    findings.add(
        "labels-numbers",
        f"{where}: the label column holds {values:,} different numbers from {low:g} to {high:g} in "
        f"{records:,} records: a quantity to be estimated (regression), not classes",
        level="refusal",
        count=records,
        unit="records",
        remedy="estimate it with the task of the same name that ends in -regression, write ranges "
        "instead of numbers into the column (such as low, middle, high), or name the column with "
        "the classes with --columns label=NAME",
    )
    return True


def _own(plain: Mapping[str, int], found: Tally, where: str, findings: Findings) -> bool:
    """Nearly every record has a label of its own: a text or an identifier."""
    records = sum(plain.values()) + found.more
    values = len(plain) + found.more
    if values <= _OWN_LABELS or records >= 2 * values:
        return False
    findings.add(
        "labels-all-different",
        f"{where}: the label column holds {values:,} different labels in {records:,} records, so "
        "that there is nothing to learn about most of them",
        level="refusal",
        count=records,
        unit="records",
        examples=list(plain)[:3],
        remedy="name the right column with --columns label=NAME",
    )
    return True


def _spelled(found: Tally, source: Source, names: LabelNames, findings: Findings) -> None:
    """Spellings that mean one class."""
    cased: list[str] = []
    plainly: list[str] = []
    for cell, label in found.labels():
        if label is None or cell == (name := names(label)) or name is None:
            continue
        (plainly if name == label else cased).append(cell)
    where = short(source)
    if cased:
        findings.add(
            "labels-case",
            f"{where}: labels that differ in upper and lower case are counted as one class",
            count=sum(found.cells[cell] for cell in cased),
            unit="records",
            examples=[f"{cell!r} as {names(plain_label(cell))!r}" for cell in cased],
            remedy="give them different names if they are different classes",
        )
    if plainly:
        findings.add(
            "labels-spelling",
            f"{where}: labels with blanks around them, in another Unicode form or number format "
            "are counted as the same class",
            level="note",
            count=sum(found.cells[cell] for cell in plainly),
            unit="records",
            examples=[f"{cell!r} as {names(plain_label(cell))!r}" for cell in plainly],
        )


def tell_unreadable(count: int, places: Iterable[int], source: Source, findings: Findings) -> None:
    """Adds that records cannot be read at all.

    Args:
        count: how many.
        places: of the first of them in the source.
        source: of the records.
        findings: takes it.
    """
    if count:
        findings.add(
            "records-unreadable",
            f"{short(source)}: records that cannot be read are left out",
            count=count,
            unit="records",
            examples=[record_id(source, index) for index in places],
            remedy="each is named with the reason where it is used",
        )


def _unlabelled(found: Tally, source: Source, names: LabelNames, findings: Findings) -> None:
    where = short(source)
    words = [cell for cell, label in found.labels() if label is None or names(label) is None]
    missing = sum(found.cells[cell] for cell in words)
    if found.empty or missing:
        shown = _examples(found, source, words)
        findings.add(
            "labels-missing",
            f"{where}: records without a label are left out",
            count=found.empty + missing,
            unit="records",
            examples=shown,
            remedy="fill in the label, or name the right column with --columns label=NAME"
            if found.empty + missing == found.records
            else "",
        )
    classes = [name for name in names.names if is_missing_word(name)]
    for name in classes:
        findings.add(
            "labels-missing-word",
            f"{where}: {name!r} is taken as a class, because it is as frequent as the others",
            count=found.cells.get(name, 0),
            unit="records",
            remedy="empty these cells if it means that there is no label",
        )
