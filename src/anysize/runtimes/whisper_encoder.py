"""Whisper's encoder in torch, with weights out of a file of CTranslate2.

On processors that multiply in bfloat16 (AMX, AVX-512 BF16) torch does so faster than CTranslate2
does in float32 or with weights of 8 bits, and the encoder is nearly all such products.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anysize.models.ctranslate2_file import read_tensors
from anysize.models.processor import has_tiles
from anysize.models.quiet import quiet_transformers
from anysize.runtimes.blocked_attention import attend_in_blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BEGIN = "encoder/"
_HEAD = 64


def encoder_of(path: Path, config: Any) -> nn.Module:
    """The encoder in float32, in evaluation mode.

    Args:
        path: of the file.
        config: of the model, as transformers has it, from the file's shapes.

    Raises:
        BundleError: the file lacks a tensor, or one is of a type that is not read here.
    """
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    heads = int(config.d_model) // _HEAD
    own = WhisperConfig(
        num_mel_bins=config.num_mel_bins, d_model=config.d_model,
        encoder_layers=config.encoder_layers, encoder_attention_heads=heads,
        encoder_ffn_dim=4 * config.d_model,
    )  # fmt: skip
    stored = read_tensors(path, _BEGIN)
    with quiet_transformers():
        module = WhisperEncoder(own)
    states = _states(stored, int(config.encoder_layers))
    module.load_state_dict({name: torch.from_numpy(value) for name, value in states.items()})
    found: nn.Module = module.requires_grad_(False).eval()
    return found


def _states(
    stored: Mapping[str, NDArray[np.float32]], layers: int
) -> dict[str, NDArray[np.float32]]:
    """The tensors by the names of transformers."""
    found: dict[str, NDArray[np.float32]] = {}

    def put(name: str, origin: str, weight: str = "weight", bias: str = "bias") -> None:
        found[f"{name}.weight"] = stored[f"{_BEGIN}{origin}/{weight}"]
        found[f"{name}.bias"] = stored[f"{_BEGIN}{origin}/{bias}"]

    def norm(name: str, origin: str) -> None:
        put(name, origin, "gamma", "beta")

    put("conv1", "conv1")
    put("conv2", "conv2")
    found["embed_positions.weight"] = stored[f"{_BEGIN}position_encodings/encodings"]
    norm("layer_norm", "layer_norm")
    for place in range(layers):
        own, origin = f"layers.{place}", f"layer_{place}"
        fused = f"{_BEGIN}{origin}/self_attention/linear_0"
        weights = np.split(stored[f"{fused}/weight"], 3)
        biases = np.split(stored[f"{fused}/bias"], 3)
        for part, weight, bias in zip("qkv", weights, biases, strict=True):
            found[f"{own}.self_attn.{part}_proj.weight"] = weight
            if part != "k":
                found[f"{own}.self_attn.{part}_proj.bias"] = bias
        put(f"{own}.self_attn.out_proj", f"{origin}/self_attention/linear_1")
        norm(f"{own}.self_attn_layer_norm", f"{origin}/self_attention/layer_norm")
        put(f"{own}.fc1", f"{origin}/ffn/linear_0")
        put(f"{own}.fc2", f"{origin}/ffn/linear_1")
        norm(f"{own}.final_layer_norm", f"{origin}/ffn/layer_norm")
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


class Encoder:
    """Encodes windows with products of matrices in bfloat16, and everything else in float32.

    Args:
        module: the encoder; a copy of it with matrices in bfloat16 is kept, which shares the rest.
        threads: processor threads of a caller; 0 takes torch's.
    """

    def __init__(self, module: nn.Module, threads: int = 0) -> None:
        self._threads = threads
        shared: dict[int, Any] = {id(each): each for each in module.parameters()}
        for part in module.modules():
            if isinstance(part, nn.Linear | nn.Conv1d):
                for each in part.parameters(recurse=False):
                    half = each.detach().to(torch.bfloat16)
                    shared[id(each)] = nn.Parameter(half, requires_grad=False)
        self._module: nn.Module = copy.deepcopy(module, shared)
        if not has_tiles():
            attend_in_blocks(cast("PreTrainedModel", self._module))

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """States ``[n, 1500, width]`` of frames ``[n, mels, 3000]``, window by window."""
        found = []
        with (
            _threads(self._threads),
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16),
        ):
            for one in features:
                states = self._module(torch.from_numpy(one[None])).last_hidden_state
                found.append(states.float().numpy())
        return np.concatenate(found)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of torch for what this thread of Python asks for; 0 leaves them alone."""
    before = torch.get_num_threads()
    if count in (0, before):
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
