"""Text classification: anysize against ``transformers.pipeline`` and hand-written OpenVINO.

Short texts (rotten_tomatoes) and long documents (movie_reviews_long) mixed, MiniLM fine-tuned. All
systems classify the same windows: the peers are given the documents cut into windows already, as
texts of their own, and are not charged for the cutting or for the pooling. The systems take turns,
so that a machine that drifts drifts for all.

    python -m benchmarks.text_prediction [--bundle DIR] [--short 256] [--long 48] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import anysize
from anysize.core.windows import Span
from anysize.windows.tokens import TokenWindows
from benchmarks import common


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", help="a fine-tuned bundle; made first where it is not given")
    parser.add_argument("--short", type=int, default=256)
    parser.add_argument("--long", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bundle = arguments.bundle or fine_tuned()
    model = anysize.load(bundle)
    texts = mixed(arguments.short, arguments.long)
    windows = cut(model, texts)
    print(common.machine())
    print(f"{len(texts)} texts, {len(windows)} windows")

    systems: dict[str, Callable[[], list[str]]] = {}
    for precision in ("float32", "bfloat16"):
        for batch in (1, 8, 32):
            systems[f"pipeline {precision} batch {batch}"] = pipeline(
                bundle, windows, precision, batch
            )
    for budget in (4096, 16384):
        systems[f"openvino bfloat16 sorted, {budget} tokens"] = openvino(bundle, windows, budget)
    plans: dict[str, str] = {}
    for name, runtime, precision in (
        ("anysize auto", "auto", "auto"),
        ("anysize torch float32", "torch", "float32"),
    ):
        systems[name] = ours(model, texts, runtime, precision, plans, name)

    seconds: dict[str, list[float]] = {name: [] for name in systems}
    labels: dict[str, list[str]] = {}
    for _ in range(arguments.rounds):
        for name, run in systems.items():
            start = time.perf_counter()
            labels[name] = run()
            seconds[name].append(time.perf_counter() - start)
    for name, plan in plans.items():
        print(f"{name}: {plan}")
    for name, times in seconds.items():
        rates = [len(texts) / value for value in times]
        print(f"{name:<40} {common.spread(rates, 1)} texts/s")
    reference = labels["anysize torch float32"]
    agreeing = np.mean(np.array(labels["anysize auto"]) == np.array(reference))
    print(f"labels agreeing, anysize auto with float32: {agreeing:.4f}")
    mine = seconds["anysize auto"]
    for peer in ("pipeline float32", "pipeline bfloat16", "openvino bfloat16"):
        best = min(
            (name for name in systems if name.startswith(peer)),
            key=lambda name: statistics.median(seconds[name]),
        )
        ratios = [b / a for a, b in zip(mine, seconds[best], strict=True)]
        print(f"anysize auto against {best}: {common.spread(ratios)} times")


def fine_tuned() -> str:
    """Two minutes of training, so that the labels mean something."""
    out = common.scratch("text_prediction") / "run"
    if not (out / "anysize.json").is_file():
        anysize.train(
            "text-classification",
            common.data("rotten_tomatoes"),
            model="minilm",
            out=out,
            minutes=2.0,
        )
    return str(out)


def mixed(short: int, long: int) -> list[str]:
    """Long documents spread among short texts."""
    texts = [text for text, _ in common.rotten_tomatoes("test")[:short]]
    longs = [text for text, _ in common.long_reviews("test")[:long]]
    step = max(len(texts) // max(len(longs), 1), 1)
    for index, text in enumerate(longs):
        texts.insert(min(index * (step + 1), len(texts)), text)
    return texts


def cut(model: anysize.Model, texts: list[str]) -> list[str]:
    """The windows' own texts, by their character offsets."""
    from anysize.readers.text import Text

    settings, tokenizer = model.network.settings, model.network.tokenizer
    assert settings is not None
    assert tokenizer is not None
    splitter = TokenWindows(tokenizer=tokenizer, size=settings.window, overlap=settings.overlap)
    found = []
    for text in texts:
        for window in splitter.stream(Text(text)):
            span: Span = window.characters
            found.append(text[span.start : span.stop])
    return found


def pipeline(bundle: str, windows: list[str], precision: str, batch: int) -> Callable[[], Any]:
    """Transformers' own way."""
    import transformers

    classify = transformers.pipeline(
        "text-classification", model=bundle, dtype=getattr(torch, precision), device="cpu"
    )

    def run() -> list[str]:
        results = classify(windows, batch_size=batch, truncation=True)
        return [result["label"] for result in results]

    return run


def openvino(bundle: str, windows: list[str], budget: int) -> Callable[[], Any]:
    """What a careful engineer writes: bfloat16, dynamic shapes, batches sorted by length."""
    import openvino as ov
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle)
    module = transformers.AutoModelForSequenceClassification.from_pretrained(bundle).eval()
    sample = dict(tokenizer(["a text", "another text"], return_tensors="pt"))
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in sample]
    converted = ov.convert_model(
        module,
        example_input={name: sample[name] for name in names},
        input=[(name, ov.PartialShape([-1, -1]), np.int64) for name in names],
    )
    compiled = ov.Core().compile_model(
        converted,
        "CPU",
        {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"},
    )
    request = compiled.create_infer_request()

    def forward(ids: Any, mask: Any) -> Any:
        inputs = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in names:
            inputs["token_type_ids"] = np.zeros_like(ids)
        return request.infer(inputs)[0]

    return common.sorted_batches(forward, tokenizer, windows, budget)


def ours(
    model: anysize.Model,
    texts: list[str],
    runtime: Any,
    precision: Any,
    plans: dict[str, str],
    name: str,
) -> Callable[[], Any]:
    """The library as its users call it: planned and opened once, as the peers are."""
    options = anysize.PredictOptions(runtime=runtime, precision=precision)
    source = model.open(texts, options)
    # As for a larger job of the same kind, which is worth measuring the runtimes for.
    plan = model.plan(source, options, thorough=True)
    plans[name] = "; ".join(plan.why)
    return common.predicting(model, source, options, plan)


if __name__ == "__main__":
    main()
