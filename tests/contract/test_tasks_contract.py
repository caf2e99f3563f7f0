"""Every task: a bundle goes through disk and gives the same results; bad targets are named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tests.contract.task_cases import SPEAKING, UNTRAINED
from tests.recordings import write as write_recording

import anysize
from anysize import modalities, tasks
from anysize.api.labelled import labelled
from anysize.core import plugins
from anysize.core.entities import tag_names
from anysize.core.errors import BundleError, ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.records import Record
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.modalities.pictures.settings import ImageOptions
from anysize.modalities.sounds.settings import AudioFacts, AudioOptions
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import bundle, spec
from anysize.models.network import BuildRequest, Network, as_classification, as_regression
from anysize.models.opening import hub
from anysize.readers.text import Text
from anysize.sources import Subset, open_source, open_splits
from anysize.tasks.fields import reading, repeated
from anysize.tasks.protocols import head_of

TASKS = sorted(plugins.keys("tasks").keys() - UNTRAINED - SPEAKING)
LABELS = ("cat", "dog", "狗")
# A small model of each task, and what it is asked for.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "text-generation": (
        "gpt",
        {
            "wishes": TextOptions(window=768),
            "options": {"hidden_size": "16", "num_layers": "1", "num_heads": "2"},
        },
    ),
    "translation": (
        "transformer-mt",
        {
            "wishes": TextOptions(window=32),
            "options": {
                "hidden_size": "16",
                "num_layers": "1",
                "decoder_layers": "1",
                "num_heads": "2",
                "intermediate_size": "16",
                "vocabulary": "300",
            },
        },
    ),
    "text-classification": ("lstm", {"wishes": TextOptions(window=32)}),
    "image-classification": ("cnn", {"wishes": ImageOptions(image_size=(16, 16))}),
    "object-detection": ("detector-small", {"wishes": ImageOptions(image_size=(64, 64))}),
    "face-recognition": (
        "face-resnet18",
        {"wishes": ImageOptions(image_size=(48, 48)), "options": {"finder": "none"}},
    ),
    "token-classification": ("lstm", {"wishes": TextOptions(window=32)}),
    "question-answering": (
        "transformer",
        {
            "wishes": TextOptions(window=32),
            "options": {"hidden_size": "16", "num_layers": "1", "num_heads": "2"},
        },
    ),
    "automatic-speech-recognition": (
        "conformer-ctc-small",
        {
            "facts": AudioFacts(sample_rate=8000, texts=lambda: iter(LABELS)),
            "wishes": AudioOptions(window=1600, sample_rate=8000),
            "options": {
                "channels": "4x4",
                "hidden_size": "16",
                "num_layers": "1",
                "num_heads": "2",
            },
        },
    ),
    "audio-classification": (
        "audio-cnn",
        {
            "wishes": AudioOptions(window=1600, sample_rate=8000),
            "options": {"hidden_sizes": "4x4", "hidden_size": "8"},
        },
    ),
    "speaker-recognition": (
        "xvector",
        {
            "wishes": AudioOptions(window=1600, sample_rate=8000),
            "options": {"hidden_size": "8", "pooled_size": "8", "width": "8"},
        },
    ),
    "tabular-classification": ("dense", {"facts": FeatureFacts(shape=(4,))}),
    "time-series-classification": ("conv1d", {"facts": FeatureFacts(shape=(9, 4))}),
}
MODELS |= {as_regression(task): MODELS[task] for task in MODELS if as_regression(task) != task}
WITHOUT_LABELS = ("text-generation", "translation", "automatic-speech-recognition")
REGRESSION = tuple(task for task in TASKS if task.endswith("-regression"))
CLASSIFICATION = tuple(
    task for task in TASKS if task not in REGRESSION and head_of(tasks.load(task)) is not None
)


def like(task: str) -> str:
    """The task itself, or one above that reads the same: a new task is tested by being there."""
    if task in MODELS:
        return task
    made = tasks.load(task)
    reads = {(each.role, each.unit): name for name in MODELS for each in [tasks.load(name)]}
    return reads[made.role, made.unit]


def labels_of(task: str) -> tuple[str, ...]:
    """The outputs of a model that knows the three labels, or gives a number, or has none."""
    if task in WITHOUT_LABELS:
        return ()
    if task == "token-classification":
        return tag_names(LABELS)
    if task == "question-answering":
        return ("start", "end")
    return ("value",) if task in REGRESSION else LABELS


def make_data(task: str, folder: Path) -> Path:
    task = as_classification(like(task))
    rng = np.random.default_rng(0)
    if task == "token-classification":
        path = folder / "data.jsonl"
        rows = []
        for i, n in enumerate(rng.integers(2, 200, 12).tolist()):
            tags = ["O"] * (n - 2) + [f"B-{LABELS[i % 3]}", f"I-{LABELS[i % 3]}"]
            rows.append({"tokens": rng.choice(["red", "green"], n).tolist(), "tags": tags})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    if task == "question-answering":
        path = folder / "data.jsonl"
        rows = []
        for i, n in enumerate(rng.integers(2, 200, 12).tolist()):
            context = " ".join([*rng.choice(["red", "green"], n).tolist(), f"n{i}"])
            answers = [f"n{i}"] if i % 3 else []
            rows.append({"context": context, "question": f"which {i}", "answers": answers})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    if task == "translation":
        path = folder / "data.tsv"
        words = ["red", "green", "blue", "one", "two"]
        lines = [" ".join(rng.choice(words, int(n))) for n in rng.integers(1, 40, 12)]
        rows = [f"{line}. {line[:9]}.\t{line[::-1]}" for line in lines]
        path.write_text("source\ttarget\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return path
    if task in ("text-classification", "text-generation"):
        path = folder / "data.csv"
        words = ["red", "green", "blue", "one", "two"]
        rows = [
            f'"{" ".join(rng.choice(words, int(n)))}",{LABELS[i % 3]}'
            for i, n in enumerate(rng.integers(1, 200, 12))
        ]
        path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return path
    if task == "tabular-classification":
        path = folder / "data.csv"
        rows = [",".join([LABELS[i % 3], *map(str, rng.standard_normal(4))]) for i in range(12)]
        path.write_text("label,a,b,c,d\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return path
    if task == "automatic-speech-recognition":
        path = folder / "data.csv"
        rows = []
        for i, length in enumerate(rng.integers(1, 60, 12).tolist()):
            write_recording(folder / f"{i}.wav", rng.uniform(-0.5, 0.5, 100 * length), 8000)
            rows.append(f"{i}.wav,{LABELS[i % 3]}")
        path.write_text("audio,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return path
    make_files(task, rng, folder / "data")
    if task == "object-detection":
        annotate(folder / "data")
    return folder / "data"


def make_files(task: str, rng: np.random.Generator, folder: Path) -> None:
    """A file a record, in folders of their labels."""
    for i, length in enumerate(rng.integers(1, 60, 12).tolist()):
        place = folder / LABELS[i % 3]
        place.mkdir(parents=True, exist_ok=True)
        if task == "time-series-classification":
            np.save(place / f"{i}.npy", rng.standard_normal((length, 4)))
        elif tasks.load(task).role == "audio":
            write_recording(place / f"{i}.wav", rng.uniform(-0.5, 0.5, 100 * length), 8000)
        else:
            ok, data = cv2.imencode(".png", rng.integers(0, 256, (40, 50, 3)).astype(np.uint8))
            assert ok
            (place / f"{i}.png").write_bytes(data.tobytes())


def annotate(folder: Path) -> None:
    """One object in each picture, as COCO JSON."""
    files = sorted(folder.glob("*/*.png"))
    entries = {
        "images": [
            {"id": number, "file_name": str(path.relative_to(folder)), "width": 50, "height": 40}
            for number, path in enumerate(files)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(LABELS)],
        "annotations": [
            {
                "id": number,
                "image_id": number,
                "category_id": LABELS.index(path.parent.name),
                "bbox": [5, 6, 20, 10],
                "area": 200,
                "iscrowd": 0,
            }
            for number, path in enumerate(files)
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(entries), encoding="utf-8")


def network_for(task: str) -> Network:
    torch.manual_seed(0)

    def texts() -> Iterator[str]:
        yield "red green blue one two " * 20

    model, wishes = MODELS[like(task)]
    return spec.build(
        model,
        BuildRequest(
            task=task, labels=labels_of(task), **{"facts": TextFacts(texts=texts), **wishes}
        ),
    )


def card_for(task: str, network: Network) -> bundle.Card:
    return bundle.Card(
        task=task,
        labels=labels_of(task),
        head={"name": "regression", "mean": 5.0, "width": 1.0} if task in REGRESSION else {},
        model=network.spec,
        settings=network.settings,
        licence="Apache-2.0",
    )


@pytest.mark.parametrize("task", TASKS)
def test_a_bundle_gives_the_same_results_after_disk(task: str, tmp_path: Path) -> None:
    data = make_data(task, tmp_path)
    network = network_for(task)
    card = card_for(task, network)
    options = anysize.PredictOptions(runtime="torch", precision="float32", memory="4GiB")
    before = list(anysize.Model(network, card).predict(data, options))
    bundle.save(tmp_path / "bundle", network, card)
    model = anysize.load(tmp_path / "bundle")
    assert model.card == card
    after = list(model.predict(data, options))
    assert [result.to_json() for result in after] == [result.to_json() for result in before]
    assert len(after) == 12
    for result in after:
        assert isinstance(result, anysize.Result)
        assert result.receipt.covered == 1.0
        assert result.receipt.dropped == 0


@pytest.mark.parametrize("task", plugins.keys("tasks"))
def test_one_field_is_cut_into_windows_and_others_are_repeated(task: str) -> None:
    made = tasks.load(task)
    content = [spec for spec in made.columns if modalities.is_content(spec.kind)]
    assert [spec.role for spec in content if not spec.repeated] == [made.role]
    beside = [spec.role for spec in content if spec.repeated]
    assert not beside or reading(made) == {
        made.role: "cut into windows", **dict.fromkeys(beside, "repeated in each window")
    }  # fmt: skip


@pytest.mark.parametrize(
    "task", [name for name in TASKS if any(spec.repeated for spec in tasks.load(name).columns)]
)
def test_a_repeated_field_is_in_every_window_and_the_other_is_not(task: str) -> None:
    made, network = tasks.load(task), network_for(task)

    def windows(cut: str, beside: str) -> list[list[int]]:
        fields = {made.role: Text(cut, "a"), repeated(made.columns).role: Text(beside, "a")}
        examples = made.preprocess(network)(0, Record(id="a", fields=fields))
        return [example.arrays["input_ids"].tolist() for example in examples]

    text = "red green blue " * 30
    first, other, longer = (
        windows(text, "one two"), windows(text, "two one"), windows(text + "red", "one two")
    )  # fmt: skip
    assert len(first) == len(other) > 2
    assert all(one != two for one, two in zip(first, other, strict=True))
    assert longer[:2] == first[:2] and longer[-1] != first[-1]


@pytest.mark.parametrize("task", TASKS)
def test_one_record_alone_equals_the_record_among_others(task: str, tmp_path: Path) -> None:
    data = make_data(task, tmp_path)
    network = network_for(task)
    model = anysize.Model(network, card_for(task, network))
    options = anysize.PredictOptions(runtime="torch", precision="float32", memory="4GiB")
    together = list(model.predict(data, options))
    source = open_source(data, roles=model.task.columns)
    for index in (0, 5, 11):
        alone = Subset(source, lambda start, stop, index=index: np.arange(start, stop) == index, "")
        (single,) = model.predict(alone, options)
        result = together[index]
        assert isinstance(single, anysize.Result)
        assert isinstance(result, anysize.Result)
        assert single.score == pytest.approx(result.score, abs=1e-5)
        if task in REGRESSION:
            assert single.prediction == pytest.approx(result.prediction, abs=1e-4)
        assert single.receipt == result.receipt


@pytest.mark.parametrize("task", sorted({*TASKS} - {*REGRESSION, *WITHOUT_LABELS}))
def test_labels_are_found_in_the_data(task: str, tmp_path: Path) -> None:
    made = tasks.load(task)
    source = open_source(make_data(task, tmp_path), roles=made.columns)
    assert made.labels(source) == labels_of(task)
    answered = {"answer": 8, "no answer": 4}
    expected = answered if task == "question-answering" else dict.fromkeys(LABELS, 4)
    assert made.label_counts(source) == expected


@pytest.mark.parametrize("task", CLASSIFICATION)
def test_targets(task: str, tmp_path: Path) -> None:
    made = tasks.load(task)
    source = open_source(make_data(task, tmp_path), roles=made.columns)
    labels = made.labels(source)
    assert {made.encode_target(source[i], labels) for i in range(len(source))} == {0, 1, 2}
    with pytest.raises(DataError, match="wolf"):
        made.encode_target(Record(id="x", fields={}, target="wolf"), labels)
    with pytest.raises(DataError, match="no label"):
        made.encode_target(Record(id="x", fields={}), labels)


def test_labels_that_are_numbers_come_in_numeric_order(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("text,label\na,10\nb,2\nc,1\n")
    task = tasks.load("text-classification")
    assert task.labels(open_source(path, roles=task.columns)) == ("1", "2", "10")


def test_pictures_are_tiled_when_much_larger_than_the_input(tmp_path: Path) -> None:
    network = network_for("image-classification")
    model = anysize.Model(network, card_for("image-classification", network))
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in [(30, 30), (70, 90)]]
    small, large = model.predict(pictures, anysize.PredictOptions(memory="4GiB"))
    assert isinstance(small, anysize.Result)
    assert isinstance(large, anysize.Result)
    assert (small.receipt.windows, small.receipt.fidelity) == (1, "exact")
    assert large.receipt.windows == 30  # tiles of 16 over 90 x 70: 6 x 5
    assert large.receipt.shape == (90, 70)
    assert large.receipt.covered == 1.0
    (whole,) = model.predict([pictures[1]], anysize.PredictOptions(tiles="never", memory="4GiB"))
    assert isinstance(whole, anysize.Result)
    assert whole.receipt.windows == 1


def test_a_tiled_picture_pools_what_its_tiles_say_alone() -> None:
    network = network_for("image-classification")
    model = anysize.Model(network, card_for("image-classification", network))
    rng = np.random.default_rng(4)
    page = rng.integers(0, 256, (80, 96, 3)).astype(np.uint8)
    options = anysize.PredictOptions(
        runtime="torch", precision="float32", tiles="always", merge="grid", memory="4GiB"
    )
    (tiled,) = model.predict([page], options)
    assert isinstance(tiled, anysize.Result)
    assert len(tiled.details["regions"]) == 30
    for region in tiled.details["regions"]:
        left, top, right, bottom = region["core"]
        (alone,) = model.predict(
            [np.ascontiguousarray(page[top:bottom, left:right])],
            anysize.PredictOptions(runtime="torch", precision="float32", memory="4GiB"),
        )
        assert isinstance(alone, anysize.Result)
        assert (region["label"], region["score"]) == (
            alone.prediction,
            pytest.approx(alone.score, abs=2e-4),
        )
        if (left, top) == (32, 16):
            break


def test_faults_of_options_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        anysize.PredictOptions(tiles="sometimes", runtime="abacus", window=1, memory="lots")
    assert len(caught.value.problems) == 4


def test_options_of_another_kind_of_input_are_refused() -> None:
    network = network_for("text-classification")
    model = anysize.Model(network, card_for("text-classification", network))
    with pytest.raises(ConfigurationError) as caught:
        list(model.predict("red", anysize.PredictOptions(tiles="always", crop=0, window=16)))
    assert [problem.split()[0] for problem in caught.value.problems] == ["tiles", "crop"]
    network = network_for("image-classification")
    model = anysize.Model(network, card_for("image-classification", network))
    picture = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(
        ConfigurationError, match=r"window is for numbers, recordings and texts, .*; tile is"
    ):
        list(model.predict([picture], anysize.PredictOptions(window=16)))


def test_a_window_longer_than_the_model_s_positions_is_refused() -> None:
    request = BuildRequest(
        task="text-classification",
        labels=LABELS,
        facts=TextFacts(texts=lambda: iter(["red green"] * 9)),
        wishes=TextOptions(window=32),
    )
    network = spec.build("attention", request)
    model = anysize.Model(network, card_for("text-classification", network))
    positions = network.module.config.max_position_embeddings
    fits = anysize.PredictOptions(window=positions, memory="4GiB")
    (result,) = model.predict("red", fits)
    assert isinstance(result, anysize.Result)
    with pytest.raises(ConfigurationError, match=f"at most {positions} tokens.*{positions + 1}$"):
        list(model.predict("red", anysize.PredictOptions(window=positions + 1)))


def test_a_bundle_takes_the_place_of_one_of_another_task(tmp_path: Path) -> None:
    for task in ("text-classification", "image-classification"):
        network = network_for(task)
        for name in ("old", f"new {task}"):
            bundle.save(tmp_path / name, network, card_for(task, network))
    (tmp_path / "old" / "report.json").touch()
    kept = {path.name for path in (tmp_path / "old").iterdir()} - {"report.json"}
    assert kept == {path.name for path in (tmp_path / "new image-classification").iterdir()}


def test_a_slip_in_a_bundle_s_name_is_told_without_asking_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_for("image-classification")
    bundle.save(tmp_path / "runs" / "photos", network, card_for("image-classification", network))
    (tmp_path / "runs" / "photo").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "from_hub", lambda *_: pytest.fail("the hub was asked"))
    with pytest.raises(BundleError, match=r"no such folder; did you mean 'runs/photos'\?$"):
        anysize.load("runs/phots")
    request = BuildRequest(task="image-classification", labels=LABELS)
    with pytest.raises(BundleError, match=r"did you mean 'runs/photos'\?$"):
        spec.build("runs/phots", request)


def test_what_is_evaluated_is_what_training_kept_out(tmp_path: Path) -> None:
    """Whatever parts the training was told to keep."""
    data = tmp_path / "data.csv"
    data.write_text("text,label\n" + "".join(f"red {n},{LABELS[n % 3]}\n" for n in range(500)))
    network = network_for("text-classification")
    card = card_for("text-classification", network)
    task = tasks.load(card.task)

    def ids(source: Any) -> list[str]:
        return [source[index].id for index in range(len(source))]

    for validation, test in ((0.1, 0.1), (0.3, 0.1), (0.05, 0.2), (0.1, 0.0)):
        recipe = {"validation": validation, "test": test}
        model = anysize.Model(network, dataclasses.replace(card, provenance={"recipe": recipe}))
        kept = open_splits(data, roles=task.columns, validation=validation, test=test)
        for split in ("train", "validation"):
            found = labelled(model, data, anysize.PredictOptions(), split, Findings(), model.task)
            assert ids(found) == ids(getattr(kept, split))
        if kept.test is not None:
            found = labelled(model, data, anysize.PredictOptions(), "test", Findings(), model.task)
            assert ids(found) == ids(kept.test)
            assert not set(ids(found)) & set(ids(kept.train))
        else:
            with pytest.raises(DataError, match="'test'; training kept no records out for it"):
                model.evaluate(data, split="test")


def test_damaged_bundles_are_refused(tmp_path: Path) -> None:
    network = network_for("image-classification")
    folder = bundle.save(tmp_path / "b", network, card_for("image-classification", network))
    card = folder / "anysize.json"
    text = card.read_text()
    card.write_text(text.replace('"format": 2', '"format": 7'))
    with pytest.raises(BundleError, match="format 7"):
        anysize.load(folder)
    card.write_text(text[:50])
    with pytest.raises(BundleError, match="JSON"):
        anysize.load(folder)
    card.write_text(text)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BundleError, match=r"not a safetensors file"):
        anysize.load(folder)
    with pytest.raises(BundleError, match="neither"):
        anysize.load(tmp_path)
    with pytest.raises(BundleError, match="no such folder"):
        anysize.load("no such/folder/at all")
    with pytest.raises(BundleError, match="no such folder"):
        anysize.load("../nothere")


def test_a_hugging_face_folder_with_a_ready_head_is_a_model(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    request = BuildRequest(
        task="text-classification",
        labels=LABELS,
        facts=TextFacts(texts=lambda: iter(["red green blue"] * 9)),
    )
    network = spec.build("transformer", request)
    folder = bundle.save(tmp_path / "b", network, card_for("text-classification", network))
    (folder / "anysize.json").unlink()
    # Plain transformers loads it, and so does anysize, with the task read from its configuration.
    plain = AutoModelForSequenceClassification.from_pretrained(folder)
    assert plain.config.id2label == dict(enumerate(LABELS))
    model = anysize.load(folder)
    assert model.card.task == "text-classification"
    assert model.card.labels == LABELS
    (result,) = model.predict(["red blue"], anysize.PredictOptions(memory="4GiB"))
    assert isinstance(result, anysize.Result)
    assert result.prediction in LABELS
