"""The gallery: what is kept, crashes, revisions, deletion; thresholds and naming."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.recognition.enrolment import Collected, collect, compare, enroll
from anysize.recognition.gallery import Gallery, check_place, embedder_fingerprint, load, save
from anysize.recognition.likeness import alike
from anysize.recognition.matching import Matcher, calibrated, templates
from anysize.recognition.pairs import unit_vectors
from anysize.recognition.threshold import Threshold, calibrate


def vectors(seed: int, samples: int = 3, width: int = 16, spread: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=width) + spread * rng.normal(size=(samples, width))


def three() -> Gallery:
    return Gallery(embedder="e" * 64).added(
        {"Ann": vectors(1), "Bob": vectors(2, 5), "张三": vectors(3, 1)}
    )


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    saved = save(three(), tmp_path / "g")
    found = load(tmp_path / "g")
    assert found.people == saved.people and found.revision == 1
    np.testing.assert_array_equal(found.vectors, saved.vectors)
    np.testing.assert_allclose(found.of("Bob"), unit_vectors(vectors(2, 5)))
    assert sorted(path.name for path in (tmp_path / "g").iterdir()) == [
        "gallery.json", "vectors-1.safetensors",
    ]  # fmt: skip


def test_more_samples_of_a_known_person_join_theirs() -> None:
    grown = three().added({"Ann": vectors(9, 2)})
    assert grown.of("Ann").shape == (5, 16)
    np.testing.assert_array_equal(grown.of("Bob"), three().of("Bob"))
    assert grown.names == ("Ann", "Bob", "张三")


def test_a_deleted_persons_vectors_are_gone_from_the_disk(tmp_path: Path) -> None:
    first = save(three(), tmp_path)
    secret = first.of("Bob")[0].tobytes()
    assert any(secret in path.read_bytes() for path in tmp_path.iterdir())
    save(first.removed(["Bob"]), tmp_path)
    assert not any(secret in path.read_bytes() for path in tmp_path.iterdir())
    assert not any(b"Bob" in path.read_bytes() for path in tmp_path.iterdir())
    assert load(tmp_path).names == ("Ann", "张三")
    np.testing.assert_array_equal(load(tmp_path).of("张三"), first.of("张三"))


def test_everybody_can_be_deleted(tmp_path: Path) -> None:
    save(three().removed(["Ann", "Bob", "张三"]), tmp_path)
    assert load(tmp_path).names == ()


@pytest.mark.parametrize("dies_at", range(1, 5))
def test_a_crash_leaves_the_old_gallery_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    first = save(three(), tmp_path)
    calls = 0

    def counted(original):  # type: ignore[no-untyped-def]
        def wrapped(*arguments, **keywords):  # type: ignore[no-untyped-def]
            nonlocal calls
            calls += 1
            if calls == dies_at:
                raise KeyboardInterrupt
            return original(*arguments, **keywords)

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counted(os.fsync))
        patch.setattr(Path, "replace", counted(Path.replace))
        with pytest.raises(KeyboardInterrupt):
            save(first.removed(["Bob"]), tmp_path)
    found = load(tmp_path)
    assert found.names == ("Ann", "Bob", "张三") and found.revision == 1
    save(found.removed(["Bob"]), tmp_path)
    assert load(tmp_path).names == ("Ann", "张三")
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_two_writers_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first = save(three(), tmp_path)
    save(first.added({"Cem": vectors(7)}), tmp_path)
    with pytest.raises(DataError, match="changed meanwhile"):
        save(first.added({"Dana": vectors(8)}), tmp_path)
    assert load(tmp_path).names == ("Ann", "Bob", "Cem", "张三")


def test_a_damaged_gallery_is_refused(tmp_path: Path) -> None:
    save(three(), tmp_path)
    path = tmp_path / "vectors-1.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="damaged"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"vectors-1"):
        load(tmp_path)
    (tmp_path / "gallery.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        load(tmp_path)
    (tmp_path / "gallery.json").unlink()
    with pytest.raises(DataError, match="enroll"):
        load(tmp_path)


def test_a_card_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    save(three(), tmp_path)
    card = json.loads((tmp_path / "gallery.json").read_text())
    card["vectors"] = "../vectors-1.safetensors"
    (tmp_path / "gallery.json").write_text(json.dumps(card))
    with pytest.raises(DataError):
        load(tmp_path)


def test_names_and_shapes_are_checked_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        three().added({"": vectors(1), "unknown": vectors(1), "Eve": vectors(1, width=8)})
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigurationError, match="not in the gallery"):
        three().removed(["Nobody"])
    with pytest.raises(DataError):
        three().added({"Zero": np.zeros((1, 16))})


def test_the_fingerprint_is_of_the_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    found = embedder_fingerprint(tmp_path)
    three().check_embedder("e" * 64, "gallery")
    with pytest.raises(DataError, match="another model"):
        three().check_embedder(found, "gallery")


def strangers(people: int, samples: int, seed: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    identities = np.repeat(np.arange(people), samples)
    centres = rng.normal(size=(people, 16))[identities]
    return centres + 0.3 * rng.normal(size=(len(identities), 16)), identities


def test_a_counted_threshold_keeps_its_rate_on_new_strangers() -> None:
    search, pair = calibrated(three(), 0.02, strangers(300, 2))
    assert search.method == pair.method == "counted"
    assert search.measured <= 0.02 < search.upper < 0.1
    assert search.people == 300 and search.scores == 600
    fresh, _ = strangers(1000, 2, seed=51)
    names = [match.name for match in Matcher(three(), search.value).match(fresh)]
    accepted = sum(name != "unknown" for name in names) / len(names)
    assert 0.005 < accepted < 0.05


def test_the_search_threshold_counts_the_best_of_the_whole_gallery() -> None:
    people = {f"p{index:03d}": vectors(1000 + index) for index in range(60)}
    large = Gallery(embedder="e").added(people)
    small = Gallery(embedder="e").added(dict(list(people.items())[:3]))
    many, few = (calibrated(g, 0.02, strangers(300, 2))[0].value for g in (large, small))
    assert many > few + 0.05


def test_without_strangers_everybody_is_one_in_turn() -> None:
    gallery = Gallery(embedder="e").added({f"p{i}": vectors(i, 4) for i in range(10)})
    search, pair = calibrated(gallery, 0.1)
    known = templates(gallery)
    scores = gallery.vectors @ known.T
    scores[np.arange(40), gallery.owners] = -1
    best = scores.max(axis=1)
    assert (best >= search.value).mean() <= 0.1
    # One step lower it would be too many.
    assert (best >= np.sort(best)[-5]).mean() > 0.1
    assert search.scores == 40 and search.people == 10
    assert pair.scores == 40 * 36 // 2


def test_rates_beyond_what_can_be_counted_say_so() -> None:
    scores = np.random.default_rng(0).normal(0.1, 0.1, 500)
    threshold = calibrate(scores, 50, 1e-4)
    assert threshold.method == "normal tail"
    assert threshold.value == pytest.approx(0.1 + 3.72 * 0.1, abs=0.06)
    assert threshold.value > scores.max()
    assert "normal tail" in threshold.words()
    assert Threshold.from_json(json.loads(json.dumps(threshold.to_json()))) == threshold


def test_too_few_strangers_are_refused() -> None:
    with pytest.raises(DataError, match="calibrate"):
        calibrate(np.zeros(3), 1, 0.01)
    alone = Gallery(embedder="e").added({"Ann": vectors(1)})
    with pytest.raises(DataError, match="one person"):
        calibrated(alone, 0.01)
    with pytest.raises(ConfigurationError):
        calibrate(np.zeros(100), 1, 1.5)


def test_people_are_named_and_strangers_are_unknown() -> None:
    matcher = Matcher(three(), 0.8)
    fresh = np.stack([vectors(2, 9)[7], vectors(77)[0]])
    known, stranger = matcher.match(fresh)
    assert known.name == known.nearest == "Bob" and known.score > 0.8
    assert stranger.name == "unknown" and stranger.nearest in ("Ann", "Bob", "张三")
    assert stranger.to_json()["threshold"] == 0.8


def test_matching_needs_people_a_threshold_and_vectors_of_the_same_model() -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        Matcher(Gallery(embedder="e"))
    with pytest.raises(ConfigurationError, match="threshold"):
        Matcher(three())
    with pytest.raises(DataError, match="another model"):
        Matcher(three(), 0.5).match(np.ones((1, 4)))


def test_the_same_picture_counts_once(tmp_path: Path) -> None:
    again = np.concatenate([vectors(1), vectors(1)[:1], vectors(1, 4)[3:]])
    grown = three().added({"Ann": again, "Eve": np.concatenate([vectors(8), vectors(8)])})
    assert len(grown.of("Ann")) == len(vectors(1)) + 1
    assert len(grown.of("Eve")) == len(vectors(8))
    people = Collected(people={"Ann": again}, empty=(), several=(), nameless=0, failures=())
    save(three(), tmp_path / "g")
    found = enroll(tmp_path / "g", "e" * 64, people=people, empty=("Zoe",))
    assert "enrolled before, or given twice, and counted once: 4 samples" in found.notes
    assert any("Zoe" in note for note in found.notes)


def test_two_names_that_look_like_one_person_are_said() -> None:
    others = {f"P{number}": vectors(100 + number) for number in range(8)}
    base = three().added(others)
    assert list(alike(base, base.names)) == []
    # Half of a person's pictures under another name; a single one; the very same picture.
    again = {"Bobby": vectors(2, 9)[5:], "Annie": vectors(1, 4)[3:], "P9": vectors(103)[:1]}
    split = base.added(again)
    found = {(one, other) for one, other, _ in alike(split, ("Bobby", "Annie", "P9"))}
    assert found == {("Bob", "Bobby"), ("Ann", "Annie"), ("P3", "P9")}
    assert list(alike(split, ("P1",))) == []


def test_the_largest_of_two_faces_is_taken_and_said() -> None:
    receipt = Receipt(
        extent=1, unit="pixels", windows=1, covered=1.0, dropped=0, merge="faces", fidelity="local",
        notes=("is upside down",),
    )  # fmt: skip
    first, second = vectors(1)[:2].tolist()
    two = [
        {"box": [1.0, 2.0, 30.4, 40.0], "embedding": first},
        {"box": [0.0] * 4, "embedding": second},
    ]
    made = [
        Result(id=name, prediction=None, score=1.0, receipt=receipt, details={"found": found})
        for name, found in (("a.jpg", two), ("b.jpg", two[:1]))
    ]
    comparison = compare(*made)
    assert comparison.notes() == [
        "a.jpg: is upside down",
        "b.jpg: is upside down",
        "a.jpg shows 2 faces; the largest was taken, at 1, 2, 30, 40",
    ]
    assert comparison.to_json()["taken"][0] == {
        "id": "a.jpg", "found": 2, "box": two[0]["box"], "remarks": ["is upside down"],
    }  # fmt: skip
    notes = collect((one, "Ann") for one in made).notes()
    assert "is upside down (2 records: a.jpg, b.jpg)" in notes


def test_galleries_are_for_the_user_alone(tmp_path: Path) -> None:
    save(three(), tmp_path / "g")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "g").iterdir()}
    assert set(modes.values()) == {0o600} and (tmp_path / "g").stat().st_mode & 0o777 == 0o700


def test_a_place_that_holds_other_things_is_none_for_a_gallery(tmp_path: Path) -> None:
    check_place(tmp_path / "new", remove=False)
    check_place(tmp_path, remove=False)  # it is empty
    with pytest.raises(ConfigurationError, match="holds no gallery"):
        check_place(tmp_path / "new", remove=True)
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="holds other things"):
        check_place(tmp_path, remove=False)
    with pytest.raises(ConfigurationError, match="is a file"):
        check_place(tmp_path / "photo.jpg", remove=False)
    (tmp_path / "gallery.json").write_text("{}")
    check_place(tmp_path, remove=True)
