"""Model specs: from a string to a network.

A spec is a built-in name (``resnet18``, ``minilm``), a local folder in the Hugging Face layout, a
bundle, a Keras file (``model.keras``, ``model.h5``), a GGUF file (``model.gguf``), or a hub id
(``distilbert/distilbert-base-uncased``). Of folders only safetensors weights are read, and no code
from a model folder is ever run. Here it is only decided which of them a spec is; each is opened in
a file of its own (``models.opening``, ``models.keras``, ``models.onnx``, ``models.gguf``).
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from anysize.core import plugins
from anysize.core.errors import BundleError, ConfigurationError
from anysize.models.bundle import CARD, Card, is_bundle
from anysize.models.gguf.files import gguf_file
from anysize.models.graph_files import graph_file
from anysize.models.keras.suffixes import is_keras
from anysize.models.network import BuildRequest, Network

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def build(spec: str, request: BuildRequest) -> Network:
    """A network to train: built-in, or a folder or hub id with a head of the right size.

    A bundle keeps its windows and preprocessing, and where the task and the labels are its own, its
    head.

    Raises:
        ConfigurationError: an unknown name; near names are suggested.
        BundleError: a folder that cannot be used.
    """
    if plugins.has("models", spec):
        return cast(Network, plugins.load("models", spec).build(spec, request))
    from anysize.models.thinned import apply_options

    if is_keras(spec):
        from anysize.models.keras import file as keras_file

        return keras_file.build(spec, request)
    if (weights := gguf_file(spec)) is not None:
        from anysize.models.gguf import file as gguf

        network = gguf.build(weights, request)
        apply_options(network, request.options)
        return network
    if not Path(spec).is_dir() and "/" not in spec:
        plugins.load("models", spec)  # raises, with near names
    if not Path(spec).exists():
        _refuse_slip(Path(spec))
    from anysize.models.opening import bundles, hub

    graph = None if is_bundle(spec) else graph_file(spec)
    if graph is not None:
        raise BundleError(
            spec,
            f"a graph file ({graph.name}) predicts and is evaluated, and cannot be trained: give "
            "the bundle that it was exported from",
        )
    if is_bundle(spec):
        network = bundles.train_further(Path(spec), request)
    else:
        network = hub.from_hub(spec, request.task, request)
    apply_options(network, request.options)
    return network


def open_network(
    spec: str,
    task: str | None = None,
    *,
    labels: Sequence[str] | None = None,
    pixels: str | None = None,
) -> tuple[Network, Card]:
    """A trained network and its card: a bundle, or a folder or hub id with a ready head.

    Args:
        spec: a bundle's folder, a Hugging Face folder, a GGUF file, a hub id, or a built-in name
            with trained weights (its module has a function ``ready(key)``, with ``task`` where it
            is for several).
        task: needed only where the configuration does not name it.
        labels: names of the classes, where the model has none of its own or others.
        pixels: values that a picture model was trained on (``models.pixels``), where its file does
            not say it.

    Raises:
        BundleError: nothing usable there.
        ConfigurationError: labels or pixels that do not fit.
    """
    network, card = _opened(spec, task, pixels)
    if labels is None and pixels is None:
        return network, card
    from anysize.models.wishes import apply

    return apply(network, card, labels=labels, pixels=pixels)


def in_one_file(spec: str | Path) -> bool:
    """Whether a spec names a graph or GGUF file, or the folder of one.

    Raises:
        BundleError: a folder holds several.
    """
    return graph_file(spec) is not None or gguf_file(spec) is not None


def _opened(spec: str, task: str | None, pixels: str | None) -> tuple[Network, Card]:
    from anysize.models.opening import bundles, converted, hub

    if is_bundle(spec):
        return bundles.from_bundle(Path(spec))
    path = Path(spec)
    graph = graph_file(path)
    if graph is not None:
        return _graph(graph, task, pixels)
    if is_keras(spec):
        from anysize.models.keras import file as keras_file

        return keras_file.open_file(spec, task, pixels=pixels)
    if (weights := gguf_file(path)) is not None:
        from anysize.models.gguf import file as gguf

        return gguf.open_file(weights, task)
    if not path.exists() and plugins.has("models", spec):
        return _built_in(spec, task)
    if converted.is_converted(path):
        return converted.open_converted(path, task)
    if path.exists() and not (path / "config.json").is_file():
        begun = (path / "checkpoints").is_dir() and (path / "recipe.toml").is_file()
        raise BundleError(
            spec,
            "is a training that has not ended, so there is no model yet: go on with anysize train "
            "… --resume"
            if begun
            else "is neither a bundle (anysize.json) nor a Hugging Face folder (config.json), and "
            "holds no GGUF file",
        )
    if not path.exists():
        _refuse_slip(path)
    if not path.exists() and not _HUB_ID.fullmatch(spec):
        raise BundleError(spec, "no such folder, and not a hub id (owner/name)")
    return hub.open_folder(spec, task)


def _graph(path: Path, task: str | None, pixels: str | None) -> tuple[Network, Card]:
    if not path.is_file():
        raise BundleError(str(path), "does not exist")  # no hub id ends like this
    if path.suffix.lower() == ".xml":
        from anysize.models.openvino_file import open_openvino_file

        return open_openvino_file(path, task)
    for key in plugins.declaring("models", "COMPANION"):
        module = plugins.load("models", key)
        # A plug-in is taken for declaring whatever it may have.
        companion = getattr(module, "COMPANION", None)
        if companion is not None and path.with_name(path.name + companion).is_file():
            return cast(tuple[Network, Card], module.open_graph(path, task))
    from anysize.models.onnx.file import open_onnx_file

    return open_onnx_file(path, task, pixels=pixels)


def _refuse_slip(path: Path) -> None:
    """Where a model's folder of nearly that name lies in the same place, the hub is not asked.

    Asking it takes half a minute where there is no network.
    """
    above = path.parent
    if not above.is_dir():
        return
    models = {
        each.parent.name for name in (CARD, "config.json") for each in above.glob(f"*/{name}")
    }
    near = difflib.get_close_matches(path.name, models, n=3)
    if near:
        meant = " or ".join(repr(str(above / name)) for name in near)
        raise BundleError(str(path), f"no such folder; did you mean {meant}?")


def _built_in(key: str, task: str | None) -> tuple[Network, Card]:
    ready = getattr(plugins.load("models", key), "ready", None)
    if ready is None:
        raise BundleError(
            key, "is a built-in model without weights for a task: train it first (anysize train)"
        )
    if task is not None and "task" in inspect.signature(ready).parameters:
        return cast(tuple[Network, Card], ready(key, task=task))
    network, card = cast(tuple[Network, Card], ready(key))
    if task not in (None, card.task):
        raise ConfigurationError(
            f"{key} is ready for {card.task}, not for {task}: train it for that first (anysize "
            f"train {task} DATA --model {key})"
        )
    return network, card
