"""What the scripts share: where the data is, sampling, and how a figure is printed."""

from __future__ import annotations

import csv
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import anysize
from anysize.core.records import Source
from anysize.core.results import Result
from anysize.planning.prediction import PredictionPlan

csv.field_size_limit(1 << 24)


def data(name: str) -> Path:
    """A folder of the benchmark data; ends the script where it is not there."""
    root = Path(os.environ.get("ANYSIZE_DATA", "../shared/data"))
    if not (root / name).exists():
        sys.exit(f"{root / name} is not there: set ANYSIZE_DATA to the folder of the data sets")
    return root / name


def scratch(name: str) -> Path:
    """A folder for what a script makes."""
    folder = Path(os.environ.get("ANYSIZE_BENCH", "runs/benchmarks")) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rotten_tomatoes(split: str) -> list[tuple[str, str]]:
    """``(text, label)``; labels ``0`` and ``1``."""
    with (data("rotten_tomatoes") / f"{split}.tsv").open(encoding="utf-8") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return [(text, label) for text, label in rows]


def long_reviews(split: str) -> list[tuple[str, str]]:
    """``(text, label)``; labels ``0`` and ``1`` as in rotten_tomatoes."""
    with (data("movie_reviews_long") / f"{split}.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [(row["text"], "1" if row["label"] in ("pos", "1", 1) else "0") for row in rows]


def sorted_batches(
    forward: Callable[..., Any], tokenizer: Any, texts: Sequence[str], budget: int
) -> Callable[[], list[str]]:
    """Labels through ``forward(ids, mask) -> logits``, in length-sorted batches of a token budget.

    What a careful engineer writes around a model of his own.
    """

    def run() -> list[str]:
        encoded = tokenizer(list(texts), truncation=True)["input_ids"]
        order = sorted(range(len(encoded)), key=lambda index: -len(encoded[index]))
        labels = [""] * len(encoded)
        start = 0
        while start < len(order):
            longest = len(encoded[order[start]])
            chosen = order[start : start + max(budget // longest, 1)]
            ids = np.zeros((len(chosen), longest), np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(chosen):
                ids[row, : len(encoded[index])] = encoded[index]
                mask[row, : len(encoded[index])] = 1
            logits = forward(ids, mask)
            for row, index in enumerate(chosen):
                labels[index] = str(int(logits[row].argmax()))
            start += len(chosen)
        return labels

    return run


def predicting(
    model: anysize.Model, source: Source, options: anysize.PredictOptions, plan: PredictionPlan
) -> Callable[[], list[str]]:
    """Labels by ``Model.predict`` with a plan that was made once; it keeps its runtime open."""

    def run() -> list[str]:
        results = model.predict(source, options, plan=plan)
        return [result.prediction for result in results if isinstance(result, Result)]

    return run


def machine() -> str:
    """One line about where it was measured."""
    import torch

    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    capability = torch.cpu.get_capabilities()
    has = [name for name in ("avx512_bf16", "amx_bf16", "avx512_vnni") if capability.get(name)]
    return f"{os.cpu_count()} cores, {model} ({', '.join(has)}), torch {torch.__version__}"


def repeated(work: Callable[[], object], times: int, warm: int = 1) -> list[float]:
    """Seconds of each of ``times`` runs, after ``warm`` that do not count."""
    for _ in range(warm):
        work()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def spread(values: Sequence[float], digits: int = 2) -> str:
    """``median (smallest–largest)``."""
    return (
        f"{statistics.median(values):.{digits}f} "
        f"({min(values):.{digits}f}–{max(values):.{digits}f})"
    )
