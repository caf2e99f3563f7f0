"""Faces of people whom the embedder has never seen: 30 people are learned, 9 are told apart.

python -m benchmarks.faces [--divisions 0 1 2 3] [--seeds 0] [--finder mtcnn|none] [--epochs N]

The data are those of ORL: 39 people with 10 pictures each. In division 0 the first 30 in numeric
order are for training and the last 9 for the measurement; the others draw 30 of the 39. Nothing
was chosen by the nine of division 0. Nine people are few, so that methods change places from one
division to the next: compare them over several. The peer is the method of Belhumeur et al. 1997
("Eigenfaces vs. Fisherfaces") with scikit-learn, on the faces as our finder aligns them.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from pathlib import Path

import numpy as np

import anysize
from anysize.core.records import Source
from anysize.models.network import Network
from anysize.recognition.pairs import pair_counts, rank_one, unit_vectors
from anysize.sources import open_source
from anysize.tasks.face_recognition import FaceRecognition
from benchmarks import common

TRAINED = 30


def divided(division: int) -> Path:
    """A folder with ``train`` and ``test``, a folder a person in each."""
    root = common.data("orl_faces")
    target = common.scratch("faces") / f"orl-{division}"
    shutil.rmtree(target, ignore_errors=True)
    people = sorted({path.name for path in root.glob("*/s*")}, key=lambda name: int(name[1:]))
    if division:
        people = np.random.default_rng(division).permutation(people).tolist()
    for place, person in enumerate(people):
        folder = target / ("train" if place < TRAINED else "test") / person
        folder.mkdir(parents=True)
        for path in sorted(root.glob(f"*/{person}/*.png")):
            shutil.copyfile(path, folder / path.name)
    return target


def embedded_pixels(network: Network, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Grey pixels of the faces as the embedder reads them, ``[n, values]``, and identities."""
    preprocess = FaceRecognition().preprocess(network)
    rows, names = [], []
    for index in range(len(source)):
        record = source[index]
        (example,) = preprocess(index, record, 0)
        grey = example.arrays["pixels"].mean(axis=2)[::2, ::2]
        rows.append(((grey - grey.mean()) / grey.std()).ravel())
        names.append(record.target)
    return np.array(rows), np.unique(names, return_inverse=True)[1]


def fisherfaces(network: Network, data: Path) -> tuple[float, float, float]:
    """Equal error rate and the two rank-1 rates of the peer."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    columns = FaceRecognition.columns
    pixels, people = embedded_pixels(network, open_source(data / "train", roles=columns))
    unseen, identities = embedded_pixels(network, open_source(data / "test", roles=columns))
    components = PCA(len(pixels) - TRAINED, random_state=0).fit(pixels)
    discriminants = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1).fit(
        components.transform(pixels), people
    )
    found = discriminants.transform(components.transform(unseen))
    vectors = unit_vectors(found)
    left_out, single, _ = rank_one(vectors, identities)
    return pair_counts(vectors, identities).rates().equal_error()[0], left_out, single


def own(data: Path, name: str, seed: int, finder: str, epochs: float | None) -> anysize.Model:
    """An embedder trained on all 30 people; nothing is chosen by validation."""
    return anysize.train(
        "face-recognition",
        data,
        model="face-gradients",
        out=common.scratch("faces") / name,
        seed=seed,
        validation=0.0,
        options={"finder": finder},
        **({} if epochs is None else {"epochs": epochs}),
    )


def main() -> None:
    """Trains for each division and seed and prints what is reached beside the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--divisions", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--finder", choices=["mtcnn", "none"], default="mtcnn")
    parser.add_argument("--epochs", type=float)
    arguments = parser.parse_args()
    print(common.machine())
    rates, peers = [], []
    for division in arguments.divisions:
        data = divided(division)
        for seed in arguments.seeds:
            name = f"{arguments.finder}-{division}-{seed}"
            start = time.perf_counter()
            model = own(data, name, seed, arguments.finder, arguments.epochs)
            seconds = time.perf_counter() - start
            report = common.scratch("faces") / f"report-{name}"
            found = model.evaluate(data, report, split="test").main()
            rates.append(found["eer"])
            named = ", ".join(f"{metric} {value:.4f}" for metric, value in found.items())
            print(f"division {division}, seed {seed}: {named}; {seconds:.0f} s", flush=True)
        rate, left_out, single = fisherfaces(model.network, data)
        peers.append(rate)
        print(
            f"  Fisherfaces: eer {rate:.4f}, rank1 {left_out:.4f}, rank1_single {single:.4f}",
            flush=True,
        )
    ratio = statistics.mean(peers) / max(statistics.mean(rates), 1e-4)
    print(
        f"equal error rate: mean {statistics.mean(rates):.4f}, {common.spread(rates, 4)}; "
        f"Fisherfaces {statistics.mean(peers):.4f}, {common.spread(peers, 4)}: {ratio:.1f} times "
        "ours"
    )


if __name__ == "__main__":
    main()
