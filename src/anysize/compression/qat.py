"""Quantization-aware fine-tuning: 8-bit integers for what breaks when it is quantized afterwards.

Weights are trained further while every layer computes as in int8 (``models.fake_quantization``),
and the module is then compiled with the very ranges that it was trained with. The bundle in float32
teaches it besides the targets (``training.distillation``), as in Polino et al. 2018,
arXiv:1802.05668.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.compression.fitting import graph_problems, tuning_problems
from anysize.compression.protocols import Context
from anysize.core.errors import ConfigurationError
from anysize.core.files import scratch

if TYPE_CHECKING:
    from torch import Tensor

    from anysize.models.bundle import Card
    from anysize.models.network import Network

PROVIDES = ("qat",)

_PREFIX = "quantizers."
# Of the norm of gradients.
_CLIP = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QatOptions:
    """Parameters of ``qat``.

    Attributes:
        epochs: passes over the training data.
        learning_rate: the highest; None derives it from how the bundle was trained.
        windows: of the training data, that the first ranges are taken from.
        distil: weight of the float32 bundle's outputs in the loss.
    """

    epochs: float = 2.0
    learning_rate: float | None = None
    windows: int = 300
    distil: float = 0.5

    def __post_init__(self) -> None:
        problems = tuning_problems(self.epochs, self.learning_rate)
        if self.epochs == 0:
            problems.append("epochs must be above 0: without training it is int8")
        if self.windows < 1:
            problems.append(f"windows must be at least 1, not {self.windows}")
        if not 0 <= self.distil <= 1:
            problems.append(f"distil must be from 0 to 1, not {self.distil:g}")
        if problems:
            raise ConfigurationError(problems)


class Qat:
    """See the module."""

    key = "qat"
    needs_data = True
    compiles = True
    options = QatOptions

    def problems(self, network: Network, card: Card) -> list[str]:
        from anysize.models.fake_quantization import layers_of

        if found := graph_problems(network):
            return found
        if not layers_of(network.module):
            return ["it has no linear or convolutional layers"]
        return []

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        from anysize.compression import calibration, quantization
        from anysize.compression.tuning import fine_tune
        from anysize.models import fake_quantization as fake
        from anysize.models.spec import open_network
        from anysize.runtimes.openvino import convert
        from anysize.tasks.distilling import distillable

        assert isinstance(options, QatOptions)
        network, card = open_network(str(source))
        network.module.float()
        examples = calibration.of_training(context, self.key, network, options.windows)
        ranges = fake.calibrate(network, examples)
        teaching: dict[str, Any] = {}
        if options.distil and distillable(context.task) is not None:
            teaching = {
                "teacher": str(source), "distil_weight": options.distil, "hidden_weight": 0.0
            }  # fmt: skip
        learned: dict[str, Tensor] = {}
        with scratch(out.absolute().parent, "qat") as folder:
            ranges.save(folder / "ranges.safetensors")
            fine_tune(
                source,
                folder / "tuned",
                context,
                epochs=options.epochs,
                learning_rate=options.learning_rate,
                before_removal=lambda run: learned.update(_learned(run)),
                quantization=str(folder / "ranges.safetensors"),
                # bfloat16 would round what is meant to be rounded by the ranges alone.
                precision="float32",
                # What int8 breaks has channels, and so gradients, of very different sizes.
                clip=_CLIP,
                **teaching,
            )
            network, card = open_network(str(folder / "tuned"))
        quantizer = fake.FakeQuantizer(ranges)
        quantizer.load_state_dict(learned)
        with quantizer.exported(network.module):
            model = convert(network)
        quantization.save(out, network, card, model)


def _learned(run: Path) -> dict[str, Tensor]:
    """The quantizer's tensors that go with the weights that training has left."""
    from anysize.training import checkpoint

    folders = [run / "checkpoints" / name for name in ("best", "last")]
    folder = next(each for each in folders if checkpoint.exists(each))
    tensors = checkpoint.read_tensors(folder, "weights")
    return {
        name.removeprefix(_PREFIX): value
        for name, value in tensors.items()
        if name.startswith(_PREFIX)
    }


def make(_key: str) -> Qat:
    """The method."""
    return Qat()
