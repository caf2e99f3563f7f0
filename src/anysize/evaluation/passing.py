"""Results on their way to be scored: what cannot be scored is counted and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anysize.core.errors import DataError
from anysize.core.findings import Finding
from anysize.core.plurals import none_of, number_of
from anysize.core.records import Record, Source
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.lengths import ReceiptCounter, ReceiptSummary
from anysize.evaluation.numbers import percent

MOST_NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What every evaluation says of the records beside its scores.

    Attributes:
        receipts: what was read.
        without_target: records that had no target; not scored.
        failure_count, failures: records that could not be read; the first are named.
        copies: records with the content of a training record.
        findings: what was guessed, repaired or left out of the data.
    """

    receipts: ReceiptSummary
    without_target: int
    failure_count: int
    failures: tuple[ErrorResult, ...]
    copies: int
    findings: tuple[Finding, ...] = ()

    def account(self) -> dict[str, Any]:
        """Its part of ``metrics.json``."""
        return {
            "failed_records": self.failure_count,
            "records_without_target": self.without_target,
            "copies_of_training_records": self.copies,
            "receipts": self.receipts.to_json(),
            "failures": [each.to_json() for each in self.failures],
            "findings": [each.to_json() for each in self.findings],
        }

    def notices(self, what: str) -> list[str]:
        """What a reader must know before believing the numbers, a sentence each.

        Args:
            what: ``label`` or ``number``, which records may lack.
        """
        lines = []
        if self.failure_count:
            lines.append(
                f"{number_of(self.failure_count, 'record')} could not be read; not "
                "scored, but named at the end."
            )
        if self.without_target:
            lines.append(
                f"{number_of(self.without_target, 'record has', 'records have')} no {what}; not "
                "scored."
            )
        if self.copies:
            lines.append(
                f"{number_of(self.copies, 'record has', 'records have')} the same content as a "
                "training record."
            )
        receipts = self.receipts
        if receipts.fully_covered < receipts.records:
            partly = receipts.records - receipts.fully_covered
            reasons = "; ".join(receipts.reasons)
            lines.append(
                f"{number_of(partly, 'record was', 'records were')} not read completely (least: "
                f"{percent(receipts.lowest_covered)}){': ' + reasons if reasons else ''}."
            )
        return lines


@dataclass(slots=True)
class Passed:
    """What was scored and what was not.

    Attributes:
        source: of the targets, in the order of the results.
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
        self,
        results: Iterable[Result | ErrorResult],
        read: Callable[[Record], Any] | None = None,
    ) -> Iterator[tuple[int, Result, Any, bool]]:
        """Place, result, target, and whether it is a copy, of all that can be scored.

        Args:
            results: one a record, in the order of the source.
            read: makes what is scored of a record, None where it has no target; a record whose
                target is not understood (``DataError``) is a failure. Without it, the target is as
                the result or the data have it.
        """
        seen = getattr(self.source, "seen", None)
        for ordinal, result in enumerate(results):
            if isinstance(result, ErrorResult):
                self.fail(result)
                continue
            if read is None:
                target = result.target
                if target is None:
                    target = self.source[ordinal].target
            else:
                try:
                    target = read(self.source[ordinal])
                except DataError as error:
                    self.fail(ErrorResult(id=result.id, error=str(error)))
                    continue
            if target is None:
                self.without_target += 1
                continue
            self.receipts.add(result.receipt)
            copy = bool(seen is not None and seen[ordinal])
            self.copies += copy
            yield ordinal, result, target, copy

    def fail(self, result: ErrorResult) -> None:
        """Counts a record that could not be read."""
        self.failure_count += 1
        if len(self.failures) < MOST_NAMED:
            self.failures.append(result)

    def account(self) -> dict[str, Any]:
        """The fields of an `Account`."""
        return {
            "receipts": self.receipts.summary(),
            "without_target": self.without_target,
            "failure_count": self.failure_count,
            "failures": tuple(self.failures),
            "copies": self.copies,
        }

    def refuse(self, what: str) -> None:
        """Raises a ``DataError``: nothing could be scored.

        Args:
            what: that records lack, with how to name its column.
        """
        if self.without_target:
            problem = f"{none_of(self.without_target, 'record')} has {what}, or use predict"
        elif self.failure_count:
            first = f": {self.failures[0].error}" if self.failures else ""
            problem = f"{none_of(self.failure_count, 'record')} could be read{first}"
        else:
            problem = "there are no records"
        raise DataError(self.source.name, problem)
