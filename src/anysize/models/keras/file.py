"""Keras files as networks: ``.keras``, ``.h5``, and weights-only ``.h5`` beside an architecture."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anysize import heads
from anysize.core.errors import BundleError, ConfigurationError
from anysize.heads.protocols import Head
from anysize.heads.regression import Number
from anysize.modalities.numbers.settings import FeatureOptions
from anysize.modalities.pictures.settings import ImageFacts, ImageOptions, ImageSettings
from anysize.modalities.settings import Settings
from anysize.models.bundle import Card, settings_of
from anysize.models.classifier import class_names, name_classes
from anysize.models.keras.architecture import flatten
from anysize.models.keras.container import KerasFile, examine
from anysize.models.keras.graph import Graph
from anysize.models.keras.heads import IMAGES, count_classes, outputs_of, problem_of, tasks_for
from anysize.models.keras.layers import NoCounterpart
from anysize.models.keras.library import ALLOW, KerasBody, arrays_of
from anysize.models.keras.pixels import normalising, wanted
from anysize.models.keras.rewriting import without_output
from anysize.models.keras.weights import load
from anysize.models.keras_model import KerasClassifier, KerasConfig
from anysize.models.network import BuildRequest, Network, as_classification, as_regression
from anysize.models.pixels import CHOICES, parse

OPTIONS = ("allow-lambda", "architecture", "pixels")

_ANY_SIDE = 224
_CLOSE = 1e-3
_log = logging.getLogger("anysize")


def build(spec: str, request: BuildRequest) -> Network:
    """A Keras file's network, to be trained further; a new last layer where labels differ.

    Options: ``allow-lambda=yes`` (the file's code is run), ``architecture=FILE.json`` (of a file
    that has weights alone), ``pixels=0-255`` (or what else ``models.pixels`` reads: the values that
    a picture model was trained on; 0-1 where its graph does not say).

    Raises:
        BundleError: damaged, too large, with code, or of a kind that is not supported.
        ConfigurationError: an unknown option.
        MissingExtraError: Keras is not installed.
    """
    options = _checked(request.options)
    file = examine(
        Path(spec),
        architecture=options.get("architecture"),
        allow_lambda=options.get("allow-lambda") == "yes",
    )
    try:
        module = _module(file, request.task, request.labels, request.problem_type)
    except BundleError as error:
        raise BundleError(spec, error.problem) from error
    network = Network(
        module=module,
        spec=spec,
        licence="unknown",
        settings=_settings(module, request),
        scale=_scale(file, module),
    )
    if module.feature_settings is None and not _add_pixels(network, file, options.get("pixels")):
        _log.warning(
            "%s: its graph does not say which values of pixels it was trained on; they are scaled "
            "to 0-1 (--model-options pixels=… changes that)", spec,
        )  # fmt: skip
    return network


def open_file(
    spec: str, task: str | None = None, *, pixels: str | None = None
) -> tuple[Network, Card]:
    """A Keras file's network and a card, to predict with as it is.

    The labels are those that an exported file carries, else ``0``, ``1``, ….

    Args:
        spec: the file.
        task: None takes the one that the shape of the inputs is for.
        pixels: the values that a picture model was trained on; None leaves it to the file.

    Returns:
        The network, with a ``question`` where neither the file nor ``pixels`` says which values a
        model of pictures was trained on; and the card.
    """
    file = examine(Path(spec), allow_lambda=os.environ.get(ALLOW) == "allow")
    known = file.notes
    kinds = tasks_for(flatten(file.entries, spec).input_shape)
    chosen = task or known.get("task") or (kinds[0] if kinds else IMAGES)
    kept = known.get("card")
    kept = kept if isinstance(kept, Mapping) else {}
    labels = tuple(map(str, known.get("labels", ())))
    head = heads.of(kept.get("head") or {}, spec)
    try:
        module = _module(file, chosen, head.outputs(labels), _wanted(head, kept, chosen))
    except BundleError as error:
        raise BundleError(spec, error.problem) from error
    module.exact = True  # a file answers as it does in Keras
    if not kept.get("head"):
        head, labels = heads.load(str(module.config.problem_type)), class_names(module.config)
    if head.family == "regression":
        if task is not None and chosen != as_regression(chosen):
            raise BundleError(spec, f"ends in one number: use it for {as_regression(chosen)}")
        chosen = as_regression(chosen)
    network = Network(
        module=module,
        spec=spec,
        licence=str(known.get("licence", "unknown")),
        settings=_settings(module, BuildRequest(task=chosen, labels=labels)),
    )
    if module.feature_settings is None and not _add_pixels(network, file, pixels):
        network.question = (
            f"{spec}: which values of pixels was the model trained on? Its graph does not say; "
            f"give pixels (--pixels): {CHOICES}"
        )
    card = Card(
        task=chosen,
        labels=labels,
        head=heads.described(head),
        model=spec,
        settings=network.settings,
        licence=network.licence,
    )
    if kept:
        own, settings = network.settings, settings_of(kept, spec)
        if pixels is not None and isinstance(own, ImageSettings):
            assert isinstance(settings, ImageSettings)
            settings = dataclasses.replace(settings, mean=own.mean, std=own.std)
        card = dataclasses.replace(card, settings=settings)
        network.settings = settings
    return network, card


def _kept_image(file: KerasFile) -> ImageSettings | None:
    """How pictures were read for a model that anysize exported."""
    kept = file.notes.get("card")
    settings = settings_of(kept, str(file.path)) if isinstance(kept, Mapping) else None
    return settings if isinstance(settings, ImageSettings) else None


def _scale(file: KerasFile, module: KerasClassifier) -> tuple[float, float] | None:
    """The scale of the numbers that the file's weights give; None where they give none."""
    if module.config.problem_type != "regression" or module.replaced is not None:
        return None
    kept = file.notes.get("card")
    head = kept.get("head") if isinstance(kept, Mapping) else None
    found = heads.of(head, str(file.path)) if isinstance(head, Mapping) else None
    return (found.mean, found.deviation) if isinstance(found, Number) else (0.0, 1.0)


def _checked(options: Mapping[str, str]) -> Mapping[str, str]:
    problems = [
        f"a Keras model has no option {name!r}; it has: {', '.join(OPTIONS)}"
        for name in options
        if name not in OPTIONS
    ]
    if options.get("allow-lambda", "no") not in ("yes", "no"):
        problems.append(f"allow-lambda must be yes or no, not {options['allow-lambda']!r}")
    if "pixels" in options:
        try:
            parse(options["pixels"])
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    if options.get("allow-lambda") == "yes":
        # Worker processes, and the bundle that is opened in the end, are allowed the same.
        os.environ[ALLOW] = "allow"
    return options


def _module(
    file: KerasFile, task: str, labels: tuple[str, ...], problem_type: str = ""
) -> KerasClassifier:
    """The module with the file's weights, checked against Keras.

    Args:
        file: examined.
        task: what it is read for.
        labels: empty takes the file's own number of classes.
        problem_type: what it is trained for; empty takes what the file's last layer is for.
    """
    spec = str(file.path)
    keras_model = load(file)
    entries: dict[str, Any] = json.loads(keras_model.to_json())
    stripped, output = without_output(entries, flatten(entries, spec))
    config = KerasConfig(
        architecture=json.dumps(stripped), output=output, task=as_classification(task)
    )
    try:
        width = outputs_of(config)
    except NoCounterpart as reason:
        _log.info("%s: %s has no counterpart, so Keras runs the model", spec, reason)
        config.by_keras = True
        width = int(keras_model.output_shape[-1])
    config.problem_type = problem_type or problem_of(output, width)  # type: ignore[assignment]
    names = labels or tuple(str(number) for number in range(count_classes(config, width)))
    name_classes(config, names)
    module = KerasClassifier(config)
    has = count_classes(config, width) if module.replaced is None else len(names)
    if has != len(names):
        raise ConfigurationError(
            f"{spec} has {has} outputs and does not end in a dense layer, so it cannot be made to "
            f"have {len(names)} labels"
        )
    if module.replaced is not None:
        _log.warning(
            "%s has %d classes and the data %d: its last layer is replaced by a new one",
            spec, 2 if output == "sigmoid" else width, len(names),
        )  # fmt: skip
    _take(module, keras_model)
    if not config.by_keras and module.replaced is None and not agrees(module, keras_model):
        _log.warning("%s: the converted layers do not agree with Keras, so Keras runs it", spec)
        config.by_keras = True
        module = KerasClassifier(config)
        _take(module, keras_model)
    module.train(False)
    module.name_or_path = module.config.name_or_path = spec
    return module


def _take(module: KerasClassifier, keras_model: Any) -> None:
    body = module.body
    if isinstance(body, KerasBody):
        body.take(keras_model.get_weights())
        return
    assert isinstance(body, Graph)
    weighted = dict(body.weighted())
    kept = [path for path in weighted if path != module.replaced]
    for path, arrays in arrays_of(keras_model, kept).items():
        weighted[path].take(arrays)


def _wanted(head: Head, kept: Mapping[str, Any], task: str) -> str:
    """What the outputs are for, where the file or the task says it; else empty."""
    if kept.get("head"):
        return head.problem_type
    return "regression" if task != as_classification(task) else ""


def agrees(module: KerasClassifier, keras_model: Any) -> bool:
    """Whether module and Keras model give the same probabilities, or numbers, for noise."""
    import torch

    random = np.random.default_rng(0)
    settings = module.feature_settings
    if settings is None:
        sizes = [64 if size is None else size for size in module.shape]
        while len(sizes) < 3:
            sizes.append(1)
        grey = random.random((2, *sizes[:2], sizes[2]), np.float32)
        values = np.repeat(grey, 3, axis=3) if sizes[2] == 1 else grey
        given = {"pixel_values": torch.from_numpy(values.transpose(0, 3, 1, 2))}
        own = grey[..., 0] if len(module.shape) == 2 else grey
        if module.config.bgr and sizes[2] == 3:
            own = np.ascontiguousarray(own[..., ::-1])
    else:
        steps = (min(max(settings.least, 64), settings.steps),) if settings.steps else ()
        own = random.standard_normal((2, *steps, settings.width), np.float32)
        given = {"features": torch.from_numpy(own)}
    module.train(False)
    with torch.no_grad():
        logits = module(**given).logits
        wanted = keras_model(own, training=False).cpu()
    output = module.config.output
    if module.config.problem_type == "regression":
        found = logits
    elif module.config.problem_type == "multi_label_classification":
        found = logits.sigmoid()
        wanted = wanted if output == "sigmoid" else wanted.sigmoid()
    else:
        found = torch.softmax(logits, 1)
        if output == "sigmoid":
            found = found[:, 1:]
        elif output != "softmax":
            wanted = torch.softmax(wanted, 1)
    return bool(np.allclose(found.numpy(), wanted.numpy(), atol=_CLOSE))


def _settings(module: KerasClassifier, request: BuildRequest) -> Settings:
    """How inputs become windows, from the shape that the model takes."""
    numbers = module.feature_settings
    if numbers is not None:
        window = request.wished(FeatureOptions).window
        return numbers if window is None else dataclasses.replace(numbers, steps=window)
    height, width = module.shape[:2]
    wished = request.wished(ImageOptions).image_size or request.known(ImageFacts).size
    wished = wished or (_ANY_SIDE, _ANY_SIDE)
    return ImageSettings(
        width=width or wished[0],
        height=height or wished[1],
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
    )


def _add_pixels(network: Network, file: KerasFile, wish: str | None) -> bool:
    """Sets the normalisation of pictures; gives whether anything says which it is.

    Args:
        network: of pictures; its mean and standard deviation are set, else they stay at 0..1.
        file: what anysize noted in a file that it exported, and the architecture.
        wish: of the caller, which comes first.
    """
    module: Any = network.module
    settings = network.reads(ImageSettings)
    kept = _kept_image(file)
    if wish is None and kept is not None:
        network.settings = dataclasses.replace(settings, mean=kept.mean, std=kept.std)
        module.config.bgr = bool(file.notes.get("bgr"))
        return True
    named = wish or _by_graph(module)
    if named is None:
        return False
    pixels = parse(named)
    network.settings = dataclasses.replace(settings, mean=pixels.mean, std=pixels.std)
    module.config.bgr = pixels.bgr
    return True


def _by_graph(module: KerasClassifier) -> str | None:
    """The range that the graph says; see ``models.keras.pixels``."""
    architecture = flatten(module.config.entries, "the model")
    paths = normalising(architecture)
    body = module.body
    if isinstance(body, Graph):
        layers = dict(body.weighted())
        weights = {path: layers[path].give() for path in paths if path in layers}
    else:
        assert isinstance(body, KerasBody)
        weights = arrays_of(body.keras, paths)
    return wanted(architecture, weights)
