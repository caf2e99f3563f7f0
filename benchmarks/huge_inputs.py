"""Memory and throughput must not depend on the size of one input.

A document of ten million words and a picture of one gigapixel (PNG and tiled TIFF), each against an
input a hundred times smaller, through the command line, measured from outside.

    python -m benchmarks.huge_inputs [text] [png] [tiff] [--model minilm]

The document goes through MiniLM, or through a small model, with which reading and tokenising are
most of the work. The runtime is torch for both sizes: a short job would not be worth the try of
another.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import anysize
from anysize.demo.measure import run
from benchmarks import common

SIDE = 32768


def main() -> None:
    """Prints peaks, throughputs and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=["text", "png", "tiff"])
    parser.add_argument("--words", type=int, default=10_000_000)
    parser.add_argument("--model", choices=("minilm", "attention"), default="minilm")
    arguments = parser.parse_args()
    print(common.machine())
    for kind in arguments.kinds:
        if kind == "text":
            text(arguments.words, arguments.model)
        else:
            picture(kind)


def text(words: int, model: str) -> None:
    """One document, of real reviews one after the other."""
    from benchmarks.text_prediction import fine_tuned

    bundle = fine_tuned() if model == "minilm" else small_text_network()
    reviews = [" ".join(text.split()) for text, _ in common.long_reviews("train")]
    figures = []
    for count in (words // 100, words):
        path = common.scratch("huge_inputs") / f"{count}-words.txt"
        write_document(path, reviews, count)
        figures.append(measured(bundle, path, "tokens"))
    compare("document", *figures)


def write_document(path: Path, reviews: list[str], words: int) -> None:
    """``words`` words of the reviews, around and around."""
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < words:
            for review in reviews:
                part = review.split(" ")[: words - written]
                file.write(" ".join(part) + "\n")
                written += len(part)
                if written >= words:
                    break


def picture(kind: str) -> None:
    """One picture, of CIFAR-10's photographs side by side."""
    bundle = small_network()
    figures = []
    for side in (SIDE // 10, SIDE):
        path = common.scratch("huge_inputs") / f"{side}.{kind}"
        if not path.is_file():
            write_picture(path, side)
        figures.append(measured(bundle, path, "pixels"))
    compare(f"{kind} picture", *figures)


def small_text_network() -> str:
    """One self-attention block, trained for an epoch."""
    out = common.scratch("huge_inputs") / "attention"
    if not (out / "anysize.json").is_file():
        anysize.train(
            "text-classification",
            common.data("rotten_tomatoes"),
            model="attention",
            out=out,
            epochs=1.0,
        )
    return str(out)


def small_network() -> str:
    """A picture classifier, trained for a minute."""
    out = common.scratch("huge_inputs") / "run"
    if not (out / "anysize.json").is_file():
        anysize.train(
            "image-classification",
            common.data("cifar10"),
            model="cnn",
            out=out,
            image_size=(64, 64),
            minutes=1.0,
        )
    return str(out)


def write_picture(path: Path, side: int) -> None:
    """Photographs of 32 pixels enlarged to 256, side by side, written in bands."""
    import pyvips

    files = sorted(common.data("cifar10").glob("test/*/*.jpg"))[:1024]
    tiles = [pyvips.Image.new_from_file(str(file)).copy_memory() for file in files]
    sheet = pyvips.Image.arrayjoin(tiles, across=32).resize(8, kernel="linear")
    times = -(-side // sheet.width)
    page = sheet.copy_memory().replicate(times, times).crop(0, 0, side, side)
    options = (
        {"tile": True, "tile_width": 256, "tile_height": 256, "compression": "jpeg", "Q": 85}
        if path.suffix == ".tiff"
        else {"compression": 1}
    )
    beside = path.with_name(f"partial-{path.name}")
    page.write_to_file(str(beside), **options)
    beside.rename(path)


def measured(bundle: str, path: Path, unit: str) -> tuple[int, int, float]:
    """``(extent, peak bytes, units a second of the prediction itself)``."""
    out = path.with_suffix(".jsonl")
    done = run(
        ["predict", bundle, str(path), "--out", str(out), "--memory", "2GiB", "--runtime", "torch"]
        + (["--tiles", "always", "--tile", "256"] if unit == "pixels" else [])
    )
    result = json.loads(out.read_text(encoding="utf-8"))
    receipt = result["receipt"]
    assert receipt["covered"] == 1.0
    seconds = done.document["seconds"]
    print(
        f"{path.name}: {receipt['extent']:,} {unit}, {receipt['windows']} windows, "
        f"{seconds:.1f} s of {done.seconds:.1f} s, peak {done.peak / 2**20:.0f} MiB"
    )
    return receipt["extent"], done.peak, receipt["extent"] / seconds


def compare(name: str, small: tuple[int, int, float], large: tuple[int, int, float]) -> None:
    """The large one over the small one."""
    print(
        f"{name}: {large[0] / small[0]:.0f} times larger: peak memory {large[1] / small[1]:.3f} "
        f"times, throughput {large[2] / small[2]:.3f} times"
    )
    assert np.isfinite(large[2])


if __name__ == "__main__":
    main()
