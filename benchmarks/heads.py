"""Numbers and several labels beside scikit-learn's gradient boosting, in the same run.

    python -m benchmarks.heads              # all parts
    python -m benchmarks.heads number       # a table with a known formula and noise
    python -m benchmarks.heads trec         # coarse and fine label of each question
    python -m benchmarks.heads reviews      # long reviews: their label, and what they mention

Each part prints what both reach on the same test records, and the ratio. ``number`` also says how
many of the true values lie inside their intervals, ``trec`` and ``reviews`` what thresholds chosen
on validation are worth against 0.5.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import anysize
from benchmarks import common

_ROWS = 12_000
# What reviews mention, anywhere in them, and the words that show it.
_MENTIONED = {
    "comedy": r"\bcomed(y|ies|ic)\b",
    "horror": r"\b(horror|scary)\b",
    "effects": r"\bspecial effects\b",
}


def main() -> None:
    parts: Mapping[str, Callable[[], None]] = {
        "number": number, "trec": trec, "reviews": reviews,
    }  # fmt: skip
    for name in sys.argv[1:] or parts:
        print(f"== {name}")
        parts[name]()


def number() -> None:
    """``dense`` on a table whose formula is known: sines, a product, a category, and noise."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import r2_score, root_mean_squared_error

    draw = np.random.default_rng(0)
    values = draw.uniform(-2, 2, (_ROWS, 4))
    kind = draw.integers(0, 3, _ROWS)
    truth = 1000 + 300 * np.sin(2 * values[:, 0]) + 100 * values[:, 1] * values[:, 2]
    truth += np.array([0.0, 80.0, -50.0])[kind]
    noisy = truth + draw.normal(scale=20, size=_ROWS)
    folder = common.scratch("heads") / "number"
    bounds = {"train": (0, 8000), "validation": (8000, 10_000), "test": (10_000, _ROWS)}
    folder.mkdir(parents=True, exist_ok=True)
    for part, (start, stop) in bounds.items():
        with (folder / f"{part}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["a", "b", "c", "d", "kind", "price"])
            for place in range(start, stop):
                rows.writerow([*values[place].round(5), "xyz"[kind[place]], noisy[place].round(3)])
    measured = _trained("tabular-regression", folder, "dense", {"epochs": 30.0, "metric": "rmse"})
    inputs = np.column_stack([values, kind])
    peer = HistGradientBoostingRegressor(
        categorical_features=[4], random_state=0, early_stopping=True
    )
    peer.fit(inputs[:10_000], noisy[:10_000])
    guess = peer.predict(inputs[10_000:])
    r2, rmse = r2_score(noisy[10_000:], guess), root_mean_squared_error(noisy[10_000:], guess)
    _compare("r2", measured["r2"], r2)
    _compare("rmse", measured["rmse"], rmse, lower=True)
    print(f"interval coverage {measured['interval_coverage']:.3f} (meant: 0.900)")


def trec() -> None:
    """Coarse and fine label of each question, as two labels of one record."""
    folder = common.scratch("heads") / "trec"
    texts: dict[str, tuple[list[str], list[list[str]]]] = {}
    for part in ("train", "test"):
        with (common.data("trec") / f"{part}.tsv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        texts[part] = [row["text"] for row in rows], [[r["coarse"], r["fine"]] for r in rows]
    # At three times this rate MiniLM forgot what it knew and stayed at the labels' frequencies.
    _several(folder, texts, {"epochs": 4.0, "learning_rate": 1e-4, "batch": 16})


def reviews() -> None:
    """Whether a long review is good, and what it mentions, in whichever of its windows."""
    folder = common.scratch("heads") / "reviews"
    texts: dict[str, tuple[list[str], list[list[str]]]] = {}
    for part in ("train", "test"):
        rows = common.long_reviews(part)
        labels = [
            ["good"] * (label == "1")
            + [name for name, words in _MENTIONED.items() if re.search(words, text, re.IGNORECASE)]
            for text, label in rows
        ]
        texts[part] = [text for text, _ in rows], labels
    _several(
        folder, texts,
        {"epochs": 3.0, "learning_rate": 1e-4, "batch": 16, "merge": "attention"},
    )  # fmt: skip


def _several(
    folder: Path, texts: Mapping[str, tuple[list[str], list[list[str]]]], options: dict[str, Any]
) -> None:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import f1_score
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.preprocessing import MultiLabelBinarizer

    folder.mkdir(parents=True, exist_ok=True)
    for part, (documents, labels) in texts.items():
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8") as file:
            for text, label in zip(documents, labels, strict=True):
                file.write(json.dumps({"text": text, "label": label}) + "\n")
    measured = _trained("text-classification", folder, "minilm", {"head": "several", **options})
    known = Counter(label for labels in texts["train"][1] for label in labels)
    # The peer cannot learn a label of one record; it is scored on all labels all the same.
    binary = MultiLabelBinarizer(classes=sorted(known)).fit(texts["train"][1])
    truth = {part: binary.transform(labels) for part, (_, labels) in texts.items()}
    words = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2))
    counted = words.fit_transform(texts["train"][0])
    reduced = TruncatedSVD(min(200, counted.shape[1] - 1), random_state=0)
    inputs = reduced.fit_transform(counted), reduced.transform(words.transform(texts["test"][0]))
    learned = [place for place, name in enumerate(sorted(known)) if known[name] > 1]
    peer = MultiOutputClassifier(
        HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=0)
    )
    peer.fit(inputs[0], truth["train"][:, learned])
    guess = np.zeros_like(truth["test"])
    guess[:, learned] = peer.predict(inputs[1])
    for name, average in (("macro_f1", "macro"), ("micro_f1", "micro")):
        other = f1_score(truth["test"], guess, average=average, zero_division=0)
        _compare(name, measured[name], other)
    subset = float((guess == truth["test"]).all(1).mean())
    _compare("subset_accuracy", measured["subset_accuracy"], subset)
    half = measured["half"]["macro_f1"]
    print(f"macro_f1 with thresholds {measured['macro_f1']:.4f}, with 0.5 {half:.4f}")


def _trained(task: str, folder: Path, model: str, options: dict[str, Any]) -> dict[str, Any]:
    """Metrics on the test part of a model trained on the others."""
    out = folder.parent / f"{folder.name}-run"
    bundle = anysize.train(task, str(folder), model=model, out=out, seed=0, quiet=True, **options)
    found = bundle.evaluate(str(folder), split="test").to_json()
    print(f"{model}: " + ", ".join(f"{key} {value:.4f}" for key, value in found.items()
                                   if isinstance(value, float)))  # fmt: skip
    return {**found, "half": found["baselines"].get("threshold_0.5")}


def _compare(name: str, own: float, peer: float, *, lower: bool = False) -> None:
    ratio = peer / own if lower else own / peer
    print(f"{name}: anysize {own:.4f}, scikit-learn {peer:.4f}, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
