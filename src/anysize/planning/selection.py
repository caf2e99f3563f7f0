"""The fastest runtime and precision for a network here, by measurement, remembered."""

from __future__ import annotations

import contextlib
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from anysize.core.batches import BatchPlan, cut
from anysize.core.errors import AnysizeError
from anysize.core.examples import Batch, Example
from anysize.core.files import write_json
from anysize.core.memory import processors
from anysize.core.protocols import Opened
from anysize.core.running import is_packed, run_through, streams_of
from anysize.core.steps import ONE_RUN, Step
from anysize.models.network import Network
from anysize.sources.cache import cache_folder

TRIAL = 512 << 20
"""Bytes that running a few windows takes, at the least, beside the weights."""
_CALIBRATION_COST = 4096
_ROUNDS = 3
_SLOWER = 2.0
# Raised where runtimes become so much faster that earlier answers are no longer true.
_FORMAT = 3


class Opener(Protocol):
    """Opens one runtime for one network."""

    def __call__(self, precision: str, streams: int) -> Opened:
        """The runtime with its weights loaded.

        Args:
            precision: of its arithmetic.
            streams: batches that it runs at once.
        """
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime to try, in one precision.

    Attributes:
        name, precision: which.
        opener: opens the runtime.
        opening: bytes that opening takes at its peak.
        streams: batches that it is to run at once.
    """

    name: str
    precision: str
    opener: Opener
    opening: int = 0
    streams: int = 1

    def open(self) -> Opened:
        """The runtime with its weights loaded."""
        return self.opener(self.precision, self.streams)

    @property
    def alone(self) -> Candidate | None:
        """The same that runs one batch at a time, where this one runs several."""
        return replace(self, streams=1) if self.streams > 1 else None


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
    step: Step = ONE_RUN,
) -> Measured:
    """Which candidate runs the examples fastest.

    Each runs the same examples, sorted into batches, a few times; the fastest round counts,
    because other work on the machine can only slow a round down.

    Args:
        candidates: in order of preference; the first is the answer where nothing is faster.
        examples: of the sizes of the job.
        fits: whether a candidate can be opened within the budget.
        step: what is done with the examples.
    """
    rates: dict[str, float] = {}
    best = candidates[0]
    for candidate in candidates:
        # What a generation takes is more than the products of matrices.
        if not fits(candidate) or (step.needs == "run" and _hopeless(candidate, rates)):
            continue
        try:
            runtime = candidate.open()
        except AnysizeError:
            continue
        try:
            rate = _rate(step, runtime, examples, max(rates.values(), default=0.0))
        finally:
            runtime.close()
        rates[f"{candidate.name} {candidate.precision}"] = rate
        if rate > 1.05 * rates.get(f"{best.name} {best.precision}", 0.0):
            best = candidate
    return Measured(name=best.name, precision=best.precision, rates=rates)


def known(
    candidates: Sequence[Candidate], network: Network, step: Step = ONE_RUN
) -> tuple[str, str] | None:
    """Name and precision of the fastest of these, where that was measured on this machine."""
    return _read(cache_folder() / f"runtime-{_key(candidates, network, step)}.json")


def keep(
    candidates: Sequence[Candidate], network: Network, measured: Measured, step: Step = ONE_RUN
) -> None:
    """Keeps an answer in the cache folder, by processor, versions and architecture."""
    entries = {
        "format": _FORMAT,
        "runtime": measured.name,
        "precision": measured.precision,
        "rates": dict(measured.rates),
    }
    with contextlib.suppress(OSError):  # then it is measured again
        path = cache_folder() / f"runtime-{_key(candidates, network, step)}.json"
        write_json(path, entries, durable=False)


def _hopeless(candidate: Candidate, rates: Mapping[str, float]) -> bool:
    """Whether another runtime was clearly slower in the same precision, and others are not.

    Where the processor multiplies bfloat16, no runtime's float32 comes near, and opening one
    takes seconds.
    """
    same = [rate for name, rate in rates.items() if name.endswith(f" {candidate.precision}")]
    return bool(same) and max(same) * _SLOWER < max(rates.values())


def seconds_each(step: Step, runtime: Opened, few: Sequence[Example]) -> float:
    """Seconds that the step takes for each unit of windows' own cost, from a few; rough."""
    step.rehearse(runtime, few)
    started = time.perf_counter()
    seconds = step.rehearse(runtime, few)
    if seconds is None:
        seconds = time.perf_counter() - started
    return seconds / sum(example.cost for example in few)


def _rate(step: Step, runtime: Opened, examples: Sequence[Example], best: float) -> float:
    """Cost units a second; a candidate that is clearly slower than ``best`` gets one round."""
    if step.needs == "generate" and hasattr(runtime, "rehearse"):
        return _rehearsed_rate(step, runtime, examples, best)
    largest = max(step.cost(example.cost) for example in examples)
    # Of a runtime with streams each gets its share.
    budget = max(_CALIBRATION_COST // streams_of(runtime), largest)
    plan = BatchPlan(budget=budget, packed=is_packed(runtime))
    batches = cut(examples, plan, step.cost)
    total = sum(example.cost for example in examples)
    for batch in batches:
        step.rehearse(runtime, batch.examples)  # kernels are compiled for each new shape
    highest = 0.0
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in run_through(step, runtime, batches):
            pass
        highest = max(highest, total / (time.perf_counter() - started))
        if highest * _SLOWER < best:
            break
    return highest


def _rehearsed_rate(step: Step, runtime: Any, examples: Sequence[Example], best: float) -> float:
    """Cost units a second of a generation, by rehearsals.

    What is made up for a trial does not end where real sequences do, so that really generating it
    would measure how a runtime treats those that reach their limits.
    """
    streams, few = streams_of(runtime), list(examples)
    room = TRIAL // max(runtime.token_bytes, 1)
    while len(few) > 1 and sum(step.cost(example.cost) for example in few) > room:
        few = few[: len(few) // 2]
    largest = max(step.cost(example.cost) for example in few)
    whole = sum(step.cost(example.cost) for example in few)
    plan = BatchPlan(budget=max(-(-whole // streams), largest), packed=is_packed(runtime))
    batches = list(cut(few, plan, step.cost))
    at_once = min(streams, len(batches))

    def seconds(batch: Batch) -> float:
        started = time.perf_counter()
        taken = step.rehearse(runtime, batch.examples)
        return time.perf_counter() - started if taken is None else taken

    own, highest = sum(example.cost for example in few), 0.0
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(seconds, batches))  # compiles kernels
        for _ in range(_ROUNDS):
            highest = max(highest, own * at_once / sum(pool.map(seconds, batches)))
            if highest * _SLOWER < best:
                break
    return highest


def _key(candidates: Sequence[Candidate], network: Network, step: Step) -> str:
    names = (f"{item.name} {item.precision}" for item in candidates)
    return machine_key(network, *names, *step_key(step))


def step_key(step: Step) -> tuple[str, ...]:
    """What a measurement of a step holds for, beside the machine; nothing for a single run."""
    return () if step == ONE_RUN else (repr(step),)


def machine_key(network: Network, *more: str) -> str:
    """What a measurement of a network holds for: processor, architecture, versions, ``more``."""
    parts = [
        _processor(),
        str(processors()),
        network.module.config.to_json_string(use_diff=False),
        repr(network.settings),
        *more,
    ]
    for package in ("anysize", "torch", "transformers", "openvino", "onnxruntime", "ctranslate2"):
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
