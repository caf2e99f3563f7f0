"""Results that are not all there yet: a folder beside their place, from which one can go on.

``NAME.partial`` holds ``results.jsonl``, a line for each record in the order of the input, and
``work.json``, which says what the lines are results of. How far the work has come is the number of
whole lines, so a kill at any moment loses at most the line that was being written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from anysize.core.errors import ConfigurationError
from anysize.core.files import ESCAPED, disk_errors, write_json
from anysize.core.plurals import number_of

RESULTS, WORK = "results.jsonl", "work.json"
FORMAT = 1


def place_of(out: Path) -> Path:
    """The folder of what is not all there yet."""
    return out.with_name(out.name + ".partial")


def is_finished(out: Path, count: int, first: Callable[[], str]) -> bool:
    """Whether results are whole already, so that nothing is left to do.

    Args:
        out: where the results go.
        count: of the records that they are to be results of.
        first: what the row of the first of them is called; asked for where it is compared.

    Raises:
        ConfigurationError: there are whole results, and they are of other records.
    """
    if not out.is_file() or place_of(out).exists():
        return False
    if out.suffix.lower() in (".jsonl", ".ndjson"):
        with out.open("rb") as file:
            line = file.readline()
            there = bool(line) + sum(1 for _ in file)
        try:
            own = json.loads(line)["id"] if there else None
        except (ValueError, KeyError, TypeError):
            own = None
        if there != count or (count and own != first()):
            raise ConfigurationError(
                f"--resume: {out} is whole, with {number_of(there, 'result')}, and is not of "
                f"{'this' if count == 1 else 'these'} {number_of(count, 'record')}: choose another "
                "--out, or begin without --resume"
            )
    return True


class Partial:
    """Lines that are written one by one, and kept when the work is cut off.

    Args:
        out: where the results go in the end.
        work: what they are results of: inputs, model, options; JSON-ready.
        resume: go on after the lines that are there.

    Raises:
        ConfigurationError: there is nothing to go on with, or it is of other work.
    """

    def __init__(self, out: Path, work: Mapping[str, Any], *, resume: bool) -> None:
        self.out = out
        self.folder = place_of(out)
        self.path = self.folder / RESULTS
        self.resumed = resume
        self.errors = 0
        if resume:
            self._check(work)
        else:
            self._begin(work)
        self.lines = self._whole() if resume else 0
        self._file: BinaryIO = self.path.open("ab")

    def write(self, entries: Mapping[str, Any]) -> None:
        """One more line."""
        with disk_errors(self.path):
            self._file.write(line_of(entries))
            self._file.flush()
        self.lines += 1

    def close(self) -> None:
        """Ends writing; what was written is on the disk."""
        with disk_errors(self.path):
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            finally:
                self._file.close()

    def remove(self) -> None:
        """Removes all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, work: Mapping[str, Any]) -> None:
        self.remove()
        try:
            write_json(self.folder / WORK, {"format": FORMAT, **work})
        except BaseException:
            self.remove()
            raise

    def _check(self, work: Mapping[str, Any]) -> None:
        try:
            before = json.loads((self.folder / WORK).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigurationError(
                f"--resume finds nothing to go on with: there is no {self.folder}; check --out, or "
                "begin without --resume"
            ) from None
        except ValueError as error:
            raise ConfigurationError(
                f"--resume: {self.folder / WORK} is damaged ({error}); begin without --resume"
            ) from None
        now = json.loads(json.dumps({"format": FORMAT, **work}))
        changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if changed:
            raise ConfigurationError(
                f"--resume: {', '.join(changed)} {'is' if len(changed) == 1 else 'are'} not what "
                f"{self.folder} was begun with; use the same, or begin without --resume"
            )

    def _whole(self) -> int:
        """Counts the whole lines, and cuts off what is behind them."""
        count = end = 0
        if not self.path.exists():
            return 0
        with self.path.open("r+b") as file:
            for line in file:
                if not line.endswith(b"}\n") or not line.startswith(b"{"):
                    break
                count += 1
                end += len(line)
                self.errors += b'"error": ' in line and "error" in json.loads(line)
            file.truncate(end)
        return count


def line_of(entries: Mapping[str, Any]) -> bytes:
    """A row as a line of JSON Lines; half a character (a lone surrogate) is escaped."""
    return (json.dumps(entries, ensure_ascii=False) + "\n").encode("utf-8", ESCAPED)
