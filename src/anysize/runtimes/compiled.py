"""The compiled torch runtime: kernels written in C++ for one network, used only by name.

``torch.compile`` (Ansel et al. 2024, doi:10.1145/3620665.3640366) takes from seconds to minutes at
the first batch, which is why the planner never tries it.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example, Outputs
from anysize.models.network import Network
from anysize.runtimes.feeding import by_shape, collected, feeding, graph_outputs, runs_apart
from anysize.runtimes.tracing import Traceable
from anysize.sources.cache import cache_folder

PROVIDES = ("torch-compiled",)
AUTOMATIC = False

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def precisions(network: Network) -> tuple[str, ...]:
    """What a network may run in here, the likely fastest first; see ``core.protocols``."""
    if network.form is not None or getattr(network.module, "own_runtime", False):
        return ()
    return tuple(_DTYPES) if _compiler() is not None else ()


def open_runtime(
    network: Network, precision: str, folder: Path | None = None, threads: int = 0
) -> CompiledRuntime:
    """The runtime for a network; torch's threads are the process's own."""
    return CompiledRuntime(network, precision)


class CompiledRuntime:
    """Runs a network that ``torch.compile`` made kernels for, on the processor.

    Args:
        network: put into evaluation mode.
        precision: ``float32`` or ``bfloat16`` (under autocast; results are float32).

    Raises:
        ConfigurationError: there is no C++ compiler, or nothing of torch to compile.
    """

    name = "torch-compiled"

    def __init__(self, network: Network, precision: str = "float32") -> None:
        if precision not in _DTYPES:
            raise ConfigurationError(
                f"precision must be one of {', '.join(_DTYPES)}, not {precision!r}"
            )
        if getattr(network.module, "own_runtime", False):
            raise ConfigurationError(f"{network.spec} is not made of torch's layers")
        if _compiler() is None:
            raise ConfigurationError(
                "runtime 'torch-compiled' needs a C++ compiler, and finds neither g++ nor clang++: "
                "install one, or name it in the environment variable CXX"
            )
        # Where torch keeps its kernels otherwise, a shared folder of temporary files, is for all.
        kernels = str(cache_folder() / "torch-compiled")
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", kernels)
        self.precision = precision
        self._network = network
        self._feeding = feeding(network)
        self.packed = runs_apart(network)
        self._outputs = graph_outputs(network)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch deprecates functions that it calls itself
            # Of compiled graphs torch keeps pickles, which are never read here; kernels are kept.
            self._run: Any = torch.compile(
                Traceable(network), dynamic=True, options={"fx_graph_cache": False}
            )

    def run(self, examples: Sequence[Example]) -> Outputs:
        return by_shape(self._network, self._results, examples)

    def _results(self, examples: Sequence[Example]) -> Outputs:
        inputs = [torch.from_numpy(array) for array in self._feeding(examples)]
        dtype = _DTYPES[self.precision]
        enabled = dtype is not torch.float32
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=enabled)
        with warnings.catch_warnings(), torch.inference_mode(), autocast:
            warnings.simplefilter("ignore")
            results = self._run(*inputs)
        arrays = [each.float().numpy() for each in results]
        return collected(dict(zip(self._outputs, arrays, strict=True)), examples, self._network)

    def close(self) -> None:
        """Releases the compiled code; the weights are the network's."""
        self._run = None
        torch._dynamo.reset()


def _compiler() -> str | None:
    named = os.environ.get("CXX")
    names = (named,) if named else ("g++", "clang++")
    return next((name for name in names if name and shutil.which(name)), None)
