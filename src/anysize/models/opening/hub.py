"""Folders and hub ids in the Hugging Face layout, with a ready head or for a new one."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from anysize import heads, modalities
from anysize.core import plugins
from anysize.core.errors import BundleError, ConfigurationError
from anysize.models import hub_settings, tensor_file
from anysize.models.architectures import architecture_of, task_for
from anysize.models.bundle import Card
from anysize.models.classifier import class_names, name_classes
from anysize.models.network import BuildRequest, Network, as_classification, as_regression
from anysize.models.opening.errors import loading
from anysize.models.opening.limits import check_configuration, stored_tensors
from anysize.models.opening.reaching import reached
from anysize.models.opening.weights import Stored, read_weights

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def from_hub(
    spec: str,
    task: str | None,
    request: BuildRequest | None,
    *,
    altered: Mapping[str, Any] = MappingProxyType({}),
    ours: bool = False,
) -> Network:
    """Loads through transformers.

    Args:
        spec: a folder or hub id.
        task: None takes the one that its configuration is for.
        request: asks for a new head where the labels differ; None takes the folder as it is.
        altered: how the module differs from what its configuration builds.
        ours: whether anysize wrote the folder.

    Raises:
        BundleError: it cannot be loaded, or lacks weights.
        ConfigurationError: the task is not one for such a folder.
    """
    import transformers

    with loading(spec), reached(spec):
        config, shapes = read_configuration(spec)
        task = task or task_of(config, spec)
        architecture = architecture_of(task)
        scale = None
        if request is not None:
            if head_of(config) == "regression" and not ours:
                scale = (0.0, 1.0)
            config.problem_type = None  # of its old head; number and kind are checked together
            name_classes(config, request.labels)
        stored = Stored(
            spec=spec, altered=altered, shapes=shapes, ours=ours, unused=architecture.unused
        )
        head = getattr(transformers, architecture.auto_for(config))
        module, new = read_weights(stored, head, config, new_head=request is not None)
        module.eval()
        # A configuration may ask for other outputs than those that are read here.
        module.config.return_dict = True
        module.config.output_hidden_states = module.config.output_attentions = False
        network = Network(
            module=module,
            spec=spec,
            **_preprocessing(spec, module, request),
            licence=hub_settings.licence(spec),
            altered=dict(altered),
            new=new,
            # A head that is new gives nothing yet.
            scale=None if new else scale,
        )
        architecture.apply(network)
        _adapt(network, task)
    return network


def open_folder(spec: str, task: str | None) -> tuple[Network, Card]:
    """A folder or hub id with a ready head, and a card for it.

    Args:
        spec: the folder or hub id.
        task: None takes the one that its configuration is for.

    Raises:
        BundleError: it cannot be loaded, or has no trained head.
    """
    network = from_hub(spec, task, None)
    with loading(spec):
        names = class_names(network.module.config)
    task = task or task_of(network.module.config, spec)
    head: dict[str, Any] = {}
    if as_classification(task) != task or as_regression(task) != task:
        head = _head(task, network, spec)
    card = Card(
        task=task,
        head=head,
        labels=names,
        model=spec,
        settings=network.settings,
        licence=network.licence,
    )
    return network, card


def _head(task: str, network: Network, spec: str) -> dict[str, Any]:
    """What the card says of the head of a folder that others trained.

    Raises:
        ConfigurationError: it is not for the task.
    """
    found = heads.load(head_of(network.module.config))
    if not task.endswith(f"-{found.family}"):
        other = as_regression(task) if found.family == "regression" else as_classification(task)
        raise ConfigurationError(
            f"{spec} is for {found.family} by its config.json (problem_type "
            f"{network.module.config.problem_type}, {network.module.config.num_labels} labels): "
            f"use it for {other}, not for {task}"
        )
    return heads.described(found)


def read_configuration(
    spec: str,
) -> tuple[PretrainedConfig, Mapping[str, tuple[int, ...]] | None]:
    """The configuration of a folder or hub id, and the shapes of its weights where they are known.

    Raises:
        BundleError: it asks for what there are no weights for, or an index of weights names other
            files than safetensors beside it.
    """
    import transformers

    shapes = stored_tensors(Path(spec)) if Path(spec).is_dir() else None
    if not Path(spec).is_dir():
        _check_index(spec)
    entries, _ = transformers.PretrainedConfig.get_config_dict(spec)
    check_configuration(spec, entries, None if shapes is None else len(shapes))
    family = str(entries.get("model_type", "")).removeprefix("anysize_")
    if f"anysize_{family}" == entries.get("model_type"):
        # An architecture of ours becomes known to transformers' Auto classes.
        if not family.isidentifier():
            raise BundleError(spec, f"its config.json has the model_type anysize_{family}")
        importlib.import_module(f"anysize.models.{family}")
    try:
        return transformers.AutoConfig.from_pretrained(spec, trust_remote_code=False), shapes
    except ConfigurationError as error:
        raise BundleError(f"{spec}/config.json", "; ".join(error.problems)) from None


def task_of(config: PretrainedConfig, spec: str) -> str:
    """The task that a configuration is for.

    Raises:
        BundleError: it says none that is known here.
    """
    if config.model_type == "anysize_keras_model":
        return _by_head(str(config.task), config)
    task = task_for(config.architectures or ())
    if task is not None:
        return _by_head(task, config)
    raise BundleError(
        spec,
        f"its configuration (architectures: {config.architectures}) is for no task that anysize "
        f"knows: name one with --task ({', '.join(plugins.keys('tasks'))}), or train a head first",
    )


def _by_head(task: str, config: PretrainedConfig) -> str:
    """The task, by what the configuration says of its outputs (``head_of``)."""
    return as_regression(task) if head_of(config) == "regression" else task


def head_of(config: PretrainedConfig) -> str:
    """The head of a configuration, as transformers takes it: one output is a number."""
    if config.problem_type is None and config.num_labels == 1:
        return "regression"
    return str(config.problem_type or heads.SINGLE)


def _preprocessing(spec: str, module: Any, request: BuildRequest | None) -> Mapping[str, Any]:
    """How inputs become windows, by what the module takes, as arguments of ``Network``."""
    taken = module.main_input_name
    for key in plugins.keys("modalities"):
        modality = modalities.load(key)
        if modality.takes(taken):
            return modality.opened(spec, module, None if request is None else request.wishes)
    raise BundleError(spec, f"its model takes {taken!r}, which is of no modality that is known")


def _adapt(network: Network, task: str) -> None:
    """What differs from task to task."""
    adapt = getattr(plugins.load("tasks", task), "adapt", None)
    if adapt is not None:
        adapt(network)


def _check_index(spec: str) -> None:
    """Refuses a hub id whose index of weights names other files than safetensors beside it.

    transformers would read those as pickles.
    """
    from transformers.utils import cached_file

    path = cached_file(spec, tensor_file.INDEX, _raise_exceptions_for_missing_entries=False)
    if path is not None:
        tensor_file.places(json.loads(Path(path).read_text(encoding="utf-8")), str(path))
