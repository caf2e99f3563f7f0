"""The judge's verdict on speed, again and again on a machine that is kept busy.

``python -m benchmarks.judge_noise [--times 20] [--busy 2]`` makes a network, the same network with
half of its weights zero (the same arithmetic: never slower), the same with weights in int8 and one
with a tenth of its layers' width (much faster), and judges each so many times while other processes
keep the processors busy. The verdict must be the same each time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch

from anysize.compression.measuring import Measured, side_by_side
from anysize.compression.request import Judging
from anysize.modalities.numbers.settings import FeatureFacts
from anysize.models import bundle, sparse
from anysize.models.network import BuildRequest
from anysize.models.spec import build, open_network

_TASK = "tabular-classification"
_BUSY = "x = 1\nwhile True: x = (x * 1103515245 + 12345) % 2147483648"


def main() -> int:
    """0 where each candidate had one verdict, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge_noise", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="judgements of each candidate")
    parser.add_argument("--busy", type=int, default=2, help="processes that keep processors busy")
    options = parser.parse_args()
    noise = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(options.busy)]
    try:
        with tempfile.TemporaryDirectory(prefix="judge-noise-") as folder:
            return _judged(Path(folder), options.times)
    finally:
        for process in noise:
            process.kill()
            process.wait()


def _judged(folder: Path, times: int) -> int:
    original = _saved(folder / "original", "1024x1024")
    candidates = {
        "the same, half of it zero": _zeroed(original, folder / "zeroed"),
        "a tenth as wide": _saved(folder / "narrow", "102x102"),
        "a half wider": _saved(folder / "wide", "1536x1536"),
    }
    judging = Judging(task=_TASK, original=str(original), data=None, memory=2 << 30)
    changed = 0
    with Measured(original, judging, folder, "original-measured") as before:
        for name, place in candidates.items():
            with Measured(place, judging, folder, place.name) as after:
                paces = [side_by_side(before, after)[2] for _ in range(times)]
            verdicts = Counter("; ".join(_kinds(pace.reasons())) or "passes" for pace in paces)
            speeds = [pace.speed.value for pace in paces]
            pairs = [pace.speed.pairs for pace in paces]
            print(
                f"{name:<28}{dict(verdicts)}  speed {min(speeds):.2f} to {max(speeds):.2f}, "
                f"{min(pairs)} to {max(pairs)} pairs, busy said {sum(bool(p.busy) for p in paces)} "
                f"times of {times}",
                flush=True,
            )
            changed += len(verdicts) > 1
    return min(changed, 1)


def _kinds(reasons: list[str]) -> list[str]:
    return [reason.partition(":")[0] for reason in reasons]


def _saved(folder: Path, sizes: str) -> Path:
    torch.manual_seed(0)
    request = BuildRequest(
        task=_TASK, labels=("a", "b"), facts=FeatureFacts(shape=(256,)), options={"hidden": sizes}
    )
    network = build("dense", request)
    card = bundle.Card(task=_TASK, labels=request.labels, model="dense", settings=network.settings)
    return bundle.save(folder, network, card)


def _zeroed(original: Path, folder: Path) -> Path:
    network, card = open_network(str(original))
    with torch.no_grad():
        for weight in network.module.parameters():
            weight.view(-1)[::2] = 0
    bundle.save(folder, network, card)
    sparse.pack(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
