"""A GGUF file as a model: to predict with, or to train further."""

from __future__ import annotations

from pathlib import Path

from anysize.core.errors import ConfigurationError
from anysize.modalities.texts.settings import TextOptions
from anysize.models.architectures import architecture_of
from anysize.models.bundle import Card
from anysize.models.classifier import name_classes
from anysize.models.gguf.header import read_header
from anysize.models.network import BuildRequest, Network
from anysize.models.opening.errors import loading

_TASK = "text-generation"
_CLASS = "AutoModelForCausalLM"


def open_file(path: Path, task: str | None = None) -> tuple[Network, Card]:
    """The model in a file, and a card for it.

    Args:
        path: of the file.
        task: one that is done with a language model; None for text generation.

    Raises:
        BundleError: it is damaged, or of a kind that is not read.
        ConfigurationError: the task asks for another kind of model.
    """
    task = task or _TASK
    network = _network(path, task, None)
    card = Card(
        task=task, labels=(), model=str(path), settings=network.settings, licence=network.licence
    )
    return network, card


def build(path: Path, request: BuildRequest) -> Network:
    """The model in a file, to be trained further.

    Raises:
        BundleError, ConfigurationError: as `open_file`; or the window is longer than the model's.
    """
    window = request.wished(TextOptions).window
    return _network(path, request.task, window, request.labels)


def _network(path: Path, task: str, window: int | None, labels: tuple[str, ...] = ()) -> Network:
    from anysize.modalities.texts.tokenizer import check_tokens, reading
    from anysize.models.gguf.configuration import configuration
    from anysize.models.gguf.tokenizer import read_tokenizer
    from anysize.models.gguf.weights import read_module

    architecture = architecture_of(task)
    spec = str(path)
    with loading(spec):
        header = read_header(path)
        config = configuration(header)
        if architecture.auto_for(config) != _CLASS:
            raise ConfigurationError(
                f"{spec} is a language model: it is for {_TASK} and summarization, not for {task}"
            )
        name_classes(config, labels)
        tokenizer = read_tokenizer(header)
        check_tokens(spec, config, tokenizer.get_vocab())
        preprocessing = reading(spec, config, tokenizer, window)
        module = read_module(header, config)
        module.config.return_dict = True
        module.name_or_path = spec
        licence = header.entries.get("general.license")
        network = Network(
            module=module,
            spec=spec,
            licence=licence if isinstance(licence, str) else "unknown",
            **preprocessing,
        )
        architecture.apply(network)
    return network
