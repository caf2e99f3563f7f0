"""Accuracy on tables of numbers: ``dense`` against a peer, and gaps against none.

The peer is scikit-learn's HistGradientBoostingClassifier. Both are trained with their defaults on
the same records of tables that scikit-learn carries (wine, breast_cancer, digits), and scored on
the same records that are kept out; the records that anysize keeps out for validation are training
records for the peer, which needs none. The made-up table has numbers, categories, a boolean and a
date, of which every twentieth cell is missing in the twin; both are scored on the rows of the test
part, which has no gaps.

Run: ``python benchmarks/numeric_tables.py [--seeds N] [--tables wine,digits,gaps]``
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import random
import statistics
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

TASK = "tabular-classification"
TABLES = ("wine", "breast_cancer", "digits", "gaps")
GAP = 0.05


def write(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A CSV of rows whose last cell is the label."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "label"])
        writer.writerows(rows)


def divided(
    rows: Sequence[Sequence[Any]], seed: int
) -> tuple[list[Sequence[Any]], list[Sequence[Any]], list[Sequence[Any]]]:
    """Training, validation and test rows: 64, 16 and 20 in a hundred of each class."""
    chance = random.Random(seed)
    parts: tuple[list[Sequence[Any]], ...] = ([], [], [])
    for label in sorted({row[-1] for row in rows}):
        own = [row for row in rows if row[-1] == label]
        chance.shuffle(own)
        edges = (round(0.64 * len(own)), round(0.8 * len(own)))
        for part, more in zip(
            parts, (own[: edges[0]], own[edges[0] : edges[1]], own[edges[1] :]), strict=True
        ):
            part += more
    for part in parts:
        chance.shuffle(part)
    return parts


def ours(folder: Path, names: Sequence[str], parts: Sequence[Sequence[Any]], seed: int) -> float:
    """Accuracy of ``dense`` with its defaults."""
    import anysize

    folder.mkdir()
    for name, rows in zip(("train", "validation", "test"), parts, strict=True):
        write(folder / f"{name}.csv", names, rows)
    model = anysize.train(
        TASK, folder, model="dense", out=folder.with_name(f"{folder.name}-run"), seed=seed
    )
    return float(model.evaluate(folder, split="test").main()["accuracy"])


def theirs(parts: Sequence[Sequence[Any]], seed: int) -> float:
    """Accuracy of the peer with its defaults."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    known = [*parts[0], *parts[1]]
    peer = HistGradientBoostingClassifier(random_state=seed)
    peer.fit([row[:-1] for row in known], [row[-1] for row in known])
    return float(peer.score([row[:-1] for row in parts[2]], [row[-1] for row in parts[2]]))


def made_up(rows: int, seed: int) -> tuple[list[str], list[list[Any]]]:
    """A table with columns of every kind; six of them bear on the class."""
    chance = random.Random(seed)
    names = ["age", "income", "score", "city", "plan", "member", "since", "noise"]
    cities = {city: chance.gauss(0, 1) for city in ("Ulm", "Bonn", "Kiel", "Jena", "Hof", "Trier")}
    found = []
    for _ in range(rows):
        age, income = chance.gauss(45, 15), chance.lognormvariate(10, 0.7)
        score, city = chance.gauss(0, 1), chance.choice(list(cities))
        plan, member = chance.choice("SML"), chance.random() < 0.4
        since = date(2015, 1, 1) + timedelta(days=chance.randrange(3000))
        value = (
            (age - 45) / 15 * score
            + cities[city]
            + {"S": -0.8, "M": 0.0, "L": 0.8}[plan]
            + (0.8 if member else -0.4)
            + (income > 25_000)
            + (since.year - 2019) / 4
            + chance.gauss(0, 0.4)
        )
        found.append([
            round(age, 1), round(income, 2), round(score, 3), city, plan, member, since.isoformat(),
            round(chance.gauss(0, 1), 3), "yes" if value > 0 else "no",
        ])  # fmt: skip
    return names, found


def with_gaps(rows: Sequence[Sequence[Any]], seed: int) -> list[list[Any]]:
    """The same rows, of which every twentieth cell is empty."""
    chance = random.Random(seed)
    return [
        [*("" if chance.random() < GAP else cell for cell in row[:-1]), row[-1]] for row in rows
    ]


def compared(name: str, seed: int, folder: Path) -> tuple[float, float]:
    """Our accuracy and what it is compared with."""
    if name == "gaps":
        names, rows = made_up(4000, seed)
        parts = divided(rows, seed)
        gapped = [with_gaps(part, seed + place) for place, part in enumerate(parts[:2])]
        whole = ours(folder / "whole", names, parts, seed)
        return ours(folder / "gaps", names, [*gapped, parts[2]], seed), whole
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    labels = [f"class {target}" for target in bunch.target]
    rows = [[*row, label] for row, label in zip(bunch.data.tolist(), labels, strict=True)]
    parts = divided(rows, seed)
    names = [f"f{place}" for place in range(bunch.data.shape[1])]
    return ours(folder / name, names, parts, seed), theirs(parts, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--json", type=Path, default=None)
    chosen = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    results = {}
    for name in chosen.tables.split(","):
        pairs = []
        for seed in range(chosen.seeds):
            with tempfile.TemporaryDirectory() as folder:
                pairs.append(compared(name, seed, Path(folder)))
        mine, other = (statistics.mean(side) for side in zip(*pairs, strict=True))
        peer = "the same without gaps" if name == "gaps" else "HistGradientBoosting"
        print(
            f"{name}: dense {100 * mine:.2f} %, {peer} {100 * other:.2f} %, "
            f"{100 * (mine - other):+.2f} points over {chosen.seeds} seeds",
            flush=True,
        )
        results[name] = {"dense": mine, peer: other, "pairs": pairs}
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
