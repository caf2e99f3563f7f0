"""Paraphrases of training texts, by two models for translation: there and back.

They are written to the cache once, a line for each record, as they come. A run that was ended goes
on where it stopped, and another run on the same data and with the same models finds them there.
"""

from __future__ import annotations

import json
import logging
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.augmentation.texts import Paraphrases, Rewriting
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.files import sync_folder
from anysize.core.locks import only_writer_of
from anysize.core.plurals import number_of
from anysize.core.progress import counted
from anysize.core.records import Source, TextField
from anysize.modalities.texts.cells import in_memory
from anysize.models.bundle import files_of
from anysize.planning.translators import Pair, check_folders
from anysize.results.partial import Partial, place_of
from anysize.sources.cache import cache_folder, signature
from anysize.sources.sample import sample_digest

if TYPE_CHECKING:
    from anysize.augmentation.steps import Step

LONGEST = 100_000
"""Characters of a text that is translated; longer ones stay as they are."""

_TEXT, _WHY = "text", "unusable"
_FORMAT = 1
BLOCK = 256
"""Texts whose translations are held at a time."""
_CHARACTERS = 1 << 20  # of them
_log = logging.getLogger("anysize")


class KeptParaphrases:
    """Paraphrases in a file; see ``augmentation.texts.Paraphrases``.

    Of the file, memory holds where its lines are, 24 bytes a record. Safe to read from several
    threads.

    Args:
        path: of the file: a JSON object a line, with ``id`` and ``text``, or ``unusable``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        keys, places = array("Q"), array("q", [0])
        self.reasons: Counter[str] = Counter()
        with path.open("rb") as file:
            for line in file:
                entries = json.loads(line)
                keys.append(_key(entries["id"]))
                places.append(places[-1] + len(line))
                if _WHY in entries:
                    self.reasons[entries[_WHY]] += 1
        self._bytes: NDArray[np.uint8] = (
            np.memmap(path, np.uint8, "r") if places[-1] else np.empty(0, np.uint8)
        )
        found = np.frombuffer(keys, np.uint64)
        self._order = np.argsort(found, kind="stable")
        self._keys, self._places = found[self._order], np.frombuffer(places, np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, record: str, text: TextField) -> TextField | None:
        """See ``augmentation.texts.Paraphrases``."""
        key = np.uint64(_key(record))
        for place in range(int(np.searchsorted(self._keys, key)), len(self._keys)):
            if self._keys[place] != key:
                break
            line = int(self._order[place])
            start, stop = (int(each) for each in self._places[line : line + 2])
            entries = json.loads(self._bytes[start:stop].tobytes())
            if entries["id"] == record:
                return in_memory(entries[_TEXT], text.origin) if _TEXT in entries else None
        return None


class MadeParaphrases:
    """Paraphrases that are made when they are asked for, of a few texts that are shown.

    Args:
        pair: translates.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._known: dict[str, TextField | None] = {}

    def of(self, record: str, text: TextField) -> TextField | None:
        """See ``augmentation.texts.Paraphrases``."""
        if record not in self._known:
            own = _whole(text)
            found, why = ("", "") if own is None else self._pair.paraphrases([(record, own)])[0]
            self._known[record] = None if why is not None else in_memory(found, text.origin)
        return self._known[record]


def needs_paraphrases(steps: Sequence[Step]) -> bool:
    """Whether a step puts paraphrases in the place of texts."""
    return any(isinstance(step, Rewriting) for step in steps)


def with_kept(
    steps: Sequence[Step], source: Source, role: str, memory: int | str | None
) -> tuple[Step, ...]:
    """The steps, with paraphrases of all records of a source in the cache.

    Args:
        steps: any.
        source: the training records.
        role: the field that is changed.
        memory: budget of the translations; None is the usual one.

    Raises:
        ConfigurationError: a model is missing, is not for translation or translates another way,
            or another process writes the same.
        BudgetError: the budget is too small for a model.
    """
    return _with(steps, lambda step: _kept(step, source, role, memory))


def with_made(steps: Sequence[Step], memory: int | str | None = None) -> tuple[Step, ...]:
    """The steps, with paraphrases that are made one by one; raises as `with_kept`."""
    return _with(steps, lambda step: MadeParaphrases(Pair(step.there, step.back, memory)))


def _with(
    steps: Sequence[Step], paraphrases: Callable[[Rewriting], Paraphrases]
) -> tuple[Step, ...]:
    return tuple(
        step.having(paraphrases(step)) if isinstance(step, Rewriting) else step for step in steps
    )


def _kept(step: Rewriting, source: Source, role: str, memory: int | str | None) -> KeptParaphrases:
    check_folders(step.there, step.back)
    work = _work(step, source, role)
    key = blake2b(json.dumps(work, sort_keys=True).encode(), digest_size=16).hexdigest()
    out = cache_folder() / f"paraphrases-{key}.jsonl"
    if not out.is_file():
        with only_writer_of(out):
            if not out.is_file():
                _write(step, source, role, memory, out, work)
    found = KeptParaphrases(out)
    if found.reasons:
        reasons = ", ".join(f"{why} ({count:,})" for why, count in found.reasons.most_common())
        _log.warning(
            "back_translation: %s of %s stay as they are, because they or their translations "
            "were: %s",
            f"{found.reasons.total():,}", number_of(len(found), "text", "texts"), reasons,
        )  # fmt: skip
    return found


def _work(step: Rewriting, source: Source, role: str) -> dict[str, Any]:
    """What decides what is written."""
    models = []
    for folder in (step.there, step.back):
        files = {}
        for path in files_of(folder):
            with path.open("rb") as file:
                signed = signature(file)
            # A copy of the bundle has other times.
            files[path.name] = [signed["size"], signed["edges"]]
        models.append(files)
    return {
        "kind": "paraphrases", "models": models, "data": source.fingerprint(), "field": role,
        "sample": sample_digest(source), "records": len(source), "written by": _FORMAT,
    }  # fmt: skip


def _write(
    step: Rewriting, source: Source, role: str, memory: int | str | None, out: Path,
    work: dict[str, Any],
) -> None:  # fmt: skip
    """Writes what is not there yet."""
    pair = Pair(step.there, step.back, memory)
    partial = _begun(out, work)
    name = f"translating {source.name} there and back"
    try:
        for line in counted(_lines(pair, source, role, partial.lines), name, len(source)):
            partial.write(line)
    finally:
        partial.close()
        pair.close()
    partial.path.replace(out)
    sync_folder(out.parent)
    partial.remove()


def _begun(out: Path, work: dict[str, Any]) -> Partial:
    """The lines that are there, to be gone on with, or none."""
    if place_of(out).exists():
        try:
            return Partial(out, work, resume=True)
        except ConfigurationError:
            # The folder's name says that it is of this work.
            _log.warning(
                "back_translation: what was translated before is damaged (%s): all texts are "
                "translated again",
                place_of(out),
            )
    return Partial(out, work, resume=False)


def _lines(pair: Pair, source: Source, role: str, first: int) -> Iterator[dict[str, Any]]:
    """A line for each record from one on, some translated together."""
    held: list[tuple[str, str | None]] = []
    size = 0
    for index in range(first, len(source)):
        record = source[index]
        try:
            own = _whole(record.text(role))
            held.append((record.id, own))
            size += len(own or "")
        except DataError:  # training counts and names it
            held.append((record.id, None))
        if len(held) >= BLOCK or size >= _CHARACTERS:
            yield from _translated(pair, held)
            held, size = [], 0
    yield from _translated(pair, held)


def _translated(pair: Pair, held: Sequence[tuple[str, str | None]]) -> Iterator[dict[str, Any]]:
    found = iter(pair.paraphrases([(name, text) for name, text in held if text is not None]))
    for name, own in held:
        text, why = ("", "unreadable or too long") if own is None else next(found)
        yield {"id": name, _TEXT: text} if why is None else {"id": name, _WHY: why}


def _whole(text: TextField) -> str | None:
    """All of a text; None where it is too long."""
    pieces, size = [], 0
    for chunk in text.chunks():
        pieces.append(chunk)
        size += len(chunk)
        if size > LONGEST:
            return None
    return "".join(pieces)


def _key(record: str) -> int:
    return int.from_bytes(blake2b(record.encode(), digest_size=8).digest(), "little")
