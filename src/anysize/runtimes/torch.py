"""The torch runtime: packed text in a form made for inference, everything else as in training."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from anysize.core.examples import Example, Outputs
from anysize.models.execution import make_execution
from anysize.models.network import Network

PROVIDES = ("torch",)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    capability = torch.cpu.get_capabilities()
    return bool(capability.get("avx512_bf16") or capability.get("amx_bf16"))


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
