"""Bundles: a folder that transformers can load as it is, plus ``anysize.json``."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anysize import heads
from anysize.core.errors import BundleError
from anysize.core.files import disk_errors, move_in, scratch, write_json
from anysize.models.card_reading import made, read_json
from anysize.models.columns import ColumnEncoding, TableEncoding
from anysize.models.network import FeatureSettings, Form, ImageSettings, Network, TextSettings
from anysize.models.quiet import quiet_transformers
from anysize.sources.splits import SHARE

CARD = "anysize.json"
FORMAT = 1
_NETWORK_FILES = ("*.safetensors", "tokenizer*.json", "preprocessor_config.json")

_SELECTION = ("threshold", "nms_iou")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What ``anysize.json`` says.

    Attributes:
        task: the task's name.
        labels: class names in the order of the logits.
        model: the spec that the model was made from.
        merge: how window outputs are joined (``mean``, ``max``, ``attention``).
        text, image, features: how inputs become windows; exactly one is set.
        licence: of the weights.
        provenance: data fingerprint, versions, seed, recipe.
        metrics: measured on the validation records at the end of training.
        form: the compiled form that is there instead of weights.
        compression: what was done to the original, in order, and what was measured of the result.
        altered: how the module differs from what its configuration builds; `save` takes it from the
            network.
        selection: of object-detection, ``threshold`` and ``nms_iou`` where training was given them.
        head: ``name`` of the head and what it learned (``anysize.heads``); empty of one label.
    """

    task: str
    labels: tuple[str, ...]
    model: str
    merge: str = "mean"
    text: TextSettings | None = None
    image: ImageSettings | None = None
    features: FeatureSettings | None = None
    licence: str = "unknown"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    form: Form | None = None
    compression: Mapping[str, Any] = field(default_factory=dict)
    altered: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, float] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        entries = dataclasses.asdict(self)
        for name in ("compression", "altered", "selection", "head"):
            if not entries[name]:
                del entries[name]
        return {"format": FORMAT, **{k: v for k, v in entries.items() if v is not None}}

    def shares(self) -> tuple[float, float]:
        """The parts for validation and for test that training kept out.

        Data without splits of its own must be divided in the same way to be evaluated.
        """
        recipe = self.provenance.get("recipe")
        kept = recipe if isinstance(recipe, Mapping) else {}
        found = (kept.get("validation", SHARE), kept.get("test", SHARE))
        validation, test = (
            float(part) if isinstance(part, int | float) and 0 <= part < 1 else SHARE
            for part in found
        )
        return validation, test

    @classmethod
    def from_json(cls, entries: Mapping[str, Any], origin: str) -> Card:
        """Checks and reads a card.

        Raises:
            BundleError: a key is missing or of the wrong type, or the format is newer.
        """
        if entries.get("format") != FORMAT:
            raise BundleError(
                origin,
                f"format {entries.get('format')!r} is not {FORMAT}; it was written by another "
                "version of anysize: use that one, or train again",
            )
        known = {item.name for item in dataclasses.fields(cls)}
        values = {
            key: value for key, value in entries.items() if key in known and value is not None
        }
        parts: tuple[tuple[str, type], ...] = (
            ("text", TextSettings),
            ("image", ImageSettings),
            ("features", FeatureSettings),
            ("form", Form),
        )
        features = values.get("features")
        if isinstance(features, Mapping) and features.get("encoding") is not None:
            values["features"] = {**features, "encoding": _encoding(features["encoding"], origin)}
        for name, kind in parts:
            if name in values:
                values[name] = made(kind, values[name], origin, name)
        card = made(cls, values, origin)
        if card.head:
            heads.of(card.head, origin)  # refused here, not in the middle of the work
        if not all(
            name in _SELECTION and isinstance(value, int | float) and 0 <= value <= 1
            for name, value in card.selection.items()
        ):
            raise BundleError(
                origin, f"not a valid card: selection may have {' and '.join(_SELECTION)}, 0 to 1"
            )
        if sum(item is not None for item in (card.text, card.image, card.features)) != 1:
            raise BundleError(origin, "exactly one of 'text', 'image' and 'features' must be set")
        return card


def _encoding(entries: Any, origin: str) -> TableEncoding:
    """How the cells of a table's row become numbers, as a card has it.

    Raises:
        BundleError: it is damaged.
    """
    name = "features.encoding"
    columns = entries.get("columns") if isinstance(entries, Mapping) else None
    if not isinstance(columns, list):
        raise BundleError(origin, f"not a valid card: {name}.columns must be a list")
    for column in columns:
        made(ColumnEncoding, column, origin, f"{name}.columns")
    try:
        return TableEncoding.from_json(entries)
    except (TypeError, KeyError, ValueError) as error:
        raise BundleError(origin, f"not a valid card: {name}: {error}") from error


def is_bundle(path: str | Path) -> bool:
    """Whether the folder holds an ``anysize.json``."""
    return (Path(path) / CARD).is_file()


def save(
    folder: str | Path,
    network: Network,
    card: Card,
    write_weights: Callable[[Path], object] | None = None,
) -> Path:
    """Writes a bundle: beside the folder first, then moved in, so that a reader never sees half.

    Other files in the folder (checkpoints, logs) stay.

    Args:
        folder: made where there is none.
        network: its weights, tokenizer and preprocessing.
        card: what ``anysize.json`` says.
        write_weights: writes what stands for the weights into the folder that it is given (a
            compiled form below ``runtimes``, or weights in an encoding of their own); None writes
            ``model.safetensors``.
    """
    folder = Path(folder)
    with scratch(folder, "bundle") as beside, disk_errors(folder):
        with quiet_transformers():
            if write_weights is None:
                network.module.save_pretrained(beside)
            else:
                network.module.config.save_pretrained(beside)
                write_weights(beside)
        if network.tokenizer is not None:
            _save_tokenizer(beside, network)
        if network.image is not None:
            write_json(beside / "preprocessor_config.json", _processor(network.image))
        if network.pool is not None:
            from anysize.models.tensor_file import write_tensors

            write_tensors(beside / "pool.safetensors", network.pool.state_dict())
        card = dataclasses.replace(card, altered=network.altered)
        if card.image is not None:
            # A wish of the run, not of the model.
            card = dataclasses.replace(card, image=dataclasses.replace(card.image, tolerant=False))
        write_json(beside / CARD, card.to_json())
        # Compiled forms, weights in another encoding, a tokenizer are of the old network.
        shutil.rmtree(folder / "runtimes", ignore_errors=True)
        for old in (path for pattern in _NETWORK_FILES for path in folder.glob(pattern)):
            if not (beside / old.name).exists():
                old.unlink()
        # The card goes last: a folder without it is not a bundle (yet, or any more).
        (folder / CARD).unlink(missing_ok=True)
        move_in(beside, folder, last=CARD)
    return folder


def files_of(folder: str | Path) -> list[Path]:
    """The files of a bundle that predicting needs: not what training or compiling left beside.

    Args:
        folder: of the bundle, or a Hugging Face folder.
    """
    folder = Path(folder)
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and _needed(path)]
    if is_bundle(folder) and (form := read_card(folder).form) is not None:
        path = folder / form.file
        found += [each for each in sorted(path.parent.rglob("*")) if each.is_file()]
    return found


def _needed(path: Path) -> bool:
    return path.suffix in (".json", ".safetensors", ".model", ".txt") and path.name not in (
        "metrics.json", "plan.json", "report.json", "compression.json",
    )  # fmt: skip


def read_card(folder: str | Path) -> Card:
    """The card of a bundle.

    Raises:
        BundleError: not a bundle, or a damaged card.
    """
    path = Path(folder) / CARD
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise BundleError(str(path), "must hold one JSON object")
    return Card.from_json(entries, str(path))


def write_card(folder: Path, card: Card) -> None:
    """Replaces the card of a bundle, at once."""
    write_json(folder / CARD, card.to_json())


def _processor(image: ImageSettings) -> dict[str, Any]:
    """What transformers' own image processors read."""
    size: dict[str, Any] = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": image.height, "width": image.width},
    }
    if image.crop:
        size = {
            "image_processor_type": "BitImageProcessor",
            "size": {"shortest_edge": round(min(image.width, image.height) / image.crop)},
            "do_center_crop": True,
            "crop_size": {"height": image.height, "width": image.width},
        }
    return {
        **size,
        "do_resize": True,
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(image.mean),
        "image_std": list(image.std),
    }


def _save_tokenizer(folder: Path, network: Network) -> None:
    from anysize.models.tokenizers import wrap_tokenizer

    tokenizer = network.hub_tokenizer
    if tokenizer is None:
        assert network.tokenizer is not None
        assert network.text is not None
        tokenizer = wrap_tokenizer(network.tokenizer, window=network.text.window)
    tokenizer.save_pretrained(folder)
