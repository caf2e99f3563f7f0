"""What a folder or hub id in the Hugging Face layout says of its preprocessing and licence."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.positions import position_count

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def longest_window(config: PretrainedConfig, tokenizer_limit: int) -> int:
    """Tokens that a model has positions for.

    Args:
        config: of the model.
        tokenizer_limit: what its tokenizer allows.
    """
    return int(min(position_count(config) or tokenizer_limit, tokenizer_limit))


def image_settings(
    spec: str, config: PretrainedConfig, wish: tuple[int, int] | None
) -> ImageSettings:
    """Input size, normalisation and centre crop, from ``preprocessor_config.json``.

    Args:
        spec: a folder or hub id.
        config: gives the size where there is no such file.
        wish: the size that the user asks for comes first.
    """
    entries = _preprocessor(spec)
    width, height = wish or _input_size(entries, config)
    mean = std = None
    if entries.get("do_normalize", True):
        mean, std = entries.get("image_mean"), entries.get("image_std")
    elif entries:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    settings = ImageSettings(width=width, height=height, crop=_crop(entries))
    if mean is not None and std is not None:
        settings = dataclasses.replace(settings, mean=tuple(mean), std=tuple(std))
    return settings


def _preprocessor(spec: str) -> Mapping[str, Any]:
    from transformers.utils import cached_file

    path = cached_file(
        spec, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False
    )
    if path is None:
        return {}
    return cast(Mapping[str, Any], json.loads(Path(path).read_text(encoding="utf-8")))


def _input_size(entries: Mapping[str, Any], config: PretrainedConfig) -> tuple[int, int]:
    size = entries.get("crop_size") if entries.get("do_center_crop") else None
    size = size or entries.get("size") or getattr(config, "image_size", None) or 224
    if isinstance(size, int):
        return size, size
    if isinstance(size, list | tuple):
        return int(size[1]), int(size[0])
    if "shortest_edge" in size:
        return int(size["shortest_edge"]), int(size["shortest_edge"])
    return int(size["width"]), int(size["height"])


def _crop(entries: Mapping[str, Any]) -> float:
    """The part of the shorter side that a centre crop leaves; 0 where there is none."""
    size, part = entries.get("size"), entries.get("crop_pct")
    shortest = size.get("shortest_edge") if isinstance(size, Mapping) else size
    if isinstance(part, int | float) and isinstance(shortest, int) and shortest < 384:
        # ConvNeXt's processor resizes to the side over the part, and cuts the side out.
        return min(max(float(part), 0.0), 1.0)
    crop = entries.get("crop_size") if entries.get("do_center_crop") else None
    side = min(crop.values(), default=None) if isinstance(crop, Mapping) else crop
    if not isinstance(side, int) or not isinstance(shortest, int) or not 0 < side <= shortest:
        return 0.0
    return side / shortest


def licence(spec: str) -> str:
    """The licence line of a model card's front matter, where there is one."""
    card = Path(spec) / "README.md"
    try:
        text = card.read_text(encoding="utf-8")[:4096]
    except (OSError, UnicodeDecodeError):
        return "unknown"
    match = re.search(r"^license:\s*(\S+)", text, re.MULTILINE)
    return match[1] if match else "unknown"
