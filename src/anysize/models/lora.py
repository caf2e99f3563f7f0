"""Low-rank additions to linear layers (LoRA: Hu et al. 2021, arXiv:2106.09685), made by peft.

The layers are put into the module in place, so that its class, its names and every way of running
it stay what they were. In the end the products are added to the weights they stand beside, and the
module is again as its configuration builds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import ConfigurationError, MissingExtraError
from anysize.core.files import write_json
from anysize.models.altered import replace
from anysize.models.classifier import last_linear

if TYPE_CHECKING:
    from torch import Tensor, nn

    from anysize.models.network import Network

FOLDER = "adapter"
"""Of a bundle: what was trained, in the layout of peft, without the weights it was trained on."""

ALL_LINEAR = "all-linear"
TRAINED = "*.lora_*"
"""Pattern of the names of all parameters that are added."""

_NAME = "default"
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSettings:
    """What is added to which layers.

    Attributes:
        rank: of each addition.
        alpha: an addition is multiplied by ``alpha / rank``.
        dropout: probability with which an input of an addition is zero in training.
        targets: full names of the layers.
        heads: names of what is new or belongs to the task, and is trained in full.
    """

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]
    heads: tuple[str, ...]


def require_peft() -> None:
    """Refuses to go on without peft.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("peft", "lora") from error


def heads_of(network: Network) -> tuple[str, ...]:
    """Names of the parameters that are trained in full: the task's head, and all that is new.

    A language model's last layer is no head of a task: it was trained with the rest.
    """
    module = network.module
    names = [name for name, _ in module.named_parameters()]
    prefix = module.base_model_prefix
    outside: list[str] = []
    if module.get_output_embeddings() is None:
        if prefix and hasattr(module, prefix):
            outside = [name for name in names if not name.startswith(f"{prefix}.")]
        else:
            last = last_linear(module, int(getattr(module.config, "num_labels", 0) or 0))
            own = set() if last is None else {id(item) for item in last.parameters()}
            outside = [name for name, item in module.named_parameters() if id(item) in own]
    new = set(network.new)
    return tuple(name for name in names if name in new or name in set(outside))


def targets_of(network: Network, wished: Sequence[str], heads: Sequence[str]) -> tuple[str, ...]:
    """Full names of the layers that additions are made to.

    Without wishes they are those that peft takes for the architecture, or where it has no entry
    for it all linear layers but the head.

    Args:
        network: whose layers they are.
        wished: last parts of names, whole names, patterns (``*``), or ``all-linear``.
        heads: names of parameters that are trained in full; their layers are left out.

    Raises:
        ConfigurationError: a wish fits no layer, or there is none that additions could be made to.
    """
    full = {name.rpartition(".")[0] for name in heads}
    output = network.module.get_output_embeddings()
    layers = [
        name for name, layer in _linear(network.module) if name not in full and layer is not output
    ]
    if not layers:
        raise ConfigurationError(
            f"lora: {network.spec} has no linear layers below its head that could be added to; "
            "use freeze to train a part of it"
        )
    if list(wished) == [ALL_LINEAR]:
        return tuple(layers)
    usual = _usual(str(network.module.config.model_type))
    if not wished and isinstance(usual, str):
        return tuple(name for name in layers if re.fullmatch(usual, name)) or tuple(layers)
    asked = tuple(wished) or tuple(usual)
    chosen = tuple(name for name in layers if any(_fits(name, each) for each in asked))
    lost = [each for each in wished if not any(_fits(name, each) for name in layers)]
    if lost:
        last = list(dict.fromkeys(name.rpartition(".")[2] for name in layers))
        more = f" and {len(last) - _SHOWN} more" if len(last) > _SHOWN else ""
        raise ConfigurationError(
            [
                f"lora_targets: {each!r} fits no linear layer of {network.spec} below its head; "
                f"there are {', '.join(last[:_SHOWN])}{more} (or {ALL_LINEAR})"
                for each in lost
            ]
        )
    return chosen or tuple(layers)


def add(module: nn.Module, wanted: LoraSettings, seed: int) -> None:
    """Puts the additions into a module, in place; at first they are zero.

    Args:
        module: in float32.
        wanted: what is added where.
        seed: of the random numbers that they begin with; torch's own are left as they are.
    """
    import torch
    from peft import inject_adapter_in_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(_configuration(wanted, module), module, _NAME)
    for _, layer in additions(module):
        # Autocast chooses the precision; peft would convert the inputs there and back.
        layer.cast_input_dtype_enabled = False


def additions(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The layers with additions, by name."""
    from peft.tuners.lora import LoraLayer

    for name, layer in module.named_modules():
        if isinstance(layer, LoraLayer):
            yield name, layer


def merge(module: nn.Module) -> None:
    """Adds the products to the weights and leaves the module as its configuration builds it."""
    for name, layer in list(additions(module)):
        layer.merge()
        replace(module, name, layer.get_base_layer())


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What was trained, to be written so that peft opens it on the weights it was trained on.

    Attributes:
        settings: of peft.
        tensors: by the names that peft gives them.
        base: the model spec of those weights.
        digest: of those weights; see `digest_of`.
    """

    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    base: str
    digest: str

    @classmethod
    def taken(cls, module: nn.Module, wanted: LoraSettings, base: str) -> Adapter:
        """That of a module that has its additions still."""
        digest = digest_of(base_tensors(module))
        settings = _configuration(wanted, module).to_dict()
        whole = {
            name.rpartition(".")[0]
            for name, item in module.named_parameters()
            if item.requires_grad and not fnmatchcase(name, TRAINED)
        }
        settings |= {
            "base_model_name_or_path": base,
            "inference_mode": True,
            "modules_to_save": sorted(whole) or None,
            "target_modules": sorted(wanted.targets),
        }
        return cls(settings=settings, tensors=trained_tensors(module), base=base, digest=digest)

    def write(self, bundle: Path) -> None:
        """Writes the folder ``adapter`` of a bundle."""
        from anysize.models.tensor_file import write_tensors

        folder = bundle / FOLDER
        folder.mkdir()
        plain = {
            name: sorted(each) if isinstance(each, set) else each
            for name, each in self.settings.items()
        }
        write_json(folder / "adapter_config.json", plain)
        write_json(folder / "base.json", {"model": self.base, "digest": self.digest})
        write_tensors(folder / "adapter_model.safetensors", self.tensors)


def trained_tensors(module: nn.Module) -> dict[str, Tensor]:
    """What is trained of a module with additions, by the names that peft gives it."""
    return {
        f"base_model.model.{name.replace(f'.{_NAME}.', '.')}": item.detach().clone()
        for name, item in module.named_parameters()
        if item.requires_grad
    }


def base_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The weights beside which a module has its additions, by the names they have without them.

    What is trained in full is not among them.
    """
    return {
        name.replace(".base_layer.", "."): item
        for name, item in module.named_parameters()
        if not item.requires_grad
    }


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """A digest of weights: of their names, shapes and bytes."""
    import hashlib

    import torch

    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {list(tensor.shape)} {tensor.dtype}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _configuration(wanted: LoraSettings, module: nn.Module) -> Any:
    from peft import LoraConfig
    from transformers.pytorch_utils import Conv1D

    first: Any = module.get_submodule(wanted.targets[0])
    return LoraConfig(
        r=wanted.rank,
        lora_alpha=wanted.alpha,  # type: ignore[arg-type]
        lora_dropout=wanted.dropout,
        target_modules=list(wanted.targets),
        bias="none",
        fan_in_fan_out=isinstance(getattr(first, "base_layer", first), Conv1D),
    )


def _linear(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The linear layers that are called as layers; attention of torch reads the weights of its own.

    Their exact classes: others read their weights themselves, past an addition.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    for name, layer in module.named_modules():
        if name and type(layer) in (nn.Linear, Conv1D):
            yield name, layer


def _usual(model_type: str) -> Sequence[str] | str:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    found: Sequence[str] | str = KNOWN.get(model_type, ())
    return found


def _fits(name: str, wish: str) -> bool:
    return name == wish or name.endswith(f".{wish}") or fnmatchcase(name, wish)
