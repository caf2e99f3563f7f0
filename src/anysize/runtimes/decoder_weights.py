"""A decoder's weights in the form that generates fastest on a processor.

Steps of generation are small: what they cost is reading the weights, and what Python and torch do
around that. So a layer is few operations here: in bfloat16 query, key and value are one matrix,
gate and up another, all are reordered once for oneDNN, and sums with the residual are part of a
product. In float32 the module's own weights are used as they are, and take no memory twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.models.packed_causal import supports_packed_causal
from anysize.runtimes import linears
from anysize.runtimes.linears import is_linear, side_by_side

_FAMILIES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
_VARYING = ("dynamic", "longrope")

Attend: TypeAlias = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""From the number of a layer, queries ``[tokens, heads, size]``, keys and values ``[tokens,
key_heads, size]`` to what is attended to, ``[tokens, heads * size]``."""


def supports(module: nn.Module, device: torch.device) -> bool:
    """Whether a module's weights can be used so: a plain decoder with rotary positions."""
    whole: Any = module
    if device.type != "cpu" or type(module).__name__ not in _FAMILIES:
        return False
    if not supports_packed_causal(whole) or not torch.backends.mkldnn.is_available():
        return False
    if whole.config.hidden_act not in ("silu", "swish"):
        return False
    if str(getattr(whole.model.rotary_emb, "rope_type", "default")) in _VARYING:
        return False
    parts = [each for layer in whole.model.layers for each in _linears(layer)]
    return all(map(is_linear, (*parts, whole.lm_head)))


def copied_bytes(module: nn.Module, precision: str) -> int:
    """What `DecoderWeights` take beside the module's own."""
    if precision == "float32":
        return 0
    whole: Any = module
    parts = [each for layer in whole.model.layers for each in _linears(layer)]
    return linears.copied_bytes((*parts, whole.lm_head), torch.bfloat16)


def _linears(layer: Any) -> tuple[Any, ...]:
    attention, mlp = layer.self_attn, layer.mlp
    return (
        attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
        mlp.gate_proj, mlp.up_proj, mlp.down_proj,
    )  # fmt: skip


class DecoderWeights:
    """The weights of a decoder that `supports` takes.

    Args:
        module: is read, not changed; later changes of its weights may not be seen.
        dtype: float32 or bfloat16, of weights and of what is computed between them.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        whole: Any = module
        self.dtype = dtype
        self.layers = len(whole.model.layers)
        attention = whole.model.layers[0].self_attn
        self.size = int(attention.head_dim)
        self.heads = attention.q_proj.out_features // self.size
        self.key_heads = attention.k_proj.out_features // self.size
        self._embedding: Callable[[Tensor], Tensor] = whole.model.embed_tokens
        self._rotary: Any = whole.model.rotary_emb
        with torch.inference_mode():
            self._layers = [_Layer(each, self, dtype) for each in whole.model.layers]
            self._norm = _Norm(whole.model.norm, dtype)
            self._head = side_by_side([whole.lm_head], dtype)
            sign = torch.ones(self.size, dtype=dtype)
            sign[: self.size // 2] = -1
        self._sign = sign

    def read(self, ids: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """The states of tokens behind the last layer.

        Args:
            ids: int64 ``[tokens]``.
            positions: of each, int64 ``[tokens]``.
            attend: attention, which knows what each of them sees.

        Returns:
            ``[tokens, width]``.
        """
        hidden = self._embedding(ids).to(self.dtype)
        cos, sin = self._rotary(hidden[None], positions[None])
        turn = cos[0, :, None], (sin[0] * self._sign)[:, None]
        for number, layer in enumerate(self._layers):
            hidden = layer(number, hidden, turn, attend)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """Float32 ``[tokens, vocabulary]`` of states ``[tokens, width]``."""
        return self._head(self._norm(hidden)).float()


class _Norm:
    """Root mean square normalisation."""

    def __init__(self, norm: Any, dtype: torch.dtype) -> None:
        self._weight = norm.weight.detach().to(dtype)
        self._epsilon = float(norm.variance_epsilon)
        self._shape = list(self._weight.shape)

    def __call__(self, rows: Tensor) -> Tensor:
        return functional.rms_norm(rows, self._shape, self._weight, self._epsilon)


class _Layer:
    """One layer on tokens side by side."""

    def __init__(self, layer: Any, whole: DecoderWeights, dtype: torch.dtype) -> None:
        query, key, value, output, gate, up, down = _linears(layer)
        self._inputs = side_by_side([query, key, value], dtype)
        self._output = side_by_side([output], dtype)
        self._up = side_by_side([gate, up], dtype)
        self._down = side_by_side([down], dtype)
        self._before = _Norm(layer.input_layernorm, dtype)
        self._between = _Norm(layer.post_attention_layernorm, dtype)
        attention = layer.self_attn
        self._norms = None
        if hasattr(attention, "q_norm"):
            self._norms = _Norm(attention.q_norm, dtype), _Norm(attention.k_norm, dtype)
        self._split = (whole.heads, whole.key_heads, whole.key_heads)
        self._size, self._wide = whole.size, int(gate.out_features)

    def __call__(
        self, number: int, hidden: Tensor, turn: tuple[Tensor, Tensor], attend: Attend
    ) -> Tensor:
        rows = self._inputs(self._before(hidden)).view(len(hidden), -1, self._size)
        query, key, value = rows.split(self._split, 1)
        if self._norms is None:
            # Both are turned at once.
            turned = _turned(rows[:, : self._split[0] + self._split[1]], turn)
            query, key = turned.split(self._split[:2], 1)
        else:
            query, key = _turned(self._norms[0](query), turn), _turned(self._norms[1](key), turn)
        hidden = self._output.plus(attend(number, query, key, value), hidden)
        gate, up = self._up(self._between(hidden)).split(self._wide, 1)
        return self._down.plus(functional.silu(gate) * up, hidden)


def _turned(heads: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Heads ``[tokens, heads, size]`` with their halves turned by the positions."""
    cos, sin = turn
    return torch.addcmul(heads * cos, heads.roll(heads.shape[2] // 2, 2), sin)
