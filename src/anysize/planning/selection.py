"""The fastest runtime and precision for a network here, by measurement, remembered."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib import metadata
from pathlib import Path

from anysize.core.batches import BatchPlan, cut
from anysize.core.errors import AnysizeError
from anysize.core.examples import Example
from anysize.core.files import write_json
from anysize.core.protocols import Runtime
from anysize.core.running import is_packed, outputs_of, streams_of
from anysize.models.network import Network
from anysize.sources.cache import cache_folder

_CALIBRATION_COST = 4096
_ROUNDS = 3
_SLOWER = 2.0
# Raised where runtimes become so much faster that earlier answers are no longer true.
_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime to try.

    Attributes:
        name, precision: which.
        open: opens it.
        opening: bytes that opening takes at its peak.
        alone: opens it to run one batch at a time, where ``open`` gives it streams.
    """

    name: str
    precision: str
    open: Callable[[], Runtime]
    opening: int = 0
    alone: Callable[[], Runtime] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a comparison of candidates gave.

    Attributes:
        name, precision: of the fastest.
        rates: cost units a second of each candidate, by ``name precision``.
    """

    name: str
    precision: str
    rates: Mapping[str, float]


def fastest(
    candidates: Sequence[Candidate],
    examples: Sequence[Example],
    *,
    fits: Callable[[Candidate], bool],
) -> Measured:
    """Which candidate runs the examples fastest.

    Each runs the same examples, sorted into batches, a few times; the fastest round counts,
    because other work on the machine can only slow a round down.

    Args:
        candidates: in order of preference; the first is the answer where nothing is faster.
        examples: of the sizes of the job.
        fits: whether a candidate can be opened within the budget.
    """
    rates: dict[str, float] = {}
    best = candidates[0]
    for candidate in candidates:
        if not fits(candidate) or _hopeless(candidate, rates):
            continue
        try:
            runtime = candidate.open()
        except AnysizeError:
            continue
        try:
            rate = _rate(runtime, examples, max(rates.values(), default=0.0))
        finally:
            runtime.close()
        rates[f"{candidate.name} {candidate.precision}"] = rate
        if rate > 1.05 * rates.get(f"{best.name} {best.precision}", 0.0):
            best = candidate
    return Measured(name=best.name, precision=best.precision, rates=rates)


def known(candidates: Sequence[Candidate], network: Network) -> tuple[str, str] | None:
    """Name and precision of the fastest of these, where that was measured on this machine."""
    return _read(cache_folder() / f"runtime-{_key(candidates, network)}.json")


def keep(candidates: Sequence[Candidate], network: Network, measured: Measured) -> None:
    """Keeps an answer in the cache folder, by processor, versions and architecture."""
    entries = {
        "format": _FORMAT,
        "runtime": measured.name,
        "precision": measured.precision,
        "rates": dict(measured.rates),
    }
    with contextlib.suppress(OSError):  # then it is measured again
        path = cache_folder() / f"runtime-{_key(candidates, network)}.json"
        write_json(path, entries, durable=False)


def _hopeless(candidate: Candidate, rates: Mapping[str, float]) -> bool:
    """Whether another runtime was clearly slower in the same precision, and others are not.

    Where the processor multiplies bfloat16, no runtime's float32 comes near, and opening one
    takes seconds.
    """
    same = [rate for name, rate in rates.items() if name.endswith(f" {candidate.precision}")]
    return bool(same) and max(same) * _SLOWER < max(rates.values())


def seconds_each(runtime: Runtime, few: Sequence[Example]) -> float:
    """Seconds that a runtime takes for each unit of cost, from a few windows; rough."""
    runtime.run(few)
    started = time.perf_counter()
    runtime.run(few)
    return (time.perf_counter() - started) / sum(example.cost for example in few)


def _rate(runtime: Runtime, examples: Sequence[Example], best: float) -> float:
    """Cost units a second; a candidate that is clearly slower than ``best`` gets one round."""
    largest = max(example.cost for example in examples)
    # Of a runtime with streams each gets its share.
    budget = max(_CALIBRATION_COST // streams_of(runtime), largest)
    plan = BatchPlan(budget=budget, packed=is_packed(runtime))
    batches = cut(examples, plan)
    total = sum(example.cost for example in examples)
    for batch in batches:
        runtime.run(batch.examples)  # kernels are compiled for each new shape
    highest = 0.0
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _outputs in outputs_of(runtime, batches):
            pass
        highest = max(highest, total / (time.perf_counter() - started))
        if highest * _SLOWER < best:
            break
    return highest


def _key(candidates: Sequence[Candidate], network: Network) -> str:
    return machine_key(network, *(f"{item.name} {item.precision}" for item in candidates))


def machine_key(network: Network, *more: str) -> str:
    """What a measurement of a network holds for: processor, architecture, versions, ``more``."""
    parts = [
        _processor(),
        str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        network.module.config.to_json_string(use_diff=False),
        repr(network.settings),
        *more,
    ]
    for package in ("anysize", "torch", "transformers", "openvino", "onnxruntime"):
        try:
            parts.append(metadata.version(package))
        except metadata.PackageNotFoundError:
            parts.append("")
    return blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _read(path: Path) -> tuple[str, str] | None:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if entries["format"] != _FORMAT:
            return None
        return str(entries["runtime"]), str(entries["precision"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
