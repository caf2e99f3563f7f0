"""The picture of the README: a page of a gigapixel, read digit by digit inside 1 GiB.

The page is a photograph in handwritten digits: at each place a held-out digit of scikit-learn's set
whose number is the brightness of the photograph there. A classifier that was trained on the other
writers' digits reads the page by tiles; its answers, drawn as brightness, are the photograph again.
Beside it: the resident memory of the command over time, and what decoding the page with Pillow
takes.

    python -m benchmarks.receipt_map [--out docs/images/receipt-map.png] [--across 627]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.memory import format_size, parse_size
from anysize.demo import digits
from anysize.demo.measure import Measured, run
from benchmarks import common

BUDGET = "1GiB"
LEVELS = 10
SHOWN = 8
"""Digits shown along a side of the page's enlarged part."""


def main() -> None:
    """Makes the page, reads it, draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images/receipt-map.png"))
    parser.add_argument("--across", type=int, default=627, help="digits in a row of the page")
    arguments = parser.parse_args()
    print(common.machine())
    folder = common.scratch("receipt_map")
    train, held_out = digits.split()
    bundle = folder / "run"
    if not (bundle / "anysize.json").is_file():
        digits.write_folders(folder / "data", train, held_out)
        settings = f"--model cnn --image-size {digits.SIDE} --epochs 12 --batch 64 --augment none"
        run(
            [
                *("train", "image-classification", str(folder / "data"), "--out", str(bundle)),
                *settings.split(),
            ]
        )
    truth = brightness(arguments.across)
    page = folder / f"page-{arguments.across}.tif"
    enlarged = write(page, truth, held_out)
    results = folder / "page.jsonl"
    settings = f"--tiles always --tile {digits.CELL} --merge grid --memory {BUDGET}"
    reading = run(["predict", str(bundle), str(page), "--out", str(results), *settings.split()])
    result = json.loads(results.read_text(encoding="utf-8"))
    read = labels(result["regions"], truth.shape)
    whole = decoded_whole(page)
    receipt = result["receipt"]
    accuracy = float((read == truth).mean())
    print(
        f"{receipt['extent']:,} pixels, {receipt['windows']:,} windows, covered "
        f"{receipt['covered']}, digits read right {accuracy:.4f}, {reading.seconds:.0f} s, peak "
        f"{format_size(reading.peak)} of {BUDGET}; Pillow {format_size(whole)}: "
        f"{whole / reading.peak:.1f} times"
    )
    draw(arguments.out, enlarged, read, receipt, accuracy, reading, whole)


def brightness(across: int) -> NDArray[np.int64]:
    """The photograph as numbers from 0 to 9 ``[rows, columns]``, equally many of each."""
    import cv2
    from sklearn.datasets import load_sample_image

    grey = cv2.cvtColor(load_sample_image("china.jpg"), cv2.COLOR_RGB2GRAY)
    down = round(across * grey.shape[0] / grey.shape[1])
    small = cv2.resize(grey, (across, down), interpolation=cv2.INTER_AREA)
    ranks = np.argsort(np.argsort(small, axis=None, kind="stable"), kind="stable")
    return (ranks * LEVELS // ranks.size).reshape(small.shape)


def write(path: Path, numbers: NDArray[np.int64], held_out: digits.Digits) -> NDArray[np.uint8]:
    """Writes the page as a tiled TIFF; returns a part of it, ``SHOWN`` digits a side."""
    import cv2
    import pyvips

    rng = np.random.default_rng(0)
    side = digits.CELL
    large = np.stack(
        [cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC) for one in held_out.pictures]
    )
    chosen = np.empty(numbers.shape, np.int64)
    for number in range(LEVELS):
        places = numbers == number
        chosen[places] = rng.choice(np.flatnonzero(held_out.labels == number), places.sum())
    if not path.is_file():
        page = np.empty((numbers.shape[0] * side, numbers.shape[1] * side), np.uint8)
        for row in range(numbers.shape[0]):
            band = large[chosen[row]].transpose(1, 0, 2)
            page[row * side : (row + 1) * side] = band.reshape(side, -1)
        image = pyvips.Image.new_from_memory(page.data, page.shape[1], page.shape[0], 1, "uchar")
        beside = path.with_name(f"partial-{path.name}")
        image.tiffsave(
            str(beside), tile=True, tile_width=256, tile_height=256, compression="deflate"
        )
        beside.rename(path)
    top, left = numbers.shape[0] * 4 // 5, numbers.shape[1] // 8
    part = large[chosen[top : top + SHOWN, left : left + SHOWN]]
    return np.asarray(part.transpose(0, 2, 1, 3).reshape(SHOWN * side, SHOWN * side))


def labels(regions: list[dict[str, Any]], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The digits as they were read ``[rows, columns]``; -1 where nothing was read."""
    read = np.full(shape, -1, np.int64)
    for region in regions:
        left, top, _, _ = region["core"]
        read[top // digits.CELL, left // digits.CELL] = int(region["label"])
    return read


def decoded_whole(page: Path) -> int:
    """Peak resident bytes of a process that opens the page with Pillow, as pipelines do."""
    code = (
        "import resource, sys; from PIL import Image; Image.MAX_IMAGE_PIXELS = None; "
        "Image.open(sys.argv[1]).convert('RGB').resize((224, 224)); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(page)], check=True, stdout=subprocess.PIPE, text=True
    )
    return int(done.stdout)


def draw(
    out: Path,
    enlarged: NDArray[np.uint8],
    read: NDArray[np.int64],
    receipt: dict[str, Any],
    accuracy: float,
    reading: Measured,
    whole: int,
) -> None:
    """The picture: a part of the page, all that was read, and the memory that it took."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (page, seen, memory) = plt.subplots(
        1, 3, figsize=(15, 5), width_ratios=(1, 1.5, 1.35), layout="constrained"
    )
    width, height = receipt["shape"]
    page.imshow(enlarged, cmap="gray", vmin=0, vmax=255)
    page.set_title(f"part of a page of {width:,} × {height:,} pixels", fontsize=11)
    seen.imshow(read, cmap="gray", vmin=0, vmax=LEVELS - 1, interpolation="nearest")
    seen.set_title(
        f"its {read.size:,} digits as they were read ({accuracy:.1%} right)", fontsize=11
    )
    for axes in (page, seen):
        axes.set_xticks([])
        axes.set_yticks([])
    seen.set_xlabel(
        f"receipt: {receipt['windows']:,} windows, covered {receipt['covered']:.1f}, "
        f"dropped {receipt['dropped']}"
    )
    page.set_xlabel("a digit is the brightness of a photograph")
    seconds, resident = zip(*reading.samples, strict=True)
    gib = np.asarray(resident) / 2**30
    memory.fill_between(seconds, gib, color="#4477aa", alpha=0.25)
    memory.plot(seconds, gib, color="#4477aa", label="anysize predict --memory 1GiB")
    memory.axhline(parse_size(BUDGET) / 2**30, color="#bb5566", linestyle="--", label="the budget")
    memory.axhline(whole / 2**30, color="#777777", linestyle=":", label="Pillow, the page decoded")
    memory.set_ylim(0, max(whole, parse_size(BUDGET)) / 2**30 * 1.15)
    memory.set_xlim(0, max(seconds))
    memory.set_xlabel("seconds")
    memory.set_ylabel("resident memory, GiB")
    memory.set_title(f"peak {format_size(reading.peak)}", fontsize=11)
    memory.legend(loc="center right", bbox_to_anchor=(1, 0.6), frameon=False)
    memory.spines[["top", "right"]].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
