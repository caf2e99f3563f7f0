"""Peak memory of runs against their budget, seen from outside.

Trains and predicts with several models on short texts, long documents, small pictures and one large
picture, each in a process of its own (``python -m anysize …``) under budgets from 1 GiB. A run
must either stay under its budget, or be refused before work starts; the budget that the
refusal names is then tried as well and must do.

The peak is the largest sum of the resident sizes of the process and all its descendants, sampled
every 20 ms, or the kernel's own high-water mark of one of them where that is larger. Shared
pages count once a process, so the figure is on the safe side.

    python benchmarks/memory_matrix.py [--quick | --budgets 2GiB,4GiB] [--only resnet18]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from anysize.core import memory

GIB = 1 << 30
_WORDS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run: ``verb`` with ``model`` on ``data`` (a key of `make_data`)."""

    model: str
    verb: str
    data: str
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run; sizes in bytes."""

    case: Case
    budget: int
    peak: int
    seconds: float
    code: int
    smallest: int | None
    message: str

    @property
    def verdict(self) -> str:
        if self.code == 0:
            return "kept" if self.peak <= self.budget else "OVER"
        return "refused" if self.smallest is not None else "FAILED"


def run(command: list[str]) -> tuple[int, str, int, float]:
    """Runs a command; returns exit code, its messages, peak bytes of its tree, and seconds."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages)
        peak = 0
        status = None
        while status is None:
            peak = max(peak, memory.tree_resident(process.pid), _high_water(process.pid))
            time.sleep(0.02)
            status = process.poll()
        messages.seek(0)
        text = messages.read().decode(errors="replace")
    return status, text, peak, time.monotonic() - started


def _high_water(root: int) -> int:
    highest = 0
    for pid in (root, *memory.descendants(root)):
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found = re.search(r"VmHWM:\s+(\d+) kB", text)
        if found is not None:
            highest = max(highest, int(found[1]) * 1024)
    return highest


def make_data(folder: Path) -> dict[str, Path]:
    """Small data of every size: short texts, long documents, pictures, one large picture."""
    import cv2

    random = np.random.default_rng(7)
    words = np.array([f"w{number:04d}" for number in range(_WORDS)])
    for name, rows, low, high in (("short", 200, 5, 60), ("long", 24, 200, 2500)):
        path = folder / f"{name}.jsonl"
        with path.open("w") as file:
            for row in range(rows):
                text = " ".join(random.choice(words, int(random.integers(low, high))))
                file.write(json.dumps({"text": text, "label": "ab"[row % 2]}) + "\n")
    for name, side, count in (("pictures", 32, 100), ("photos", 320, 24)):
        for row in range(count):
            place = folder / name / "ab"[row % 2]
            place.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
            cv2.imwrite(str(place / f"{row}.png"), pixels)
    large = np.zeros((8000, 12000, 3), np.uint8)
    large[::7] = random.integers(0, 256, (1, 12000, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "large.png"), large)
    return {
        "short texts": folder / "short.jsonl",
        "long documents": folder / "long.jsonl",
        "32 px pictures": folder / "pictures",
        "320 px pictures": folder / "photos",
        "96 megapixel picture": folder / "large.png",
    }


def cases() -> Iterator[Case]:
    """Every model on every kind of input that it reads."""
    for model in ("minilm", "transformer", "lstm"):
        for data in ("short texts", "long documents"):
            yield Case(model=model, verb="train", data=data)
            yield Case(model=model, verb="predict", data=data)
    for model, data in (("mlp", "32 px pictures"), ("cnn", "320 px pictures"),
                        ("resnet18", "320 px pictures")):  # fmt: skip
        yield Case(model=model, verb="train", data=data)
        yield Case(model=model, verb="predict", data=data)
    yield Case(model="resnet18", verb="predict", data="96 megapixel picture")
    yield Case(model="cnn", verb="train", data="32 px pictures", workers=2)


def name_of(case: Case) -> str:
    """How a case is shown."""
    workers = f", {case.workers} workers" if case.workers > 1 else ""
    return f"{case.verb} {case.model} on {case.data}{workers}"


def command(case: Case, data: Path, budget: int, bundle: Path, out: Path) -> list[str]:
    """The command line of a case."""
    start = [sys.executable, "-m", "anysize", case.verb]
    size = ["--memory", f"{budget >> 20}MiB"]
    if case.verb == "predict":
        return [*start, str(bundle), str(data), "--out", str(out / "results.jsonl"), *size]
    task = "image-classification" if "picture" in case.data else "text-classification"
    return [
        *start, task, str(data), "--model", case.model, "--out", str(out / "run"),
        "--steps", "6", "--batch", "4" if case.data == "long documents" else "16",
        "--workers", str(case.workers), *size,
    ]  # fmt: skip


def measure(case: Case, data: Path, budget: int, bundle: Path) -> Outcome:
    """Runs a case under a budget."""
    with tempfile.TemporaryDirectory() as out:
        code, text, peak, seconds = run(command(case, data, budget, bundle, Path(out)))
    named = re.search(r"--memory\s+(\d+)MiB", text) if code == 2 else None
    lines = [line for line in text.splitlines() if line.strip()]
    return Outcome(
        case=case,
        budget=budget,
        peak=peak,
        seconds=seconds,
        code=code,
        smallest=int(named[1]) << 20 if named is not None else None,
        message=lines[-1] if lines and code else "",
    )


def bundles(folder: Path, data: dict[str, Path], wanted: set[str]) -> dict[str, Path]:
    """One bundle a model, trained for two steps, to predict with."""
    found: dict[str, Path] = {}
    for case in cases():
        if case.model in found or case.model not in wanted or case.verb != "train":
            continue
        out = folder / f"bundle-{case.model}"
        arguments = command(case, data[case.data], 8 * GIB, out, out)
        arguments[arguments.index("--steps") + 1] = "2"
        arguments[arguments.index("--out") + 1] = str(out)
        code, text, _, _ = run(arguments)
        if code:
            sys.exit(f"{' '.join(arguments)} failed:\n{text}")
        found[case.model] = out
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only the budget of 1 GiB")
    parser.add_argument("--budgets", default="1GiB,2GiB,4GiB", help="with commas")
    parser.add_argument("--only", default="", help="only cases that name this")
    parser.add_argument("--json", type=Path, help="also write the outcomes here")
    options = parser.parse_args()
    os.environ.setdefault("ANYSIZE_CACHE", tempfile.mkdtemp(prefix="anysize-matrix-"))
    budgets = [GIB] if options.quick else [*map(memory.parse_size, options.budgets.split(","))]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as scratch:
        data = make_data(Path(scratch))
        chosen = [case for case in cases() if options.only in name_of(case)]
        models = bundles(Path(scratch), data, {case.model for case in chosen})
        print(f"{'case':55} {'budget':>9} {'peak':>9} {'used':>5} {'seconds':>8}  verdict")
        for case in chosen:
            name = name_of(case)
            for budget in budgets:
                outcome = measure(case, data[case.data], budget, models[case.model])
                outcomes.append(outcome)
                report(name, outcome)
                if outcome.smallest is not None:
                    again = measure(case, data[case.data], outcome.smallest, models[case.model])
                    outcomes.append(again)
                    report(name + " (as named)", again)
    bad = [outcome for outcome in outcomes if outcome.verdict in ("OVER", "FAILED")]
    print(f"{len(outcomes)} runs, {len(bad)} over their budget or failed")
    if options.json is not None:
        entries = [{**asdict(item), "verdict": item.verdict} for item in outcomes]
        options.json.write_text(json.dumps(entries, indent=2))
    sys.exit(1 if bad else 0)


def report(name: str, outcome: Outcome) -> None:
    print(
        f"{name:55} {memory.format_size(outcome.budget):>9} "
        f"{memory.format_size(outcome.peak):>9} {outcome.peak / outcome.budget:5.0%} "
        f"{outcome.seconds:8.1f}  {outcome.verdict} {outcome.message}",
        flush=True,
    )


if __name__ == "__main__":
    main()
