"""Keras itself, on its torch backend: imported when needed, never with another backend."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.models.keras.code import has_code

ALLOW = "ANYSIZE_KERAS_LAMBDA"
"""Environment variable that allows lambda layers in this process and its workers (``allow``)."""


def library() -> Any:
    """The package ``keras`` on the torch backend.

    Raises:
        MissingExtraError: it is not installed.
        ConfigurationError: it was imported with another backend before.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"
    try:
        import h5py  # noqa: F401  Keras only needs it once it reads a file
        import keras
    except ImportError as error:
        raise MissingExtraError("keras", "keras") from error
    backend = keras.backend.backend()
    if backend != "torch":
        raise ConfigurationError(
            f"Keras was imported with the backend {backend!r} before anysize, which needs torch: "
            "set KERAS_BACKEND=torch before the first import of Keras"
        )
    return keras


def lambdas_allowed() -> bool:
    """Whether the user has allowed code in Keras models."""
    return os.environ.get(ALLOW) == "allow"


def from_json(entries: Mapping[str, Any], origin: str) -> Any:
    """A Keras model with fresh weights.

    Raises:
        BundleError: it has a lambda layer, which was not allowed, or Keras cannot build it.
    """
    keras = library()
    if has_code(entries) and not lambdas_allowed():
        raise BundleError(
            origin,
            "has a lambda layer, which is program code and could do anything; allow it, only if "
            f"you trust whoever made the model, by setting {ALLOW}=allow",
        )
    try:
        return keras.saving.deserialize_keras_object(
            json.loads(json.dumps(entries)), safe_mode=not lambdas_allowed()
        )
    except (ValueError, TypeError, KeyError, RuntimeError, ImportError, AttributeError) as error:
        raise BundleError(origin, f"Keras cannot build it: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an exception says, on one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)


def layer_at(model: Any, path: Sequence[str]) -> Any:
    """A layer of a model, or of a model inside it."""
    for name in path:
        model = model.get_layer(name)
    return model


def arrays_of(model: Any, paths: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], Any]:
    """The weights of layers, by their paths."""
    return {path: layer_at(model, path).get_weights() for path in paths}


class KerasBody(nn.Module):
    """A model that Keras runs, its weights as torch's parameters.

    Args:
        entries: the architecture's JSON.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        super().__init__()
        # Keras's own registration of its weights would have each of them several times.
        self._held = (from_json(entries, "the model"),)
        self.weights = nn.ParameterList(
            nn.Parameter(variable.value.detach(), requires_grad=variable.trainable)
            for variable in self.keras.weights
        )

    @property
    def keras(self) -> Any:
        """The Keras model."""
        return self._held[0]

    def forward(self, values: Tensor) -> Tensor:
        """Channels first in; scores as Keras gives them."""
        for variable, weight in zip(self.keras.weights, self.weights, strict=True):
            variable._value = weight
        last = values.movedim(1, -1) if values.ndim > 2 else values
        found: Tensor = self.keras(last, training=self.training)
        return found

    def take(self, arrays: Sequence[NDArray[Any]]) -> None:
        """Takes over weights in the order of Keras's ``get_weights``."""
        with torch.no_grad():
            for weight, value in zip(self.weights, arrays, strict=True):
                weight.copy_(torch.as_tensor(value))

    def give(self) -> list[NDArray[Any]]:
        """The weights in the order of Keras's ``get_weights``."""
        return [weight.detach().cpu().numpy() for weight in self.weights]
