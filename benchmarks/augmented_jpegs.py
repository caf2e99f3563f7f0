"""Decoded and augmented JPEGs a second into a training loop, two loader workers.

Files of 500 x 375 in a folder for each class, policy ``imagenet`` (a random piece resized to
224 x 224, a flip), normalised float32 batches of 64 with their labels. The loop does nothing with
them: what is measured is how fast they come. anysize reads with two threads through what training
reads with; torchvision's ``ImageFolder`` and Hugging Face ``datasets`` with two processes of
``DataLoader``; ``decode``, the ceiling, reads and decodes whole pictures in two threads, with the
decoder that anysize has. For ``--peers`` see ``benchmarks.augmentation``.

    python -m benchmarks.augmented_jpegs --peers PEERS/bin/python [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import common, peers

FILES, CLASSES = 512, 4
WIDTH, HEIGHT, SIDE, BATCH, WORKERS = 500, 375, 224, 64, 2
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    """Runs the loaders in turn and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=os.environ.get("ANYSIZE_PEERS", sys.executable))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--only", help="what a child process runs")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps({"rate": CHILDREN[arguments.only](arguments.epochs)}))
        return
    print(common.machine())
    write_files()
    rates: dict[str, list[float]] = {name: [] for name in CHILDREN}
    missing: dict[str, str] = {}
    for _ in range(arguments.rounds):
        for name in CHILDREN:
            interpreter = sys.executable if name in ("anysize", "decode") else arguments.peers
            command = [interpreter, "-m", "benchmarks.augmented_jpegs", "--only", name]
            done = subprocess.run(
                [*command, "--epochs", str(arguments.epochs)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                missing[name] = (done.stderr.strip().splitlines() or ["no message"])[-1]
            else:
                rates[name].append(json.loads(done.stdout.splitlines()[-1])["rate"])
    for name, values in rates.items():
        said = f"{common.spread(values, 0)} JPEGs/s" if values else f"not measured: {missing[name]}"
        print(f"{name:<14} {said}")
    for name in ("torchvision", "datasets"):
        if rates[name]:
            ratios = [a / b for a, b in zip(rates["anysize"], rates[name], strict=True)]
            print(f"anysize against {name}: {common.spread(ratios)} times (bar 2)")
    ratios = [a / b for a, b in zip(rates["decode"], rates["anysize"], strict=True)]
    print(f"the ceiling against anysize: {common.spread(ratios)} times (bar 1.5 at most)")


def folder() -> Path:
    return common.scratch("augmented_jpegs") / "train"


def write_files() -> None:
    """Photographs of coco128 at 500 x 375, some of them several times."""
    import cv2

    paths = sorted(common.data("coco128").rglob("*.jpg"))
    for number in range(FILES):
        target = folder() / f"class{number % CLASSES}" / f"{number:04}.jpg"
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        picture = cv2.imread(str(paths[number % len(paths)]))
        picture = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(target), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


def timed(epoch: Callable[[int], Iterator[tuple[Any, Any]]], epochs: int) -> float:
    """Pictures a second after a first epoch that does not count."""
    count, start = 0, 0.0
    for number in range(epochs + 1):
        if number == 1:
            count, start = 0, time.perf_counter()
        for pixels, labels in epoch(number):
            assert tuple(pixels.shape[1:]) == (3, SIDE, SIDE)
            assert len(pixels) == len(labels)
            count += len(pixels)
    return count / (time.perf_counter() - start)


def decode(epochs: int) -> float:
    """Reads and decodes, two threads."""
    import simplejpeg

    paths = sorted(folder().rglob("*.jpg"))

    def one(path: Path) -> int:
        return int(simplejpeg.decode_jpeg(path.read_bytes(), "RGB").shape[0])

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, paths))
        start = time.perf_counter()
        for _ in range(epochs):
            list(pool.map(one, paths))
        return epochs * len(paths) / (time.perf_counter() - start)


def anysize_loader(epochs: int) -> float:
    """What training reads with: its stream of labelled examples, and its batches."""
    import torch

    from anysize import tasks
    from anysize.augmentation import Augmentation
    from anysize.modalities.pictures.settings import ImageSettings
    from anysize.models.picture_batches import PictureBatches
    from anysize.sources import open_source
    from anysize.tasks.image_classification import ImagePreprocess
    from anysize.training.order import Cursor, Order
    from anysize.training.stream import Arrival, Labelled, Stream

    task = tasks.load("image-classification")
    source = open_source(folder(), roles=task.columns)
    settings = ImageSettings(width=SIDE, height=SIDE, mean=MEAN, std=STD)
    labels = sorted({source[index].target or "" for index in range(len(source))})
    order = Order(records=len(source), batch=BATCH, seed=0)
    stream = Stream(
        source,
        Labelled(ImagePreprocess(settings, Augmentation("imagenet"), 0), task, labels),
        order,
        worker=0,
        workers=1,
        loaders=WORKERS,
        hold=BATCH * SIDE * SIDE,
        strict=True,
    )
    batches = PictureBatches(MEAN, STD)
    cursor = Cursor()

    def epoch(number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        nonlocal cursor
        while cursor.epoch == number:
            block = order.block(cursor)
            arrivals = [item for item in stream.take(block) if isinstance(item, Arrival)]
            pixels = batches([arrival.held[0].arrays["pixels"] for arrival in arrivals])
            yield pixels, torch.tensor([arrival.target for arrival in arrivals])
            cursor = order.after(block)

    try:
        return timed(epoch, epochs)
    finally:
        stream.close()


def torchvision_loader(epochs: int) -> float:
    """``ImageFolder`` and ``DataLoader``."""
    import torch

    peers.declare_torchvision_operators()
    from torchvision.datasets import ImageFolder

    data = ImageFolder(str(folder()), torchvision_transforms())
    loader = torch.utils.data.DataLoader(
        data, batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )
    return timed(lambda _: iter(loader), epochs)


def datasets_loader(epochs: int) -> float:
    """Hugging Face ``datasets`` with transforms on the fly."""
    import datasets
    import torch

    peers.declare_torchvision_operators()
    transforms = torchvision_transforms()
    data = datasets.load_dataset(
        "imagefolder", data_dir=str(folder()), split="train", cache_dir=str(folder().parent / "hf")
    )
    data.set_transform(
        lambda rows: {
            "pixels": [transforms(image.convert("RGB")) for image in rows["image"]],
            "label": rows["label"],
        }
    )
    loader = torch.utils.data.DataLoader(
        data, batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )
    return timed(lambda _: ((rows["pixels"], rows["label"]) for rows in loader), epochs)


def torchvision_transforms() -> Any:
    """The usual training transforms of ImageNet."""
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


CHILDREN: dict[str, Callable[[int], float]] = {
    "decode": decode,
    "anysize": anysize_loader,
    "torchvision": torchvision_loader,
    "datasets": datasets_loader,
}


if __name__ == "__main__":
    main()
