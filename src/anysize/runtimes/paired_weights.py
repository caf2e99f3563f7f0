"""The weights of an encoder-decoder's decoder in the form that generates fastest on a processor.

A step of generation reads one token of each row, so that most of what it takes, beside the
products, is what Python and torch do around them. A layer is few operations here: query, key and
value are one matrix, and sums with the residual are part of a product. See
``runtimes.decoder_weights`` for decoders alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.runtimes import linears
from anysize.runtimes.linears import is_linear, reordered

# Whether their layers normalise before attention and the feed-forward part, or behind it.
_BEFORE = {
    "BartForConditionalGeneration": False,
    "MarianMTModel": False,
    "M2M100ForConditionalGeneration": True,
    "MBartForConditionalGeneration": True,
    "PegasusForConditionalGeneration": True,
}
_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")


class Attention(Protocol):
    """What rows see: of what was written, and of what the encoder read."""

    def own(self, layer: int, inputs: Tensor) -> Tensor:
        """Keeps one token of each row, and gives what it sees of its row.

        Args:
            layer: its number.
            inputs: queries, keys and values, ``[rows, 3 * width]``.

        Returns:
            ``[rows, width]``.
        """
        ...

    def across(self, layer: int, query: Tensor) -> Tensor:
        """What each row sees of what the encoder read, both ``[rows, width]``."""
        ...


def supports(module: nn.Module, device: torch.device) -> bool:
    """Whether a module's weights can be used so: a decoder like BART's, whole and unchanged."""
    whole: Any = module
    if device.type != "cpu" or type(module).__name__ not in _BEFORE:
        return False
    if not torch.backends.mkldnn.is_available():
        return False
    parts = [each for layer in whole.get_decoder().layers for each in _products(layer)]
    return all(map(is_linear, (*parts, whole.lm_head)))


def copied_bytes(module: nn.Module, precision: str) -> int:
    """What `PairedWeights` take beside the module's own."""
    whole: Any = module
    parts = [each for layer in whole.get_decoder().layers for each in _products(layer)]
    return linears.copied_bytes((*parts, whole.lm_head), getattr(torch, precision))


def _products(layer: Any) -> list[Any]:
    attentions = (layer.self_attn, layer.encoder_attn)
    found = [getattr(each, name) for each in attentions for name in _ATTENTION]
    return [*found, layer.fc1, layer.fc2]


class PairedWeights:
    """The weights of a decoder that `supports` takes.

    Args:
        module: is read, not changed; later changes of its weights may not be seen.
        dtype: float32 or bfloat16, of weights and of what is computed between them.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        whole: Any = module
        decoder: Any = whole.get_decoder()
        attention = decoder.layers[0].self_attn
        self.dtype = dtype
        self.layers = len(decoder.layers)
        self.heads, self.size = int(attention.num_heads), int(attention.head_dim)
        self.width = self.heads * self.size
        before = _BEFORE[type(module).__name__]
        embed: Any = decoder.embed_tokens
        self._embedding: Callable[[Tensor], Tensor] = embed
        if isinstance(embed, nn.Embedding):
            # Some multiply by the scale themselves.
            self._embedding = partial(functional.embedding, weight=embed.weight.detach())
        self._scale = float(getattr(decoder, "embed_scale", getattr(embed, "embed_scale", 1.0)))
        self._places = _places(decoder.embed_positions)
        with torch.inference_mode():
            self._layers = [_Layer(each, before=before, dtype=dtype) for each in decoder.layers]
            self._first = _normalising(getattr(decoder, "layernorm_embedding", None), dtype)
            self._last = _normalising(getattr(decoder, "layer_norm", None), dtype)
            self._head = reordered([whole.lm_head], dtype)
            bias = getattr(whole, "final_logits_bias", None)
            self._bias: Tensor | None = bias if bias is not None and bool(bias.any()) else None

    def across(self, encoded: Tensor) -> list[Tensor]:
        """Of each layer the keys and values of what the encoder gave.

        Args:
            encoded: ``[sentences, tokens, width]``.

        Returns:
            ``[2, sentences, heads, tokens, size]`` each, float32.
        """
        count, tokens, _ = encoded.shape
        rows = encoded.to(self.dtype).reshape(count * tokens, -1)
        return [
            layer.source(rows)
            .float()
            .view(count, tokens, 2, self.heads, self.size)
            .permute(2, 0, 3, 1, 4)
            .contiguous()
            for layer in self._layers
        ]

    def read(self, ids: Tensor, position: int, attention: Attention) -> Tensor:
        """The states of one token of each row, ``[rows, width]``.

        Args:
            ids: int64 ``[rows]``.
            position: of all of them.
            attention: knows what each of them sees.
        """
        hidden = self._embedding(ids)
        hidden = (hidden * self._scale + self._places[position]).to(self.dtype)
        if self._first is not None:
            hidden = self._first(hidden)
        for number, layer in enumerate(self._layers):
            hidden = layer(number, hidden, attention)
        return hidden if self._last is None else self._last(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """Float32 ``[rows, vocabulary]`` of states ``[rows, width]``."""
        found = self._head(hidden).float()
        return found if self._bias is None else found + self._bias


def _places(positions: Any) -> Tensor:
    """What each position adds, the first one first."""
    if hasattr(positions, "weights"):
        # Sinusoids of M2M100, counted from behind the padding token.
        found: Tensor = positions.weights.detach()
        return found[positions.padding_idx + 1 :]
    table: Tensor = positions.weight.detach()
    return table[int(getattr(positions, "offset", 0)) :]


_Normalising = Callable[[Tensor], Tensor]


def _normalising(norm: Any, dtype: torch.dtype) -> _Normalising | None:
    if norm is None:
        return None
    shape, epsilon = list(norm.weight.shape), float(norm.eps)
    weight, bias = norm.weight.detach().to(dtype), norm.bias.detach().to(dtype)

    def normalised(rows: Tensor) -> Tensor:
        return functional.layer_norm(rows, shape, weight, bias, epsilon)

    return normalised


class _Layer:
    """One layer on one token of each row."""

    def __init__(self, layer: Any, *, before: bool, dtype: torch.dtype) -> None:
        self._before = before
        own, across = layer.self_attn, layer.encoder_attn
        self._inputs = reordered([own.q_proj, own.k_proj, own.v_proj], dtype)
        self._output = reordered([own.out_proj], dtype)
        self._query = reordered([across.q_proj], dtype)
        self.source = reordered([across.k_proj, across.v_proj], dtype)
        self._crossed = reordered([across.out_proj], dtype)
        relu = isinstance(layer.activation_fn, nn.ReLU)
        self._up = reordered([layer.fc1], dtype, "relu" if relu else "none")
        self._activation: _Normalising | None = None if relu else layer.activation_fn
        self._down = reordered([layer.fc2], dtype)
        norms = (layer.self_attn_layer_norm, layer.encoder_attn_layer_norm, layer.final_layer_norm)
        self._norms = [_needed(_normalising(each, dtype)) for each in norms]

    def __call__(self, number: int, hidden: Tensor, attention: Attention) -> Tensor:
        first, second, third = self._norms
        rows = first(hidden) if self._before else hidden
        hidden = self._output.plus(attention.own(number, self._inputs(rows)), hidden)
        hidden = hidden if self._before else first(hidden)
        rows = second(hidden) if self._before else hidden
        hidden = self._crossed.plus(attention.across(number, self._query(rows)), hidden)
        hidden = hidden if self._before else second(hidden)
        rows = self._up(third(hidden) if self._before else hidden)
        if self._activation is not None:
            rows = self._activation(rows)
        hidden = self._down.plus(rows, hidden)
        return hidden if self._before else third(hidden)


def _needed(norm: _Normalising | None) -> _Normalising:
    assert norm is not None
    return norm
