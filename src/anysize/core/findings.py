"""Findings: what was guessed, repaired or left out of data, each with a count and a remedy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from anysize.core.errors import DataError

Level: TypeAlias = Literal["note", "warning", "refusal"]
LEVELS: tuple[Level, ...] = ("note", "warning", "refusal")

_EXAMPLES = 5

_SINGULAR = {"classes": "class", "entries": "entry", "boxes": "box"}

_log = logging.getLogger("anysize")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was noticed about data.

    Attributes:
        code: what kind of thing, in kebab case (``column-left-out``); the same in every version.
        level: ``note`` is information; ``warning`` means that something was left out, repaired or
            is doubtful; ``refusal`` means that the work cannot be right.
        message: one plain sentence that names the file, column or class.
        count: how many ``unit`` it concerns.
        unit: ``rows``, ``files``, ``columns``, ``pages``, …
        examples: up to five of them: ``reviews.csv:12``, paths, values.
        remedy: what to do; empty where there is nothing to do.
    """

    code: str
    level: Level
    message: str
    count: int = 1
    unit: str = "rows"
    examples: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def amount(self) -> str:
        """How many of what: ``1 file``, ``2,345 records``."""
        if self.count == 1:
            return f"1 {_SINGULAR.get(self.unit, self.unit.removesuffix('s'))}"
        return f"{self.count:,} {self.unit}"

    def sentence(self) -> str:
        """All of it in one line: the message, examples in brackets, the remedy."""
        shown = ", ".join(self.examples)
        more = ", …" if self.examples and self.count > len(self.examples) else ""
        words = f"{self.message} ({shown}{more})" if shown else self.message
        return f"{words}; {self.remedy}" if self.remedy else words

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Finding:
        """What ``to_json`` gave."""
        return cls(**{**entries, "examples": tuple(entries["examples"])})

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "level": self.level,
            "message": self.message,
            "count": self.count,
            "unit": self.unit,
            "examples": list(self.examples),
            "remedy": self.remedy,
        }


class Findings:
    """Collects findings; one of the same code and message is kept once and its counts are added.

    Safe to call from several threads. Iterates over the findings, the gravest first, otherwise in
    the order in which they were made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Finding] = {}
        self._logged: set[tuple[str, str]] = set()
        self._next: Findings | None = None

    def add(
        self,
        code: str,
        message: str,
        *,
        level: Level = "warning",
        count: int = 1,
        unit: str = "rows",
        examples: Iterable[str] = (),
        remedy: str = "",
    ) -> None:
        """Notes one thing; see ``Finding``."""
        new = Finding(
            code=code,
            level=level,
            message=message,
            count=count,
            unit=unit,
            examples=tuple(examples)[:_EXAMPLES],
            remedy=remedy,
        )
        self._put(new)

    def join(self, others: Iterable[Finding]) -> None:
        """Adds findings that were made elsewhere."""
        for finding in others:
            self._put(finding)

    def lead_to(self, other: Findings) -> None:
        """Gives all findings to another collector, those that are still to come included."""
        other.join(self)
        self._next = other

    def refuse(self, *, strict: bool = False) -> None:
        """Stops before work starts if anything found makes it wrong.

        Args:
            strict: warnings stop it too.

        Raises:
            DataError: names every refusal, with ``strict`` every warning.
        """
        stopping = [
            one for one in self if one.level == "refusal" or (strict and one.level == "warning")
        ]
        if not stopping:
            return
        raise DataError("data", "\n".join(one.sentence() for one in stopping))

    def log(self) -> None:
        """Logs the warnings that were not logged yet, each once, to the logger ``anysize``."""
        for one in self:
            if one.level == "warning" and (one.code, one.message) not in self._logged:
                self._logged.add((one.code, one.message))
                _log.warning("%s", one.sentence())

    def checked(self, *, strict: bool = False) -> None:
        """Logs the warnings, and stops the work where something makes it wrong; see ``refuse``."""
        if not strict:
            self.log()
        self.refuse(strict=strict)

    def warnings(self) -> list[Finding]:
        """Those that a person should see before work starts."""
        return [one for one in self if one.level != "note"]

    def to_json(self) -> list[dict[str, Any]]:
        return [one.to_json() for one in self]

    def __iter__(self) -> Iterator[Finding]:
        with self._lock:
            found = list(self._found.values())
        return iter(sorted(found, key=lambda one: -LEVELS.index(one.level)))

    def __len__(self) -> int:
        return len(self._found)

    def __getstate__(self) -> dict[str, list[Finding]]:
        return {"found": list(self)}

    def __setstate__(self, state: dict[str, list[Finding]]) -> None:
        self._lock, self._found = threading.Lock(), {}
        self._logged, self._next = set(), None
        self.join(state["found"])

    def _put(self, new: Finding) -> None:
        if self._next is not None:
            self._next._put(new)
        with self._lock:
            old = self._found.get((new.code, new.message))
            if old is not None:
                new = replace(
                    new,
                    level=max(old.level, new.level, key=LEVELS.index),
                    count=old.count + new.count,
                    examples=tuple(dict.fromkeys([*old.examples, *new.examples]))[:_EXAMPLES],
                )
            self._found[new.code, new.message] = new
