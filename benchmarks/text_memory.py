"""Peak memory of predicting one text, by its size: 0.2 MB to 1 GB, by default and under 1 GiB.

    python -m benchmarks.text_memory [--sizes 0.2,2,20,200] [--budgets default,1GiB] [--seconds 300]

MiniLM with a new head (what it answers does not matter) through the command line. Two peaks are
printed: that of the predicting process by the kernel's mark, which is compared, and the largest sum
over it and what it starts to measure runtimes, shared pages divided among them. A run that takes
longer than ``--seconds`` is ended, and its row says so: by then the text is read in a steady state.
``--model lstm`` is a small network, which reads all of the largest ones.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from anysize.demo.measure import Sampler
from anysize.models import bundle, spec
from anysize.models.network import BuildRequest
from benchmarks import common
from benchmarks.huge_inputs import write_document


def main() -> None:
    """Prints a row for each size and budget, and how far apart the peaks are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="0.2,2,20,200", help="megabytes, with commas")
    parser.add_argument("--budgets", default="default,1GiB", help="with commas")
    parser.add_argument("--seconds", type=float, default=300, help="after which a run is ended")
    parser.add_argument("--model", default="minilm")
    arguments = parser.parse_args()
    print(common.machine())
    model = network(arguments.model)
    reviews = [" ".join(text.split()) for text, _ in common.long_reviews("train")]
    for budget in arguments.budgets.split(","):
        peaks = {}
        for size in arguments.sizes.split(","):
            text = document(float(size), reviews)
            peaks[size] = measured(model, text, budget, arguments.seconds)
        smallest, largest = min(peaks.values()), max(peaks.values())
        print(f"{budget}: largest over smallest peak {largest / smallest:.3f}", flush=True)


def network(name: str) -> Path:
    """A bundle of a classifier of texts that has not been trained."""
    torch.manual_seed(0)
    out = common.scratch("text_memory") / name
    if (out / "anysize.json").is_file():
        return out
    if name == "minilm":
        request = BuildRequest(task="text-classification", labels=("0", "1"))
        network = spec.build(name, request)
        card = bundle.Card(
            task=request.task, labels=request.labels, model=name, settings=network.settings
        )
        return bundle.save(out, network, card)
    import anysize

    anysize.train(
        "text-classification", common.data("rotten_tomatoes"), model=name, out=out, steps=20
    )
    return out


def document(megabytes: float, reviews: list[str]) -> Path:
    """One text of a size, of real reviews one after the other."""
    path = common.scratch("text_memory") / f"{megabytes:g}-MB.txt"
    if not path.is_file():
        size = sum(len(review.encode()) + 1 for review in reviews)
        words = sum(review.count(" ") + 1 for review in reviews)
        write_document(path, reviews, int(megabytes * 1e6 * words / size))
    return path


def high_water(pid: int) -> int:
    """The largest resident size of one process so far, in bytes; 0 where it is gone."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def measured(model: Path, text: Path, budget: str, seconds: float) -> int:
    """The peak of one run, in bytes."""
    out = text.with_suffix(".jsonl")
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "anysize", "predict", str(model), str(text), "--out", str(out)]
    command += [] if budget == "default" else ["--memory", budget]
    started = time.monotonic()
    said = out.with_suffix(".said")
    with said.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        sampler = Sampler(process.pid)
        sampler.start()
        peak, ended = 0, False
        while process.poll() is None:
            peak = max(peak, high_water(process.pid))
            time.sleep(0.05)
            if time.monotonic() - started > seconds and not ended:
                process.send_signal(signal.SIGINT)
                ended = True
    sampler.stop()
    took = time.monotonic() - started
    if process.returncode and not ended:
        sys.exit(f"{' '.join(command)} failed:\n{said.read_text()[-2000:]}")
    if ended:
        read = f"ended after {said.read_text(errors='replace').replace(chr(13), chr(10)).strip()}"
        read = read.splitlines()[-1][-80:]
    else:
        receipt = json.loads(out.read_text())["receipt"]
        read = f"{receipt['windows']:,} windows, covered {receipt['covered']}"
    every = max((resident for _, resident in sampler.samples), default=0)
    print(
        f"{text.stat().st_size / 1e6:8.1f} MB, {budget}: peak {peak / 2**20:.0f} MiB "
        f"(all processes {every / 2**20:.0f}), {took:.0f} s, {read}",
        flush=True,
    )
    return peak


if __name__ == "__main__":
    main()
