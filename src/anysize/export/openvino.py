"""Writes OpenVINO's intermediate representation, compared with torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import MissingExtraError
from anysize.export.comparing import check
from anysize.export.protocols import check_options, placing, target
from anysize.export.refusing import refuse_forms, refuse_other_tokenizer, save_tokenizer
from anysize.models.bundle import Card
from anysize.models.graph_metadata import PREFIX, describe
from anysize.models.network import Network
from anysize.runtimes.feeding import graph_inputs, graph_outputs
from anysize.runtimes.openvino import convert

PROVIDES = ("openvino",)

_GROUP = PREFIX.rstrip(".")


def export(
    network: Network,
    card: Card,
    out: Path,
    *,
    source: Path | None,
    options: Mapping[str, str],
) -> Path:
    """See ``export.protocols``; weights stay as they are, float32 or those of a compiled form."""
    check_options("openvino", options, ())
    refuse_forms("openvino", network, "openvino")
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("openvino", "openvino") from error
    main = target(out, ".xml", source)
    refuse_other_tokenizer(main, network)
    metadata = describe(network, card)
    core = openvino.Core()
    if network.form is None:
        model = convert(network)
        _name(model, network)
        metadata[PREFIX + "max_difference"] = f"{_compared(network, core, model):.3g}"
    else:
        model = core.read_model(network.form.file)
    for name, value in metadata.items():
        model.set_rt_info(value, [_GROUP, name.removeprefix(PREFIX)])
    with placing(main) as beside:
        openvino.save_model(model, beside / main.name, compress_to_fp16=False)
        save_tokenizer(beside, network)
    return main


def facts(path: Path) -> dict[str, str]:
    """What the file says: how far it is from torch."""
    import openvino

    model = openvino.Core().read_model(str(path))
    place = [_GROUP, "max_difference"]
    if not model.has_rt_info(place):
        return {}
    return {"max_difference": str(model.get_rt_info(place).value)}


def _name(model: Any, network: Network) -> None:
    for port, item in zip(model.inputs, graph_inputs(network), strict=True):
        port.get_tensor().set_names({item.name})
    for port, name in zip(model.outputs, graph_outputs(network), strict=True):
        port.get_tensor().set_names({name})


def _compared(network: Network, core: Any, model: Any) -> float:
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()

    def run(arrays: list[Any]) -> list[Any]:
        results = request.infer(arrays, share_inputs=True)
        return [results[place].copy() for place in range(len(model.outputs))]

    return check(network, run, "OpenVINO's form")
