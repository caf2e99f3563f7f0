"""The weights of a GGUF file, unpacked to float32 one tensor at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError, MissingExtraError
from anysize.models.gguf.configuration import ROPE_FACTORS, ends_of, family_of, stretched
from anysize.models.gguf.header import Header
from anysize.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_SHOWN = 3
_TURNED = re.compile(r"\.(q|k)_proj\.")
# GPT-2 of transformers multiplies from the other side.
_ACROSS = re.compile(r"\.(c_attn|c_proj|c_fc)\.weight$")
_LARGEST = 1 << 26  # bytes of a tensor that are unpacked at a time


def read_module(header: Header, config: PretrainedConfig) -> PreTrainedModel:
    """The module with its weights.

    Its shapes are compared with those of the file before memory is taken for any of them.

    Raises:
        BundleError: a weight is missing, of another shape or an unknown encoding, or has no place.
        MissingExtraError: the package gguf is not installed.
    """
    import torch
    import transformers
    from transformers import initialization as init

    if ROPE_FACTORS in header.tensors:
        factors = _unpacked(header, ROPE_FACTORS)
        config.rope_parameters = stretched(header, factors.ravel(), config)
    family = family_of(header)
    cls: Any = getattr(transformers, family.architecture)
    with quiet_transformers(), init.no_init_weights():
        with torch.device("meta"), init.meta_device_safe_creation_ops():
            outline = cls(config)
        places = _places(header, {name: tuple(each.shape) for name, each in _own(outline).items()})
        for name in places.values():
            _layout(header, name)
        module: PreTrainedModel = cls(config)
    own = _own(module)
    with torch.no_grad():
        for name, stored in places.items():
            value = _unpacked(header, stored)
            own[name].copy_(torch.from_numpy(_as_in_module(name, value, config, family.pairs)))
    ends = ends_of(header)
    if module.generation_config is not None and ends:
        module.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
    module.eval()
    return module


def _own(module: PreTrainedModel) -> dict[str, Any]:
    """The parameters, each under one name."""
    module.tie_weights()
    return dict(module.named_parameters())


def _places(header: Header, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The name in the file of each parameter."""
    family = family_of(header)
    names = {family.name(name): name for name in header.tensors if name not in family.extra}
    missing = sorted(shapes.keys() - names.keys())
    unknown = sorted(names[name] for name in names.keys() - shapes.keys())
    problems = []
    if missing:
        problems.append(f"has no weights for {_some(missing)}")
    if unknown:
        problems.append(f"has tensors that its configuration has no place for: {_some(unknown)}")
    for name in sorted(shapes.keys() & names.keys()):
        has = header.tensors[names[name]].shape
        wants = shapes[name][::-1] if _ACROSS.search(name) else shapes[name]
        if has != wants:
            problems.append(
                f"has {names[name]} in the shape {list(has)}, and its configuration wants "
                f"{list(wants)}"
            )
    if problems:
        raise BundleError(str(header.path), "; ".join(problems[:_SHOWN]))
    return {name: names[name] for name in shapes}


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _as_in_module(
    name: str, value: NDArray[np.float32], config: Any, pairs: bool
) -> NDArray[np.float32]:
    """A weight in the order that transformers has it."""
    found = _TURNED.search(name) if pairs else None
    if found is not None:
        heads = config.num_attention_heads if found[1] == "q" else config.num_key_value_heads
        split = value.reshape(heads, value.shape[0] // heads // 2, 2, *value.shape[1:])
        value = split.swapaxes(1, 2).reshape(value.shape)
    return np.ascontiguousarray(value.T if _ACROSS.search(name) else value)


def _layout(header: Header, name: str) -> tuple[Any, int]:
    """The encoding of a tensor, and the bytes of one of its rows.

    Raises:
        BundleError: it is unknown, does not fit the tensor, or the file ends before the tensor.
        MissingExtraError: the package gguf is not installed.
    """
    try:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    except ModuleNotFoundError as error:
        raise MissingExtraError("gguf", "pretrained") from error

    tensor, path = header.tensors[name], str(header.path)
    known = {int(each): each for each in GGMLQuantizationType}
    kind = known.get(tensor.kind)
    if kind is None or kind not in GGML_QUANT_SIZES:
        raise BundleError(path, f"has {name} in an unknown encoding ({tensor.kind})")
    block, size = GGML_QUANT_SIZES[kind]
    columns = tensor.shape[-1] if tensor.shape else 1
    if columns % block:
        raise BundleError(path, f"has {columns} columns in {name}, and {block} make a block")
    row = columns // block * size
    if tensor.start + tensor.numbers // columns * row > header.size:
        raise BundleError(path, f"is cut off: it ends before the tensor {name} does")
    return kind, row


def _unpacked(header: Header, name: str) -> NDArray[np.float32]:
    """A tensor in float32, in the order of the file."""
    from gguf import dequantize

    tensor = header.tensors[name]
    kind, row = _layout(header, name)
    columns = tensor.shape[-1] if tensor.shape else 1
    rows = tensor.numbers // columns
    found = np.empty((rows, columns), np.float32)
    step = max(_LARGEST // (4 * columns), 1)
    with header.path.open("rb", buffering=0) as stream:
        stream.seek(tensor.start)
        for first in range(0, rows, step):
            count = min(step, rows - first)
            packed = np.fromfile(stream, np.uint8, count * row)
            if packed.size != count * row:
                raise BundleError(str(header.path), f"is cut off: it ends inside {name}")
            try:
                found[first : first + count] = dequantize(packed.reshape(count, row), kind)
            except NotImplementedError as error:
                raise BundleError(
                    str(header.path), f"has {name} in the encoding {kind.name}, which is not read"
                ) from error
    return found.reshape(tensor.shape)
