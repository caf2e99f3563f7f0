"""What a limited time of training reaches.

python -m benchmarks.accuracy rotten_tomatoes [--minutes 6]
python -m benchmarks.accuracy cifar10 [--minutes 10] [--augment none]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import anysize
from benchmarks import common

RUNS: dict[str, tuple[str, str, float, dict[str, Any]]] = {
    # The schedules end with the clock, so that nothing needs to be held back to choose by.
    "rotten_tomatoes": (
        "text-classification",
        "minilm",
        6.0,
        {"label_smoothing": 0.1, "validation": 0.0},
    ),
    "cifar10": (
        "image-classification",
        "resnet18",
        10.0,
        {"augment": "standard", "validation": 0.0, "learning_rate": 0.4},
    ),
}


def main() -> None:
    """Trains for the time given and prints the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=RUNS)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--augment", help="another policy than the run's own")
    arguments = parser.parse_args()
    task, spec, minutes, settings = RUNS[arguments.name]
    limit = arguments.minutes or minutes
    if arguments.augment:
        settings = settings | {"augment": arguments.augment}
    name = "-".join(filter(None, (arguments.name, arguments.augment)))
    print(common.machine())
    start = time.perf_counter()
    model = anysize.train(
        task,
        common.data(arguments.name),
        model=spec,
        out=common.scratch("accuracy") / f"{name}-{limit:g}-{arguments.seed}",
        minutes=limit,
        seed=arguments.seed,
        **settings,
    )
    seconds = time.perf_counter() - start
    metrics = model.evaluate(common.data(arguments.name), split="test")
    interval = metrics.accuracy_interval
    print(
        f"{arguments.name}: {spec}, {seconds / 60:.1f} minutes in all, test accuracy "
        f"{metrics.main()['accuracy']:.4f} ({interval.low:.4f}–{interval.high:.4f})"
    )


if __name__ == "__main__":
    main()
