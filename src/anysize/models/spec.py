"""Model specs: from a string to a network.

A spec is a built-in name (``resnet18``, ``minilm``), a local folder in the Hugging Face layout, a
bundle, a Keras file (``model.keras``, ``model.h5``), or a hub id
(``distilbert/distilbert-base-uncased``). Of folders only safetensors weights are read, and no code
from a model folder is ever run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from anysize.core import plugins
from anysize.core.errors import BundleError, ConfigurationError
from anysize.models import hub_settings
from anysize.models.bundle import CARD, Card, is_bundle, read_card
from anysize.models.keras.suffixes import is_keras
from anysize.models.network import BuildRequest, Form, Network, TextSettings
from anysize.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_HEADS = {
    "text-classification": "AutoModelForSequenceClassification",
    "image-classification": "AutoModelForImageClassification",
    "object-detection": "AutoModelForObjectDetection",
    "face-recognition": "AutoModel",
    "tabular-classification": "AutoModel",
    "time-series-classification": "AutoModel",
}
_ARCHITECTURES = {
    "ForSequenceClassification": "text-classification",
    "ForImageClassification": "image-classification",
    "ForObjectDetection": "object-detection",
    "EmbedderModel": "face-recognition",
}
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


def build(spec: str, request: BuildRequest) -> Network:
    """A network to train: built-in, or a folder or hub id with a head of the right size.

    A bundle keeps its windows and preprocessing, and where the task and the labels are its own, its
    head.

    Raises:
        ConfigurationError: an unknown name; near names are suggested.
        BundleError: a folder that cannot be used.
    """
    if spec in plugins.keys("models"):
        return cast(Network, plugins.load("models", spec).build(spec, request))
    if is_keras(spec):
        from anysize.models.keras import file as keras_file

        return keras_file.build(spec, request)
    if not Path(spec).is_dir() and "/" not in spec:
        plugins.load("models", spec)  # raises, with near names
    if not Path(spec).exists():
        _refuse_slip(Path(spec))
    from anysize.models.thinned import apply_options

    if is_bundle(spec):
        network = _train_further(Path(spec), request)
    else:
        network = _from_hub(spec, request.task, request)
    apply_options(network, request.options)
    return network


def open_network(spec: str, task: str | None = None) -> tuple[Network, Card]:
    """A trained network and its card: a bundle, or a folder or hub id with a ready head.

    Args:
        spec: a bundle's folder, a Hugging Face folder, a hub id, or a built-in name with trained
            weights (its module has a function ``ready(key)``).
        task: needed only where the configuration does not tell it.

    Raises:
        BundleError: nothing usable there.
    """
    if is_bundle(spec):
        return _from_bundle(Path(spec))
    path = Path(spec)
    if path.suffix == ".onnx" and not path.is_dir():
        if not path.is_file():
            raise BundleError(spec, "does not exist")  # no hub id ends like this
        from anysize.models.onnx.file import open_onnx_file

        return open_onnx_file(path, task)
    if is_keras(spec):
        from anysize.models.keras import file as keras_file

        return keras_file.open_file(spec, task)
    if not path.exists() and spec in plugins.keys("models"):
        return _built_in(spec)
    if path.exists() and not (path / "config.json").is_file():
        raise BundleError(
            spec, "is neither a bundle (anysize.json) nor a Hugging Face folder (config.json)"
        )
    if not path.exists():
        _refuse_slip(path)
    if not path.exists() and not _HUB_ID.fullmatch(spec):
        raise BundleError(spec, "no such folder, and not a hub id (owner/name)")
    network = _from_hub(spec, task, None)
    labels = network.module.config.id2label or {}
    card = Card(
        task=task or _task_of(network.module.config, spec),
        labels=tuple(label for _, label in sorted(labels.items(), key=lambda pair: int(pair[0]))),
        model=spec,
        text=network.text,
        image=network.image,
        features=network.features,
        licence=network.licence,
    )
    return network, card


def _refuse_slip(path: Path) -> None:
    """Where a model's folder of nearly that name lies in the same place, the hub is not asked.

    Asking it takes half a minute where there is no network.
    """
    above = path.parent
    if not above.is_dir():
        return
    models = {
        each.parent.name for name in (CARD, "config.json") for each in above.glob(f"*/{name}")
    }
    near = difflib.get_close_matches(path.name, models, n=3)
    if near:
        meant = " or ".join(repr(str(above / name)) for name in near)
        raise BundleError(str(path), f"no such folder; did you mean {meant}?")


def _built_in(key: str) -> tuple[Network, Card]:
    ready = getattr(plugins.load("models", key), "ready", None)
    if ready is None:
        raise BundleError(
            key, "is a built-in model without weights for a task: train it first (anysize train)"
        )
    return cast(tuple[Network, Card], ready(key))


def _train_further(folder: Path, request: BuildRequest) -> Network:
    """A bundle's network, with the caller's wishes; a new head where it has other labels."""
    card = read_card(folder)
    if card.form is not None:
        raise ConfigurationError(
            f"model {str(folder)!r} holds a compiled form and no weights: train the bundle that it "
            "was made from"
        )
    from anysize.models.quantized_weights import restore

    same = (request.task, request.labels) == (card.task, card.labels)
    network, _ = _from_bundle(folder, None if same else request)
    restore(network.module)  # weights in fewer bits have no gradients
    if network.text is not None and request.window is not None:
        assert network.hub_tokenizer is not None
        _check_window(str(folder), network.module.config, network.hub_tokenizer, request.window)
        network.text = dataclasses.replace(network.text, window=request.window)
    if network.image is not None and request.image_size is not None:
        width, height = request.image_size
        network.image = dataclasses.replace(network.image, width=width, height=height)
    return network


def _from_bundle(folder: Path, request: BuildRequest | None = None) -> tuple[Network, Card]:
    card = read_card(folder)
    if card.model in plugins.keys("models"):
        plugins.load("models", card.model)  # registers its architecture
    if card.form is not None:
        network = _from_form(folder, card, card.form)
    else:
        task = card.task if request is None else request.task
        network = _from_hub(str(folder), task, request, card.altered)
    network.text = card.text
    network.image = card.image
    network.features = card.features
    network.spec = card.model
    network.licence = card.licence
    if (folder / "pool.safetensors").is_file():
        from safetensors.torch import load_file
        from torch import nn

        weights = load_file(folder / "pool.safetensors")
        network.pool = nn.Linear(weights["weight"].shape[1], 1)
        network.pool.load_state_dict(weights)
    return network, card


def _from_form(folder: Path, card: Card, form: Form) -> Network:
    """A bundle that holds a compiled form: configuration, tokenizer, no weights."""
    import transformers

    from anysize.models.compiled import stand_in

    path = folder / form.file
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise BundleError(str(folder), f"its compiled form {form.file!r} is missing")
    spec = str(folder)
    with _loading(spec):
        _register(spec)
        config = transformers.AutoConfig.from_pretrained(spec, trust_remote_code=False)
        network = Network(
            module=stand_in(config),
            spec=card.model,
            outputs=form.outputs,
            form=dataclasses.replace(form, file=str(path)),
        )
        if card.text is not None:
            _add_tokenizer(network, spec, None)
    return network


def _from_hub(
    spec: str,
    task: str | None,
    request: BuildRequest | None,
    altered: Mapping[str, Any] = MappingProxyType({}),
) -> Network:
    """Loads through transformers; ``request`` asks for a new head where the labels differ."""
    import transformers

    with _loading(spec):
        _register(spec)
        config = transformers.AutoConfig.from_pretrained(spec, trust_remote_code=False)
        task = task or _task_of(config, spec)
        if task not in _HEADS:
            raise ConfigurationError(f"task {task!r} cannot be loaded from a folder or hub id")
        if request is not None:
            config.id2label = dict(enumerate(request.labels))
            config.label2id = {label: index for index, label in enumerate(request.labels)}
        head = getattr(transformers, _HEADS[task])
        module = _weights(spec, head, config, altered, new_head=request is not None)
        module.eval()
        network = Network(
            module=module, spec=spec, licence=hub_settings.licence(spec), altered=dict(altered)
        )
        if task == "text-classification":
            _add_tokenizer(network, spec, request)
        elif getattr(module, "feature_settings", None) is not None:
            network.features = module.feature_settings  # type: ignore[assignment]
        else:
            network.image = hub_settings.image_settings(spec, module.config, request)
        if task == "object-detection":
            from anysize.models.hub_detection import adapt

            adapt(network)
        if task == "face-recognition":
            network.outputs = ("embeddings",)
    return network


def _weights(
    spec: str, head: Any, config: PretrainedConfig, altered: Mapping[str, Any], *, new_head: bool
) -> PreTrainedModel:
    """The module with its weights, in the sizes and from the encoding that they are stored in."""
    from anysize.models import quantized_weights, sparse
    from anysize.models.altered import altered_class

    if (Path(spec) / quantized_weights.FILE).is_file():
        return _quantized(spec, head, config, altered)
    path = Path(spec) / sparse.FILE
    # Whatever the weights are stored as, the planner chooses the arithmetic.
    arguments: dict[str, Any] = {
        "config": config, "ignore_mismatched_sizes": new_head, "dtype": "float32"
    }  # fmt: skip
    with quiet_transformers():
        if not altered and not path.is_file():
            opened: PreTrainedModel = head.from_pretrained(
                spec, use_safetensors=True, trust_remote_code=False, **arguments
            )
            return opened
        model = _model_class(head, config)
        shaped = altered_class(model, altered, spec)
        if path.is_file():
            module: PreTrainedModel = shaped.from_pretrained(
                None, state_dict=sparse.read(path), **arguments
            )
        else:
            module = shaped.from_pretrained(spec, use_safetensors=True, **arguments)
    module.__class__ = model
    module.name_or_path = spec
    return module


def _quantized(
    spec: str, head: Any, config: PretrainedConfig, altered: Mapping[str, Any]
) -> PreTrainedModel:
    """The module with weights in fewer bits; memory for others is never touched."""
    from transformers import initialization as init

    from anysize.models import quantized_weights
    from anysize.models.altered import altered_class

    with quiet_transformers(), init.no_init_weights():
        model = _model_class(head, config)
        module: PreTrainedModel = altered_class(model, altered, spec)(config)
    quantized_weights.load(module, Path(spec) / quantized_weights.FILE)
    module.__class__ = model
    module.name_or_path = spec
    return module


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
    with _loading(spec), quiet_transformers():
        _register(spec)
        config = transformers.AutoConfig.from_pretrained(spec, trust_remote_code=False)
        model = _model_class(getattr(transformers, _HEADS[card.task]), config)
        with (
            torch.device("meta"), init.no_init_weights(), init.meta_device_safe_creation_ops(),
        ):  # fmt: skip
            return altered_class(model, card.altered, spec)(config)


def _model_class(head: Any, config: PretrainedConfig) -> type[PreTrainedModel]:
    """The class that transformers' Auto class would take."""
    found = head._model_mapping[type(config)]
    if isinstance(found, tuple | list):
        named = [each for each in found if each.__name__ in (config.architectures or ())]
        found = (named or found)[0]
    return cast("type[PreTrainedModel]", found)


@contextlib.contextmanager
def _loading(spec: str) -> Iterator[None]:
    """Turns what transformers raises into one sentence that names the spec."""
    from safetensors import SafetensorError

    try:
        yield
    except Exception as error:
        known = (OSError, ValueError, KeyError, ImportError, SafetensorError)
        # The hub's client has errors of its own for a network that is not there.
        offline = type(error).__module__.partition(".")[0] in ("httpx", "httpx2")
        if not isinstance(error, known) and not offline and "size mismatch" not in str(error):
            raise
        lines = str(error).strip().splitlines() or [repr(error)]
        # What transformers says of a missing package has the command that installs it below.
        first = " ".join(lines[: 2 if isinstance(error, ImportError) else 1])
        where = "" if Path(spec).exists() else "no such folder, and as a hub id it "
        raise BundleError(spec, f"{where}cannot be loaded as a model: {first}") from error


def _register(spec: str) -> None:
    """Makes an architecture of ours known to transformers' Auto classes, if it is one."""
    from transformers import PretrainedConfig

    entries, _ = PretrainedConfig.get_config_dict(spec)
    family = str(entries.get("model_type", "")).removeprefix("anysize_")
    if f"anysize_{family}" == entries.get("model_type"):
        importlib.import_module(f"anysize.models.{family}")


def _task_of(config: PretrainedConfig, spec: str) -> str:
    if config.model_type == "anysize_keras_model":
        return str(config.task)
    for architecture in config.architectures or ():
        for suffix, task in _ARCHITECTURES.items():
            if architecture.endswith(suffix):
                return task
    raise BundleError(
        spec,
        f"its configuration (architectures: {config.architectures}) does not tell a task that "
        f"anysize knows: name one with --task ({', '.join(_HEADS)}), or train a head first",
    )


def _add_tokenizer(network: Network, spec: str, request: BuildRequest | None) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(spec, trust_remote_code=False)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise BundleError(spec, "has no fast tokenizer (tokenizer.json)")
    network.tokenizer = backend
    network.hub_tokenizer = tokenizer
    wish = request.window if request is not None else None
    longest = _check_window(spec, network.module.config, tokenizer, wish)
    network.text = TextSettings(window=wish or min(longest, 512))


def _check_window(spec: str, config: PretrainedConfig, tokenizer: Any, wish: int | None) -> int:
    """The longest window that there are positions for, once the wish is found to fit."""
    longest = hub_settings.longest_window(config, tokenizer.model_max_length)
    if wish is not None and wish > longest:
        raise ConfigurationError(
            f"window must be at most {longest} tokens, the positions of {spec!r}, not {wish}"
        )
    return longest
