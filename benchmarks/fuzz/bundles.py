"""Bundles, model folders and model files: damaged cards, configurations, tokenizers and weights."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import transformers

import anysize
from anysize.api import PredictOptions
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.modalities.pictures.settings import ImageOptions
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import bundle, sparse
from anysize.models.network import BuildRequest
from anysize.models.spec import build
from benchmarks.fuzz.mutation import mutate

PROVIDES = ("bundles",)

# What opening imports late, imported now: the time of the first input is its own.
_LATE = (transformers.AutoTokenizer, transformers.AutoModel)

_LABELS = ("red", "green", "blue")
_MEMORY = "900MiB"
# What a value of JSON becomes.
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 1.5, 1e9, 10**9, 2**31, 2**63, 10**30,
    "", "x", "1", "../x", [],
    [1], ["a", "b"], {}, {"a": 1}, float("nan"), float("inf"), [[]], "a" * 4096, "\ud800"
        )  # fmt: skip


def prepare(folder: Path) -> None:
    """A bundle for each kind of input and way to store, a bare folder and an ONNX file."""
    for name, task, model, wishes in _MODELS:
        network = build(model, _request(task, wishes))
        card = bundle.Card(
            task=task, labels=_LABELS, model=network.spec, settings=network.settings
        )  # fmt: skip
        bundle.save(folder / name, network, card)
    (folder / "hub" / "anysize.json").unlink()
    _zeroed(folder / "sparse")
    sparse.pack(folder / "sparse")
    _sharded(folder / "sharded")
    _exported(folder / "cnn", folder / "onnx" / "model.onnx")


def mutated(folder: Path, random: Random, into: Path) -> Path:
    """One of them with one file damaged: its bytes, a value of its JSON, or a tensor."""
    source = random.choice(sorted(folder.iterdir()))
    shutil.copytree(source, into / source.name)
    files = sorted(path for path in (into / source.name).rglob("*") if path.is_file())
    file = random.choice(files)
    if file.suffix == ".json" and random.random() < 0.75:
        _change_json(file, random)
    elif file.suffix == ".safetensors" and random.random() < 0.6:
        _change_tensor(file, random)
    elif random.random() < 0.1:
        file.unlink()
    else:
        file.write_bytes(mutate(file.read_bytes(), random, [each.read_bytes() for each in files]))
    main = into / source.name / "model.onnx"
    return main if source.name == "onnx" else into / source.name


def read(path: Path) -> None:
    """Opened, and one input predicted."""
    model = anysize.load(path, memory=_MEMORY)
    with tempfile.TemporaryDirectory(prefix="fuzz-input-") as place:
        inputs = _inputs(model, Path(place))
        options = PredictOptions(memory=_MEMORY, loaders=0)
        for result in model.predict(inputs, options):
            json.dumps(result.to_json(), allow_nan=False)


_MODELS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("lstm", "text-classification", "lstm", {"wishes": TextOptions(window=32)}),
    ("transformer", "text-classification", "transformer", {"wishes": TextOptions(window=32)}),
    ("hub", "text-classification", "transformer", {"wishes": TextOptions(window=32)}),
    ("cnn", "image-classification", "cnn", {"wishes": ImageOptions(image_size=(16, 16))}),
    ("sharded", "image-classification", "cnn", {"wishes": ImageOptions(image_size=(16, 16))}),
    ("sparse", "image-classification", "cnn", {"wishes": ImageOptions(image_size=(16, 16))}),
    (
        "detector",
        "object-detection",
        "detector-small",
        {"wishes": ImageOptions(image_size=(64, 64))},
    ),
    ("dense", "tabular-classification", "dense", {"facts": FeatureFacts(shape=(4,))}),
    ("conv1d", "time-series-classification", "conv1d", {"facts": FeatureFacts(shape=(9, 4))}),
)


def _request(task: str, wishes: dict[str, Any]) -> Any:
    def texts() -> Iterator[str]:
        yield "red green blue one two " * 20

    return BuildRequest(task=task, labels=_LABELS, **{"facts": TextFacts(texts=texts), **wishes})


def _inputs(model: Any, place: Path) -> Any:
    role = model.task.role
    random = np.random.default_rng(0)
    if role == "text":
        return ["red green blue " * 30]
    if role == "image":
        return [random.integers(0, 256, (40, 40, 3), np.uint8)]
    settings = model.network.settings
    steps = (9,) if settings.steps else ()
    np.save(place / "x.npy", random.standard_normal((*steps, min(settings.width, 64))))
    return place / "x.npy"


def _zeroed(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    for tensor in tensors.values():
        tensor.view(-1)[::2] = 0
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _sharded(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    places = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def _exported(folder: Path, path: Path) -> None:
    path.parent.mkdir()
    anysize.load(folder).export(path, file_format="onnx")


def _change_json(file: Path, random: Random) -> None:
    """A value is replaced, left out, renamed or doubled."""
    value = json.loads(file.read_text(encoding="utf-8"))
    places = list(_places(value))
    if not places:
        file.write_text(json.dumps(random.choice(_VALUES)), encoding="utf-8")
        return
    holder, key = random.choice(places)
    action: Callable[[], object] = random.choice(
        (
            lambda: holder.__setitem__(key, random.choice(_VALUES)),
            lambda: holder.__setitem__(key, random.choice(_VALUES)),
            lambda: holder.__delitem__(key),
            lambda: _rename(holder, key, random),
        )
    )
    action()
    file.write_text(json.dumps(value), encoding="utf-8")


def _places(value: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for number, (key, each) in enumerate(list(entries)):
        if number > 40:  # a vocabulary is no more interesting at its end
            return
        yield value, key
        if isinstance(each, dict | list) and depth < 6:
            yield from _places(each, depth + 1)


def _rename(holder: Any, key: Any, random: Random) -> None:
    if isinstance(holder, dict):
        holder[f"{key}_{random.randrange(9)}"] = holder.pop(key)
    else:
        holder.append(holder[key])


def _change_tensor(file: Path, random: Random) -> None:
    """A tensor is missing, renamed, of another shape or type, or has values that are no numbers."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(file)
    name = random.choice(sorted(tensors))
    tensor = tensors.pop(name)
    kind = random.randrange(6)
    if kind == 1:
        tensors[f"{name}.old"] = tensor
    elif kind == 2:
        tensors[name] = torch.cat([tensor, tensor]) if tensor.ndim else tensor.view(1, 1)
    elif kind == 3:
        tensors[name] = tensor.to(random.choice((torch.int8, torch.float64, torch.bool)))
    elif kind == 4:
        tensors[name] = (
            torch.full_like(tensor, float("nan")) if tensor.dtype.is_floating_point else tensor
        )
    elif kind == 5:
        tensors |= {name: tensor, "another.weight": torch.zeros(3)}
    save_file(tensors, file, metadata)
