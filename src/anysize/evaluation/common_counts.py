"""What is counted of every record of a dataset, whatever it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.progress import counted
from anysize.core.records import Record, Source
from anysize.core.results import ErrorResult
from anysize.evaluation.sketches import DuplicateSketch
from anysize.evaluation.target_counts import TargetCounts

MOST_NAMED = 20


@dataclass(slots=True)
class Common:
    """What is counted of every record."""

    read: int = 0
    targets: TargetCounts = field(default_factory=TargetCounts)
    unreadable: int = 0
    named: list[ErrorResult] = field(default_factory=list)
    sketch: DuplicateSketch = field(default_factory=DuplicateSketch)
    label_of: Callable[[Record], Any] | None = None

    def readable(self, source: Source, limit: int | None) -> Iterator[tuple[int, Record]]:
        """The looked-at records with their indices; rows that cannot be read are counted."""
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit must be at least 1, not {limit}")
        total = len(source)
        looked = total if limit is None else min(limit, total)
        for step in counted(range(looked), f"reading {source.name}", looked):
            index = step * total // looked
            self.read += 1
            try:
                record = source[index]
            except DataError as error:
                self.failed(error.origin, error)
            else:
                yield index, record

    def failed(self, record: str, error: DataError) -> None:
        self.unreadable += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(ErrorResult(id=record, error=str(error)))

    def add(self, index: int, record: Record, digest: int) -> None:
        target = record.target if self.label_of is None else self.label_of(record)
        self.sketch.add(digest, self.targets.add(target), index)

    def fields(self, source: Source) -> dict[str, Any]:
        duplicates = self.sketch.duplicates()
        return {
            "name": source.name,
            "records": len(source),
            "read": self.read,
            "labels": self.targets.ordered(),
            "unlabelled": self.targets.unlabelled,
            "targets": self.targets.numbers(),
            "duplicates": duplicates,
            "duplicate_names": tuple(
                (source[first].id, source[second].id) for first, second in duplicates.examples
            ),
            "unreadable": self.unreadable,
            "unreadable_named": tuple(self.named),
        }
