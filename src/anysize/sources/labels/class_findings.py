"""What is said of classes: rare ones, uneven ones, those that are missing where they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anysize.core.findings import Findings

_SEPARATORS = ("|", ";", ",")
_UNEVEN = 10


def tell_joined(counts: Mapping[str, int], where: str, findings: Findings) -> None:
    """Labels such as ``comedy|drama``: several in one cell."""
    for separator in _SEPARATORS:
        joined = [name for name in counts if separator in name]
        parts = {part.strip() for name in counts for part in name.split(separator)}
        if len(joined) >= 3 and 2 * len(joined) >= len(counts) and len(parts) < len(counts):
            findings.add(
                "labels-joined",
                f"{where}: labels look like several in one, separated by {separator!r}; each "
                "combination is a class",
                count=sum(counts[name] for name in joined),
                unit="records",
                examples=[repr(name) for name in joined],
                remedy="train with --head multi_label_classification if a record may have "
                "several of them",
            )
            return


def tell_rare(counts: Mapping[str, Mapping[str, int]], where: str, findings: Findings) -> None:
    """Classes of one training record, and those that only some parts have."""
    training = counts["train"]
    single = [name for name, count in training.items() if count == 1]
    if single and len(training) > 1:
        findings.add(
            "labels-single",
            f"{where}: {_classes(len(single))} one record for training, from which next to nothing "
            "can be learned",
            count=len(single),
            unit="classes",
            examples=[repr(name) for name in single],
            remedy="collect more of them, or join them into one class (other)",
        )
    for part in ("validation", "test"):
        held = counts.get(part)
        if not held:
            continue
        # A class of one record cannot be in two parts.
        absent = [name for name in training if name not in held and name not in single]
        if absent:
            findings.add(
                f"labels-absent-{part}",
                f"{where}: {_classes(len(absent))} no record in the {part} part, so that nothing "
                f"measured there says how well they are recognised",
                count=len(absent),
                unit="classes",
                examples=[repr(name) for name in absent],
                remedy="more records, or a larger part: --validation, --test",
            )
        unknown = [name for name in held if name not in training]
        if unknown and len(unknown) == len(held) and part == "validation":
            findings.add(
                "labels-unknown-validation",
                f"{where}: no record of the validation part has a label that a training record "
                "has, so that nothing could be measured while training",
                level="refusal",
                count=sum(held.values()),
                unit="records",
                examples=[repr(name) for name in unknown],
                remedy="use more records of each class, or no validation (--validation 0)",
            )
        elif unknown:
            findings.add(
                f"labels-unknown-{part}",
                f"{where}: records of the {part} part have labels that no training record has; "
                "they are not counted in any score",
                count=sum(held[name] for name in unknown),
                unit="records",
                examples=[f"{name!r} ({held[name]:,})" for name in unknown],
            )


def _classes(count: int) -> str:
    return "1 class has" if count == 1 else f"{count:,} classes have"


def tell_uneven(counts: Mapping[str, int], where: str, findings: Findings) -> None:
    """A class that is so large that answering it always seems good."""
    if len(counts) < 2:
        return
    order = sorted(counts, key=lambda name: -counts[name])
    most, total = counts[order[0]], sum(counts.values())
    mean_of_others = (total - most) / (len(counts) - 1)
    if most < _UNEVEN * mean_of_others or most * 2 < total:
        return
    findings.add(
        "labels-uneven",
        f"{where}: {order[0]!r} has {most / total:.0%} of the training records, so that an "
        f"accuracy of {most / total:.0%} is reached by always answering it",
        count=total - most,
        unit="records",
        examples=[f"{name!r} {counts[name]:,}" for name in order],
        remedy="judge by macro_f1 (in evaluate), which counts all classes alike, and collect more "
        "records of the rare ones",
    )


def tell_single(counts: Mapping[str, int], where: str, findings: Findings) -> None:
    """Says that there is one class alone, which training refuses."""
    if len(counts) == 1:
        ((name, count),) = counts.items()
        findings.add(
            "labels-one",
            f"{where}: all records for training have the same label, {name!r}, so that there is "
            "nothing to learn",
            count=count,
            unit="records",
            remedy="add records of another class, or name the right column with --columns "
            "label=NAME",
        )


def tell_named(counts: Mapping[str, int], labels: Sequence[str], findings: Findings) -> None:
    """Says where the classes that the user names are not those of the training records.

    Args:
        counts: training records by label; empty where they have none.
        labels: that the user names; empty where they are taken from the data.
        findings: takes it.
    """
    if not counts or not labels:
        return
    unnamed = [name for name in counts if name not in labels]
    if unnamed:
        findings.add(
            "labels-unnamed",
            "records for training have labels that --labels does not name; they are left out",
            count=sum(counts[name] for name in unnamed),
            unit="records",
            examples=[f"{name!r} ({counts[name]:,})" for name in unnamed],
            remedy="name them too, or leave out --labels",
        )
    absent = [name for name in labels if not counts.get(name)]
    if absent:
        findings.add(
            "labels-named-absent",
            "no record for training has a label that --labels names",
            count=len(absent),
            unit="classes",
            examples=[repr(name) for name in absent],
            remedy="check how they are spelled",
        )
