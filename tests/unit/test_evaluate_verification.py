"""Verification of unseen identities, its report, and enrolment from results."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import ErrorResult, Result
from anysize.evaluation.rendering import render
from anysize.evaluation.verification import measure, write_report
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.bundle import Card
from anysize.readers.image import Image
from anysize.recognition.enrolment import collect, compare, enroll
from anysize.recognition.gallery import load
from anysize.recognition.matching import Matcher
from anysize.recognition.naming import named
from anysize.recognition.pairs import pair_counts, unit_vectors

PEOPLE, SAMPLES = 9, 6


def vectors(width: int = 12, noise: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(PEOPLE, width)), SAMPLES, axis=0)
    return centres + noise * rng.normal(size=(PEOPLE * SAMPLES, width))


def result(ordinal: int, vector: np.ndarray | None) -> Result:
    receipt = Receipt(
        extent=64 * 48, unit="pixels", windows=1, covered=1.0, dropped=0, merge="faces",
        fidelity="exact", shape=(64, 48),
    )  # fmt: skip
    found = []
    if vector is not None:
        embedding = [float(value) for value in vector / np.linalg.norm(vector)]
        found = [{"box": [8.0, 4.0, 70.0, 40.0], "confidence": 0.9, "embedding": embedding}]
    return Result(
        id=f"r{ordinal}", prediction=None, score=0.9, receipt=receipt, details={"found": found}
    )


class People:
    """A source of pictures, ``SAMPLES`` for each person."""

    name = "people"

    def __len__(self) -> int:
        return PEOPLE * SAMPLES

    def __getitem__(self, index: int) -> Record:
        pixels = np.full((48, 64, 3), 4 * index % 256, np.uint8)
        return Record(
            id=f"r{index}",
            fields={"image": Image.from_pixels(pixels)},
            target=f"person {index // SAMPLES}",
        )

    def fingerprint(self) -> str:
        return "0" * 8


def card(*trained: str) -> Card:
    return Card(
        task="face-recognition",
        labels=trained,
        model="x",
        settings=ImageSettings(width=8, height=8),
    )


def results() -> list[Result | ErrorResult]:
    return [result(ordinal, vector) for ordinal, vector in enumerate(vectors())]


def test_trained_identities_are_left_out() -> None:
    found = measure(results(), card=card("person 0", "person 4"), source=People())
    assert found.trained == (2, 2 * SAMPLES)
    assert (found.identities, found.samples) == (PEOPLE - 2, (PEOPLE - 2) * SAMPLES)
    left = np.repeat(np.arange(PEOPLE), SAMPLES)
    kept = ~np.isin(left, [0, 4])
    counts = pair_counts(unit_vectors(vectors()[kept]), left[kept])
    assert found.eer == pytest.approx(counts.rates().equal_error()[0], abs=1e-6)
    assert found.eer_interval is not None
    assert found.eer_interval.low <= found.eer <= found.eer_interval.high


def test_what_cannot_be_scored_is_counted() -> None:
    stream = results()
    stream[3] = ErrorResult(id="r3", error="r3: damaged")
    stream[7] = result(7, None)
    found = measure(stream, card=card(), source=People())
    assert (found.failure_count, found.empty) == (1, 1)
    assert found.samples == PEOPLE * SAMPLES - 2


def test_nobody_unseen_is_refused() -> None:
    everybody = [f"person {number}" for number in range(PEOPLE)]
    with pytest.raises(DataError, match="not seen"):
        measure(results(), card=card(*everybody), source=People())


def test_the_report_is_one_page_with_all_its_parts(tmp_path: Path) -> None:
    found = measure(results(), card=card("person 0"), source=People())
    write_report(found, tmp_path, card=card("person 0").to_json(), source=People())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert page.count("data:image/") == 32  # eight hardest pairs of either kind
    for words in ("equal error rate", "TAR at FAR 0.001", "rank-1", "left out", "Scores"):
        assert words in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["eer"] == pytest.approx(found.eer)
    assert set(found.main()) == {
        "eer", "tar_at_far_0.01", "tar_at_far_0.001", "closed_set_accuracy", "rank1",
        "rank1_single",
    }  # fmt: skip
    curve = metrics["roc"]
    assert curve[0]["tar"] == 1.0 and curve[-1]["far"] == 0.0
    assert all(a["far"] >= b["far"] for a, b in itertools.pairwise(curve))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(found))
    assert "tar_at_far_0.001" in console.export_text()


def labelled() -> list[tuple[Result | ErrorResult, str | None]]:
    """People who are far from each other, so that who is named is certain."""
    apart = enumerate(vectors(width=64, noise=0.2))
    return [(result(place, vector), People()[place].target) for place, vector in apart]


def test_enrolled_people_are_named_and_deleted_ones_are_not(tmp_path: Path) -> None:
    pairs = labelled()
    known = [pair for place, pair in enumerate(pairs) if place % SAMPLES < 4]
    probes = [pair for place, pair in enumerate(pairs) if place % SAMPLES >= 4]
    made = enroll(tmp_path, "e", people=collect(known), false_accept_rate=0.1)
    assert made.gallery.search is not None and made.added["person 3"] == 4
    matcher = Matcher(load(tmp_path))
    answers = [item.prediction for item in named((item for item, _ in probes), matcher)]
    right = [answer == name for answer, (_, name) in zip(answers, probes, strict=True)]
    assert all(right)
    shorter = enroll(tmp_path, "e", remove=["person 3"], false_accept_rate=0.1)
    assert shorter.removed == ("person 3",) and shorter.gallery.revision == 2
    assert shorter.gallery.search is not None
    matcher = Matcher(load(tmp_path))
    gone = [item for item, name in probes if name == "person 3"]
    assert {item.prediction for item in named(gone, matcher)} == {"unknown"}
    entry = next(iter(named(gone, matcher))).details["found"][0]
    assert "embedding" not in entry and entry["name"] == "unknown"


def test_enrolling_tells_what_it_left_out(tmp_path: Path) -> None:
    stream = labelled()
    stream[0] = (result(0, None), "person 0")
    stream[1] = (stream[1][0], None)
    stream[2] = (ErrorResult(id="r2", error="r2: damaged"), "person 0")
    made = enroll(tmp_path, "e", people=collect(stream))
    assert any("r0" in note for note in made.notes)
    assert any("1 record without an identity was left out" in note for note in made.notes)
    assert "r2: damaged" in made.notes
    with pytest.raises(DataError, match="another model"):
        enroll(tmp_path, "f", people=collect(labelled()))
    with pytest.raises(ConfigurationError, match="other people"):
        enroll(tmp_path, "e", people=collect(labelled()), strangers=collect(labelled()))
    with pytest.raises(DataError, match="nobody to enroll"):
        enroll(tmp_path, "e", people=collect([]))
    assert load(tmp_path).revision == 1


def test_one_person_alone_is_enrolled_without_a_threshold(tmp_path: Path) -> None:
    made = enroll(tmp_path, "e", people=collect(labelled()[:SAMPLES]))
    assert made.gallery.search is None
    assert any("not calibrated" in note for note in made.notes)


def test_two_records_are_compared(tmp_path: Path) -> None:
    gallery = enroll(tmp_path, "e", people=collect(labelled()), false_accept_rate=0.05).gallery
    first, second, other = (labelled()[place][0] for place in (0, 1, SAMPLES))
    assert compare(first, second, gallery=gallery).same is True
    assert compare(first, other, gallery=gallery).same is False
    assert compare(first, other, gallery=gallery, threshold=-1.0).same is True
    undecided = compare(first, second)
    assert undecided.same is None and undecided.score > 0.5
    with pytest.raises(DataError, match="nothing to compare"):
        compare(first, result(99, None))
