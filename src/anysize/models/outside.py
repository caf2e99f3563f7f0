"""Parts of a model that run before its graph, such as the face finder of an embedder.

A compiled form has the graph alone, so that these are kept beside it: ``finder.safetensors``. A
configuration that has such parts makes them, without weights, in a method ``outside``.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PretrainedConfig

from anysize.core.errors import BundleError
from anysize.models.tensor_file import write_tensors

_log = logging.getLogger("anysize")


def outside(config: PretrainedConfig) -> dict[str, nn.Module]:
    """The parts by the names of their attributes, with weights that mean nothing."""
    made: Any = getattr(config, "outside", None)
    return made() if callable(made) else {}


def write_outside(folder: Path, module: Any) -> None:
    """Writes the weights of a module's parts, a file each."""
    for name in outside(module.config):
        part = getattr(module, name, None)
        if part is not None:
            write_tensors(folder / f"{name}.safetensors", part.state_dict())


def read_outside(folder: Path, module: Any) -> None:
    """Gives the placeholder for a compiled form the parts that its configuration names.

    Raises:
        BundleError: a file is damaged, or belongs to another part.
    """
    from safetensors.torch import load_file

    for name, part in outside(module.config).items():
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            # Forms that were made before the parts were kept.
            _log.warning(
                "%s: its %s is missing, so that records are read without it; compress the model "
                "that it was made from anew", folder, name,
            )  # fmt: skip
            continue
        try:
            part.load_state_dict(load_file(path))
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BundleError(str(path), f"holds no {name}: {reason}") from error
        setattr(module, name, part.requires_grad_(False).eval())
