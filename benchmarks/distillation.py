"""A student of half the layers, with and without its teacher, and what int8 of both is worth.

MiniLM fine-tuned on rotten_tomatoes is the teacher. Both students start from the same layers of it
and are trained alike; one of them learns from the teacher besides the labels. Then int8 is made of
all three, and they take turns over the test split.

    python -m benchmarks.distillation [--teacher DIR] [--layers 3] [--epochs 8] [--rounds 5]
        [--reuse]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from anysize import tasks
from anysize.compression.chain import load_method
from anysize.compression.protocols import Context
from anysize.compression.tuning import fine_tune
from anysize.core import memory
from anysize.evaluation.intervals import PairedCounts, paired_difference
from anysize.models.bundle import read_card
from anysize.sources import open_splits
from benchmarks import common
from benchmarks.quantization import Labels, ours, size
from benchmarks.text_prediction import fine_tuned


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", help="a fine-tuned bundle; made first where it is not given")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=8.0)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--weight", type=float, default=0.7)
    parser.add_argument("--hidden", type=float, default=1.0)
    parser.add_argument("--texts", type=int, default=1066)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--reuse", action="store_true", help="the students of an earlier run; int8 is made anew"
    )
    parser.add_argument("--data", type=Path, help="another table or folder than rotten_tomatoes")
    arguments = parser.parse_args()
    print(common.machine())
    teacher = Path(arguments.teacher or fine_tuned())
    data = arguments.data or common.data("rotten_tomatoes")
    card = read_card(teacher)
    task = tasks.load(card.task)
    context = Context(
        task=task,
        original=teacher,
        memory=memory.default_budget(),
        say=print,
        data=str(data),
        training=open_splits(data, roles=task.columns).train,
    )
    folder = common.scratch("distillation")
    bundles = made(teacher, folder, arguments, context)
    for name, bundle in bundles.items():
        whole = size(bundles["teacher"])
        print(f"{name:<24} {size(bundle) / 1e6:6.1f} MB, {size(bundle) / whole:.3f} of the teacher")
    pairs = common.rotten_tomatoes("test")[: arguments.texts]
    compare(bundles, [text for text, _ in pairs], [label for _, label in pairs], arguments.rounds)


def made(
    teacher: Path, folder: Path, arguments: argparse.Namespace, context: Context
) -> dict[str, Path]:
    """The students, and int8 of everything, by name."""
    bundles = {
        "teacher": teacher,
        **{
            name: folder / name.replace(" ", "-")
            for name in ("alone", "distilled", "int8 teacher", "int8 alone", "int8 distilled")
        },
    }
    int8 = load_method("int8")
    for name in ("teacher", "alone", "distilled"):
        shutil.rmtree(bundles[f"int8 {name}"], ignore_errors=True)
    if not arguments.reuse:
        students(teacher, bundles, arguments, context)
    for name in ("teacher", "alone", "distilled"):
        int8.apply(bundles[name], bundles[f"int8 {name}"], int8.options(), context)
    return bundles


def students(
    teacher: Path, bundles: dict[str, Path], arguments: argparse.Namespace, context: Context
) -> None:
    """Trains both."""
    for name in ("alone", "distilled"):
        shutil.rmtree(bundles[name], ignore_errors=True)
    layers: dict[str, Any] = {"options": {"layers": str(arguments.layers)}}
    fine_tune(
        teacher,
        bundles["alone"],
        context,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        **layers,
    )
    distil = load_method("distil")
    options = distil.options(
        layers=arguments.layers,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        temperature=arguments.temperature,
        weight=arguments.weight,
        hidden=arguments.hidden,
    )
    distil.apply(teacher, bundles["distilled"], options, context)


def compare(bundles: dict[str, Path], texts: list[str], targets: list[str], rounds: int) -> None:
    """Rates and accuracies, in turns."""
    systems: dict[str, Labels] = {name: ours(path, texts) for name, path in bundles.items()}
    labels = {name: run() for name, run in systems.items()}
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, run in systems.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    right = {
        name: np.array([one == two for one, two in zip(found, targets, strict=True)])
        for name, found in labels.items()
    }
    for name, times in seconds.items():
        rates = common.spread([len(texts) / value for value in times], 1)
        print(f"{name:<24} {rates:>26} texts/s, accuracy {right[name].mean():.4f}")
    for first, second in (
        ("teacher", "int8 distilled"),
        ("int8 teacher", "int8 distilled"),
        ("int8 distilled", "int8 alone"),
        ("distilled", "alone"),
    ):
        found = paired_difference(PairedCounts.of(right[first], right[second]))
        print(
            f"accuracy of {first} minus {second}: {100 * found.difference:+.2f} points "
            f"({100 * found.interval.low:+.2f} to {100 * found.interval.high:+.2f})"
        )
    for name in ("alone", "distilled"):
        same = np.mean(
            [one == two for one, two in zip(labels[name], labels["teacher"], strict=True)]
        )
        print(f"{name} agrees with the teacher on {100 * same:.1f} % of the texts")
    pairs = zip(seconds["int8 distilled"], seconds["int8 teacher"], strict=True)
    ratios = [teacher / student for student, teacher in pairs]
    print(f"int8 student against int8 teacher: {common.spread(ratios)} times")
    drop = 100 * (right["teacher"].mean() - right["int8 distilled"].mean())
    gain = 100 * (right["int8 distilled"].mean() - right["int8 alone"].mean())
    print(
        f"bars: at least 1.8 times: {statistics.median(ratios):.2f}; a drop of at most 1.5 points: "
        f"{drop:.2f}; better than without the teacher: {gain:+.2f}"
    )


if __name__ == "__main__":
    main()
