"""What a last layer begins with, where it is fresh or gives numbers in a scale of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anysize.heads.protocols import Head, Starting
from anysize.heads.regression import Number
from anysize.modalities import modality_of
from anysize.models.classifier import last_linear
from anysize.models.network import Network

if TYPE_CHECKING:
    from torch import Tensor, nn

_log = logging.getLogger("anysize")
_LENGTH = 16
_CLOSE = 1e-3


def start(
    network: Network, head: Head, labels: Sequence[str], counts: Mapping[str, int], records: int
) -> None:
    """Changes the last layer of a network that is to be trained.

    A fresh one begins at the frequencies of the labels, where the head says so. One that gives
    numbers as they are (``Network.scale``) is brought into the standard unit that is learned in, so
    that the network estimates at first what it has estimated before.

    Args:
        network: changed in place.
        head: as it was settled by the data.
        labels: of the network.
        counts: training records by label.
        records: for training, in all.
    """
    import torch

    last = last_linear(network.module, len(head.outputs(labels)))
    if isinstance(head, Starting):
        if last is not None and last.bias is not None and not bool(last.bias.any()):
            with torch.no_grad():
                last.bias.copy_(torch.tensor(head.start(counts, records, labels)))
    elif isinstance(head, Number) and network.scale is not None:
        mean, deviation = network.scale
        factor, shift = deviation / head.deviation, (mean - head.mean) / head.deviation
        if not _rescaled(network, last, factor, shift):
            _log.warning(
                "%s: its last layer cannot be brought into the scale of the targets, so that it "
                "begins far from what it has learned", network.spec,
            )  # fmt: skip


def _rescaled(network: Network, last: nn.Linear | None, factor: float, shift: float) -> bool:
    """Makes the network give ``factor * output + shift``; leaves it where that cannot be done."""
    import torch

    if last is None or last.bias is None:
        return False
    before = _outputs(network)
    kept = last.weight.detach().clone(), last.bias.detach().clone()
    with torch.no_grad():
        last.weight.mul_(factor)
        last.bias.mul_(factor).add_(shift)
    # Behind the layer there may be more.
    if torch.allclose(_outputs(network), before * factor + shift, rtol=_CLOSE, atol=_CLOSE):
        return True
    with torch.no_grad():
        last.weight.copy_(kept[0])
        last.bias.copy_(kept[1])
    return False


def _outputs(network: Network) -> Tensor:
    """What it gives for noise, ``[windows, outputs]``."""
    import torch

    modality = modality_of(network.settings)
    names = [item.name for item in modality.graph_inputs(network)]
    arrays = modality.noise(network, np.random.default_rng(0), 2, _LENGTH)
    given = {name: torch.from_numpy(each) for name, each in zip(names, arrays, strict=True)}
    module: Any = network.module
    training = module.training
    module.train(False)
    with torch.no_grad():
        logits: Tensor = module(**given).logits
    module.train(training)
    return logits.double()
