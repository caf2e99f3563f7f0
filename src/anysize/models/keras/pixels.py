"""The values of pixels that a Keras model wants, as far as its graph says.

From the input on, layers that only move, cut or pad pixels are passed through, until one says what
it expects: a rescaling by its scale and offset, a normalisation by the means and variances that it
holds. Values from 0 to 1 cannot have a variance above mean * (1 - mean), and so on for other
ranges; the narrowest range that the numbers fit is the one that the model was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.models.keras.architecture import Architecture, Call

# Pixels come out of these as they go in, or as means or parts of them.
_PASSED = frozenset({
    "ActivityRegularization", "AveragePooling2D", "CenterCrop", "Cropping2D", "Dropout",
    "GaussianNoise", "Identity", "MaxPooling2D", "Permute", "Pipeline", "RandomBrightness",
    "RandomContrast", "RandomCrop", "RandomFlip", "RandomRotation", "RandomTranslation",
    "RandomZoom", "Reshape", "Resizing", "SpatialDropout2D", "UpSampling2D", "ZeroPadding2D",
})  # fmt: skip
_RANGES: Mapping[str, tuple[float, float]] = {
    "0-1": (0.0, 1.0), "-1-1": (-1.0, 1.0), "0-255": (0.0, 255.0),
}  # fmt: skip
# What networks are fed with is a few units wide.
_WIDEST = 8.0
_TOLERANCE = 0.02

Arrays = Sequence[NDArray[Any]]


def wanted(architecture: Architecture, weights: Mapping[tuple[str, ...], Arrays]) -> str | None:
    """``0-1``, ``-1-1`` or ``0-255``; None where the graph does not say, or says two things.

    Args:
        architecture: of a model of pictures.
        weights: of its layers that normalise, as Keras orders them, by their paths.
    """
    found = {_range(call, weights) for call in _first(architecture)}
    return found.pop() if len(found) == 1 else None


def normalising(architecture: Architecture) -> list[tuple[str, ...]]:
    """Paths of the layers whose weights say what range they expect."""
    kinds = ("BatchNormalization", "Normalization")
    return [call.path for call in _first(architecture) if call.kind in kinds]


def _first(architecture: Architecture) -> Iterator[Call]:
    """The calls that are the first to do something with the pixels."""
    passed = {0}
    for place, call in enumerate(architecture.calls):
        if place == 0 or not passed.intersection(call.inputs):
            continue
        if call.kind in _PASSED or _does_nothing(call):
            passed.add(place)
        else:
            yield call


def _does_nothing(call: Call) -> bool:
    if call.kind == "Rescaling":
        return (call.config.get("scale"), call.config.get("offset", 0.0)) == (1.0, 0.0)
    return call.kind == "Activation" and call.config.get("activation") == "linear"


def _range(call: Call, weights: Mapping[tuple[str, ...], Arrays]) -> str | None:
    if call.kind == "Rescaling":
        return _of_rescaling(call.config)
    if call.kind == "Normalization" and call.config.get("mean") is not None:
        return _of_moments(call.config["mean"], call.config.get("variance", 1.0))
    arrays = weights.get(call.path)
    if arrays is None:
        return None
    if call.kind == "Normalization":
        return _of_moments(*arrays[:2])
    return _of_moments(*arrays[-2:])  # moving mean and variance


def _of_rescaling(config: Mapping[str, Any]) -> str | None:
    """The widest range that comes out as something that a network is fed with."""
    try:
        scale = np.atleast_1d(np.asarray(config.get("scale", 1.0), float))
        offset = np.atleast_1d(np.asarray(config.get("offset", 0.0), float))
    except (TypeError, ValueError):
        return None
    for name in ("0-255", "-1-1", "0-1"):
        low, high = (edge * scale + offset for edge in _RANGES[name])
        wide = float(np.abs(np.stack([low, high])).max())
        # From 0..1 to -1..1 is usual, the other way round is rare.
        if wide <= _WIDEST and (name != "-1-1" or _becomes(low, high, 1.0)):
            return name
        if _becomes(low, high, 255.0):
            return name  # pixels again, for what comes behind
    return None


def _becomes(low: NDArray[Any], high: NDArray[Any], most: float) -> bool:
    """Whether a range comes out as 0 to ``most``."""
    near = _TOLERANCE * most
    return bool((np.abs(low) < near).all() and (np.abs(high - most) < near).all())


def _of_moments(mean: Any, variance: Any) -> str | None:
    """The narrowest range that values of such means and variances can come from."""
    try:
        means = np.atleast_1d(np.asarray(mean, float)).ravel()
        variances = np.atleast_1d(np.asarray(variance, float)).ravel()
    except (TypeError, ValueError):
        return None
    if not means.any() and (variances == 1).all():
        return None  # it has never seen a picture
    for name, (low, high) in _RANGES.items():
        room = _TOLERANCE * (high - low)
        most = np.clip((means - low) * (high - means), 0, None) + room * (high - low)
        inside = (means >= low - room).all() and (means <= high + room).all()
        if inside and (variances <= most).all():
            return name
    return None
