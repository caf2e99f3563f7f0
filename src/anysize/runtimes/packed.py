"""Packed prediction with encoder classifiers on a CPU: no padding, few passes over memory.

The weights are converted once: query, key and value become one linear layer (with the attention's
scale folded in), all linear layers are reordered for oneDNN, and activation and residual sums are
fused into them. The last layer computes only what the classification head reads: keys and
values of every token, but queries, output and feed-forward of each sequence's first token alone.

Memory grows with the tokens of one call and nothing else: rows are filled up to few different
sizes, so that the kernels that oneDNN compiles for each shape and keeps are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from anysize.core.errors import ConfigurationError
from anysize.models.packed_attention import first_token_attention, packed_attention
from anysize.models.packed_layout import Packing
from anysize.models.packed_tokens import PackedTokenModel, token_head
from anysize.models.packing import (
    NOTHING_BESIDE,
    Beside,
    PackedClassifier,
    PackedRow,
    TokenIds,
    embed,
    supports_packing,
)

_FUSED_ACTIVATIONS = {"gelu": ("gelu", "none"), "gelu_new": ("gelu", "tanh"), "relu": ("relu", "")}
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class PackedResult(NamedTuple):
    """Float32 arrays in the order of the sequences given: see `PackedOutput` for the meaning."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


class PackedInference:
    """A classifier's weights in the form that predicts fastest on a CPU.

    The model itself is only read, except that its attention implementation is set by
    `PackedClassifier`; later changes of its weights are not seen. Families with BERT's layer (BERT,
    RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA, DistilBERT) run in the fused form, others through
    `PackedClassifier`.

    Args:
        model: a model that packed execution takes: a classifier (`anysize.models.packing`) or one
            with outputs for each token (`anysize.models.packed_tokens`).
        precision: of weights and activations; embeddings, layer norms' statistics and the head
            are float32 in both.

    Raises:
        ConfigurationError: the model is not supported.
    """

    def __init__(
        self, model: PreTrainedModel, precision: Literal["float32", "bfloat16"] = "float32"
    ) -> None:
        if precision not in _DTYPES:
            raise ConfigurationError(
                f"precision: must be 'float32' or 'bfloat16'; found {precision!r}"
            )
        self.precision = precision
        self._dtype = _DTYPES[precision]
        model.eval()
        self._packed: PackedClassifier | PackedTokenModel
        if supports_packing(model):
            self._packed = PackedClassifier(model)
        else:
            self._packed = PackedTokenModel(model)
        with torch.inference_mode():
            self._layers = _fused_layers(model, self._dtype)

    def run(self, sequences: Sequence[TokenIds], beside: Beside = NOTHING_BESIDE) -> PackedResult:
        """Logits ``[n, num_labels]`` and features ``[n, feature_size]`` of each sequence.

        Memory grows with the total number of tokens: the caller bounds it by the batch.

        Args:
            sequences: token ids with special tokens, each of 1 to the model's positions.
            beside: other inputs of each sequence by name, as long as it.

        Raises:
            DataError: a sequence is empty or too long, or there is none.
        """
        classifier = self._packed
        assert isinstance(classifier, PackedClassifier)
        with torch.inference_mode():
            row = classifier.pack(sequences, beside)
            if self._layers is None:
                with self._autocast():
                    output = classifier.run(row)
            else:
                hidden = self._hidden(row, self._layers[:-1])
                first = self._layers[-1].first_tokens(hidden, row.packing).float()
                output = classifier.head(first[row.order])
            return PackedResult(output.logits.float().numpy(), output.features.float().numpy())

    def tokens(
        self, sequences: Sequence[TokenIds], beside: Beside, names: Sequence[str]
    ) -> dict[str, Tensor]:
        """Outputs for each token, ``[tokens, ...]``, of a model that gives them.

        Args:
            sequences: as for `run`.
            beside: as for `run`.
            names: the outputs: ``logits``, or ``start_logits`` and ``end_logits``.
        """
        model = self._packed
        assert isinstance(model, PackedTokenModel)
        with torch.inference_mode():
            row = model.pack(sequences, beside)
            if self._layers is None:
                with self._autocast():
                    return model.run(row, names)
            hidden = self._hidden(row, self._layers, rounded=True)
            hidden = hidden.index_select(0, row.places()).float()
            head = token_head(model.model)
            found: Tensor = getattr(model.model, head)(hidden) if head else hidden
            if len(names) == 1:
                return {names[0]: found}
            return dict(zip(names, found.unbind(-1), strict=True))

    def _hidden(self, row: PackedRow, layers: Sequence[_Layer], *, rounded: bool = False) -> Tensor:
        """States of the row's tokens; rounded, with rows of no meaning behind them.

        oneDNN compiles kernels for each new number of rows, and never forgets what they are built
        of. Attention in bfloat16 leaves further rows alone.
        """
        hidden = embed(self._packed.model.base_model, row).to(self._dtype)
        if rounded and self._dtype is torch.bfloat16:
            step = _FEW_ROWS if len(hidden) <= _MANY else _ROWS
            hidden = functional.pad(hidden, (0, 0, 0, -len(hidden) % step))
        for layer in layers:
            hidden = layer(hidden, row.packing)
        return hidden

    def _autocast(self) -> torch.autocast:
        enabled = self._dtype is torch.bfloat16
        return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


# What numbers of rows are rounded up to multiples of, and from where on.
_FEW_ROWS, _ROWS, _MANY = 16, 64, 512


class _Linear:
    """A linear layer reordered for oneDNN, with what follows it fused in."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self._bias = bias.to(dtype)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype).contiguous(), None)

    def __call__(self, rows: Tensor, activation: tuple[str, str] = ("none", "")) -> Tensor:
        name, algorithm = activation
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self._weight, self._bias, name, [], algorithm
        )
        return result

    def plus(self, rows: Tensor, residual: Tensor) -> Tensor:
        result: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            rows, residual, self._weight, self._bias, "add"
        )
        return result


class _Norm:
    def __init__(self, norm: nn.LayerNorm, dtype: torch.dtype) -> None:
        self._weight, self._bias = norm.weight.to(dtype), norm.bias.to(dtype)
        self._epsilon = norm.eps

    def __call__(self, rows: Tensor) -> Tensor:
        return functional.layer_norm(rows, rows.shape[-1:], self._weight, self._bias, self._epsilon)


class _Parts(NamedTuple):
    """The modules of one encoder layer, whatever the family calls them."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    output_norm: nn.LayerNorm
    up: nn.Linear
    down: nn.Linear
    down_norm: nn.LayerNorm


class _Layer:
    """One post-norm encoder layer (Vaswani et al., 2017) on packed rows."""

    def __init__(
        self, parts: _Parts, head_size: int, activation: tuple[str, str], dtype: torch.dtype
    ) -> None:
        self._width = parts.query.out_features
        self._heads = self._width // head_size
        scale = head_size**-0.5
        weights = [parts.query.weight * scale, parts.key.weight, parts.value.weight]
        biases = [parts.query.bias * scale, parts.key.bias, parts.value.bias]
        self._inputs = _Linear(torch.cat(weights), torch.cat(biases), dtype)
        self._output = _Linear(parts.output.weight, parts.output.bias, dtype)
        self._output_norm = _Norm(parts.output_norm, dtype)
        self._up = _Linear(parts.up.weight, parts.up.bias, dtype)
        self._activation = activation
        self._down = _Linear(parts.down.weight, parts.down.bias, dtype)
        self._down_norm = _Norm(parts.down_norm, dtype)

    def __call__(self, hidden: Tensor, packing: Packing) -> Tensor:
        attended = packed_attention(*self._projected(hidden), packing, 1.0)
        return self._after_attention(attended.view(-1, self._width), hidden)

    def first_tokens(self, hidden: Tensor, packing: Packing) -> Tensor:
        """``[tokens, size]`` to ``[segments, size]``: the layer's output at first tokens only."""
        query, key, value = self._projected(hidden)
        first = packing.first
        attended = first_token_attention(query[first], key, value, packing, 1.0)
        return self._after_attention(attended.view(-1, self._width), hidden[first])

    def _projected(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = self._inputs(hidden).view(hidden.shape[0], 3, self._heads, -1)
        query, key, value = rows.unbind(1)
        return query, key, value

    def _after_attention(self, attended: Tensor, residual: Tensor) -> Tensor:
        hidden = self._output_norm(self._output.plus(attended, residual))
        return self._down_norm(self._down.plus(self._up(hidden, self._activation), hidden))


def _bert_parts(layer: Any) -> _Parts:
    attention = layer.attention
    return _Parts(
        query=attention.self.query,
        key=attention.self.key,
        value=attention.self.value,
        output=attention.output.dense,
        output_norm=attention.output.LayerNorm,
        up=layer.intermediate.dense,
        down=layer.output.dense,
        down_norm=layer.output.LayerNorm,
    )


def _distilbert_parts(layer: Any) -> _Parts:
    return _Parts(
        query=layer.attention.q_lin,
        key=layer.attention.k_lin,
        value=layer.attention.v_lin,
        output=layer.attention.out_lin,
        output_norm=layer.sa_layer_norm,
        up=layer.ffn.lin1,
        down=layer.ffn.lin2,
        down_norm=layer.output_layer_norm,
    )


def _fused_layers(model: PreTrainedModel, dtype: torch.dtype) -> list[_Layer] | None:
    config = model.config
    encoder: Any = model.base_model
    distilbert = config.model_type == "distilbert"
    activation = _FUSED_ACTIVATIONS.get(config.activation if distilbert else config.hidden_act)
    if config.model_type == "albert" or activation is None:
        return None
    if not torch.backends.mkldnn.is_available():
        return None
    # Pruned layers have fewer heads, of the same size.
    head_size = int(config.hidden_size) // int(config.num_attention_heads)
    if distilbert:
        parts = [_distilbert_parts(each) for each in encoder.transformer.layer]
    else:
        parts = [_bert_parts(each) for each in encoder.encoder.layer]
    if not all(isinstance(module, (nn.Linear, nn.LayerNorm)) for each in parts for module in each):
        return None  # adapters or quantized layers: only the model's own code knows them
    return [_Layer(each, head_size, activation, dtype) for each in parts]
