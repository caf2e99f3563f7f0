"""Results on their way to be scored: what cannot be scored is counted and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from anysize.core.errors import DataError
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.lengths import ReceiptCounter
from anysize.evaluation.numbers import counted, percent

MOST_NAMED = 100


@dataclass(slots=True)
class Passed:
    """What went by.

    Attributes:
        source: tells the target of each result, in order.
        receipts: of the results that were scored.
        without_target: records that had none.
        failure_count, failures: records that could not be read; the first are named.
        copies: records with the content of a training record.
    """

    source: Source
    receipts: ReceiptCounter = field(default_factory=ReceiptCounter)
    without_target: int = 0
    failure_count: int = 0
    failures: list[ErrorResult] = field(default_factory=list)
    copies: int = 0

    def scored(
        self, results: Iterable[Result | ErrorResult]
    ) -> Iterator[tuple[int, Result, Any, bool]]:
        """Place, result, target, and whether it is a copy, of all that can be scored."""
        seen = getattr(self.source, "seen", None)
        for ordinal, result in enumerate(results):
            if isinstance(result, ErrorResult):
                self.failure_count += 1
                if len(self.failures) < MOST_NAMED:
                    self.failures.append(result)
                continue
            target = result.target
            if target is None:
                target = self.source[ordinal].target
            if target is None:
                self.without_target += 1
                continue
            self.receipts.add(result.receipt)
            copy = bool(seen is not None and seen[ordinal])
            self.copies += copy
            yield ordinal, result, target, copy

    def refuse(self, what: str) -> None:
        """Raises a ``DataError``: nothing could be scored.

        Args:
            what: that records lack, with how to name its column.
        """
        if self.without_target:
            problem = f"none of the {self.without_target} records has {what}, or use predict"
        elif self.failure_count:
            first = f": {self.failures[0].error}" if self.failures else ""
            problem = f"none of the {self.failure_count} records could be read{first}"
        else:
            problem = "there are no records"
        raise DataError(self.source.name, problem)


def notices_of(
    *, receipts: Any, without_target: int, failure_count: int, copies: int, what: str
) -> Sequence[str]:
    """What a reader must know before believing the numbers, a sentence each.

    Args:
        receipts: their summary.
        without_target: records without ``what``.
        failure_count: records that could not be read.
        copies: records with the content of a training record.
        what: ``label`` or ``number``.
    """
    lines = []
    if failure_count:
        lines.append(
            f"{counted(failure_count, 'record', 'records')} could not be read; not scored, but "
            "named at the end."
        )
    if without_target:
        lines.append(
            f"{counted(without_target, 'record has', 'records have')} no {what}; not scored."
        )
    if copies:
        lines.append(
            f"{counted(copies, 'record has', 'records have')} the same content as a training "
            "record."
        )
    if receipts.fully_covered < receipts.records:
        reasons = "; ".join(receipts.reasons)
        lines.append(
            f"{counted(receipts.records - receipts.fully_covered, 'record was', 'records were')} "
            f"not read completely (least: {percent(receipts.lowest_covered)})"
            f"{': ' + reasons if reasons else ''}."
        )
    return lines
