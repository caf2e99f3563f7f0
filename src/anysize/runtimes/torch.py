"""The torch runtime: packed text in a form made for inference, everything else as in training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from anysize.core.examples import Example, Outputs
from anysize.models.execution import make_execution
from anysize.models.network import Network

PROVIDES = ("torch",)


def fast_bfloat16(device: torch.device, module: nn.Module) -> bool:
    """Whether bfloat16 is the faster arithmetic for a module on a device.

    On a processor matrix products want AVX-512 BF16 or AMX. Convolutions want AMX: without it
    oneDNN's bfloat16 convolutions were measured at a ninth of the speed of float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    capability = torch.cpu.get_capabilities()
    if capability.get("amx_bf16"):
        return True
    convolutions = sum(isinstance(layer, nn.Conv2d) for layer in module.modules())
    # A vision transformer has one, over the patches.
    return bool(capability.get("avx512_bf16")) and convolutions <= 1


class TorchRuntime:
    """Runs a network in torch.

    Args:
        network: put into evaluation mode and moved to ``device``.
        precision: ``float32`` or ``bfloat16``.
        device: ``cpu``, ``cuda``, …; None takes a GPU where there is one.
    """

    name = "torch"

    def __init__(
        self, network: Network, precision: str = "float32", device: str | None = None
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.precision = precision
        self._network = network
        network.module.eval().to(self.device)
        self._execution = make_execution(network, self.device)
        self.packed = self._execution.packed

    def run(self, examples: Sequence[Example]) -> Outputs:
        with (
            torch.inference_mode(),
            torch.autocast(
                self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
            ),
        ):
            outputs = self._execution(examples)
            arrays = {"logits": outputs.logits.float().cpu().numpy()}
            if self._network.pool is not None:
                scores = self._network.pool(outputs.features.float()).squeeze(-1)
                arrays["scores"] = scores.float().cpu().numpy()
        return Outputs(arrays)

    def close(self) -> None:
        """Nothing to release: the weights are the network's."""
