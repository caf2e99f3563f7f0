"""What ONNX Runtime's quantization starts from, and the bundle that it ends as."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from anysize.core.errors import MissingExtraError
from anysize.core.files import scratch
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.network import Form, Network
from anysize.runtimes.onnx_conversion import convert


def save(
    out: Path, network: Network, card: Card, file: str, precision: str,
    quantize: Callable[[Path], None],
) -> None:  # fmt: skip
    """Writes a bundle whose form is a graph in ONNX Runtime; ``quantize`` writes its ``file``."""
    form = Form(
        runtime="onnx", precision=precision, file=file, outputs=network.outputs,
        beside=network.beside,
    )  # fmt: skip
    card = dataclasses.replace(card, form=form)
    bundle.save(out, network, card, lambda folder: quantize(folder / file))


@contextlib.contextmanager
def float32_graph(network: Network, target: Path) -> Iterator[Path]:
    """A network's graph in float32, as long as the block runs, and ONNX Runtime kept quiet.

    Args:
        network: with weights.
        target: where the quantized graph will be; its folder is made.

    Raises:
        MissingExtraError: a library is not installed.
    """
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "onnx")
    import onnx

    target.parent.mkdir(parents=True)
    with scratch(target.parent, "float32") as folder:
        dense = folder / target.name
        convert(network, dense)
        # It transposes weights and would find their noted shapes to be wrong.
        model = onnx.load(str(dense), load_external_data=False)
        del model.graph.value_info[:]
        onnx.save(model, str(dense))
        # Its advice to preprocess the file is for graphs that come from elsewhere.
        logging.disable(logging.WARNING)
        try:
            yield dense
        finally:
            logging.disable(logging.NOTSET)
