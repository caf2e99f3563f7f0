"""What identifies the weights of a module that lies in no folder."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_fingerprint(module: nn.Module) -> str:
    """SHA-256 of the names, types, shapes and numbers of all tensors, whatever their order."""
    found = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        found.update(f"{name}\0{plain.dtype}\0{tuple(plain.shape)}\0".encode())
        found.update(plain.flatten().view(dtype=torch.uint8).numpy().tobytes())
    return found.hexdigest()
