"""One short text a call: a loaded model against the bare transformers call, in one process.

Both take turns, call by call, so that a machine that drifts drifts for both; MiniLM, the same
weights. The bare call is tokenizer, model under ``inference_mode``, softmax.

    python -m benchmarks.short_calls [--bundle DIR] [--calls 100]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import anysize
from benchmarks import common
from benchmarks.text_prediction import fine_tuned

TEXT = "a charming story that is warm and great fun"


def main() -> None:
    """Prints milliseconds a call and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", help="a fine-tuned bundle; made first where it is not given")
    parser.add_argument("--calls", type=int, default=100)
    arguments = parser.parse_args()
    bundle = arguments.bundle or fine_tuned()
    print(common.machine())
    started = time.perf_counter()
    model = anysize.load(bundle)
    list(model.predict([TEXT]))
    print(f"loading and the first call: {time.perf_counter() - started:.2f} s")
    systems: dict[str, Callable[[], object]] = {
        "anysize predict": lambda: list(model.predict([TEXT])),
        "bare transformers": bare(bundle),
    }
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for call in range(arguments.calls + 5):
        for name, run in systems.items():
            started = time.perf_counter()
            run()
            if call >= 5:
                seconds[name].append(time.perf_counter() - started)
    for name, times in seconds.items():
        print(f"{name:<20} {1000 * statistics.median(times):7.2f} ms a call, {sum(times):.2f} s")
    mine, peer = seconds.values()
    ratios = [one / other for one, other in zip(mine, peer, strict=True)]
    print(f"all calls: {sum(mine) / sum(peer):.2f} times the bare call's time")
    print(f"a call: {statistics.median(ratios):.2f} times (median)")


def bare(bundle: str) -> Callable[[], object]:
    """What one writes with transformers alone."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle)
    module = transformers.AutoModelForSequenceClassification.from_pretrained(bundle).eval()

    def run() -> object:
        with torch.inference_mode():
            entries = tokenizer([TEXT], return_tensors="pt", truncation=True)
            return module(**entries).logits.softmax(-1).tolist()

    return run


if __name__ == "__main__":
    main()
