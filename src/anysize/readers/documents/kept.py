"""Texts of documents that take long to read, kept from one reading to the next.

Beside the indexes (``sources.cache``): the text in UTF-8, and a file with the places and notes that
says which document and which text it belongs to. A document that changes is read anew.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import AnysizeError
from anysize.core.files import replacing, write_json
from anysize.readers.documents.places import Places
from anysize.readers.text import Text
from anysize.sources.cache import cache_file, signature

if TYPE_CHECKING:
    from anysize.readers.documents.text import Reading

# Raised whenever the same document would give another text.
_VERSION = 1


class Kept:
    """The kept text of one document.

    Args:
        path: of the document.
        encoding: that the user names.
    """

    __slots__ = ("_encoding", "_path")

    def __init__(self, path: Path, encoding: str) -> None:
        self._path, self._encoding = path, encoding

    def open(self) -> tuple[Text, Reading] | None:
        """The text, and what is known of it; None where it is not kept, or is of another state."""
        from anysize.readers.documents.text import Reading

        try:
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
            same = facts["signature"] == self._signature() and facts["text"] == _state(self._text)
            if not same:
                return None
            reading = Reading()
            reading.places = Places.from_json(facts["places"])
            reading.notes, reading.counts = tuple(facts["notes"]), dict(facts["counts"])
            reading.characters, reading.replaced = facts["characters"], facts["replaced"]
            reading.complete = True
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Text(self._text, origin=str(self._path)), reading

    @contextlib.contextmanager
    def writing(self, reading: Reading) -> Iterator[Callable[[str], None]]:
        """Takes the pieces of a reading; what is complete at the end is kept.

        Nothing is kept where the reading is broken off, or where the cache cannot be written: the
        document is then read again the next time.
        """
        signed = self._signature()
        with contextlib.ExitStack() as stack:
            try:
                out = stack.enter_context(replacing(self._text, durable=False, private=True))
            except (OSError, AnysizeError):
                yield _nowhere
                return
            full = False

            def keep(piece: str) -> None:
                nonlocal full
                if full:
                    return
                try:
                    out.write(piece.encode())
                except OSError:
                    full = True  # of no consequence for what is read

            yield keep
            if full or not reading.complete:
                raise_away = stack.pop_all()
                with contextlib.suppress(_BrokenError):
                    raise_away.__exit__(_BrokenError, _BrokenError(), None)
                return
        with contextlib.suppress(OSError, AnysizeError):
            facts: dict[str, Any] = {
                "signature": signed,
                "text": _state(self._text),
                "characters": reading.characters,
                "replaced": reading.replaced,
                "notes": list(reading.notes),
                "counts": reading.counts,
                "places": reading.places.to_json(),
            }
            write_json(self._facts, facts, durable=False, private=True)

    @property
    def _text(self) -> Path:
        return cache_file(self._path, "text")

    @property
    def _facts(self) -> Path:
        return cache_file(self._path, "places.json")

    def _signature(self) -> dict[str, Any]:
        with self._path.open("rb") as file:
            return signature(file, version=_VERSION, encoding=self._encoding)


class _BrokenError(Exception):
    """Leaves a file that is being written without putting it in place."""


def _nowhere(piece: str) -> None:
    """Keeps nothing."""


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
