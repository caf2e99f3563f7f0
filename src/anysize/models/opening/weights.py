"""The module with its weights: none of them is missing, renamed or of another shape.

transformers draws at random whatever a file lacks, and answers all the same. Here only training may
have new weights, only in its head, and the network says which they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anysize.core.errors import BundleError
from anysize.models import tensor_file
from anysize.models.opening.limits import check_size
from anysize.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_SHOWN = 3
# What a checkpoint of another task has no use for, and often lacks.
_POOLERS = ("pooler", "pooling")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a folder or hub id holds, as far as it is known before its weights are read.

    Attributes:
        spec: the folder or hub id.
        altered: how the module differs from what its configuration builds; see ``models.altered``.
        shapes: of the stored tensors; None where they are not known.
        ours: whether anysize wrote it, so that there is nothing in it without a use.
        unused: beginnings of the names of weights that may be missing; see ``Architecture``.
    """

    spec: str
    altered: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]] | None
    ours: bool
    unused: tuple[str, ...] = ()


def read_weights(
    stored: Stored, head: Any, config: PretrainedConfig, *, new_head: bool
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """The module with its weights, in the sizes and from the encoding that they are stored in.

    Args:
        stored: where from.
        head: the Auto class of the task.
        config: of the module.
        new_head: whether the head may be new, to be trained.

    Returns:
        The module, and the names of the tensors that are new.

    Raises:
        BundleError: a tensor is missing, of another shape, or of a layer that is not there.
    """
    from anysize.models import quantized_weights, sparse

    spec = stored.spec
    if (Path(spec) / quantized_weights.FILE).is_file():
        return _quantized(stored, head, config), ()
    path = Path(spec) / sparse.FILE
    # Whatever the weights are stored as, the planner chooses the arithmetic. Shapes are checked
    # below, where all that differ are known.
    arguments: dict[str, Any] = {
        "config": config, "ignore_mismatched_sizes": True, "dtype": "float32",
        "output_loading_info": True,
    }  # fmt: skip
    with quiet_transformers():
        model = model_class(head, config)
        shaped = _checked_class(model, stored)
        origin: str | None = spec
        if path.is_file():
            origin, arguments = None, {**arguments, "state_dict": sparse.read(path)}
        # With the loading information it gives a pair, which its annotation does not say.
        opened: Any = shaped.from_pretrained(
            origin, use_safetensors=True, trust_remote_code=False, **arguments
        )
    module: PreTrainedModel = opened[0]
    info: Mapping[str, Any] = opened[1]
    module.__class__ = model
    module.name_or_path = spec
    return module, _new(stored, module, info, new_head=new_head)


def model_class(head: Any, config: PretrainedConfig) -> type[PreTrainedModel]:
    """The class that transformers' Auto class would take."""
    try:
        found = head._model_mapping[type(config)]
    except KeyError as error:
        raise ValueError(
            f"transformers has no {head.__name__} for models of the type {config.model_type!r}"
        ) from error
    if isinstance(found, tuple | list):
        named = [each for each in found if each.__name__ in (config.architectures or ())]
        found = (named or found)[0]
    return cast("type[PreTrainedModel]", found)


def _checked_class(model: type[PreTrainedModel], stored: Stored) -> type[PreTrainedModel]:
    """The class in the sizes that are noted, which refuses to become larger than its weights."""
    from anysize.models.altered import altered_class

    shaped = altered_class(model, stored.altered, stored.spec) if stored.altered else model
    build = cast(Callable[..., None], shaped.__init__)

    def __init__(self: Any, *inputs: Any, **named: Any) -> None:  # noqa: N807
        build(self, *inputs, **named)
        check_size(stored.spec, self, stored.shapes)

    entries = {
        "__init__": __init__,
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
    }
    return type(model.__name__, (shaped,), entries)


def _quantized(stored: Stored, head: Any, config: PretrainedConfig) -> PreTrainedModel:
    """The module with weights in fewer bits; memory for others is never touched."""
    from transformers import initialization as init

    from anysize.models import quantized_weights

    with quiet_transformers(), init.no_init_weights():
        model = model_class(head, config)
        module: PreTrainedModel = _checked_class(model, stored)(config)
    quantized_weights.load(module, Path(stored.spec) / quantized_weights.FILE)
    module.__class__ = model
    module.name_or_path = stored.spec
    return module


def _new(
    stored: Stored, module: PreTrainedModel, info: Mapping[str, Any], *, new_head: bool
) -> tuple[str, ...]:
    """Names of the tensors that are new, once it is known that they may be.

    Raises:
        BundleError: what is wrong with the others.
    """
    shapes = {name: (tuple(has), tuple(wants)) for name, has, wants in info["mismatched_keys"]}
    lacking = set(info["missing_keys"]) - set(shapes)
    missing = sorted(name for name in lacking if not name.startswith(stored.unused))
    headless = missing and not shapes and all(_in_head(name, module) for name in missing)
    if headless and not new_head:
        raise BundleError(
            stored.spec,
            f"has no trained head for this task ({_some(missing)} missing): train one first "
            "(anysize train)",
        )
    bad = [name for name in missing if not (new_head and _may_be_new(name, missing, module))]
    problems = [f"has no weights for {_some(bad)}"] if bad else []
    problems += [
        f"has {name} in the shape {list(has)}, and its configuration wants {list(wants)}"
        for name, (has, wants) in sorted(shapes.items())
        if not (new_head and has[1:] == wants[1:])
    ][:_SHOWN]
    whole = _in_whole_numbers(stored.spec, module)
    if whole:
        problems.append(f"has weights in whole numbers, as they are not used: {_some(whole)}")
    extra = _without_use(stored, module, info["unexpected_keys"], new_head=new_head)
    if extra:
        problems.append(f"has weights that its configuration has no place for: {_some(extra)}")
    problems += map(str, info["error_msgs"])
    if problems:
        raise BundleError(stored.spec, "; ".join(problems))
    return tuple(sorted({*missing, *shapes}))


def _in_whole_numbers(spec: str, module: PreTrainedModel) -> list[str]:
    """Weights that are stored as whole numbers; transformers would take them for the weights."""
    folder = Path(spec)
    if not any((folder / name).is_file() for name in (tensor_file.SINGLE, tensor_file.INDEX)):
        return []
    prefix = module.base_model_prefix + "."
    kinds = {
        name.removeprefix(prefix): item.kind for name, item in tensor_file.stored(folder).items()
    }
    return [
        name
        for name, weight in module.named_parameters()
        if weight.is_floating_point()
        and not kinds.get(name.removeprefix(prefix), weight.dtype).is_floating_point
    ]


def _in_head(name: str, module: PreTrainedModel) -> bool:
    """Whether a tensor is outside of the body that all tasks share."""
    prefix = module.base_model_prefix
    return bool(prefix) and hasattr(module, prefix) and not name.startswith(f"{prefix}.")


def _may_be_new(name: str, missing: Collection[str], module: PreTrainedModel) -> bool:
    """Whether training may begin with a new tensor: of the head, or of a whole pooler."""
    if _in_head(name, module):
        return True
    parts = name.split(".")
    place = next((at for at, part in enumerate(parts) if part in _POOLERS), None)
    if place is None:
        return False
    begin = ".".join(parts[: place + 1]) + "."
    whole = {each for each, _ in module.named_parameters() if each.startswith(begin)}
    return whole <= set(missing)


def _without_use(
    stored: Stored, module: PreTrainedModel, unexpected: Collection[str], *, new_head: bool
) -> list[str]:
    """Tensors that show that the configuration is not that of the weights.

    A folder from elsewhere may have a head for another task; but a layer more of those that there
    are is one that the configuration leaves out. What anysize writes has a use.
    """
    if stored.ours and not new_head:
        return sorted(unexpected)
    kinds = {_kind(name) for name, _ in module.named_parameters()}
    return sorted(name for name in unexpected if re.search(r"\d", name) and _kind(name) in kinds)


def _kind(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:_SHOWN]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
