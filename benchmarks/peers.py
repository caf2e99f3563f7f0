"""What scripts need to run peers whose compiled parts do not fit the torch at hand."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path


def declare_torchvision_operators() -> None:
    """Declares torchvision's compiled operators, so that its Python part can be imported.

    Its wheels link CUDA libraries and do not load beside the CPU build of torch. Transforms and
    dataset folders use none of these operators; where they load, this does nothing.
    """
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed")
    folder = Path(spec.origin).parent
    try:
        torch.ops.load_library(next(folder.glob("_C*.so")))
    except (OSError, StopIteration):
        text = (folder / "_meta_registrations.py").read_text(encoding="utf-8")
        names = set(re.findall(r'torchvision::(\w+)"', text))
        names |= set(re.findall(r'register_meta\("(\w+)"', text))
        library = torch.library.Library("torchvision", "DEF")
        for name in sorted(names):
            library.define(f"{name}(Tensor input) -> Tensor")
        # A library's declarations last as long as the object.
        declare_torchvision_operators.__dict__["kept"] = library
