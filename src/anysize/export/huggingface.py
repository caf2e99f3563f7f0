"""Writes a plain Hugging Face folder: configuration, safetensors, tokenizer, preprocessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from anysize.core.errors import ConfigurationError
from anysize.core.files import disk_errors, replace_folder, scratch, write_text
from anysize.export.protocols import check_options
from anysize.export.refusing import refuse_forms
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.network import Network

PROVIDES = ("huggingface",)


def export(
    network: Network,
    card: Card,
    out: Path,
    *,
    source: Path | None,
    options: Mapping[str, str],
) -> Path:
    """See ``export.protocols``; ``README.md`` says how the folder is loaded."""
    check_options("huggingface", options, ())
    refuse_forms("huggingface", network, None)
    if network.altered:
        raise ConfigurationError(
            "format 'huggingface' cannot hold this bundle: compression has altered its layers "
            "(channels, heads or ranks), which no configuration of transformers describes; "
            "export to 'onnx' or 'openvino'"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"out: {out} must be a new or an empty folder")
    with scratch(out.absolute().parent, "export") as work, disk_errors(out):
        beside = work / "model"
        # A bundle is such a folder, but for the card and the weights of learned pooling.
        bundle.save(beside, dataclasses.replace(network, pool=None), card)
        (beside / bundle.CARD).unlink()
        write_text(beside / "README.md", _readme(network, card))
        replace_folder(beside, out)
    return out


def facts(path: Path) -> dict[str, str]:
    """What loads the folder."""
    import json

    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    family = _ours(str(config.get("model_type", "")))
    if family is None:
        return {"loads_in": "transformers"}
    return {"loads_in": f"transformers, after: import anysize.models.{family}"}


def _ours(model_type: str) -> str | None:
    """The family of an architecture that transformers does not have itself."""
    return model_type.removeprefix("anysize_") if model_type.startswith("anysize_") else None


def _readme(network: Network, card: Card) -> str:
    family = _ours(str(network.module.config.model_type))
    lines = [
        "---", f"license: {card.licence}", f"pipeline_tag: {card.task}", "---", "",
        f"# {type(network.module).__name__}", "",
        f"Made from `{card.model}`; classes: {', '.join(card.labels[:20])}"
        + (", …" if len(card.labels) > 20 else "") + ".", "",
    ]  # fmt: skip
    if family is not None:
        lines += [
            f"The architecture is one of anysize: `import anysize.models.{family}` first, then the "
            "Auto classes of transformers load this folder. Without anysize they do not.", "",
        ]  # fmt: skip
    if network.pool is not None:
        lines += [
            "The weights that pool the windows of long inputs are not here: transformers reads one "
            "window at a time.", "",
        ]  # fmt: skip
    return "\n".join(lines)
