"""What a folder may ask for: its configuration is checked against its weights beforehand.

A damaged or hostile configuration can ask for a thousand million layers, classes or positions. The
header of the weights says how many numbers there really are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import BundleError
from anysize.models import tensor_file

if TYPE_CHECKING:
    from torch import nn

MOST_CLASSES = 1 << 20
"""Labels of a model, at most."""

_MOST_LAYERS = 10_000
_LAYERS = re.compile(r"(layers?|depths?|blocks?|stages?|num_hidden_groups|repeats)$")
_CLASSES = ("label2id", "id2label")
# A head for other labels, buffers that are computed, a tensor that is stored once and used twice.
_SPARE = 1 << 24
_TIMES = 3


def stored_tensors(folder: Path) -> Mapping[str, tuple[int, ...]] | None:
    """Shapes of the tensors in a folder's weights, by name; None where there are no weights.

    Raises:
        BundleError: damaged weights, or an index that names something else than safetensors files
            beside it.
    """
    from anysize.models import quantized_weights, sparse

    for name in (quantized_weights.FILE, sparse.FILE):
        if (folder / name).is_file():
            found = tensor_file.read_header(folder / name)
            break
    else:
        if not any((folder / n).is_file() for n in (tensor_file.SINGLE, tensor_file.INDEX)):
            return None
        found = tensor_file.stored(folder)
    return {name: item.shape for name, item in found.items()}


def check_configuration(spec: str, entries: Mapping[str, Any], tensors: int | None) -> None:
    """Refuses a configuration that asks for more layers than there are tensors, and the like.

    Args:
        spec: names the folder in errors.
        entries: of ``config.json``.
        tensors: how many the weights have; None where that is not known.

    Raises:
        BundleError: naming the entry.
    """
    if entries.get("transformers_weights") not in (None, tensor_file.SINGLE):
        raise BundleError(
            spec,
            f"its config.json names other weights (transformers_weights: "
            f"{entries['transformers_weights']!r}); only {tensor_file.SINGLE} is read",
        )
    labels = entries.get("num_labels")
    if isinstance(labels, int) and labels > MOST_CLASSES:
        raise BundleError(spec, f"its config.json asks for {labels} classes (num_labels)")
    most = _MOST_LAYERS if tensors is None else min(max(tensors, 64), _MOST_LAYERS)
    # Names of classes are the user's: "CD player" is not a number of layers.
    asked = {name: value for name, value in entries.items() if name not in _CLASSES}
    for name, value in _numbers("", asked):
        if _LAYERS.search(name) and value > most:
            raise BundleError(
                spec, f"its config.json asks for {name} = {value}, more than its weights have"
            )


def check_size(spec: str, module: nn.Module, stored: Mapping[str, tuple[int, ...]] | None) -> None:
    """Refuses a module much larger than the weights that are there for it.

    Args:
        spec: names the folder in errors.
        module: as its configuration builds it, without memory for its weights.
        stored: shapes of the stored tensors; None where they are not known.

    Raises:
        BundleError: with both numbers.
    """
    if stored is None:
        return
    has = sum(map(math.prod, stored.values()))
    wants = sum(item.numel() for item in (*module.parameters(), *module.buffers()))
    if wants > _TIMES * _packed(stored, has) + _SPARE:
        raise BundleError(
            spec, f"its config.json asks for {wants} weights, but only {has} are stored"
        )


def _packed(stored: Mapping[str, tuple[int, ...]], has: int) -> int:
    """Weights that the tensors may hold: a byte of a mask is eight, one of int4 is two."""
    return 8 * has if any(name.endswith((":mask", ".quantized")) for name in stored) else has


def _numbers(name: str, value: Any) -> Iterator[tuple[str, int]]:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield name, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _numbers(str(key), entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _numbers(name, entry)
