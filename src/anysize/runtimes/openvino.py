"""The OpenVINO runtime: compiled on first use, the compiled form kept in the bundle.

Text runs padded, so batches should be sorted by length; pictures run as they are. The
intermediate representation (weights float32) is written to ``runtimes/openvino`` of the bundle,
the compiled blob beside it by OpenVINO's own model cache, keyed by the processor.
"""

from __future__ import annotations

import importlib.util
import queue
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.core.examples import Example, Outputs
from anysize.core.files import disk_errors, move_in, scratch
from anysize.core.memory import processors
from anysize.modalities import modality_of
from anysize.models.network import Network
from anysize.models.opening.errors import sentence
from anysize.models.openvino_file import last_line
from anysize.models.processor import multiplies_bfloat16
from anysize.models.quiet import quiet_transformers
from anysize.runtimes.currency import is_current, kept_in, note
from anysize.runtimes.feeding import (
    by_shape,
    check_logits,
    collected,
    feeding,
    graph_inputs,
    graph_outputs,
    has_one_size,
    in_batches,
    runs_apart,
)
from anysize.runtimes.tracing import Traceable, example_tensors, weight_bytes

PROVIDES = ("openvino",)

_HINTS = {"float32": "f32", "bfloat16": "bf16"}
# Each stream has activations of its own.
_MOST_STREAMS = 4


def precisions(network: Network) -> tuple[str, ...]:
    """What a network may run in here, the likely fastest first; see ``core.protocols``."""
    if importlib.util.find_spec("openvino") is None or torch.cuda.is_available():
        return ()
    if network.form is not None:
        return (network.form.precision,) if network.form.runtime == "openvino" else ()
    if getattr(network.module, "own_runtime", False) or not network.has_graph:
        return ()
    if getattr(network.module, "exact", False):
        return ("float32",)
    return ("bfloat16", "float32") if multiplies_bfloat16() else ("float32",)


def streams(network: Network) -> int:
    """How many batches are best run side by side where there are many; see ``core.protocols``.

    Short texts are too little work for several threads: one thread for each of two batches was
    measured 4 to 9 percent faster than two threads for one.
    """
    if not modality_of(network.settings).light:
        return 1
    return min(processors(), _MOST_STREAMS)


def open_runtime(
    network: Network,
    precision: str,
    folder: Path | None = None,
    threads: int = 0,
    streams: int = 1,
) -> OpenVinoRuntime:
    """The runtime for a network, compiled on first use; see ``OpenVinoRuntime``."""
    return OpenVinoRuntime(network, precision, folder, threads, streams)


def opening_memory(network: Network, folder: Path | None) -> int:
    """The weights again, twice while they are compiled."""
    return 3 * weight_bytes(network)


class OpenVinoRuntime:
    """Runs a network in OpenVINO on the processor.

    Args:
        network: what to convert on first use.
        precision: ``float32`` or ``bfloat16`` (arithmetic; results are float32). A compiled form
            has its own; what it leaves open is computed in what the processor is faster with.
        folder: the bundle, to keep the converted form in; None keeps it in memory.
        threads: processor threads; 0 lets OpenVINO choose.
        streams: batches that run side by side, each with its share of the threads.
    """

    name = "openvino"

    def __init__(
        self,
        network: Network,
        precision: str = "float32",
        folder: Path | None = None,
        threads: int = 0,
        streams: int = 1,
    ) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("openvino", "openvino") from error
        allowed = tuple(_HINTS) if network.form is None else (network.form.precision,)
        if precision not in allowed:
            raise ConfigurationError(
                f"precision must be one of {', '.join(allowed)}, not {precision!r}"
            )
        self.precision = precision
        self._network = network
        self._feeding = feeding(network)
        self.packed = runs_apart(network)
        self.whole_only = has_one_size(network)
        self._outputs = graph_outputs(network)
        core = openvino.Core()
        cache = kept_in(folder, "openvino")
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if streams > 1:
            options = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(streams)}
        if precision in _HINTS:
            options["INFERENCE_PRECISION_HINT"] = _HINTS[precision]
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        if cache is not None:
            # What was compiled for one precision must not be taken for another: the library does.
            options["CACHE_DIR"] = str(cache / "cache" / precision)
            options["CACHE_MODE"] = "OPTIMIZE_SIZE"
        if network.form is None:
            self._compiled: Any = core.compile_model(_converted(network, cache), "CPU", options)
        else:
            self._compiled = _compiled(core, network.form.file, options)
            _check_ports(self._compiled, network, self._outputs)
        self._fixed = _batch(self._compiled)
        self.streams = streams
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(streams):
            self._requests.put(self._compiled.create_infer_request())

    def run(self, examples: Sequence[Example]) -> Outputs:
        return by_shape(self._network, self._run, examples)

    def _run(self, examples: Sequence[Example]) -> Outputs:
        inputs = self._feeding(examples)
        request = self._requests.get_nowait()

        def run(arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
            found = request.infer(arrays, share_inputs=True)
            # The next caller's results use the same memory.
            return [np.array(found[place], np.float32) for place in range(len(self._outputs))]

        try:
            arrays = in_batches(run, inputs, self._fixed)
        finally:
            self._requests.put(request)
        outputs = dict(zip(self._outputs, arrays, strict=True))
        check_logits(outputs, self._network)
        return collected(outputs, examples, self._network)

    def close(self) -> None:
        """Releases the compiled form."""
        self._requests = queue.SimpleQueue()
        self._compiled = None


def _compiled(core: Any, file: str, options: dict[str, Any]) -> Any:
    """A form in its file, compiled.

    Raises:
        BundleError: OpenVINO cannot load it.
    """
    try:
        return core.compile_model(file, "CPU", options)
    except RuntimeError as error:
        raise BundleError(file, f"OpenVINO cannot load it: {last_line(error)}") from error


def _check_ports(compiled: Any, network: Network, outputs: Sequence[str]) -> None:
    """Whether a form has as many inputs and outputs as the network.

    Raises:
        BundleError: it has not.
    """
    inputs = [item.name for item in graph_inputs(network)]
    for what, wanted, found in (
        ("take", inputs, len(compiled.inputs)),
        ("give", outputs, len(compiled.outputs)),
    ):
        if len(wanted) != found:
            form = network.form
            raise BundleError(
                "" if form is None else form.file,
                f"the graph must {what} {', '.join(wanted)}, but there are {found}",
            )


def _batch(compiled: Any) -> int:
    """How many windows a graph takes at once; 0 is any number."""
    shape = compiled.inputs[0].get_partial_shape()
    fixed = shape.rank.is_static and len(shape) and shape[0].is_static
    return int(shape[0].get_length()) if fixed else 0


def _converted(network: Network, cache: Path | None) -> Any:
    """The model's intermediate representation: a path where it can be kept, else the model."""
    import openvino

    if cache is None:
        return convert(network)
    target, bundle = cache / "model.xml", cache.parents[1]
    whole = target.is_file() and target.with_suffix(".bin").is_file()
    if whole and is_current(bundle, cache):
        return str(target)
    # What was compiled of another form is of no use.
    shutil.rmtree(cache / "cache", ignore_errors=True)
    model = convert(network)
    with scratch(cache, "convert") as beside, disk_errors(target):
        openvino.save_model(model, beside / target.name, compress_to_fp16=False)
        note(bundle, beside)
        move_in(beside, cache, last=target.name)
    return str(target)


def convert(network: Network) -> Any:
    """An ``openvino.Model`` of the module, traced once, with dynamic batch and length.

    Raises:
        BundleError: the module has something that OpenVINO has no graph for.
    """
    import openvino

    inputs = graph_inputs(network)
    shapes = [
        openvino.PartialShape([-1 if isinstance(axis, str) else axis for axis in item.axes])
        for item in inputs
    ]
    # Tracing looks at every attribute, and transformers says something of one of them. Without
    # gradients layers of our own are the ones that they stand in for.
    with quiet_transformers(), warnings.catch_warnings(), torch.no_grad():
        # It warns of Python branches on shapes, which are the same for every input here.
        warnings.simplefilter("ignore")
        try:
            return openvino.convert_model(
                Traceable(network),
                example_input=example_tensors(network),
                input=[(shape, item.kind) for shape, item in zip(shapes, inputs, strict=True)],
            )
        except MemoryError:
            raise
        except Exception as error:  # OpenVINO passes on what tracing raises
            raise BundleError(
                network.spec, f"cannot be converted for OpenVINO: {sentence(error)}"
            ) from error
