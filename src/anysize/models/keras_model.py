"""Keras models as models of transformers: one module class, made from the architecture's JSON.

The configuration holds the JSON, so a bundle of a Keras model is a folder like any other
(``config.json``, ``model.safetensors``) and needs no Keras to be opened, except where a layer has
no counterpart here (``models.keras.layers``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.utils.generic import ModelOutput

from anysize.modalities.numbers.settings import FeatureSettings
from anysize.models.keras.architecture import flatten
from anysize.models.keras.graph import Graph
from anysize.models.keras.heads import IMAGES, SEQUENCES, VECTORS, check_input, fit_head
from anysize.models.keras.rewriting import Output

_LUMA = (0.299, 0.587, 0.114)
"""Red, green and blue of a grey picture (ITU-R BT.601), as picture files are made grey."""

MOST_STEPS = 4096
"""Steps that a model of any length reads at once, unless a window is asked for."""


@dataclass
class KerasOutput(ModelOutput):
    """Result of a Keras model.

    Attributes:
        loss: mean cross entropy, a scalar; present only when labels were given.
        logits: ``[n, num_labels]``.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None


class KerasConfig(PretrainedConfig):
    """Configuration of :class:`KerasClassifier`.

    Args:
        architecture: the model's JSON as Keras 3 writes it, without what the last layer does to its
            scores.
        output: what that was.
        task: what the model reads, as the classification task of such inputs.
        by_keras: whether Keras itself runs the model, because a layer has no counterpart.
        bgr: whether a model of coloured pictures takes blue first; it is given red first.
        **kwargs: what every configuration has, ``num_labels`` for one.
    """

    model_type = "anysize_keras_model"

    def __init__(
        self,
        architecture: str = "",
        output: Output = "softmax",
        task: str = VECTORS,
        by_keras: bool = False,
        bgr: bool = False,
        **kwargs: Any,
    ) -> None:
        # As text: transformers reads a meaning of its own into names of nested settings.
        self.architecture = architecture
        self.output = output
        self.task = task
        self.by_keras = by_keras
        self.bgr = bgr
        super().__init__(**kwargs)

    @property
    def entries(self) -> dict[str, Any]:
        """The architecture's JSON as values."""
        found: dict[str, Any] = json.loads(self.architecture)
        return found


class KerasClassifier(PreTrainedModel):
    """A classifier that was made with Keras.

    It gives logits: a last softmax is taken off, and one last sigmoid becomes two logits of which
    the first is always 0, which is the same probability.

    Where ``config.num_labels`` is not what the architecture says, the last dense layer is new.

    Raises:
        BundleError: several inputs or outputs, or an output that is not of a classifier.
        NoCounterpart: a layer that only Keras can run, without ``config.by_keras``.
    """

    config_class = KerasConfig
    body: nn.Module
    exact = False
    """Whether it is computed in float32 unless another precision is asked for."""

    def __init__(self, config: KerasConfig) -> None:
        super().__init__(config)
        self.loss_type = "ForSequenceClassification"
        self.replaced = fit_head(config)
        architecture = flatten(config.entries, "the model")
        self.shape = architecture.input_shape
        check_input(architecture, config.task)
        if config.by_keras:
            from anysize.models.keras.library import KerasBody

            self.body = KerasBody(config.entries)
        else:
            self.body = Graph(architecture)
            free = None in architecture.input_shape and config.task == SEQUENCES
            # A traced graph would keep the padding of the length that it was traced with.
            self.own_runtime = self.body.by_size and free
        self.main_input_name = "pixel_values" if config.task == IMAGES else "features"
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        pixel_values: Tensor | None = None,
        features: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> KerasOutput | tuple[Tensor, ...]:
        """Classify pictures, vectors or sequences, whichever the model is for.

        Args:
            pixel_values: ``[n, 3, height, width]``, scaled as the model was trained; a model of
                grey pictures gets their luma.
            features: ``[n, width]`` or ``[n, steps, width]``.
            labels: ``[n]`` class numbers; the mean cross entropy is returned as ``loss``.
            return_dict: false gives the fields that are set as a tuple.
        """
        given = pixel_values if self.config.task == IMAGES else features
        if given is None:
            raise ValueError(f"{self.main_input_name} must be given")
        scores: Tensor = self.body(self._arranged(given))
        single = self.config.problem_type in (None, "single_label_classification")
        if self.config.output == "sigmoid" and single:
            scores = torch.cat([torch.zeros_like(scores), scores], 1)
        loss = None if labels is None else _loss(self.config.problem_type, scores.float(), labels)
        output = KerasOutput(loss=loss, logits=scores)
        return output.to_tuple() if return_dict is False else output

    def _arranged(self, given: Tensor) -> Tensor:
        """Channels first, as many of them as the model has."""
        if self.config.task != IMAGES:
            return given.transpose(1, 2) if given.ndim == 3 else given
        if len(self.shape) == 3 and self.shape[2] == 3:
            return given.flip(1) if self.config.bgr else given
        red, green, blue = (
            share * given[:, place : place + 1] for place, share in enumerate(_LUMA)
        )
        grey = red + green + blue
        return grey if len(self.shape) == 3 else grey[:, 0].transpose(1, 2)

    @property
    def feature_settings(self) -> FeatureSettings | None:
        """How numbers become windows for this model; None for one of pictures."""
        if self.config.task == IMAGES:
            return None
        width = int(self.shape[-1] or 1)
        if self.config.task == VECTORS:
            return FeatureSettings(width=width)
        steps = self.shape[0]
        if steps is not None:
            return FeatureSettings(width=width, steps=steps, least=steps)
        return FeatureSettings(width=width, steps=MOST_STEPS, least=self._least_steps())

    @torch.no_grad()
    def _least_steps(self) -> int:
        """The fewest steps that go through, found by bisection."""
        training = self.training
        self.train(False)

        def goes(steps: int) -> bool:
            try:
                self(features=torch.zeros(1, steps, int(self.shape[-1] or 1), device=self.device))
            except (RuntimeError, ValueError, IndexError):
                return False
            return True

        low, high = 0, 1
        while high < MOST_STEPS and not goes(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if goes(middle) else (middle, high)
        self.train(training)
        return high

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As Keras draws them: Glorot uniform (Glorot and Bengio 2010), biases zero.

        The functions are transformers' own: they leave weights alone that a checkpoint filled.
        """
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)


def _loss(problem_type: str | None, scores: Tensor, labels: Tensor) -> Tensor:
    """As transformers takes it."""
    if problem_type == "regression":
        return functional.mse_loss(scores.squeeze(), labels.squeeze())
    if problem_type == "multi_label_classification":
        return functional.binary_cross_entropy_with_logits(scores, labels)
    return functional.cross_entropy(scores, labels)


AutoConfig.register(KerasConfig.model_type, KerasConfig, exist_ok=True)
AutoModel.register(KerasConfig, KerasClassifier, exist_ok=True)
AutoModelForImageClassification.register(KerasConfig, KerasClassifier, exist_ok=True)
