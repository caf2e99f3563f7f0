"""Enrolling people from labelled records, and comparing two records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.plurals import number_of
from anysize.core.problems import Problems
from anysize.core.results import ErrorResult, Result
from anysize.recognition.gallery import CARD, Gallery, load, save
from anysize.recognition.likeness import alike
from anysize.recognition.matching import calibrated
from anysize.recognition.naming import EMBEDDING
from anysize.recognition.pairs import numbered, unit_vectors
from anysize.recognition.threshold import Threshold

_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Embeddings by name, and what gave none.

    Attributes:
        people: vectors ``[samples, width]`` by name.
        empty: ids of records in which nothing was found.
        several: ids of records in which more than one thing was found; the first counts.
        nameless: how many records had no identity.
        failures: records that could not be read.
        remarks: what the receipts of the others say, a line for each kind.
    """

    people: Mapping[str, NDArray[np.float64]]
    empty: tuple[str, ...]
    several: tuple[str, ...]
    nameless: int
    failures: tuple[ErrorResult, ...]
    remarks: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What the person who enrolls should know."""
        lines = [
            f"{words}: {', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''}"
            for names, words in (
                (self.empty, "nothing found in"),
                (self.several, "more than one found, the first and largest taken, in"),
            )
            if names
        ]
        if self.nameless:
            words = ("record without an identity was", "records without an identity were")
            lines.append(f"{number_of(self.nameless, *words)} left out")
        lines += self.remarks
        return lines + [failure.error for failure in self.failures[:_NAMED]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What enrolling changed.

    Attributes:
        gallery: as it is on disk now.
        added: samples by name.
        removed: names.
        notes: what the user should know.
    """

    gallery: Gallery
    added: Mapping[str, int]
    removed: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        gallery = self.gallery
        return {
            "revision": gallery.revision,
            "people": len(gallery.people),
            "samples": len(gallery.vectors),
            "added": dict(self.added),
            "removed": list(self.removed),
            "search": None if gallery.search is None else gallery.search.to_json(),
            "pair": None if gallery.pair is None else gallery.pair.to_json(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether two records show one identity.

    Attributes:
        taken: what was compared of each record: its id, how many things were found in it, the box
            of the one that was taken (the largest) where it has one, and what its receipt says.
        score: cosine of what was found first in each.
        threshold: from which on they count as one; None where none is known.
        same: None where no threshold is known.
        calibration: what the threshold rests on, where it comes from a gallery.
    """

    score: float
    threshold: float | None
    calibration: Threshold | None = None
    taken: tuple[Mapping[str, Any], ...] = ()

    def notes(self) -> list[str]:
        """What the receipts say, and which one was taken, of records with more than one."""
        said = [f"{each['id']}: {remark}" for each in self.taken for remark in each["remarks"]]
        return said + [
            f"{each['id']} shows {each['found']} faces; the largest was taken, at "
            + ", ".join(f"{value:.0f}" for value in each["box"])
            if each["box"]
            else f"{each['found']} people are in {each['id']}; who speaks most was taken"
            for each in self.taken
            if each["found"] > 1
        ]

    @property
    def same(self) -> bool | None:
        return None if self.threshold is None else self.score >= self.threshold

    def to_json(self) -> dict[str, Any]:
        return {
            "same": self.same,
            "similarity": round(self.score, 6),
            "threshold": self.threshold,
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "taken": [dict(each) for each in self.taken],
        }


def collect(results: Iterable[tuple[Result | ErrorResult, str | None]]) -> Collected:
    """Gathers embeddings by name.

    Args:
        results: of labelled records, each with its identity.
    """
    people: dict[str, list[Sequence[float]]] = {}
    empty, several, failures = [], [], []
    nameless, remarks = 0, Problems()
    for result, name in results:
        if isinstance(result, ErrorResult):
            failures.append(result)
        elif name is None:
            nameless += 1
        elif not result.details["found"]:
            empty.append(result.id)
        else:
            found = result.details["found"]
            if len(found) > 1:
                several.append(result.id)
            people.setdefault(name, []).append(found[0][EMBEDDING])
            for remark in _remarks(result):
                remarks.add(result.id, remark)
    return Collected(
        people={name: np.array(vectors) for name, vectors in people.items()},
        empty=tuple(empty),
        several=tuple(several),
        nameless=nameless,
        failures=tuple(failures),
        remarks=tuple(remarks.lines()),
    )


def _remarks(result: Result) -> list[str]:
    """What a receipt says of what was read, and what was not."""
    receipt = result.receipt
    return [*receipt.notes, *([receipt.reason] if receipt.reason else [])]


def enroll(
    folder: str | Path,
    embedder: str,
    *,
    people: Collected | None = None,
    remove: Sequence[str] = (),
    strangers: Collected | None = None,
    false_accept_rate: float = 0.01,
    empty: Sequence[str] = (),
) -> Enrolment:
    """Changes the gallery in a folder, or makes one there, and calibrates its thresholds.

    Args:
        folder: of the gallery.
        embedder: fingerprint of the model.
        people: whom to add.
        remove: whom to delete, before others are added.
        strangers: people to calibrate on, none of whom is in the gallery; None takes everybody in
            the gallery as a stranger to the others.
        false_accept_rate: see ``matching.calibrated``.
        empty: people whose folders hold nothing to enroll.

    Raises:
        ConfigurationError: wrong names, or a stranger who is in the gallery.
        DataError: the gallery is damaged or of another model, or nothing was found.
    """
    folder = Path(folder)
    gallery = load(folder) if (folder / CARD).exists() else Gallery(embedder=embedder)
    gallery.check_embedder(embedder, str(folder))
    notes: list[str] = []
    if empty:
        shown = ", ".join(empty[:_NAMED]) + (", …" if len(empty) > _NAMED else "")
        notes.append(
            f"{number_of(len(empty), 'person is', 'people are')} left out, because there are no "
            f"files in the folder: {shown}"
        )
    if remove:
        gallery = gallery.removed(remove)
    if people is not None:
        notes += people.notes()
        if not people.people:
            raise DataError(str(folder), "; ".join(["nobody to enroll", *notes]))
        grown = gallery.added(people.people)
        notes += _about(gallery, grown, people)
        gallery = grown
    gallery, words = _with_thresholds(gallery, strangers, false_accept_rate)
    return Enrolment(
        gallery=save(gallery, folder),
        added={}
        if people is None
        else {name: len(vectors) for name, vectors in people.people.items()},
        removed=tuple(remove),
        notes=(*notes, *words),
    )


def _about(before: Gallery, after: Gallery, people: Collected) -> Iterator[str]:
    """Pictures that were there already, and names that look like one person."""
    offered = sum(len(vectors) for vectors in people.people.values())
    again = len(before.vectors) + offered - len(after.vectors)
    if again:
        yield f"enrolled before, or given twice, and counted once: {number_of(again, 'sample')}"
    found = list(alike(after, people.people.keys()))
    for one, other, cosine in found[:_NAMED]:
        yield (
            f"{one!r} and {other!r} look like one person (similarity {cosine:.3f}): if they are, "
            "remove one with --remove and enroll all samples under the other name"
        )
    if len(found) > _NAMED:
        yield f"{len(found) - _NAMED} more pairs of names look like one person"


def compare(
    first: Result | ErrorResult,
    second: Result | ErrorResult,
    *,
    gallery: Gallery | None = None,
    threshold: float | None = None,
) -> Comparison:
    """Compares what was found first in two records.

    Args:
        first: with ``details["found"]``.
        second: the same.
        gallery: whose threshold for pairs decides.
        threshold: decides instead.

    Raises:
        DataError: a record could not be read, or nothing was found in it.
    """
    vectors, taken = [], []
    for result in (first, second):
        if isinstance(result, ErrorResult):
            raise DataError(result.id, result.error)
        if not result.details["found"]:
            raise DataError(result.id, "nothing to compare was found in it")
        found = result.details["found"]
        vectors.append(found[0][EMBEDDING])
        box, remarks = found[0].get("box"), _remarks(result)
        taken.append({"id": result.id, "found": len(found), "box": box, "remarks": remarks})
    one, two = unit_vectors(np.array(vectors))
    calibration = None if gallery is None or threshold is not None else gallery.pair
    return Comparison(
        score=min(1.0, float(one @ two)),
        threshold=threshold if calibration is None else calibration.value,
        calibration=calibration,
        taken=tuple(taken),
    )


def _with_thresholds(
    gallery: Gallery, strangers: Collected | None, rate: float
) -> tuple[Gallery, list[str]]:
    """With thresholds where there is enough to calibrate on, and what to know about them."""
    others = None
    if strangers is not None:
        both = sorted(set(strangers.people) & set(gallery.names))
        if both:
            raise ConfigurationError(
                f"of the people to calibrate on {number_of(len(both), 'is', 'are')} in the gallery "
                f"as well ({', '.join(both[:_NAMED])}); give a folder of other people"
            )
        names = [name for name, found in strangers.people.items() for _ in found]
        if not names:
            raise DataError("calibration", "; ".join(["nobody was found", *strangers.notes()]))
        vectors = np.concatenate(list(strangers.people.values()))
        others = (vectors, numbered(names)[1])
    if not gallery.people:
        return gallery, ["the gallery is empty"]
    try:
        search, pair = calibrated(gallery, rate, others)
    except DataError as error:
        return gallery, [f"not calibrated: {error.problem}"]
    words = [f"search {search.words()}", f"pair {pair.words()}"]
    return dataclasses.replace(gallery, search=search, pair=pair), words
