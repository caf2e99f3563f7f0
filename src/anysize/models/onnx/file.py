"""Bare ONNX files, for prediction and evaluation.

A file that anysize exported says itself what it is. A classifier from elsewhere is read with what
its graph says and, where there is one, an adapter file beside it (``models.onnx.adapter``); a
detector needs an adapter with a ``[decoder]``. Texts need ``tokenizer.json`` beside the file.
"""

from __future__ import annotations

import logging
from pathlib import Path

from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities.pictures.settings import ImageSettings
from anysize.modalities.settings import Settings
from anysize.modalities.texts.settings import TextSettings
from anysize.modalities.texts.tokenizer import tokenizer_beside
from anysize.models.bundle import Card
from anysize.models.graph_metadata import GraphMetadata, read
from anysize.models.graph_network import fitted, network_of
from anysize.models.network import Network
from anysize.models.onnx.adapter import (
    IMAGENET,
    Adapter,
    adapter_beside,
    find_adapter,
    read_adapter,
)
from anysize.models.onnx.graph import OnnxGraph, read_graph

_log = logging.getLogger("anysize")

_CLASSIFIERS = ("image-classification", "text-classification")
_TEXT_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
_MOST_CLASSES = 1 << 20


def open_onnx_file(
    path: Path, task: str | None = None, *, pixels: str | None = None
) -> tuple[Network, Card]:
    """A network and a card for an ONNX file.

    Args:
        path: of the file.
        task: of a classifier from elsewhere, which does not name it.
        pixels: the values that it was trained on, where they will be given.

    Raises:
        BundleError: the file, its adapter or its tokenizer cannot be used; all faults are named.
        ConfigurationError: the task is another than the file's.
    """
    adapter = adapter_beside(path)
    detection = "object-detection"
    if adapter is not None and (task == detection or (task is None and _decodes(adapter))):
        from anysize.models.onnx_detector import open_onnx

        return open_onnx(path)
    graph = read_graph(path)
    known = read(graph.metadata, str(path))
    if known is None and task == detection:
        find_adapter(path)  # says what to write
    if known is None:
        known = _foreign(path, graph, task, adapter)
        if task == "image-classification" and pixels is None and not _says_pixels(adapter):
            _log.warning(
                "%s: nothing says which values of pixels it was trained on, so ImageNet's mean and "
                "deviation are taken; --pixels, or mean and std in %s beside it, say it",
                path, path.with_suffix(".toml").name,
            )  # fmt: skip
    elif task not in (None, known.card.task):
        raise ConfigurationError(f"task must be {known.card.task!r}, the file's own, not {task!r}")
    else:
        known = fitted(path, known, inputs=graph.inputs, outputs=graph.outputs)
    probabilities = graph.probabilities and known.outputs == ("logits",)
    outputs = ("probabilities",) if probabilities else known.outputs
    return network_of(path, known, runtime="onnx", outputs=outputs), known.card


def _foreign(path: Path, graph: OnnxGraph, task: str | None, place: Path | None) -> GraphMetadata:
    """What is known of a classifier from elsewhere."""
    if task not in _CLASSIFIERS:
        raise BundleError(
            str(path),
            f"does not say what it is for: name a classifier's task with --task "
            f"({', '.join(_CLASSIFIERS)}); for a detector write {path.with_suffix('.toml').name} "
            "beside it, with labels and a [decoder] (docs: detection)",
        )
    adapter = Adapter(mean=IMAGENET[0], std=IMAGENET[1])
    if place is not None:
        adapter = read_adapter(place, detector=False)
    problems: list[str] = []
    labels = _labels(graph, adapter, problems)
    settings: Settings | None
    if task == "image-classification":
        settings = _image(graph, adapter, problems)
    else:
        settings = _text(graph, adapter, problems)
    if problems or settings is None:
        raise BundleError(str(path), "; ".join(problems))
    card = Card(
        task=task, labels=labels, model=str(path), licence=adapter.licence, settings=settings
    )
    padding = None if task == "image-classification" else _padding(path)
    return GraphMetadata(card=card, outputs=("logits",), pad_token_id=padding)


def _labels(graph: OnnxGraph, adapter: Adapter, problems: list[str]) -> tuple[str, ...]:
    name, shape = next(iter(graph.outputs.items()))
    width = shape[-1] if shape else 0
    if len(graph.outputs) > 1:
        problems.append(f"a classifier has one output, but this has: {', '.join(graph.outputs)}")
    elif shape and len(shape) != 2:
        problems.append(f"its output {name!r} must be [n, classes], not {list(shape)}")
    elif not width and not adapter.labels:
        problems.append("its graph does not say how many classes there are: write an adapter file "
                        "with labels beside it")  # fmt: skip
    elif width and adapter.labels and len(adapter.labels) != width:
        problems.append(f"the adapter names {len(adapter.labels)} labels for {width} classes")
    elif width > _MOST_CLASSES:
        problems.append(f"it has more than {_MOST_CLASSES} classes")
    if problems or adapter.labels:
        return adapter.labels
    return tuple(map(str, range(width)))


def _image(graph: OnnxGraph, adapter: Adapter, problems: list[str]) -> ImageSettings | None:
    shape = next(iter(graph.inputs.values()), ())
    if len(graph.inputs) != 1 or len(shape) != 4 or shape[1] not in (0, 3):
        found = {name: list(each) for name, each in graph.inputs.items()}
        problems.append(f"its one input must be [n, 3, height, width], not {found}")
        return None
    width, height = shape[3] or adapter.width, shape[2] or adapter.height
    for name, own, wished in (("width", width, adapter.width), ("height", height, adapter.height)):
        if not own:
            problems.append(f"{name} must be given in an adapter file: the model takes any")
        elif wished not in (0, own):
            problems.append(f"{name} of the adapter is {wished}, but the model's is {own}")
    if problems:
        return None
    return ImageSettings(width=width, height=height, mean=adapter.mean, std=adapter.std)


def _text(graph: OnnxGraph, adapter: Adapter, problems: list[str]) -> TextSettings | None:
    if "input_ids" not in graph.inputs or not graph.inputs.keys() <= _TEXT_INPUTS:
        problems.append(
            f"its inputs must be input_ids and attention_mask (token_type_ids may be there), not "
            f"{', '.join(graph.inputs)}"
        )
        return None
    fixed = (graph.inputs["input_ids"] or (0, 0))[-1]
    if fixed:
        problems.append(
            f"its texts must all be {fixed} tokens long: export it with a free length instead"
        )
        return None
    return TextSettings(window=adapter.window or 512)


def _padding(path: Path) -> int:
    tokenizer = tokenizer_beside(path)
    found = (tokenizer.token_to_id(name) for name in ("[PAD]", "<pad>", "<|endoftext|>"))
    return next((number for number in found if number is not None), 0)


def _says_pixels(adapter: Path | None) -> bool:
    """Whether an adapter file, which was read already, names the mean of pixels."""
    return adapter is not None and "mean" in adapter.read_text(encoding="utf-8")


def _decodes(adapter: Path) -> bool:
    """Whether an adapter file is a detector's; what is wrong with it is reported by its reader."""
    try:
        return "decoder" in adapter.read_text(encoding="utf-8")[: 1 << 20]
    except (OSError, UnicodeDecodeError):
        return True
