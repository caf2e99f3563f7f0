"""What a Keras model reads and gives, and what task and labels that is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from anysize.core.errors import BundleError, ConfigurationError
from anysize.models.keras.architecture import Architecture, flatten
from anysize.models.keras.graph import SAMPLE, Graph
from anysize.models.keras.rewriting import Output, resized_head
from anysize.models.network import as_classification

if TYPE_CHECKING:
    from anysize.models.keras_model import KerasConfig

IMAGES = "image-classification"
VECTORS = "tabular-classification"
SEQUENCES = "time-series-classification"


def check_input(architecture: Architecture, task: str) -> None:
    """Refuses inputs that are not of the task.

    Raises:
        BundleError: what the input is, and the task for it.
    """
    shape = architecture.input_shape
    kinds = tasks_for(shape)
    task = as_classification(task)
    if any(call.kind == "Embedding" for call in architecture.calls):
        raise BundleError(
            "the model",
            "reads numbers of words, and a Keras file does not say which words they are; train a "
            "text model instead (anysize list models)",
        )
    if task not in kinds:
        named = f"use it for {' or '.join(kinds)}" if kinds else "that is for no task known here"
        raise BundleError("the model", f"has inputs of the shape {_shown(shape)}: {named}")


def tasks_for(shape: tuple[int | None, ...]) -> tuple[str, ...]:
    """The tasks that a model with this input can be for, the likeliest first."""
    if len(shape) == 1 and shape[0]:
        return (VECTORS,)
    if len(shape) == 2 and shape[1]:
        return (SEQUENCES, IMAGES) if shape[0] else (SEQUENCES,)
    if len(shape) == 3 and shape[2] in (1, 3):
        return (IMAGES,)
    return ()


def _shown(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def output_of(problem_type: str) -> Output:
    """What the last layer of a fresh model does to its scores, by what they are for."""
    found: Mapping[str, Output] = {
        "regression": "linear", "multi_label_classification": "sigmoid",
    }  # fmt: skip
    return found.get(problem_type, "softmax")


def problem_of(output: Output, width: int) -> str:
    """What so many outputs are for, by what the last layer does to them."""
    if output == "linear" and width == 1:
        return "regression"
    if output == "sigmoid" and width > 1:
        return "multi_label_classification"
    return "single_label_classification"


def count_classes(config: KerasConfig, width: int) -> int:
    """How many labels so many outputs are, for what ``config.problem_type`` says.

    Raises:
        BundleError: the outputs do not fit it.
    """
    if config.problem_type == "multi_label_classification":
        return width
    if config.problem_type == "regression":
        if width != 1:
            raise BundleError("the model", f"ends in {width} numbers; one can be estimated")
        return 1
    if config.output == "sigmoid":
        if width != 1:
            raise BundleError(
                "the model",
                f"ends in {width} sigmoids, so that a record may have several labels at once: "
                "train it with --head multi_label_classification",
            )
        return 2
    if width < 2:
        raise BundleError(
            "the model",
            "ends in one number without a sigmoid: that is a regression, no classifier; take the "
            "task of the same name that ends in -regression",
        )
    return width


def outputs_of(config: KerasConfig) -> int:
    """Numbers that the architecture's output has, found without making weights.

    Raises:
        BundleError: the output is not one vector a record.
        NoCounterpart: a layer that only Keras can run.
    """
    architecture = flatten(config.entries, "the model")
    sizes = tuple(SAMPLE if size is None else size for size in architecture.input_shape)
    with torch.device("meta"), torch.no_grad():
        graph = Graph(architecture).eval()
        found = graph(torch.zeros(1, sizes[-1], *sizes[:-1]))
    if found.ndim != 2:
        raise BundleError(
            "the model", f"gives scores of {found.ndim - 1} dimensions a record; one is needed"
        )
    return int(found.shape[1])


def fit_head(config: KerasConfig) -> tuple[str, ...] | None:
    """Changes the architecture to the number of labels; the path of the layer that is new."""
    architecture = flatten(config.entries, "the model")
    place = architecture.output
    while architecture.calls[place].kind in ("Activation", "Dropout"):
        (place,) = architecture.calls[place].inputs
    units = architecture.calls[place].config.get("units")
    wanted = int(config.num_labels or 0)
    if units is None or count_classes(config, units) == wanted:
        return None
    if config.by_keras:
        raise ConfigurationError(_other_labels(units, wanted, "is run by Keras itself"))
    single = config.problem_type in (None, "single_label_classification")
    output = "softmax" if config.output == "sigmoid" and single else config.output
    if not single:
        output = output_of(str(config.problem_type))
    found = resized_head(config.entries, architecture, wanted)
    if found is None:
        raise ConfigurationError(_other_labels(units, wanted, "does not end in a dense layer"))
    config.architecture, path = json.dumps(found[0]), found[1]
    config.output = output
    return path


def _other_labels(has: int, wanted: int, why: str) -> str:
    return f"the model has {has} outputs and {why}, so it cannot be made to have {wanted} labels"
