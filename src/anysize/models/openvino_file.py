"""OpenVINO's intermediate representation as a model, for prediction and evaluation.

Only a form that anysize exported is read: its ``rt_info`` says what it is for. Nothing is compiled
before a runtime opens it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.models.bundle import Card
from anysize.models.graph_metadata import PREFIX, read
from anysize.models.graph_network import fitted, network_of
from anysize.models.network import Network

_GROUP = PREFIX.rstrip(".")


def open_openvino_file(path: Path, task: str | None = None) -> tuple[Network, Card]:
    """A network and a card for an exported form.

    Args:
        path: of the ``.xml``; its weights lie beside it.
        task: None, or that of the form.

    Raises:
        BundleError: not a form, or not one of anysize's.
        ConfigurationError: the task is another than the form's.
        MissingExtraError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("openvino", "openvino") from error
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise BundleError(str(path), f"its weights, {weights.name}, are not beside it")
    try:
        model = openvino.Core().read_model(str(path))
        texts = _texts(model)
        inputs, outputs = _shapes(model.inputs), _shapes(model.outputs)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise BundleError(str(path), f"OpenVINO cannot read it: {last_line(error)}") from error
    known = read(texts, str(path))
    if known is None:
        raise BundleError(
            str(path),
            "does not say what it is for (rt_info has no 'anysize' part): give a form that anysize "
            "exported (anysize export BUNDLE --format openvino), or the same model as an ONNX file "
            "with its --task",
        )
    if task not in (None, known.card.task):
        raise ConfigurationError(f"task must be {known.card.task!r}, the file's own, not {task!r}")
    known = fitted(path, known, inputs=inputs, outputs=outputs)
    return network_of(path, known, runtime="openvino", outputs=known.outputs), known.card


def _texts(model: Any) -> dict[str, str]:
    entries = model.get_rt_info([_GROUP]).value if model.has_rt_info([_GROUP]) else {}
    return {
        f"{PREFIX}{name}": str(getattr(entry, "value", entry)) for name, entry in entries.items()
    }


def _shapes(ports: Any) -> dict[str, tuple[int, ...]]:
    """Name and shape of each; 0 is a free size."""
    found = {}
    for place, port in enumerate(ports):
        name = port.get_any_name() if port.get_names() else str(place)
        partial = port.get_partial_shape()
        known = partial if partial.rank.is_static else ()
        found[name] = tuple(side.get_length() if side.is_static else 0 for side in known)
    return found


def last_line(error: Exception) -> str:
    """What OpenVINO says: the lines before it name places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else repr(error)
