"""Small built-in models of numbers: a dense net of vectors, a convolutional one of sequences."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import torch

from anysize.core.errors import ConfigurationError
from anysize.modalities.numbers.settings import FeatureFacts, FeatureOptions
from anysize.models.classifier import class_entries
from anysize.models.keras.graph import Graph
from anysize.models.keras.heads import SEQUENCES, VECTORS, output_of
from anysize.models.keras.norms import Normalization
from anysize.models.keras_model import KerasClassifier, KerasConfig
from anysize.models.network import BuildRequest, Network, as_regression

PROVIDES = ("dense", "conv1d")

_DEFAULTS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "dense": (VECTORS, (128, 64)),
    "conv1d": (SEQUENCES, (64, 128)),
}


class FreshClassifier(KerasClassifier):
    """A classifier with fresh weights, whose first layer normalises by what the data are like."""

    starts_from_data = True

    def start_from(self, mean: Any, variance: Any, count: int) -> None:
        """Sets the statistics of the inputs.

        Args:
            mean: of each feature.
            variance: of each feature, above zero.
            count: of how many vectors or steps.
        """
        assert isinstance(self.body, Graph)
        for _, layer in self.body.weighted():
            if isinstance(layer, Normalization):
                layer.mean.copy_(torch.as_tensor(mean, dtype=torch.float32))
                layer.variance.copy_(torch.as_tensor(variance, dtype=torch.float32))
                layer.count.fill_(count)


def build(key: str, request: BuildRequest) -> Network:
    """A fresh network, its architecture written as Keras would, so that it can be exported.

    Options: ``hidden=128x64``, units or channels of the hidden layers; ``dropout``.

    Raises:
        ConfigurationError: another task, no data to tell the number of features, or an option
            that is not there.
    """
    task, _ = _DEFAULTS[key]
    hidden, dropout = _checked(key, request)
    facts = request.known(FeatureFacts)
    assert facts.shape is not None
    sequences = task == SEQUENCES
    width = 1 if sequences and len(facts.shape) == 1 else facts.shape[-1]
    shape = (None, None, width) if sequences else (None, width)
    layers = [_layer("InputLayer", "input", batch_shape=shape)]
    if facts.encoding is None:
        layers.append(_layer("Normalization", "scaled"))
    for number, units in enumerate(hidden):
        layers += _hidden(number, units, sequences=sequences)
        if dropout:
            layers.append(_layer("Dropout", f"dropout_{number}", rate=dropout))
    if sequences:
        layers.append(_layer("GlobalAveragePooling1D", "mean"))
    layers.append(_layer("Dense", "scores", units=len(request.labels), activation="linear"))
    entries = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": key, "layers": layers},
        "registered_name": None,
    }
    config = KerasConfig(
        architecture=json.dumps(entries),
        task=task,
        output=output_of(request.problem_type),
        problem_type=request.problem_type,
        **class_entries(request.labels),
    )
    module = FreshClassifier(config)
    settings = module.feature_settings
    assert settings is not None
    window = request.wished(FeatureOptions).window
    if window is not None:
        settings = dataclasses.replace(settings, steps=window)
    if facts.encoding is not None and not sequences:
        settings = dataclasses.replace(settings, encoding=facts.encoding)
    return Network(module=module, spec=key, settings=settings, licence="Apache-2.0")


def _checked(key: str, request: BuildRequest) -> tuple[tuple[int, ...], float]:
    """Sizes of the hidden layers and the dropout; see ``build``."""
    task, hidden = _DEFAULTS[key]
    problems = [
        f"model {key!r} has no option {name!r}; it has: dropout, hidden"
        for name in request.options
        if name not in ("dropout", "hidden")
    ]
    if request.kind != task:
        problems.append(
            f"model {key!r} is for {task} and {as_regression(task)}, not for {request.task}"
        )
    if "hidden" in request.options:
        try:
            hidden = tuple(map(int, request.options["hidden"].split("x")))
        except ValueError:
            problems.append(
                f"hidden must be numbers with x between, not {request.options['hidden']!r}"
            )
    try:
        dropout = float(request.options.get("dropout", 0.0))
    except ValueError:
        problems.append(f"dropout must be a number, not {request.options['dropout']!r}")
    if request.known(FeatureFacts).shape is None:
        problems.append(f"model {key!r} is made for data, to know how many features there are")
    if problems:
        raise ConfigurationError(problems)
    return hidden, dropout


def _hidden(number: int, units: int, *, sequences: bool) -> list[dict[str, Any]]:
    if not sequences:
        return [_layer("Dense", f"hidden_{number}", units=units, activation="relu")]
    return [
        _layer(
            "Conv1D",
            f"hidden_{number}",
            filters=units,
            kernel_size=[5],
            strides=[1],
            dilation_rate=[2**number],
            padding="same",
            activation="relu",
        )
    ]


def _layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"name": name, **config},
        "registered_name": None,
    }
