"""The kinds of inputs, found by listing this folder.

A file ``NAME.py`` here with ``PROVIDES = ("NAME",)`` is a kind. It has

- ``prepare(folder) -> None``: writes valid inputs, files or folders, into an empty folder;
- ``mutated(folder, random, into) -> Path``: writes one mutated input into the empty folder
  ``into`` and returns what is to be read. ``benchmarks.fuzz.mutation.mutated_file`` does it for
  kinds whose inputs are single files;
- ``read(path) -> None``: reads it as the product does. ``AnysizeError`` is an answer; any other
  exception counts as a traceback. It runs in a process of its own, one input after another.

All are deterministic: the same seed and number give the same input.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from random import Random
from typing import Protocol, cast


class Kind(Protocol):
    """What a file of a kind holds."""

    def prepare(self, folder: Path) -> None: ...

    def mutated(self, folder: Path, random: Random, into: Path) -> Path: ...

    def read(self, path: Path) -> None: ...


def names() -> list[str]:
    """All kinds, sorted."""
    here = Path(__file__).parent
    provided = re.compile(r"^PROVIDES = \(\"(\w+)\",\)", re.MULTILINE)
    found = (provided.search(path.read_text(encoding="utf-8")) for path in here.glob("*.py"))
    return sorted(match[1] for match in found if match)


def load(name: str) -> Kind:
    """The kind of that name, or of a module elsewhere by its dotted name."""
    return cast(Kind, importlib.import_module(name if "." in name else f"{__package__}.{name}"))


def random_of(kind: str, seed: int, number: int) -> Random:
    """The randomness of one input."""
    return Random(f"{kind} {seed} {number}")
