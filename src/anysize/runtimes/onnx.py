"""The ONNX runtime: converted on first use, the converted file kept in the bundle.

Text runs padded, so batches should be sorted by length; pictures run as they are. The file
(weights float32) is ``runtimes/onnx/model.onnx`` of the bundle; what is larger than 1 GiB has its
weights beside it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.core.examples import Example, Outputs
from anysize.models.network import Network
from anysize.runtimes.feeding import Feeding, graph_inputs, graph_outputs
from anysize.runtimes.onnx_conversion import can_convert, convert

PROVIDES = ("onnx",)

FILE = Path("runtimes") / "onnx" / "model.onnx"
"""The converted form, in a bundle."""


def precisions(network: Network) -> tuple[str, ...]:
    """What a network may run in here, the likely fastest first; see ``core.protocols``."""
    if importlib.util.find_spec("onnxruntime") is None or torch.cuda.is_available():
        return ()
    if network.form is not None:
        return (network.form.precision,) if network.form.runtime == "onnx" else ()
    if getattr(network.module, "own_runtime", False) or not can_convert():
        return ()
    return ("float32",)


def open_runtime(
    network: Network, precision: str, folder: Path | None = None, threads: int = 0
) -> OnnxRuntime:
    """The runtime for a network, converted on first use; see ``OnnxRuntime``."""
    return OnnxRuntime(network, precision, folder, threads)


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
    packed = False

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
        self._feeding = Feeding(network)
        self._inputs = [item.name for item in graph_inputs(network)]
        self._outputs = graph_outputs(network)
        self.threads = threads or torch.get_num_threads()
        if network.form is not None:
            self._session: Any = open_session(Path(network.form.file), self.threads)
        elif folder is not None and os.access(folder, os.W_OK):
            self._session = open_session(_kept(network, folder), self.threads)
        else:
            with tempfile.TemporaryDirectory(prefix="anysize-onnx-") as temporary:
                path = Path(temporary) / FILE.name
                convert(network, path)
                self._session = open_session(path, self.threads)
        self._options = _run_options()
        self._names = [item.name for item in self._session.get_outputs()]
        given = [item.name for item in self._session.get_inputs()]
        if len(self._names) != len(self._outputs) or len(given) != len(self._inputs):
            origin = network.spec if network.form is None else network.form.file
            raise BundleError(
                origin,
                f"the ONNX file must have {len(self._inputs)} inputs and {len(self._outputs)} "
                f"outputs, not {len(given)} and {len(self._names)}",
            )
        self._inputs = given

    def run(self, examples: Sequence[Example]) -> Outputs:
        given = dict(zip(self._inputs, self._feeding(examples), strict=True))
        results = self._session.run(self._names, given, self._options)
        named = zip(self._outputs, results, strict=True)
        return Outputs({name: np.asarray(each, np.float32) for name, each in named})

    def close(self) -> None:
        """Releases the session and its memory."""
        self._session = None


def open_session(path: Path, threads: int) -> Any:
    """An ``onnxruntime.InferenceSession`` on the processor.

    Raises:
        BundleError: ONNX Runtime cannot load the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # What is wrong is raised; it need not be written to standard error as well.
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        lines = str(error).strip().splitlines() or [repr(error)]
        raise BundleError(str(path), f"ONNX Runtime cannot load it: {lines[0]}") from error


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
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".convert-", dir=target.parent))
    try:
        convert(network, beside / FILE.name)
        for path in sorted(beside.iterdir(), key=lambda item: item.name == FILE.name):
            path.replace(target.parent / path.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target
