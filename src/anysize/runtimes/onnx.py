"""The ONNX runtime: converted on first use, the converted file kept in the bundle.

Text runs padded, so batches should be sorted by length; pictures run as they are. The file
(weights float32) is ``runtimes/onnx/model.onnx`` of the bundle; what is larger than 1 GiB has its
weights beside it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.core.examples import Example, Outputs
from anysize.core.files import disk_errors, move_in, scratch
from anysize.models.network import Network
from anysize.models.onnx.session import open_session
from anysize.runtimes.currency import is_current, note
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
from anysize.runtimes.onnx_conversion import can_convert, convert
from anysize.runtimes.tracing import weight_bytes

PROVIDES = ("onnx",)

# What the exporter takes beside the weights: onnxscript, and graphs in several stages.
_CONVERSION = 192 << 20
FILE = Path("runtimes") / "onnx" / "model.onnx"
"""The converted form, in a bundle."""


def precisions(network: Network) -> tuple[str, ...]:
    """What a network may run in here, the likely fastest first; see ``core.protocols``."""
    if importlib.util.find_spec("onnxruntime") is None or torch.cuda.is_available():
        return ()
    if network.form is not None:
        return (network.form.precision,) if network.form.runtime == "onnx" else ()
    if getattr(network.module, "own_runtime", False) or not network.has_graph:
        return ()
    if not can_convert():
        return ()
    return ("float32",)


def open_runtime(
    network: Network, precision: str, folder: Path | None = None, threads: int = 0
) -> OnnxRuntime:
    """The runtime for a network, converted on first use; see ``OnnxRuntime``."""
    return OnnxRuntime(network, precision, folder, threads)


def opening_memory(network: Network, folder: Path | None) -> int:
    """The weights again, twice while they are packed; more where they are converted first."""
    weights = weight_bytes(network)
    if network.form is not None or (folder is not None and (folder / FILE).is_file()):
        return 3 * weights
    return _CONVERSION + 4 * weights


class OnnxRuntime:
    """Runs a network in ONNX Runtime on the processor.

    Args:
        network: what to convert on first use.
        precision: ``float32``; a compiled form has its own.
        folder: the bundle, to keep the converted file in; None keeps it as long as this runs.
        threads: processor threads; 0 takes as many as torch.

    Raises:
        MissingExtraError: onnxruntime, or for the conversion onnx or onnxscript, is missing.
        BundleError: the network cannot be converted, or the file cannot be loaded.
    """

    name = "onnx"

    def __init__(
        self,
        network: Network,
        precision: str = "float32",
        folder: Path | None = None,
        threads: int = 0,
    ) -> None:
        if importlib.util.find_spec("onnxruntime") is None:
            raise MissingExtraError("onnxruntime", "onnx")
        allowed = ("float32",) if network.form is None else (network.form.precision,)
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
        self._options = _run_options()
        self.threads = threads or torch.get_num_threads()
        if network.form is not None:
            self._session: Any = open_session(Path(network.form.file), self.threads)
        elif folder is not None and os.access(folder, os.W_OK):
            self._session = open_session(_kept(network, folder), self.threads)
        else:
            with scratch(None, "onnx") as temporary:
                path = temporary / FILE.name
                convert(network, path)
                self._session = open_session(path, self.threads)
        self._options = _run_options()
        origin = network.spec if network.form is None else network.form.file
        self._inputs = _places(self._session, network, origin)
        shape = self._session.get_inputs()[0].shape
        self._fixed = shape[0] if shape and isinstance(shape[0], int) else 0
        self._probabilities = network.form is not None and "probabilities" in network.form.outputs
        if len(self._session.get_outputs()) != len(self._outputs):
            raise BundleError(
                origin,
                f"the ONNX file must have {len(self._outputs)} outputs "
                f"({', '.join(self._outputs)}), not {len(self._session.get_outputs())}",
            )

    def run(self, examples: Sequence[Example]) -> Outputs:
        return by_shape(self._network, self._run, examples)

    def _run(self, examples: Sequence[Example]) -> Outputs:
        arrays = self._feeding(examples)
        given = [
            np.zeros_like(arrays[0]) if place is None else arrays[place]
            for place in self._inputs.values()
        ]
        found = dict(
            zip(self._outputs, in_batches(self._session_run, given, self._fixed), strict=True)
        )
        check_logits(found, self._network)
        if self._probabilities:
            # What becomes a probability again is its logarithm.
            tiny = np.finfo(np.float32).tiny
            found["logits"] = np.log(np.maximum(found["logits"], tiny))
        return collected(found, examples, self._network)

    def _session_run(self, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
        given = dict(zip(self._inputs, arrays, strict=True))
        return list(self._session.run(None, given, self._options))

    def close(self) -> None:
        """Releases the session and its memory."""
        self._session = None


def _places(session: Any, network: Network, origin: str) -> dict[str, int | None]:
    """For each of the file's inputs which of the network's it is; None is one of zeros."""
    names = [item.name for item in graph_inputs(network)]
    given = [item.name for item in session.get_inputs()]
    if set(given) <= {*names, "token_type_ids"}:
        return {name: names.index(name) if name in names else None for name in given}
    if len(given) == len(names):
        return {name: place for place, name in enumerate(given)}
    raise BundleError(
        origin, f"the ONNX file must take {', '.join(names)}, and takes {', '.join(given)}"
    )


def _run_options() -> Any:
    """Gives the arena's memory back after each run.

    It grows with the largest batch and would hold that for ever; without an arena at all, a run
    of BERT took half as long again.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _kept(network: Network, folder: Path) -> Path:
    """The converted file in the bundle; written beside, then moved in, the file itself last."""
    target = folder / FILE
    if target.is_file() and is_current(folder, target.parent):
        return target
    with scratch(target.parent, "convert") as beside, disk_errors(target):
        convert(network, beside / FILE.name)
        note(folder, beside)
        move_in(beside, target.parent, last=FILE.name)
    return target
