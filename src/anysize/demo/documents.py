"""Long text that every installation has: the documentation inside its own libraries.

The task: find out from a docstring which library it documents.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

LIBRARIES = ("numpy", "sklearn", "skimage", "torch")
FILES = 200
PER_LIBRARY = 150
SHORTEST, LONGEST = 80, 320

Item = TypeVar("Item")


def installed() -> tuple[str, ...]:
    """The libraries that are there."""
    return tuple(name for name in LIBRARIES if find_spec(name) is not None)


def docstrings(library: str, *, held_out: bool) -> Iterator[str]:
    """Docstrings of the library's functions and classes, read from the source, file by file.

    Files are split by a hash of their path, so no file gives both to training and to testing.
    """
    spec = find_spec(library)
    if spec is None or not spec.submodule_search_locations:
        return
    root = Path(spec.submodule_search_locations[0])
    for path in _spread(iter(sorted(root.rglob("*.py"))), FILES):
        name = path.relative_to(root).as_posix()
        if "test" in name or (_share(name) < 0.25) != held_out:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = ast.get_docstring(node)
                # The library's own name would give the answer away.
                if text and library not in text and len(text) >= SHORTEST:
                    yield text


def write_tables(folder: Path) -> None:
    """``training.jsonl`` and ``test.jsonl`` with ``text`` and ``label``."""
    for name, held_out in (("train", False), ("test", True)):
        most = PER_LIBRARY // 3 if held_out else PER_LIBRARY
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for library in installed():
                for text in _spread(docstrings(library, held_out=held_out), most):
                    row = {"text": text[:LONGEST], "label": library}
                    file.write(json.dumps(row) + "\n")


def write_book(path: Path, library: str, words: int) -> int:
    """One document of held-out docstrings of one library; returns its number of words."""
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < words:
            before = written
            for text in docstrings(library, held_out=True):
                file.write(text + "\n\n")
                written += len(text.split())
                if written >= words:
                    break
            if written == before:
                break
    return written


def _spread(items: Iterator[Item], most: int) -> list[Item]:
    """At most ``most`` of the items, evenly spread."""
    found = list(items)
    step = max(len(found) / most, 1.0)
    return [found[int(index * step)] for index in range(min(most, len(found)))]


def _share(name: str) -> float:
    return hashlib.blake2b(name.encode(), digest_size=2).digest()[0] / 256
