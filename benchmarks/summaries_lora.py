"""SciTLDR summarised by a small language model before and after fine-tuning by LoRA.

An instruction and an abstract are the prompt, the TLDR is the completion. The model learns from the
training split for so many minutes, with additions of low rank to all linear layers; then it and the
model as it was answer the prompts of the test split, and both stand beside ``lead``, the abstract's
first sentence. ROUGE is that of `benchmarks.summarization` (the best of several references counts).

    python -m benchmarks.summaries_lora                    # 30 minutes of training, all records
    python -m benchmarks.summaries_lora --minutes 5 --records 100
    python -m benchmarks.summaries_lora --model models/Another-Instruct --set lora_rank=32
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import anysize
from anysize.core.rouge import best
from anysize.evaluation.intervals import bootstrap_means
from anysize.tasks.text_generation import TextGeneration
from benchmarks import common

INSTRUCTION = "Summarize the following text in 1 sentence."
METRICS = ("rouge1", "rougeL")
HELD_OUT = 60
"""Records of the development split that say which weights are kept."""
NEW_TOKENS = 64
SETTINGS: dict[str, Any] = {
    "lora": True, "lora_targets": ("all-linear",), "lora_rank": 16, "window": 1024, "batch": 16,
    "learning_rate": 1e-3, "schedule": "cosine",
}  # fmt: skip


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--records", type=int, default=10_000, help="of the test split, at most")
    parser.add_argument("--set", nargs="*", default=[], help="NAME=VALUE of training options")
    arguments = parser.parse_args()
    settings = {**SETTINGS, **{name: _value(text) for name, text in _pairs(arguments.set)}}
    print(common.machine())
    place = common.scratch("summaries_lora")
    test = rows("test")[: arguments.records]
    write(place / "chats" / "train.jsonl", rows("train"), answered=True)
    write(place / "chats" / "validation.jsonl", rows("dev")[:HELD_OUT], answered=True)
    write(place / "test.jsonl", test, answered=False)
    trained = train(arguments.model, place, arguments.minutes, settings)
    scores = {"lead": score(lead(test), test)}
    for name, model in (("zero-shot", arguments.model), ("LoRA", str(trained))):
        scores[name] = score(answers(name, model, place / "test.jsonl"), test)
    for name, found in scores.items():
        print(f"{name:<10} {shown(found)}; {len(found)} records")
    for name in ("lead", "zero-shot"):
        print(f"LoRA minus {name:<10} {shown(scores['LoRA'] - scores[name], sign='+')}")


def rows(split: str) -> list[dict[str, Any]]:
    """Abstracts with their summaries."""
    path = common.data("scitldr") / f"{split}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, records: Sequence[dict[str, Any]], *, answered: bool) -> None:
    """Prompts, with the answers that are to be learned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for each in records:
            row = {"prompt": f"{INSTRUCTION}\n\n{each['text']}"}
            if answered:
                row["completion"] = each["summary"]
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def train(model: str, place: Path, minutes: float, settings: dict[str, Any]) -> Path:
    """Trains, and prints how many tokens a second went through beside what the products allow."""
    out = place / "run"
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    found = anysize.train(
        "text-generation", place / "chats", model=model, out=out, minutes=minutes, quiet=True,
        tensorboard=False, **settings,
    )  # fmt: skip
    took = time.perf_counter() - started
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    network: Any = found.network
    lines = (place / "chats" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    some = [json.loads(line) for line in lines[:: max(len(lines) // 200, 1)]]
    mean = np.mean([
        len(network.tokenizer.encode(f"{each['prompt']}{each['completion']}").ids) for each in some
    ])  # fmt: skip
    rate = report["records"] * float(mean) / took
    size, ceiling = limits(network.module)
    print(
        f"training: {report['steps']} steps, {report['epochs']:.2f} epochs, {took:.0f} s, "
        f"perplexity of answers {report['best']:.2f}; about {rate:,.0f} tokens/s of "
        f"{ceiling:,.0f} that the products of {size / 1e6:.0f} million weights allow "
        f"({rate / ceiling:.0%}), validation and templates included"
    )
    print(f"adapter: {_bytes(out / 'adapter') / 1e6:.1f} MB")
    return out


def limits(module: Any) -> tuple[int, float]:
    """Weights in the layers of a decoder, and tokens/s that products of matrices alone would take.

    A frozen weight is multiplied twice for each token, forwards and for the gradient of its input.
    """
    import torch

    names = {name: item for name, item in module.named_parameters() if item.ndim == 2}
    size = sum(item.numel() for name, item in names.items() if "layers." in name)
    first, second = (
        torch.randn(shape, dtype=torch.bfloat16) for shape in ((2048, 576), (576, 1536))
    )
    seconds = min(common.repeated(lambda: first @ second, 20, warm=5))
    rate = 2 * first.numel() * second.shape[1] / seconds
    return size, rate / (4 * size)


def lead(test: Sequence[dict[str, Any]]) -> list[str]:
    """The first sentence of each abstract."""
    model = anysize.load("lead")
    texts = [each["text"] for each in test]
    return [str(found.prediction) for found in model.predict(texts, sentences=1)]


def answers(name: str, model: str, prompts: Path) -> list[str]:
    """What a model answers to prompts, written by its chat template as in training."""
    started = time.perf_counter()
    loaded = anysize.load(model, task="text-generation")
    tokenizer: Any = loaded.network.hub_tokenizer
    asked = prompts.with_name(f"{name}.jsonl")
    with asked.open("w", encoding="utf-8") as file:
        for line in prompts.read_text(encoding="utf-8").splitlines():
            message = {"role": "user", "content": json.loads(line)["prompt"]}
            text = tokenizer.apply_chat_template(
                [message], tokenize=False, add_generation_prompt=True
            )
            file.write(json.dumps({"prompt": text}, ensure_ascii=False) + "\n")
    options: dict[str, Any] = {"max_new_tokens": NEW_TOKENS, "temperature": 0.0}
    # The template is in the prompts already.
    options |= {"chat": False} if "chat" in vars(TextGeneration.prediction()) else {}
    found = [str(each.prediction).strip() for each in loaded.predict(asked, **options)]
    took = time.perf_counter() - started
    print(f"{name}: {len(found)} answers in {took:.0f} s; the first: {found[0]!r}")
    return found


def score(predictions: Sequence[str], test: Sequence[dict[str, Any]]) -> Any:
    """F1 of each record and metric, of the reference that fits best."""
    return np.array([
        [best(prediction, each["all_summaries"])[metric].f1 for metric in METRICS]
        for prediction, each in zip(predictions, test, strict=True)
    ])  # fmt: skip


def shown(values: Any, sign: str = "") -> str:
    """Means in percent with their intervals."""
    means, intervals = values.mean(axis=0), bootstrap_means(values)

    def percent(value: float) -> str:
        return f"{100 * value:{sign}.2f}"

    return ", ".join(
        f"{metric} {percent(mean)} ({percent(each.low)} to {percent(each.high)})"
        for metric, mean, each in zip(METRICS, means, intervals, strict=True)
    )


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (text.partition("=") for text in texts)]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return tuple(text.split(",")) if "," in text or "-" in text else text


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    main()
