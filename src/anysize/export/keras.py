"""Writing a network that Keras can read back as a ``.keras`` file."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import ConfigurationError, RunError
from anysize.export.protocols import check_options, placing, target
from anysize.models.bundle import Card
from anysize.models.network import Network

PROVIDES = ("keras",)


def export(
    network: Network,
    card: Card,
    out: Path,
    *,
    source: Path | None,
    options: Mapping[str, str],
) -> Path:
    """Writes the trained weights into the Keras model that they came from.

    The last layer gets back what it did to its scores (softmax, sigmoid). Layers that pruning has
    made smaller are smaller in the file too. Labels and preprocessing go along in the file's
    ``metadata.json``, which Keras does not look at.

    Args:
        network: that was read from a Keras file, or a built-in ``dense`` or ``conv1d``.
        card: of it.
        out: a file whose name ends in ``.keras``, or a folder, which gets ``model.keras``.
        source: the bundle.
        options: there are none.

    Returns:
        The file.

    Raises:
        ConfigurationError: a network of another origin, or an option.
        MissingExtraError: Keras is not installed.
        RunError: Keras would give something else.
    """
    from anysize.models.keras.file import agrees
    from anysize.models.keras_model import KerasClassifier

    if network.form is not None:
        raise ConfigurationError(
            "a compiled form has no weights that Keras could read: export the original"
        )
    module = network.module
    if not isinstance(module, KerasClassifier):
        raise ConfigurationError(
            f"model {network.spec!r} is not made of Keras layers: only models that were read from "
            "a Keras file, and the built-in dense and conv1d, can be written as keras"
        )
    check_options("keras", options, ())
    model = keras_model(network)
    if not agrees(module, model):
        raise RunError("Keras does not give what the network gives; nothing is written")
    path = target(out, ".keras", source)
    with placing(path) as folder:
        model.save(folder / path.name)
        _add_notes(folder / path.name, card, bgr=module.config.bgr)
    return path


def keras_model(network: Network) -> Any:
    """The Keras model with a network's weights, in memory.

    Raises:
        RunError: the weights do not fit the layers.
    """
    from anysize.models.keras.architecture import flatten
    from anysize.models.keras.graph import Graph
    from anysize.models.keras.library import from_json, layer_at
    from anysize.models.keras.rewriting import with_output, with_sizes

    module: Any = network.module
    entries = module.config.entries
    architecture = flatten(entries, network.spec)
    restored = with_output(entries, architecture, module.config.output)
    body = module.body
    if not isinstance(body, Graph):
        model = from_json(restored, network.spec)
        model.set_weights(body.give())
        return model
    layers = dict(body.weighted())
    sizes = {path: layer.sizes() for path, layer in layers.items()}
    model = from_json(with_sizes(restored, sizes), network.spec)
    for path, layer in layers.items():
        target = layer_at(model, path)
        try:
            target.set_weights(layer.give())
        except ValueError as error:
            raise RunError(f"the weights of {'/'.join(path)} do not fit: {error}") from error
        if hasattr(target, "finalize_state"):
            target.finalize_state()
    return model


def _add_notes(path: Path, card: Card, *, bgr: bool) -> None:
    """Puts what a Keras file has no place for into its ``metadata.json``."""
    with zipfile.ZipFile(path) as archive:
        metadata = json.loads(archive.read("metadata.json"))
    metadata["anysize"] = {
        "task": card.task,
        "labels": list(card.labels),
        "licence": card.licence,
        "bgr": bgr,
        "card": {
            "modality": card.settings.modality,
            "settings": card.settings.to_json(),
            **({"head": dict(card.head)} if card.head else {}),
        },
    }
    changed = path.with_name(f".{path.name}")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for item in old.infolist():
            if item.filename == "metadata.json":
                new.writestr(item.filename, json.dumps(metadata, ensure_ascii=False))
                continue
            with old.open(item) as read, new.open(item.filename, "w", force_zip64=True) as write:
                shutil.copyfileobj(read, write)
    changed.replace(path)
