"""Whether augmentation of texts helps: accuracy over seeds with few training texts.

    python -m benchmarks.text_augmentation [--data trec rotten_tomatoes] [--records 300]
        [--seeds 5] [--augment writing] [--model minilm] [--epochs 5]

For each seed so many records are drawn from the training part, evenly over the labels, and a model
is trained on them twice, with and without augmentation, from the same first weights. Both are
judged on the whole test part as it is, and once more with slips of the keyboard in one letter of
twenty (``typos(0.05..0.05)``). The difference is paired by seed; its interval is that of the t
distribution.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import statistics
import time
from pathlib import Path

import anysize
from anysize.augmentation.specification import parse
from anysize.augmentation.texts import TextChanges
from anysize.readers.text import Text
from benchmarks import common

NOISE = "typos(0.05..0.05)"
COLUMNS = {"trec": "coarse", "rotten_tomatoes": "label"}
# Two-sided 95 % points of the t distribution by degrees of freedom.
T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}


def main() -> None:
    """Trains pairs of models and prints the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(COLUMNS), choices=list(COLUMNS))
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5, choices=range(2, 11))
    parser.add_argument("--augment", default="writing")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--epochs", type=float, default=5.0)
    arguments = parser.parse_args()
    print(common.machine())
    for name in arguments.data:
        print(
            f"{name}, {arguments.records} records, {arguments.model}, {arguments.epochs:g} epochs, "
            f"{arguments.seeds} seeds, {arguments.augment}"
        )
        compared(name, arguments)


def compared(name: str, arguments: argparse.Namespace) -> None:
    """Prints accuracies and their paired differences on one data set."""
    train, test = rows(name, "train"), rows(name, "test")
    folder = common.scratch("text_augmentation") / name
    changes = TextChanges(parse(NOISE), 0)
    noisy = [
        (changes.changed(Text(text), 0, f"{place}").read(0, 1 << 20), label)
        for place, (text, label) in enumerate(test)
    ]
    tests = {
        "as it is": written(folder / "test.csv", test),
        "with slips": written(folder / "slips.csv", noisy),
    }
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(arguments.seeds):
        few = written(folder / f"train-{seed}.csv", drawn(train, arguments.records, seed))
        for augment in ("none", arguments.augment):
            start = time.perf_counter()
            model = anysize.train(
                "text-classification",
                few,
                model=arguments.model,
                out=folder / f"{augment != 'none'}-{seed}",
                epochs=arguments.epochs,
                seed=seed,
                augment=augment,
                validation=0.0,
                test=0.0,
            )
            for kind, path in tests.items():
                accuracy = model.evaluate(path, split=None).main()["accuracy"]
                found.setdefault((augment, kind), []).append(accuracy)
            print(f"  seed {seed}, {augment}: {time.perf_counter() - start:.0f} s", flush=True)
    for kind in tests:
        before, after = found["none", kind], found[arguments.augment, kind]
        gaps = [100 * (one - other) for one, other in zip(after, before, strict=True)]
        reach = T[len(gaps) - 1] * statistics.stdev(gaps) / math.sqrt(len(gaps))
        print(
            f"  test {kind}: {100 * statistics.mean(before):.1f} % without, "
            f"{100 * statistics.mean(after):.1f} % with; difference "
            f"{statistics.mean(gaps):+.1f} ± {reach:.1f} points"
        )


def rows(name: str, split: str) -> list[tuple[str, str]]:
    """Texts and labels."""
    with (common.data(name) / f"{split}.tsv").open(encoding="utf-8") as file:
        table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["text"], row[COLUMNS[name]]) for row in table]


def drawn(records: list[tuple[str, str]], count: int, seed: int) -> list[tuple[str, str]]:
    """Some of the records, as many of each label as there can be."""
    by_label: dict[str, list[tuple[str, str]]] = {}
    for record in random.Random(seed).sample(records, len(records)):
        by_label.setdefault(record[1], []).append(record)
    found: list[tuple[str, str]] = []
    place = 0
    while len(found) < count and any(place < len(group) for group in by_label.values()):
        found += [group[place] for group in by_label.values() if place < len(group)]
        place += 1
    return found[:count]


def written(path: Path, records: list[tuple[str, str]]) -> Path:
    """A table of texts and labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(records)
    return path


if __name__ == "__main__":
    main()
