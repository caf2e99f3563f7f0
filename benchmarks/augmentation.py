"""A chain of augmentations on one thread: anysize against albumentations, torchvision and kornia.

Rotation, scale, crop, flip, colour and normalisation, from a decoded picture of 500 x 375 to
224 x 224 float32. Each library runs in a process of its own, all on the same pictures, in rounds
one after the other. Time is the thread's own, so that other work on the machine counts less.

Peers run in the environment that ``--peers`` names, because torchvision's wheels do not fit beside
the CPU build of torch; there its compiled operators, which transforms do not use, are declared
without being loaded.

    python -m venv PEERS && PEERS/bin/pip install albumentations==2.0.8 torch kornia
    PEERS/bin/pip install --no-deps torchvision
    python -m benchmarks.augmentation --peers PEERS/bin/python [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import common, peers

PICTURES = 32
WIDTH, HEIGHT, SIDE = 500, 375, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BARS = {
    "albumentations, same order": 3.5,
    "albumentations, crop first": 2.5,
    "torchvision v2": 5.0,
    "kornia": 5.0,
}


def main() -> None:
    """Runs the libraries in turn and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=os.environ.get("ANYSIZE_PEERS", sys.executable))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", help="what a child process runs")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(child(arguments.only, arguments.seconds)))
        return
    print(common.machine(), "- one thread")
    write_pictures()
    rates: dict[str, list[float]] = {name: [] for name in CHILDREN}
    missing: dict[str, str] = {}
    for _ in range(arguments.rounds):
        for name in CHILDREN:
            found = launch(name, arguments.peers, arguments.seconds)
            if "rate" in found:
                rates[name].append(found["rate"])
            else:
                missing[name] = found["missing"]
    for name, values in rates.items():
        print(f"{name:<28}", f"{common.spread(values, 0)} pictures/s" if values else missing[name])
    for peer, bar in BARS.items():
        variants = [values for name, values in rates.items() if name.startswith(peer) and values]
        if variants:
            best = max(variants, key=max)
            ratios = [mine / other for mine, other in zip(rates["anysize"], best, strict=True)]
            print(f"anysize against {peer}: {common.spread(ratios)} times (bar {bar})")
    ratios = [a / b for a, b in zip(rates["anysize"], rates["floor"], strict=True)]
    print(
        f"anysize against its passes alone, without drawing and planning: {common.spread(ratios)}"
    )


def launch(name: str, python: str, seconds: float) -> dict[str, Any]:
    """One child's findings."""
    interpreter = sys.executable if name in ("anysize", "floor") else python
    done = subprocess.run(
        [interpreter, "-m", "benchmarks.augmentation", "--only", name, "--seconds", str(seconds)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"missing": f"not measured: {last}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(name: str, seconds: float) -> dict[str, Any]:
    """Pictures a second, over whole passes through the pictures."""
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    step = CHILDREN[name](list(np.load(pictures_file())))
    for index in range(PICTURES):
        step(index)
    count, begun, start = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        for index in range(PICTURES):
            step(count + index)
        count += PICTURES
    return {"rate": count / (time.process_time() - start)}


def write_pictures() -> None:
    """Photographs of 500 x 375, shrunk from larger ones."""
    import cv2
    import numpy as np

    paths = sorted(common.data("coco128").rglob("*.jpg"))[:PICTURES]
    pictures = [cv2.imread(str(path))[:, :, ::-1] for path in paths]
    size = (WIDTH, HEIGHT)
    shrunk = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in pictures]
    np.save(pictures_file(), np.stack(shrunk))


def pictures_file() -> Path:
    return common.scratch("augmentation") / "pictures.npy"


# Each of these makes a function that does picture ``index``.


def anysize_chain(pictures: list[Any]) -> Callable[[int], None]:
    import torch

    from anysize.augmentation import Augmentation, Normalisation

    torch.set_num_threads(1)
    chain = Augmentation(
        "border(black), rotate(±30), scale(0.8..1.2), crop(224), hflip, colour(0.4)"
    )
    normalisation = Normalisation(mean=MEAN, std=STD)

    def step(index: int) -> None:
        draw = (0, 0, str(index), 0)
        found = chain.apply(pictures[index % PICTURES], draw, normalisation=normalisation)
        assert found.pixels.shape == (SIDE, SIDE, 3)

    return step


def floor(pictures: list[Any]) -> Callable[[int], None]:
    """The passes over the pixels that the chain comes to, with everything planned before."""
    from anysize.augmentation import Augmentation, Normalisation
    from anysize.augmentation.execute import execute
    from anysize.readers.parts import Part

    chain = Augmentation(
        "border(black), rotate(±30), scale(0.8..1.2), crop(224), hflip, colour(0.4)"
    )
    normalisation = Normalisation(mean=MEAN, std=STD)
    plans = [chain.plan((WIDTH, HEIGHT), (0, 0, str(index), 0)) for index in range(256)]

    def step(index: int) -> None:
        execute(Part.whole(pictures[index % PICTURES]), plans[index % 256], normalisation)

    return step


def albumentations(pictures: list[Any], order: str) -> Callable[[int], None]:
    import albumentations as library

    scaled = library.Affine(scale=(0.8, 1.2), p=1)
    if order == "resizing":
        scaled = library.RandomScale(scale_limit=0.2, p=1)
    moves = [library.Rotate(limit=30, p=1), scaled]
    crop = [library.RandomCrop(SIDE, SIDE)]
    rest = [
        library.HorizontalFlip(p=0.5),
        library.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (0, 0), p=1),
        library.Normalize(mean=MEAN, std=STD),
    ]
    if order == "one":
        moves = [library.Affine(rotate=(-30, 30), scale=(0.8, 1.2), p=1)]
    first = order in ("crop", "one")
    chain = library.Compose([*crop, *moves, *rest] if first else [*moves, *crop, *rest])

    def step(index: int) -> None:
        found = chain(image=pictures[index % PICTURES])["image"]
        assert found.shape == (SIDE, SIDE, 3)

    return step


def torchvision_chain(pictures: list[Any], *, tensors: bool) -> Callable[[int], None]:
    import torch

    peers.declare_torchvision_operators()
    from torchvision.transforms import InterpolationMode, v2

    torch.set_num_threads(1)
    linear = InterpolationMode.BILINEAR
    chain = v2.Compose(
        [
            v2.ToImage() if tensors else v2.ToPILImage(),
            v2.RandomRotation(30, interpolation=linear),
            v2.RandomAffine(0, scale=(0.8, 1.2), interpolation=linear),
            v2.RandomCrop(SIDE),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.4, 0.4, 0.4),
            *([] if tensors else [v2.PILToTensor()]),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )

    def step(index: int) -> None:
        found = chain(pictures[index % PICTURES])
        assert found.shape == (3, SIDE, SIDE)

    return step


def kornia_chain(pictures: list[Any], batch: int) -> Callable[[int], None]:
    import kornia.augmentation as library
    import numpy as np
    import torch

    torch.set_num_threads(1)
    chain = library.AugmentationSequential(
        library.RandomRotation(30.0, p=1.0),
        library.RandomAffine(0.0, scale=(0.8, 1.2), p=1.0),
        library.RandomCrop((SIDE, SIDE)),
        library.RandomHorizontalFlip(p=0.5),
        library.ColorJitter(0.4, 0.4, 0.4, 0.0, p=1.0),
        library.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
    )

    def step(index: int) -> None:
        if index % batch == 0:
            chosen = np.stack([pictures[(index + one) % PICTURES] for one in range(batch)])
            levels = torch.from_numpy(chosen).permute(0, 3, 1, 2).float() / 255
            assert chain(levels).shape == (batch, 3, SIDE, SIDE)

    return step


CHILDREN: dict[str, Callable[[list[Any]], Callable[[int], None]]] = {
    "anysize": anysize_chain,
    "floor": floor,
    "albumentations, same order": lambda pictures: albumentations(pictures, "same"),
    "albumentations, same order, RandomScale": lambda one: albumentations(one, "resizing"),
    "albumentations, crop first": lambda pictures: albumentations(pictures, "crop"),
    "albumentations, one Affine after the crop": lambda one: albumentations(one, "one"),
    "torchvision v2, tensors": lambda pictures: torchvision_chain(pictures, tensors=True),
    "torchvision v2, PIL": lambda pictures: torchvision_chain(pictures, tensors=False),
    "kornia, one by one": lambda pictures: kornia_chain(pictures, 1),
    "kornia, batches of 32": lambda pictures: kornia_chain(pictures, 32),
}


if __name__ == "__main__":
    main()
