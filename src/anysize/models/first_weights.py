"""First weights of layers, drawn in the same way by several families.

The functions are transformers' own: they leave weights alone that a checkpoint filled.
"""

from __future__ import annotations

from torch import nn
from transformers import initialization as init


def before_relu(module: nn.Module, last: nn.Linear) -> None:
    """He normal for convolutions and linear layers, arXiv:1502.01852; biases of any layer are zero.

    Args:
        module: a layer.
        last: the layer that gives the logits: no ReLU follows it, and small weights start the
            training near uniform predictions.
    """
    if isinstance(module, nn.Conv2d):
        init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif module is last:
        init.normal_(last.weight, std=0.01)
    elif isinstance(module, nn.Linear):
        init.kaiming_normal_(module.weight, nonlinearity="relu")
    bias = getattr(module, "bias", None)
    if isinstance(bias, nn.Parameter):
        init.zeros_(bias)


def recurrent(module: nn.RNNBase) -> None:
    """Glorot uniform for inputs, orthogonal for what recurs, zero for biases."""
    for name, weight in module.named_parameters():
        if name.startswith("weight_ih"):
            init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            init.orthogonal_(weight)
        else:
            init.zeros_(weight)
