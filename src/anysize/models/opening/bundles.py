"""Bundles: what training left, opened to predict with, to train further, or as an outline."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from anysize import heads
from anysize.core import plugins
from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities import modality_of
from anysize.models.architectures import architecture_of
from anysize.models.bundle import Card, read_card
from anysize.models.network import BuildRequest, Form, Network
from anysize.models.opening import hub
from anysize.models.opening.errors import loading, sentence
from anysize.models.opening.weights import model_class
from anysize.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_POOL = "pool.safetensors"


def from_bundle(folder: Path, request: BuildRequest | None = None) -> tuple[Network, Card]:
    """A bundle's network and its card.

    Args:
        folder: of the bundle.
        request: asks for a new head where the labels differ; None takes the bundle as it is.

    Raises:
        BundleError: a file of it is missing or damaged, or they do not belong together.
    """
    card, spec = read_card(folder), str(folder)
    if plugins.has("models", card.model):
        plugins.load("models", card.model)  # registers its architecture
    if card.form is not None:
        network = _from_form(folder, card, card.form)
    else:
        task = card.task if request is None else request.task
        if not plugins.has("tasks", card.task):
            raise BundleError(spec, f"its card names the task {card.task!r}, which is not known")
        network = hub.from_hub(spec, task, request, altered=card.altered, ours=True)
    if request is None:
        _check_card(spec, network, card)
    network.settings = card.settings
    network.spec, network.licence = card.model, card.licence
    if (folder / _POOL).is_file():
        _add_pool(network, folder / _POOL)
    elif card.merge == "attention" and network.form is None:
        raise BundleError(spec, f"its card joins windows by attention, but {_POOL} is missing")
    return network, card


def train_further(folder: Path, request: BuildRequest) -> Network:
    """A bundle's network, with the caller's wishes; a new head where it has other labels."""
    card = read_card(folder)
    if card.form is not None:
        raise ConfigurationError(
            f"model {str(folder)!r} holds a compiled form and no weights: train the bundle that it "
            "was made from"
        )
    from anysize.models.quantized_weights import restore

    head = heads.of(card.head)
    same = (request.task, request.labels) == (card.task, head.outputs(card.labels))
    same = same and request.head in ("", head.name)
    network, _ = from_bundle(folder, None if same else request)
    restore(network.module)  # weights in fewer bits have no gradients
    modality = modality_of(network.settings)
    if isinstance(request.wishes, modality.options):
        network.settings = modality.enlarged(network, request.wishes)
    return network


def outline(folder: Path) -> PreTrainedModel:
    """The module of a bundle with its layers and without its weights, on torch's meta device.

    Raises:
        BundleError: there is no such bundle.
    """
    import torch
    import transformers
    from transformers import initialization as init

    from anysize.models.altered import altered_class

    card, spec = read_card(folder), str(folder)
    with loading(spec), quiet_transformers():
        config, _ = hub.read_configuration(spec)
        model = model_class(
            getattr(transformers, architecture_of(card.task).auto_for(config)), config
        )
        with (
            torch.device("meta"), init.no_init_weights(), init.meta_device_safe_creation_ops(),
        ):  # fmt: skip
            return altered_class(model, card.altered, spec)(config)


def _from_form(folder: Path, card: Card, form: Form) -> Network:
    """A bundle that holds a compiled form: configuration, tokenizer, no weights."""
    from transformers import GenerationConfig
    from transformers.utils import GENERATION_CONFIG_NAME

    from anysize.models.compiled import stand_in
    from anysize.models.outside import read_outside

    path = folder / form.file
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise BundleError(str(folder), f"its compiled form {form.file!r} is missing")
    spec = str(folder)
    with loading(spec):
        config, _ = hub.read_configuration(spec)
        module = stand_in(config)
        if (folder / GENERATION_CONFIG_NAME).is_file():
            module.generation_config = GenerationConfig.from_pretrained(spec)
        read_outside(folder, module)
        network = Network(
            module=module,
            spec=card.model,
            settings=card.settings,
            outputs=form.outputs,
            form=dataclasses.replace(form, file=str(path)),
        )
        _, network.per_token = architecture_of(card.task).outputs_for(config)
        network.beside = form.beside
        modality_of(card.settings).restore(network, folder)
    return network


def _check_card(spec: str, network: Network, card: Card) -> None:
    """Refuses a card that is not that of the network beside it."""
    config = network.module.config
    problems = []
    labels = getattr(config, "num_labels", None)
    wanted = len(heads.of(card.head).outputs(card.labels))
    if labels != wanted:
        problems.append(f"its card has {wanted} labels, and its config.json {labels}")
    own = network.settings.modality
    if own != card.settings.modality:
        problems.append(f"its card says nothing of {own}, which its model reads")
    else:
        with loading(spec):
            problems += modality_of(card.settings).problems(network, card.settings)
    if problems:
        raise BundleError(spec, "; ".join(problems))


def _add_pool(network: Network, path: Path) -> None:
    """The layer that scores windows for learned pooling."""
    from safetensors.torch import load_file
    from torch import nn

    try:
        weights = load_file(path)
        pool = nn.Linear(weights["weight"].shape[1], 1)
        pool.load_state_dict(weights)
    except Exception as error:
        raise BundleError(
            str(path), f"is not a layer that scores windows: {sentence(error)}"
        ) from error
    network.pool = pool
