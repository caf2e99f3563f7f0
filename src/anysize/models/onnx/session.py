"""ONNX networks for pictures in ONNX Runtime, else in OpenVINO, which reads ONNX too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError, MissingExtraError

Arrays: TypeAlias = list[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A network in a runtime.

    Attributes:
        run: from pictures ``[n, 3, height, width]`` to the outputs in order; safe to call from
            several threads.
        shape: of its input, 0 where it is free.
        outputs: their names.
    """

    run: Callable[[NDArray[np.float32]], Arrays]
    shape: tuple[int, ...]
    outputs: tuple[str, ...]


class OnnxSession:
    """Runs a network on batches of pictures.

    A network that was made for one picture at a time works on several at once, with a thread
    each: that is faster than several threads on one, where layers are small.

    Args:
        path: of the file.
        threads: of the processor.

    Raises:
        BundleError: the file cannot be loaded.
        MissingExtraError: neither ONNX Runtime nor OpenVINO is installed.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._threads = threads
        self._single = _open(path, threads, 1)
        self._several: Opened | None = None
        self._pool: ThreadPoolExecutor | None = None
        self.shape, self.outputs = self._single.shape, self._single.outputs

    def run(
        self,
        pictures: NDArray[np.uint8],
        prepare: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    ) -> dict[str, NDArray[np.float32]]:
        """The outputs by name, ``[n, ...]`` each.

        Args:
            pictures: ``[n, height, width, 3]``.
            prepare: makes of some of them what the network takes; called in any thread.
        """
        step = self.shape[0] or len(pictures)
        parts = [pictures[start : start + step] for start in range(0, len(pictures), step)]
        if self._threads == 1 or len(parts) < self._threads:
            found = [self._single.run(prepare(part)) for part in parts]
        else:
            found = self._at_once(parts, prepare)
        outputs = zip(*found, strict=True)
        return {
            name: np.concatenate(each) for name, each in zip(self.outputs, outputs, strict=True)
        }

    def _at_once(
        self,
        parts: Sequence[NDArray[np.uint8]],
        prepare: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    ) -> list[Arrays]:
        if self._several is None or self._pool is None:
            self._several = _open(self._path, self._threads, self._threads)
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="anysize-onnx")
        run = self._several.run
        return list(self._pool.map(lambda part: run(prepare(part)), parts))


def _open(path: Path, threads: int, at_once: int) -> Opened:
    """Opens a network for so many threads, which work on so many inputs at once."""
    try:
        session = open_session(path, max(threads // at_once, 1))
    except ImportError:
        return _openvino(path, threads, at_once)
    (entry, *_) = session.get_inputs()
    names = tuple(output.name for output in session.get_outputs())
    shape = tuple(side if isinstance(side, int) else 0 for side in entry.shape)
    return Opened(lambda pixels: session.run(names, {entry.name: pixels}), shape, names)


def open_session(
    model: Path | bytes, threads: int, *, origin: str = "", varying: bool = False
) -> Any:
    """An ``onnxruntime.InferenceSession`` on the processor.

    Args:
        model: the file, or what is in it.
        threads: of the processor.
        origin: the file, for messages, where its content is given.
        varying: whether inputs come in many lengths, so that nothing is kept for each of them.

    Raises:
        BundleError: ONNX Runtime cannot load the file.
        ImportError: ONNX Runtime is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # What is wrong is raised; it need not be written to standard error as well.
    options.log_severity_level = 4
    options.enable_mem_pattern = not varying
    given = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        place = origin or str(model)
        raise BundleError(place, f"ONNX Runtime cannot load it: {_first(error)}") from error


def _openvino(path: Path, threads: int, at_once: int) -> Opened:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "onnx") from error
    core = openvino.Core()
    options: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": at_once}
    try:
        model = core.read_model(str(path))
        compiled = core.compile_model(model, "CPU", options)
    except RuntimeError as error:
        raise BundleError(str(path), f"OpenVINO cannot load it: {_first(error)}") from error
    names = tuple(output.get_any_name() for output in compiled.outputs)
    partial = model.inputs[0].get_partial_shape()
    shape = tuple(side.get_length() if side.is_static else 0 for side in partial)

    def run(pixels: NDArray[np.float32]) -> Arrays:
        results = compiled.create_infer_request().infer([pixels])
        return [np.array(results[output]) for output in compiled.outputs]

    return Opened(run, shape, names)


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
