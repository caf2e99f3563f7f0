"""Long documents: reading all windows against reading the first one only.

movie_reviews_long, MiniLM, the same number of epochs for both, and both again with each document's
lines in reverse order (so that what is said last comes first). The difference is paired: the same
test documents, with its confidence interval.

    python -m benchmarks.long_documents [--epochs 2] [--seed 0] [--orders plain reversed]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

import anysize
from anysize.evaluation.intervals import PairedCounts, paired_difference
from benchmarks import common


def main() -> None:
    """Prints both accuracies and the paired difference, for each order of the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--orders", nargs="+", default=["plain", "reversed"])
    arguments = parser.parse_args()
    print(common.machine())
    for order in arguments.orders:
        right = {
            reading: correct(order, reading, arguments.epochs, arguments.seed)
            for reading in ("all", "first")
        }
        for reading, flags in right.items():
            print(f"{order}, {reading} windows: accuracy {flags.mean():.4f}")
        found = paired_difference(PairedCounts.of(right["all"], right["first"]))
        print(
            f"{order}, difference: {found.difference:+.4f} "
            f"({found.interval.low:+.4f} to {found.interval.high:+.4f}), McNemar p = "
            f"{found.p_value:.3f}"
        )


def correct(order: str, reading: str, epochs: float, seed: int) -> np.ndarray:
    """Trains and tests; which test documents were classified correctly, bool ``[n]``."""
    folder = common.scratch("long_documents") / f"{order}-{reading}-{epochs:g}-{seed}"
    folder.mkdir(exist_ok=True)
    turn: Callable[[str], str] = reverse if order == "reversed" else str
    for split in ("train", "test"):
        rows = [(turn(text), label) for text, label in common.long_reviews(split)]
        if reading == "first":
            rows = [(text, label) for text, label in first_windows(rows)]
        write(folder / f"{split}.jsonl", rows)
    model = anysize.train(
        "text-classification",
        folder / "train.jsonl",
        model="minilm",
        out=folder / "run",
        epochs=epochs,
        batch=16,
        learning_rate=5e-5,
        validation=0.0,
        seed=seed,
    )
    labels = [label for _, label in common.long_reviews("test")]
    results = model.predict(folder / "test.jsonl")
    found = [result.prediction for result in results if isinstance(result, anysize.Result)]
    return np.array(found) == np.array(labels)


def reverse(text: str) -> str:
    """The lines in reverse order."""
    return "\n".join(reversed(text.splitlines()))


def first_windows(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The part of each text that the model's first window reads."""
    from anysize.models import spec
    from anysize.models.network import BuildRequest
    from anysize.readers.text import Text
    from anysize.windows.tokens import TokenWindows

    request = BuildRequest(task="text-classification", labels=("0", "1"))
    network = spec.build("minilm", request)
    assert network.tokenizer is not None
    splitter = TokenWindows(
        tokenizer=network.tokenizer, size=network.settings.window, overlap=network.settings.overlap
    )
    found = []
    for text, label in rows:
        window = next(iter(splitter.stream(Text(text))))
        found.append((text[: window.characters.stop], label))
    return found


def write(path: Path, rows: list[tuple[str, str]]) -> None:
    """A JSON Lines table."""
    with path.open("w", encoding="utf-8") as file:
        for text, label in rows:
            file.write(json.dumps({"text": text, "label": label}) + "\n")


if __name__ == "__main__":
    main()
