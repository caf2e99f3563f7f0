"""Bundles: a folder that transformers can load as it is, plus ``anysize.json``."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anysize import heads
from anysize.core import plugins
from anysize.core.errors import BundleError
from anysize.core.files import disk_errors, move_in, scratch, write_json
from anysize.modalities import load, modality_of
from anysize.modalities.settings import S, Settings, expected
from anysize.models.card_reading import made, read_json
from anysize.models.graph_files import graph_file
from anysize.models.network import Form, Network
from anysize.models.quiet import quiet_transformers
from anysize.sources.splits import SHARE

CARD = "anysize.json"
FORMAT = 2
_FIRST_FORMAT = 1  # with the settings under the name of their modality
_NETWORK_FOLDERS = ("runtimes", "adapter")
_NETWORK_FILES = ("*.safetensors", "tokenizer*.json", "*.spm", "preprocessor_config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What ``anysize.json`` says.

    Attributes:
        task: the task's name.
        labels: class names in the order of the logits.
        model: the spec that the model was made from.
        merge: how window outputs are joined (``mean``, ``max``, ``attention``).
        settings: how inputs become windows, in the class of the modality.
        licence: of the weights.
        provenance: data fingerprint, versions, seed, recipe.
        metrics: measured on the validation records at the end of training.
        form: the compiled form that is there instead of weights.
        compression: what was done to the original, in order, and what was measured of the result.
        altered: how the module differs from what its configuration builds; `save` takes it from the
            network.
        prediction: options of prediction of the task, by name, as training was given them or has
            calibrated them.
        head: ``name`` of the head and what it learned (``anysize.heads``); empty of one label.
    """

    task: str
    labels: tuple[str, ...]
    model: str
    settings: Settings
    merge: str = "mean"
    licence: str = "unknown"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    form: Form | None = None
    compression: Mapping[str, Any] = field(default_factory=dict)
    altered: Mapping[str, Any] = field(default_factory=dict)
    prediction: Mapping[str, Any] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        entries = dataclasses.asdict(self)
        for name in ("compression", "altered", "prediction", "head"):
            if not entries[name]:
                del entries[name]
        del entries["settings"]
        return {
            "format": FORMAT,
            **{name: value for name, value in entries.items() if value is not None},
            "modality": self.settings.modality,
            "settings": self.settings.to_json(),
        }

    def reads(self, kind: type[S]) -> S:
        """The settings of a modality.

        Raises:
            ConfigurationError: the model reads something else.
        """
        return expected(self.settings, kind, self.model)

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
        if entries.get("format") not in (_FIRST_FORMAT, FORMAT):
            raise BundleError(
                origin,
                f"format {entries.get('format')!r} is not {FORMAT}; it was written by another "
                "version of anysize: use that one, or train again",
            )
        known = {item.name for item in dataclasses.fields(cls)}
        values = {
            key: value for key, value in entries.items() if key in known and value is not None
        }
        if "selection" in entries:  # its name in bundles of object-detection of the first release
            values.setdefault("prediction", entries["selection"])
        values["settings"] = settings_of(entries, origin)
        if "form" in values:
            values["form"] = made(Form, values["form"], origin, "form")
        card = made(cls, values, origin)
        twice = [label for label, times in Counter(card.labels).items() if times > 1]
        if twice:
            raise BundleError(origin, f"not a valid card: its labels have {twice[0]!r} twice")
        if not plugins.has("mergers", card.merge):
            raise BundleError(origin, f"not a valid card: there is no merge {card.merge!r}")
        if card.head:
            heads.of(card.head, origin)  # refused here, not in the middle of the work
        return card


def settings_of(entries: Mapping[str, Any], origin: str) -> Settings:
    """How inputs become windows, from the entries of a card.

    In the first format they were under the name of the modality.

    Raises:
        BundleError: there are none, or they are damaged or of an unknown modality.
    """
    known = plugins.keys("modalities")
    found = [name for name in known if isinstance(entries.get(name), Mapping)]
    if "modality" in entries:
        found, own = [str(entries["modality"])], entries.get("settings")
    else:
        own = entries.get(found[0]) if found else None
    if len(found) != 1 or found[0] not in known or not isinstance(own, Mapping):
        raise BundleError(
            origin,
            f"must have the settings of one modality ({', '.join(known)}), and has "
            f"{', '.join(found) or 'none'}",
        )
    return load(found[0]).settings.from_json(own, origin)


def is_bundle(path: str | Path) -> bool:
    """Whether the folder holds an ``anysize.json``."""
    return (Path(path) / CARD).is_file()


def save(
    folder: str | Path,
    network: Network,
    card: Card,
    write_weights: Callable[[Path], object] | None = None,
    *,
    add: Callable[[Path], object] | None = None,
) -> Path:
    """Writes a bundle: beside the folder first, then moved in, so that a reader never sees half.

    Other files in the folder (checkpoints, logs) stay.

    Args:
        folder: made where there is none.
        network: its weights, tokenizer and preprocessing.
        card: what ``anysize.json`` says.
        write_weights: writes what replaces the weights into the folder that it is given (a
            compiled form below ``runtimes``, or weights in an encoding of their own); None writes
            ``model.safetensors``.
        add: writes what lies in the bundle besides.
    """
    folder = Path(folder)
    with scratch(folder, "bundle") as beside, disk_errors(folder):
        with quiet_transformers():
            if write_weights is None:
                network.module.save_pretrained(beside)
            else:
                network.module.config.save_pretrained(beside)
                write_weights(beside)
                if card.form is not None:
                    from anysize.models.outside import write_outside

                    write_outside(beside, network.module)
        modality_of(network.settings).save(beside, network)
        if network.pool is not None:
            from anysize.models.tensor_file import write_tensors

            write_tensors(beside / "pool.safetensors", network.pool.state_dict())
        if add is not None:
            add(beside)
        card = dataclasses.replace(card, altered=network.altered, settings=card.settings.kept())
        write_json(beside / CARD, card.to_json())
        # Compiled forms, weights in another encoding, a tokenizer are of the old network.
        for part in _NETWORK_FOLDERS:
            shutil.rmtree(folder / part, ignore_errors=True)
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
        folder: of the bundle, a Hugging Face folder, or that of a graph file.
    """
    folder = Path(folder)
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and _needed(path)]
    if is_bundle(folder) and (form := read_card(folder).form) is not None:
        path = folder / form.file
        found += [each for each in sorted(path.parent.rglob("*")) if each.is_file()]
    elif (graph := graph_file(folder)) is not None:
        found.append(graph)
    return found


def _needed(path: Path) -> bool:
    kept = path.suffix in (".json", ".safetensors", ".model", ".txt", ".jinja")
    return kept and path.name not in (
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
