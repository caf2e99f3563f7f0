"""Weights rewritten block by block: a file larger than the memory is no obstacle.

The rest of the bundle is copied. Where the names in the file are not those of the module, or the
weights are in an encoding of their own, the module is loaded instead, whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from anysize.compression.fitting import stored_problems
from anysize.core.files import disk_errors, replace_folder, scratch
from anysize.models import bundle
from anysize.models.network import Network
from anysize.models.opening.bundles import outline
from anysize.models.quantized_weights import is_quantized
from anysize.models.spec import open_network
from anysize.models.tensor_file import INDEX, SINGLE, TensorFileWriter, stored

# Some blocks of this size are held at a time, in float32 and as what they become.
BLOCK = 8 << 20

Layout = tuple[torch.dtype, tuple[int, ...]]


class Rewrite(Protocol):
    """What becomes of a tensor."""

    def layout(self, name: str, kind: torch.dtype, shape: tuple[int, ...]) -> dict[str, Layout]:
        """The tensors that it becomes, with their types and shapes; the first axis stays."""
        ...

    def block(self, name: str, rows: Tensor) -> dict[str, Tensor]:
        """The same for some of its rows."""
        ...


def problems(network: Network) -> list[str]:
    """Why weights cannot be rewritten, one sentence each."""
    if found := stored_problems(network):
        return found
    if is_quantized(network.module):
        return ["its weights are in fewer bits already"]
    return []


def rewrite(source: Path, out: Path, make: Callable[[nn.Module], Rewrite], file: str) -> None:
    """Writes a bundle whose weights are rewritten.

    Args:
        source: a bundle.
        out: of the new one; not there yet.
        make: makes the rewriting for the module as its configuration builds it.
        file: name of the file of weights.

    Raises:
        BundleError: the weights cannot be read.
    """
    with scratch(out.absolute().parent, "weights") as work, disk_errors(out):
        beside = work / "bundle"
        beside.mkdir()
        module = outline(source)
        weights = _weights(source, set(module.state_dict()))
        rewriting = make(module)
        _write(weights, beside / file, rewriting)
        left = {file, INDEX, SINGLE, bundle.CARD}
        for path in bundle.files_of(source):
            ours = path.suffix != ".safetensors" or path.name == "pool.safetensors"
            if path.name not in left and ours and path.parent == source:
                shutil.copyfile(path, beside / path.name)
        bundle.write_card(beside, bundle.read_card(source))
        replace_folder(beside, out)


class Blocks(Protocol):
    """A tensor that comes in blocks of rows."""

    @property
    def kind(self) -> torch.dtype: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def blocks(self, most: int) -> Iterator[tuple[int, Tensor]]: ...


@dataclass(frozen=True, slots=True)
class _Loaded:
    tensor: Tensor

    @property
    def kind(self) -> torch.dtype:
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    def blocks(self, most: int) -> Iterator[tuple[int, Tensor]]:
        if not self.shape:
            yield 0, self.tensor
            return
        row = max(self.tensor[:1].numel() * self.tensor.element_size(), 1)
        step = max(most // row, 1)
        for first in range(0, len(self.tensor), step):
            yield first, self.tensor[first : first + step]


def _weights(source: Path, names: set[str]) -> Mapping[str, Blocks]:
    """The tensors by the module's names: from the files, or else from the module."""
    if (source / SINGLE).is_file() or (source / INDEX).is_file():
        found = stored(source)
        if found.keys() <= names:
            return found
    network, _ = open_network(str(source))
    seen: set[int] = set()
    kept: dict[str, Blocks] = {}
    for name, tensor in network.module.state_dict().items():
        # Tied weights are one tensor under several names; the first stays.
        if tensor.data_ptr() not in seen or not tensor.numel():
            kept[name] = _Loaded(tensor)
        seen.add(tensor.data_ptr())
    return kept


def _write(weights: Mapping[str, Blocks], path: Path, rewriting: Rewrite) -> None:
    layouts: dict[str, Layout] = {}
    for name, item in weights.items():
        layouts |= rewriting.layout(name, item.kind, item.shape)
    with TensorFileWriter(path, layouts, {"format": "pt"}) as writer:
        for name, item in weights.items():
            for row, block in item.blocks(BLOCK):
                for key, part in rewriting.block(name, block).items():
                    writer.write(key, part, row)
