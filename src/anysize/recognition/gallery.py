"""Galleries: who is known, as vectors and thresholds; no pictures and no recordings.

A gallery is a folder of two files. ``vectors-REVISION.safetensors`` holds one tensor, ``vectors``
float32 ``[samples, width]`` of length one, person by person. ``gallery.json`` names the people,
the embedder that made the vectors, the thresholds and the vectors' file with its digest. It is
written last and by renaming, so a crash at any moment leaves the old gallery or the new one, and
vectors of a person who was deleted are gone from the disk when the deletion returns.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.files import write_bytes, write_json
from anysize.core.locks import only_writer
from anysize.recognition.pairs import new_samples, unit_vectors
from anysize.recognition.threshold import Threshold

CARD = "gallery.json"
FORMAT = 1
UNKNOWN = "unknown"
"""What a stranger is called; no person may have this name."""

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is known.

    Attributes:
        name: unique in the gallery.
        samples: how many vectors there are of them.
        added: when they were last enrolled (UTC, ISO 8601).
    """

    name: str
    samples: int
    added: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gallery:
    """People and their vectors; changes give a new gallery, ``save`` puts it on disk.

    Attributes:
        embedder: fingerprint of the model that made the vectors; see ``embedder_fingerprint``.
        people: sorted by name.
        vectors: float32 ``[samples, width]`` of length one, in the order of ``people``.
        search: for naming a sample of somebody who may be anyone; None until calibrated.
        pair: for the comparison of two samples; None until calibrated.
        revision: rises by one with each ``save``; 0 was never saved.
    """

    embedder: str
    people: tuple[Person, ...] = ()
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    search: Threshold | None = None
    pair: Threshold | None = None
    revision: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(person.name for person in self.people)

    @property
    def owners(self) -> NDArray[np.int64]:
        """Each vector's person, a number into ``people``."""
        counts = [person.samples for person in self.people]
        return np.repeat(np.arange(len(counts)), counts)

    def of(self, name: str) -> NDArray[np.float32]:
        """One person's vectors ``[samples, width]``.

        Raises:
            ConfigurationError: nobody of that name.
        """
        own: NDArray[np.float32] = self.vectors[self.owners == self._place(name)]
        return own

    def added(self, people: Mapping[str, NDArray[Any]], *, now: datetime | None = None) -> Gallery:
        """With more samples of people who are new or known; thresholds must be set anew.

        A sample that is there already, or that comes twice, is the same picture and counts once.

        Args:
            people: vectors ``[samples, width]`` of any length, by name.
            now: when; None is the clock's time.

        Raises:
            ConfigurationError: names that break their rules, or vectors of another width.
            DataError: a vector that is zero or not finite.
        """
        stamp = (now or datetime.now(UTC)).isoformat(timespec="seconds")
        self._check(people)
        held = {person.name: (person, self.of(person.name)) for person in self.people}
        for name, vectors in people.items():
            fresh = unit_vectors(vectors, name)
            before = held[name][1] if name in held else fresh[:0]
            fresh = np.concatenate([before, new_samples(before, fresh)])
            held[name] = (Person(name=name, samples=len(fresh), added=stamp), fresh)
        return self._with(held)

    def removed(self, names: Sequence[str]) -> Gallery:
        """Without these people; thresholds must be set anew.

        Raises:
            ConfigurationError: somebody is not in the gallery.
        """
        missing = sorted(set(names) - set(self.names))
        if missing:
            known = ", ".join(self.names[:10]) or "nobody"
            raise ConfigurationError(
                [f"{name!r} is not in the gallery; it holds: {known}" for name in missing]
            )
        return self._with(
            {
                person.name: (person, self.of(person.name))
                for person in self.people
                if person.name not in names
            }
        )

    def check_embedder(self, fingerprint: str, origin: str) -> None:
        """Refuses vectors of another model, which mean nothing to this one.

        Raises:
            DataError: the gallery was made with another model.
        """
        if self.embedder != fingerprint:
            raise DataError(
                origin,
                f"was made with another model (fingerprint {self.embedder[:12]}, this one has "
                f"{fingerprint[:12]}); enroll the people again with this model",
            )

    def _place(self, name: str) -> int:
        try:
            return self.names.index(name)
        except ValueError:
            raise ConfigurationError(f"{name!r} is not in the gallery") from None

    def _with(self, held: Mapping[str, tuple[Person, NDArray[np.float32]]]) -> Gallery:
        ordered = [held[name] for name in sorted(held)]
        empty = np.zeros((0, self.vectors.shape[1]), np.float32)
        return dataclasses.replace(
            self,
            people=tuple(person for person, _ in ordered),
            vectors=np.concatenate([vectors for _, vectors in ordered]) if ordered else empty,
            search=None,
            pair=None,
        )

    def _check(self, people: Mapping[str, NDArray[Any]]) -> None:
        problems = []
        width = self.vectors.shape[1] if self.people else None
        for name, vectors in people.items():
            shape = np.shape(vectors)
            width = width or (shape[1] if len(shape) == 2 else None)
            if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
                problems.append(
                    f"a name must have 1 to {_LONGEST_NAME} printable characters, not {name!r}"
                )
            if name == UNKNOWN:
                problems.append(f"the name {UNKNOWN!r} is for people who are not in the gallery")
            if len(shape) != 2 or not shape[0] or shape[1] != width:
                problems.append(f"vectors of {name!r} must be [samples, {width}], not {shape}")
        if problems:
            raise ConfigurationError(problems)


def save(gallery: Gallery, folder: str | Path) -> Gallery:
    """Puts a gallery on disk as the next revision and returns it with that number.

    Raises:
        DataError: the one on disk is not the one that this was made from.
    """
    from safetensors.numpy import save as to_bytes

    folder = Path(folder)
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
    with only_writer(folder, wait=True):
        found = _read_card(folder)["revision"] if (folder / CARD).exists() else 0
        if found != gallery.revision:
            raise DataError(
                str(folder),
                f"has been changed meanwhile (revision {found}, this is {gallery.revision}); "
                "open it and make the change again",
            )
        saved = dataclasses.replace(gallery, revision=gallery.revision + 1)
        name = f"vectors-{saved.revision}.safetensors"
        content = to_bytes({"vectors": np.ascontiguousarray(saved.vectors)})
        write_bytes(folder / name, content, private=True)
        card = {
            "format": FORMAT,
            "revision": saved.revision,
            "embedder": saved.embedder,
            "vectors": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "search": None if saved.search is None else saved.search.to_json(),
            "pair": None if saved.pair is None else saved.pair.to_json(),
            "people": [dataclasses.asdict(person) for person in saved.people],
        }
        write_json(folder / CARD, card, private=True)
        for path in folder.glob("vectors-*.safetensors"):
            if path.name != name:
                path.unlink()
    return saved


def check_place(folder: str | Path, *, remove: bool) -> None:
    """Refuses a place for a gallery before anything is compared.

    Args:
        folder: of the gallery.
        remove: whether people are to be deleted from it, so that it has to be there.

    Raises:
        ConfigurationError: it is a file, holds other things, or there is no gallery to change.
    """
    folder = Path(folder)
    if (folder / CARD).exists():
        return
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"a gallery is a folder, but {folder} is a file")
    if remove:
        raise ConfigurationError(f"{folder} holds no gallery, so nobody can be deleted from it")
    if folder.is_dir() and any(not each.name.startswith(".") for each in folder.iterdir()):
        raise ConfigurationError(
            f"{folder} holds other things and no gallery: choose another folder for it"
        )


def load(folder: str | Path) -> Gallery:
    """The gallery in a folder.

    Raises:
        DataError: none is there, or it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    folder = Path(folder)
    while True:
        card = _read_card(folder)
        try:
            content = (folder / card["vectors"]).read_bytes()
            break
        except OSError as error:
            # A writer may have replaced both files since the card was read.
            if _read_card(folder)["revision"] == card["revision"]:
                raise DataError(str(folder), f"{card['vectors']}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise DataError(str(folder / card["vectors"]), "is damaged: its digest is not the card's")
    try:
        vectors = from_bytes(content)["vectors"]
        gallery = Gallery(
            embedder=str(card["embedder"]),
            people=tuple(Person(**entry) for entry in card["people"]),
            vectors=vectors,
            search=None if card["search"] is None else Threshold.from_json(card["search"]),
            pair=None if card["pair"] is None else Threshold.from_json(card["pair"]),
            revision=card["revision"],
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(str(folder / CARD), f"is not a gallery's: {error!r}") from error
    if vectors.ndim != 2 or len(gallery.owners) != len(vectors):
        raise DataError(
            str(folder),
            f"names {len(gallery.owners)} samples, but the vectors are {list(vectors.shape)}",
        )
    return gallery


def embedder_fingerprint(bundle: str | Path) -> str:
    """SHA-256 of a bundle's weights: vectors of two models cannot be compared.

    Raises:
        DataError: no ``model.safetensors``.
    """
    path = Path(bundle) / "model.safetensors"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from error


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            str(folder), f"no {CARD} can be read ({error.strerror}); make one with enroll"
        ) from error
    except ValueError as error:
        raise DataError(str(path), f"is damaged: {error}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise DataError(str(path), f"is not a gallery of format {FORMAT}")
    name = card.get("vectors")
    if not isinstance(name, str) or Path(name).name != name or "revision" not in card:
        raise DataError(str(path), "does not say where its vectors are")
    return card
