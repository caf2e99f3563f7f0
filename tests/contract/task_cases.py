"""Data and a small model for every task, made of what the task says of itself.

A task is tested by being there: its field and unit choose the inputs and the model, its head the
targets. One whose targets are of a kind of their own has an entry in `TARGETS`; without it the
tests of the contract fail for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tests.recordings import write as write_recording

from anysize import tasks
from anysize.tasks.protocols import head_of

UNTRAINED = frozenset(("feature-extraction", "summarization"))
"""Tasks that use models as they are: they have tests of their own."""

SPEAKING = frozenset(("text-to-speech",))
"""Tasks whose results are recordings, which tests of their own compare."""

LABELS = ("cat", "dog", "狗")
WORDS = ("red", "green", "blue", "one", "two")
COUNT = 36
SIZE = (50, 40)

MODELS: Mapping[tuple[str, str], tuple[str, Mapping[str, Any]]] = {
    ("text", "tokens"): ("lstm", {"window": 16, "options": {"hidden_size": "16"}}),
    ("image", "pixels"): (
        "cnn",
        {"image_size": (16, 16), "tiles": "always", "options": {"hidden_sizes": "8x8"}},
    ),
    ("audio", "samples"): (
        "audio-cnn",
        {"window": 1600, "options": {"hidden_sizes": "4x4", "hidden_size": "8"}},
    ),
    ("text", "characters"): (
        "speech-small",
        {
            "options": {
                "reading": "characters",
                "hidden_size": "16",
                "encoder_layers": "1",
                "decoder_layers": "1",
                "mels": "16",
                "dropout": "0",
            },
        },
    ),
    ("features", "features"): ("dense", {}),
    ("features", "steps"): ("conv1d", {"window": 9}),
}
"""By the field and the unit of a task: a model, and what a recipe asks of it."""

OWN_MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "question-answering": (
        "transformer",
        {
            "window": 32,
            "options": {
                "hidden_size": "16", "num_layers": "1", "num_heads": "2", "intermediate_size": "32",
                "dropout": "0",
            },
        },
    ),
    "object-detection": ("detector-small", {"image_size": (64, 64)}),
    "translation": (
        "transformer-mt",
        {
            "window": 128,
            "options": {
                "hidden_size": "16", "num_layers": "1", "decoder_layers": "1", "num_heads": "2",
                "intermediate_size": "16", "vocabulary": "300", "dropout": "0",
            },
        },
    ),
    "text-generation": (
        "gpt",
        {"window": 16, "options": {"hidden_size": "16", "num_layers": "1", "num_heads": "2"}},
    ),
    "automatic-speech-recognition": (
        "conformer-ctc-small",
        {
            "options": {
                "channels": "4x4", "hidden_size": "16", "num_layers": "1", "num_heads": "2",
                "kernel": "3", "attention_context": "2", "dropout": "0",
            },
        },
    ),
    "face-recognition": (
        "face-resnet18", {"image_size": (48, 48), "options": {"finder": "none", "width": "16"}}
    ),
    "speaker-recognition": (
        "xvector",
        {"window": 1600, "options": {"hidden_size": "8", "pooled_size": "8", "width": "8"}},
    ),
}  # fmt: skip
"""Of tasks that no model of `MODELS` is for."""


def recipe_of(task: str, folder: Path) -> dict[str, Any]:
    """A recipe for a task, as keywords, with data written into a folder."""
    made = tasks.load(task)
    model, wishes = OWN_MODELS.get(task) or MODELS[made.role, made.unit]
    return {
        "task": task, "data": str(write(task, folder / "data")), "model": model,
        "out": str(folder / "run"), "augment": "none", "validation": 0.3, "test": 0.0,
        "micro_cost": 1 << 20, "batch": 8, "steps": 1, "precision": "float32", "loaders": 1,
        "tensorboard": False, **wishes,
    }  # fmt: skip


def write(task: str, folder: Path) -> Path:
    """Writes records with targets, and returns where they are."""
    made = tasks.load(task)
    folder.mkdir(parents=True)
    return INPUTS[made.role, made.unit](task, folder)


def number(place: int) -> float:
    """A target of regression."""
    return 5.0 + (place % 7) * 1.5


def label(place: int) -> str:
    return LABELS[place % len(LABELS)]


def is_number(task: str) -> bool:
    """Whether a record's target is a number: its head has no classes."""
    head = head_of(tasks.load(task))
    return head is not None and "classification" not in task


def target(task: str, place: int) -> Any:
    """A target in a cell of a table."""
    if task == "automatic-speech-recognition":
        return label(place)[0]  # the shortest recordings have two steps
    return number(place) if is_number(task) else label(place)


def tags(place: int, words: Sequence[str]) -> list[str]:
    """Tags of a text: its last two words, or its only one, are an entity."""
    inside = [f"B-{label(place)}", f"I-{label(place)}"][: len(words)]
    return ["O"] * (len(words) - len(inside)) + inside


TARGETS: Mapping[str, Callable[[int, Any], Mapping[str, Any]]] = {
    "token-classification": lambda place, words: {"tokens": words, "tags": tags(place, words)},
    "translation": lambda place, words: {
        "source": " ".join(words),
        "target": " ".join(words[::-1]),
    },
    "question-answering": lambda place, words: {
        "context": " ".join(words),
        "question": "which one",
        "answers": words[-1:] * (place % 3 > 0),
    },
}
"""Cells of a row of texts, where a target is neither a label nor a number."""


def texts(task: str, folder: Path) -> Path:
    """Short and long ones, in JSON Lines."""
    rng = np.random.default_rng(0)
    cells = TARGETS.get(
        task, lambda place, words: {"text": " ".join(words), "label": target(task, place)}
    )
    path = folder / "data.jsonl"
    rows = []
    for place, length in enumerate(rng.integers(1, 60, COUNT).tolist()):
        rows.append(cells(place, [*rng.choice(WORDS, length).tolist(), str(place)]))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def numbers(task: str, folder: Path) -> Path:
    """A table."""
    rng = np.random.default_rng(0)
    path = folder / "data.csv"
    rows = [
        ",".join([str(target(task, place)), *map(str, rng.standard_normal(4))])
        for place in range(COUNT)
    ]
    path.write_text("\n".join(["label,a,b,c,d", *rows]) + "\n", encoding="utf-8")
    return path


def steps(task: str, folder: Path) -> Path:
    """Sequences, named in a table."""
    rng = np.random.default_rng(0)
    rows = []
    for place, length in enumerate(rng.integers(3, 40, COUNT).tolist()):
        np.save(folder / f"{place}.npy", rng.standard_normal((length, 4)))
        rows.append(f"{place}.npy,{target(task, place)}")
    path = folder / "data.csv"
    path.write_text("\n".join(["file,label", *rows]) + "\n", encoding="utf-8")
    return path


def pictures(task: str, folder: Path) -> Path:
    """Pictures in folders by label, in a table with numbers, or with an object each."""
    rng = np.random.default_rng(0)
    objects, rows = [], []
    for place in range(COUNT):
        # Of what is divided by its targets, so many that some are kept out.
        group = f"person {place % 9}" if tasks.load(task).by_target else label(place)
        path = folder / group / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        name = path.relative_to(folder).as_posix()
        rows.append(f"{name},{number(place)}")
        objects.append(name)
    if task == "object-detection":
        (folder / "annotations.json").write_text(json.dumps(annotated(objects)), encoding="utf-8")
    if is_number(task):
        (folder / "data.csv").write_text("\n".join(["file,label", *rows]), encoding="utf-8")
        return folder / "data.csv"
    return folder


def recordings(task: str, folder: Path) -> Path:
    """Noise of different lengths, named in a table."""
    rng = np.random.default_rng(0)
    rows = []
    for place, length in enumerate(rng.integers(400, 6000, COUNT).tolist()):
        write_recording(folder / f"{place}.wav", rng.uniform(-0.5, 0.5, length), 8000)
        # Of what is divided by its targets, so many that some are kept out.
        group = f"person {place // 4}" if tasks.load(task).by_target else target(task, place)
        rows.append(f"{place}.wav,{group}")
    path = folder / "data.csv"
    column = "text" if task == "automatic-speech-recognition" else "label"
    path.write_text("\n".join([f"file,{column}", *rows]) + "\n", encoding="utf-8")
    return path


def clips(task: str, folder: Path) -> Path:
    """Words with recordings that are long enough for them."""
    rng = np.random.default_rng(0)
    rows = []
    for place, length in enumerate(rng.integers(1, 6, COUNT).tolist()):
        words = " ".join(rng.choice(WORDS, length))
        write_recording(
            folder / f"{place}.wav", rng.uniform(-0.5, 0.5, 160 * len(words) + 400), 8000
        )
        rows.append(f"{place}.wav,{words}")
    path = folder / "data.csv"
    path.write_text("\n".join(["audio,text", *rows]) + "\n", encoding="utf-8")
    return path


def annotated(names: Sequence[str]) -> dict[str, Any]:
    """One object in each picture, as COCO JSON."""
    return {
        "images": [
            {"id": place, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
            for place, name in enumerate(names)
        ],
        "categories": [{"id": place, "name": name} for place, name in enumerate(LABELS)],
        "annotations": [
            {
                "id": place, "image_id": place, "category_id": place % len(LABELS),
                "bbox": [5, 6, 20, 10], "area": 200, "iscrowd": 0,
            }
            for place, _ in enumerate(names)
        ],
    }  # fmt: skip


INPUTS: Mapping[tuple[str, str], Callable[[str, Path], Path]] = {
    ("text", "tokens"): texts,
    ("text", "characters"): clips,
    ("context", "tokens"): texts,
    ("source", "characters"): texts,
    ("image", "pixels"): pictures,
    ("audio", "samples"): recordings,
    ("features", "features"): numbers,
    ("features", "steps"): steps,
}
