"""What went wrong with records, a line for each problem, however many records have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_NAMED = 3
_MOST = 1000


class Problems:
    """Gathers the problems of records in bounded memory.

    Args:
        found: records and what is wrong with each.
    """

    def __init__(self, found: Iterable[tuple[str, str]] = ()) -> None:
        self.count = 0
        self._records: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}
        for record, sentence in found:
            self.add(record, sentence)

    def add(self, record: str, sentence: str) -> None:
        """One more: the sentence may begin with the record's name, or with its whole path."""
        self.count += 1
        problem = without_name(record, sentence)
        if problem not in self._counts and len(self._counts) >= _MOST:
            return
        self._counts[problem] = self._counts.get(problem, 0) + 1
        names = self._records.setdefault(problem, [])
        if len(names) < _NAMED:
            names.append(record)

    def lines(self, most: int = 10) -> Iterator[str]:
        """A line for each of the commonest problems."""
        order = sorted(self._counts, key=lambda problem: -self._counts[problem])
        told = 0
        for problem in order[:most]:
            count, names = self._counts[problem], self._records[problem]
            told += count
            if count == 1:
                yield f"{names[0]}: {problem}"
            else:
                more = ", …" if count > len(names) else ""
                yield f"{problem} ({count} records: {', '.join(names)}{more})"
        if self.count > told:
            yield f"and {self.count - told} more"


def without_name(record: str, sentence: str) -> str:
    """What a sentence says behind the record's name; all of it where it does not begin so."""
    before, _, behind = sentence.partition(record)
    path = before.endswith("/") and ": " not in before
    if (path or not before) and behind.startswith((": ", " column ")):
        return behind.removeprefix(": ").lstrip()
    return sentence
