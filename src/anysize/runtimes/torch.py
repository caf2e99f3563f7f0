"""The torch runtime: packed text in a form made for inference, everything else as in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example, Outputs
from anysize.modalities import modality_of
from anysize.models.execution import Tensors, collect, make_execution
from anysize.models.network import Network
from anysize.models.processor import has_tiles, multiplies_bfloat16
from anysize.runtimes import decoder_weights, paired_weights
from anysize.runtimes.torch_generation import TorchGenerator, can_generate
from anysize.runtimes.torch_transcription import TorchTranscriber

PROVIDES = ("torch",)


def precisions(network: Network) -> tuple[str, ...]:
    """What a network may run in here, the likely fastest first; see ``core.protocols``."""
    if network.form is not None:
        return ()
    if getattr(network.module, "own_runtime", False) or getattr(network.module, "exact", False):
        return ("float32",)
    device = torch.device(_device())
    if not native_bfloat16(device):
        return ("float32",)
    if doubtful_bfloat16(device, network.module):
        return ("float32", "bfloat16")
    return ("bfloat16", "float32")


def open_runtime(
    network: Network, precision: str, folder: Path | None = None, threads: int = 0
) -> TorchRuntime:
    """The runtime for a network; torch's threads are the process's own."""
    return TorchRuntime(network, precision)


def generation_precisions(network: Network) -> tuple[str, ...]:
    """What a network can generate in here, the likely fastest first; see ``core.protocols``."""
    if network.form is not None or not can_generate(network.module):
        return ()
    return ("bfloat16", "float32") if native_bfloat16(torch.device(_device())) else ("float32",)


def generation_opening_memory(network: Network, precision: str) -> int:
    """The copy of a decoder's weights that generation reads, where there is one."""
    device = torch.device(_device())
    module = network.module
    if decoder_weights.supports(module, device):
        return decoder_weights.copied_bytes(module, precision)
    if paired_weights.supports(module, device):
        return paired_weights.copied_bytes(module, precision)
    return 0


def open_generator(
    network: Network, precision: str, folder: Path | None = None, threads: int = 0
) -> TorchGenerator:
    """The generator for a network; torch's threads are the process's own."""
    return TorchGenerator(network, precision, torch.device(_device()))


def transcription_precisions(network: Network) -> tuple[str, ...]:
    """What a network can transcribe in here, the likely fastest first."""
    if network.form is not None or network.module.config.model_type != "whisper":
        return ()
    return ("bfloat16", "float32") if native_bfloat16(torch.device(_device())) else ("float32",)


def open_transcriber(
    network: Network, precision: str, folder: Path | None = None, threads: int = 0
) -> TorchTranscriber:
    """What transcribes with a network; torch's threads are the process's own."""
    return TorchTranscriber(network, precision, torch.device(_device()))


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def fast_bfloat16(device: torch.device, module: nn.Module) -> bool:
    """Whether bfloat16 is surely the faster arithmetic for a module on a device.

    On a processor matrix products want AVX-512 BF16 or AMX. Convolutions want AMX: without it
    oneDNN's bfloat16 convolutions were measured from 1.5 times to a ninth of the speed of float32,
    by the net; see `doubtful_bfloat16`.
    """
    return native_bfloat16(device) and not doubtful_bfloat16(device, module)


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and multiplies_bfloat16()


def doubtful_bfloat16(device: torch.device, module: nn.Module) -> bool:
    """Whether only a measurement can show if bfloat16 is faster: convolutions without AMX."""
    if not native_bfloat16(device) or device.type != "cpu":
        return False
    convolutions = sum(isinstance(layer, nn.Conv2d) for layer in module.modules())
    # A vision transformer has one convolution, over the patches.
    return convolutions > 1 and not has_tiles()


class TorchRuntime:
    """Runs a network in torch.

    Where the modality has a form of the weights made for prediction, that runs (encoders of text
    on a processor: ``runtimes.packed``); everything else runs as in training, under autocast for
    bfloat16.

    Args:
        network: put into evaluation mode and moved to ``device``.
        precision: ``float32`` or ``bfloat16``.
        device: ``cpu``, ``cuda``, …; None takes a GPU where there is one.
    """

    name = "torch"

    def __init__(
        self, network: Network, precision: str = "float32", device: str | None = None
    ) -> None:
        if precision not in ("float32", "bfloat16"):
            raise ConfigurationError(f"precision must be float32 or bfloat16, not {precision!r}")
        self.device = torch.device(device or _device())
        self.precision = precision
        self._network = network
        network.module.eval().to(self.device)
        self._execution = make_execution(network, self.device)
        self.packed = self._execution.packed
        modality = modality_of(network.settings)
        self._fused = modality.inference(network, self._execution, self.device, precision)

    def run(self, examples: Sequence[Example]) -> Outputs:
        with torch.inference_mode():
            return collect(self._outputs(examples), examples, self._network)

    def close(self) -> None:
        """Releases the form made for prediction; the weights are the network's."""
        self._fused = None

    def _outputs(self, examples: Sequence[Example]) -> Tensors:
        if self._fused is not None:
            return self._fused(examples)
        bfloat16 = self.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            return self._execution(examples)
