"""Writes ONNX: checked, compared with torch, with the preprocessing in its metadata."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path

from anysize.core.errors import ConfigurationError, MissingExtraError, RunError
from anysize.export.comparing import check
from anysize.export.protocols import check_options, placing, target
from anysize.export.refusing import refuse_forms, refuse_other_tokenizer, save_tokenizer
from anysize.models.bundle import Card
from anysize.models.graph_metadata import PREFIX, describe
from anysize.models.network import Network
from anysize.models.onnx.session import open_session
from anysize.runtimes.feeding import graph_inputs
from anysize.runtimes.onnx_conversion import OPSET, OPSETS, convert

PROVIDES = ("onnx",)


def export(
    network: Network,
    card: Card,
    out: Path,
    *,
    source: Path | None,
    options: Mapping[str, str],
) -> Path:
    """See ``export.protocols``; the option ``opset`` is that of ``ai.onnx``."""
    check_options("onnx", options, ("opset",))
    refuse_forms("onnx", network, "onnx")
    opset = _opset(options.get("opset", str(OPSET)))
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "onnx")
    main = target(out, ".onnx", source)
    refuse_other_tokenizer(main, network)
    with placing(main) as beside:
        written = beside / main.name
        metadata = describe(network, card)
        if network.form is None:
            convert(network, written, opset=opset, metadata=metadata)
            metadata[PREFIX + "max_difference"] = f"{_compared(network, written):.3g}"
        else:
            if "opset" in options:
                raise ConfigurationError("opset: a compiled form has its own already")
            _copy_form(Path(network.form.file), beside, written)
        _finish(written, metadata)
        save_tokenizer(beside, network)
    return main


def facts(path: Path) -> dict[str, str]:
    """What the file says: its opset, and how far it is from torch."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    found = {
        "opset": str(next(x.version for x in model.opset_import if x.domain in ("", "ai.onnx")))
    }
    texts = {entry.key: entry.value for entry in model.metadata_props}
    if (difference := texts.get(PREFIX + "max_difference")) is not None:
        found["max_difference"] = difference
    return found


def _opset(text: str) -> int:
    if not text.isdigit() or int(text) not in OPSETS:
        raise ConfigurationError(
            f"opset must be from {OPSETS.start} to {OPSETS.stop - 1}, not {text!r}"
        )
    return int(text)


def _compared(network: Network, path: Path) -> float:
    session = open_session(path, 0)
    names = [item.name for item in graph_inputs(network)]
    return check(
        network,
        lambda arrays: session.run(None, dict(zip(names, arrays, strict=True))),
        "the ONNX file in ONNX Runtime",
    )


def _copy_form(form: Path, beside: Path, written: Path) -> None:
    """The form and, under the same names, the files of weights that it refers to."""
    for path in form.parent.iterdir():
        if path.is_file():
            shutil.copyfile(path, written if path == form else beside / path.name)


def _finish(path: Path, metadata: Mapping[str, str]) -> None:
    """Writes the metadata and checks the file as ``onnx.checker`` does."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.save(model, str(path))
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise RunError(f"the ONNX file is not valid: {str(error).splitlines()[0]}") from error
