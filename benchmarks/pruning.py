"""Pruned picture classifiers against the dense one: accuracy, speed in the same runtime, size.

resnet18 on cifar10: half of the operations by prune-structured, and 80 % of the weights by
prune-magnitude. Accuracies are on the test split, with the paired difference; the throughput is
measured in turns, in OpenVINO and torch, float32.

    python -m benchmarks.pruning --bundle runs/cifar10
    python -m benchmarks.pruning --minutes 20 [--method "prune-structured(flops=0.5)"]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import anysize
from anysize import tasks
from anysize.compression import chain
from anysize.compression.flops import measure
from anysize.compression.protocols import Context
from anysize.core import memory, plugins
from anysize.core.records import Source
from anysize.core.results import ErrorResult
from anysize.evaluation.intervals import PairedCounts, paired_difference, wilson
from anysize.models.spec import open_network
from anysize.planning import synthetic
from anysize.planning.options import PredictOptions
from anysize.planning.session import Session
from anysize.sources import open_splits
from anysize.sources.splits import Splits
from benchmarks import common

TASK = "image-classification"
METHODS = ("prune-structured(flops=0.5)", "prune-magnitude(sparsity=0.8)")


def main() -> None:
    """Trains or opens the dense model, prunes it, and prints how the two compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a trained one; otherwise it is trained")
    parser.add_argument("--minutes", type=float, default=20.0, help="of training the dense model")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--method", action="append", help="instead of both")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    print(common.machine())
    folder = common.scratch("pruning")
    data = common.data(arguments.data)
    dense = arguments.bundle or trained(arguments.model, data, folder, arguments.minutes)
    task = tasks.load(TASK)
    splits = open_splits(str(data), roles=task.columns, validation=0.1, test=0.1)
    assert splits.test is not None
    first = correct(dense, splits.test)
    print(f"dense: {described(first)}, {size(dense) / 1e6:.2f} MB")
    for number, method in enumerate(arguments.method or METHODS):
        pruned = folder / f"pruned-{number}"
        shutil.rmtree(pruned, ignore_errors=True)
        prune(method, dense, pruned, data, splits)
        second = correct(pruned, splits.test)
        compare(method, (dense, first), (pruned, second))
        for runtime in ("openvino", "torch"):
            ratios = throughput(dense, pruned, runtime, arguments.batch, arguments.rounds)
            print(f"  {runtime} float32, batch {arguments.batch}: {common.spread(ratios)} times")


def trained(model: str, data: Path, folder: Path, minutes: float) -> Path:
    out = folder / "dense"
    shutil.rmtree(out, ignore_errors=True)
    anysize.train(TASK, data, model=model, out=out, minutes=minutes, augment="standard")
    return out


def prune(method: str, dense: Path, out: Path, data: Path, splits: Splits) -> None:
    """Applies a chain of methods."""
    context = Context(
        task=tasks.load(TASK),
        original=dense,
        memory=memory.default_budget(),
        say=lambda line: print(f"  {line}"),
        data=str(data),
        training=splits.train,
    )
    source, steps = dense, chain.parse(method)
    start = time.perf_counter()
    for place, step in enumerate(steps):
        target = out if place == len(steps) - 1 else out.with_name(f"{out.name}-{place}")
        shutil.rmtree(target, ignore_errors=True)
        step.method.apply(source, target, step.options, context)
        source = target
    print(f"{method}: {(time.perf_counter() - start) / 60:.1f} minutes")


def correct(folder: Path, source: Source) -> NDArray[np.bool_]:
    """Whether each record is answered rightly."""
    network, card = open_network(str(folder))
    session = Session(network, card, None)
    answers = session.results(source, PredictOptions(precision="float32"))
    return np.array(
        [
            not isinstance(answer, ErrorResult) and answer.label == source[index].target
            for index, answer in enumerate(answers)
        ]
    )


def compare(
    method: str, dense: tuple[Path, NDArray[np.bool_]], pruned: tuple[Path, NDArray[np.bool_]]
) -> None:
    difference = paired_difference(PairedCounts.of(pruned[1], dense[1]))
    operations = [measure(open_network(str(folder))[0]).total for folder, _ in (dense, pruned)]
    print(
        f"{method}: {described(pruned[1])}; difference {100 * difference.difference:+.2f} points "
        f"({100 * difference.interval.low:+.2f} to {100 * difference.interval.high:+.2f})\n"
        f"  operations {operations[1] / operations[0]:.3f} of the dense, "
        f"weights file {size(pruned[0]) / size(dense[0]):.3f} of it"
    )


def described(right: NDArray[np.bool_]) -> str:
    interval = wilson(int(right.sum()), len(right))
    return f"test accuracy {right.mean():.4f} ({interval.low:.4f}–{interval.high:.4f})"


def size(folder: Path) -> int:
    """Bytes of the weights."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def throughput(dense: Path, pruned: Path, runtime: str, batch: int, rounds: int) -> list[float]:
    """How many times the throughput of the dense model, in each round."""
    networks = [open_network(str(folder))[0] for folder in (dense, pruned)]
    opened = [
        plugins.load("runtimes", runtime).open_runtime(network, "float32") for network in networks
    ]
    examples = synthetic.windows(networks[0], batch)

    def seconds(index: int) -> float:
        start = time.perf_counter()
        opened[index].run(examples)
        return time.perf_counter() - start

    for index in (0, 1, 0, 1):
        seconds(index)
    ratios = []
    for _ in range(rounds):
        times = [[seconds(index) for index in (0, 1)] for _ in range(3)]
        one, two = (statistics.median(pair[index] for pair in times) for index in (0, 1))
        ratios.append(one / two)
    for each in opened:
        each.close()
    return ratios


if __name__ == "__main__":
    main()
