"""Question answering: F1 on squad2, the same with the paragraph anywhere in a long text, and speed.

squad2's paragraphs are divided by the article: every second one is for training, the others are for
testing. MiniLM is trained once, or, with ``--among``, with every second paragraph at any place
among so many others, which is what long texts look like; ``--start`` goes on from an earlier
training. Then the test questions are asked of

- their paragraph: F1 beside never answering and the most similar sentence;
- a text of 21 paragraphs of other test articles, theirs put at depth 0, 25, 50, 75 and 100 %: F1 by
  depth of reading everything, and of the same model on the first window alone (truncation).

Speed: all test questions with their paragraphs, and the long texts, against a plain loop around the
tokenizer with a stride and the model of transformers, at the best of several batch sizes, in
float32 and in bfloat16. The loop finds the best span of each window and the best of all windows.
They take turns.

    python -m benchmarks.question_answering train|quality|speed [--minutes 12] [--questions 300]
        [--name run] [--start NAME] [--among 2]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import anysize
from anysize.evaluation.intervals import percentiles
from anysize.tasks.answer_scores import compared
from benchmarks import common

Row = dict[str, Any]
DEPTHS = (0, 25, 50, 75, 100)
OTHERS = 20
TRUNCATED = 100
"""Questions that the first window alone is asked, where it cannot hold the answer."""


def main() -> None:
    """Does one of the three parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("train", "quality", "speed"))
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--epochs", type=float, default=None)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="run")
    parser.add_argument("--start", help="name of a bundle to go on from")
    parser.add_argument("--among", type=int, default=0)
    arguments = parser.parse_args()
    print(common.machine())
    folder = common.scratch("question_answering")
    halves = divided()
    for name, rows in halves.items():
        write(folder / f"{name}.jsonl", rows)
    if arguments.part == "train":
        train(folder, halves["train"], arguments)
    elif arguments.part == "quality":
        quality(folder, halves["test"], arguments)
    else:
        speed(folder, halves["test"], arguments)


def divided() -> dict[str, list[Row]]:
    """squad2 by article: the first, third, … in alphabetical order is for training."""
    rows = [json.loads(line) for line in (common.data("squad2") / "dev.jsonl").open()]
    titles = sorted({row["title"] for row in rows})
    learned = set(titles[::2])
    return {
        "train": [row for row in rows if row["title"] in learned],
        "test": [row for row in rows if row["title"] not in learned],
    }


def write(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def train(folder: Path, rows: list[Row], arguments: argparse.Namespace) -> None:
    """Fine-tunes MiniLM on the training half, a tenth of whose contexts validates."""
    data = folder / "train.jsonl"
    if arguments.among:
        data = write(folder / f"among-{arguments.among}.jsonl", among(rows, arguments.among))
    limit = {"minutes": arguments.minutes} if arguments.epochs is None else {
        "epochs": arguments.epochs
    }  # fmt: skip
    started = time.perf_counter()
    model = anysize.train(
        "question-answering", data, out=folder / arguments.name,
        model=str(folder / arguments.start) if arguments.start else "minilm",
        test=0.0, batch=16, learning_rate=5e-5 if arguments.start else 1e-4, **limit,
    )  # fmt: skip
    print(f"trained in {(time.perf_counter() - started) / 60:.1f} minutes: {model.card.metrics}")


def among(rows: list[Row], others: int) -> list[Row]:
    """Every second row with its paragraph at any place among so many others."""
    draw = np.random.default_rng(1)
    return [
        placed(row, rows, draw.integers(others + 1) / others * 100, number, others)
        if number % 2
        else row
        for number, row in enumerate(rows)
    ]


def quality(folder: Path, rows: list[Row], arguments: argparse.Namespace) -> None:
    """F1 on the paragraphs, and by depth in long texts."""
    model = anysize.load(folder / arguments.name)
    found: Any = model.evaluate(folder / "test.jsonl", folder / "report")
    print(json.dumps({**found.main(), "questions": found.questions}, indent=1))
    for name, interval in found.intervals.items():
        print(f"{name}: {interval.low:.4f} to {interval.high:.4f}")
    for each in found.baselines:
        print(
            f"{each.name}: exact {each.exact:.4f}, F1 {each.f1:.4f}; model minus it "
            f"{each.difference:+.4f} ({each.interval.low:+.4f} to {each.interval.high:+.4f})"
        )
    asked = sample([row for row in rows if row["answers"]], arguments.questions)
    scores: dict[str, np.ndarray] = {}
    for depth in DEPTHS:
        long = [placed(row, rows, depth, number) for number, row in enumerate(asked)]
        few = write(folder / "long.jsonl", long[:TRUNCATED])
        table: Any = model.evaluate(few, folder / f"at-{depth}")
        results = list(model.predict(long))
        texts = [[answer["text"] for answer in row["answers"]] for row in long]
        scores[f"{depth}"] = np.array(
            [compared(one.prediction, right).f1
             for one, right in zip(results, texts, strict=True)]
        )  # fmt: skip
        best = [
            compared(one.details["answers"][0]["answer"], right).f1
            for one, right in zip(results, texts, strict=True)
        ]
        first = next(each for each in table.baselines if each.name == "first_window")
        windows = statistics.mean(one.receipt.windows for one in results)
        print(
            f"depth {depth} %: F1 {scores[str(depth)].mean():.4f}, always answering "
            f"{np.mean(best):.4f}, first window {first.f1:.4f}; {windows:.1f} windows"
        )
    for one, other in ((0, 50), (0, 100), (50, 100)):
        difference = scores[str(one)] - scores[str(other)]
        interval = resampled(difference)
        print(
            f"F1 at {one} % minus {other} %: {difference.mean():+.4f} "
            f"({interval.low:+.4f} to {interval.high:+.4f})"
        )


def sample(rows: list[Row], most: int) -> list[Row]:
    order = np.random.default_rng(0).permutation(len(rows))[:most]
    return [rows[place] for place in sorted(order.tolist())]


def placed(row: Row, rows: Sequence[Row], depth: float, number: int, others: int = OTHERS) -> Row:
    """The question with its paragraph among others of other articles."""
    pool: dict[str, None] = {}
    for other in rows:
        if other["title"] != row["title"]:
            pool.setdefault(other["context"])
    chosen = np.random.default_rng(number).permutation(len(pool))[:others]
    paragraphs = [list(pool)[place] for place in chosen.tolist()]
    at = round(depth / 100 * others)
    before = "".join(f"{each}\n\n" for each in paragraphs[:at])
    after = "".join(f"\n\n{each}" for each in paragraphs[at:])
    answers = [
        {"text": answer["text"], "answer_start": answer["answer_start"] + len(before)}
        for answer in row["answers"]
    ]
    return {**row, "context": before + row["context"] + after, "answers": answers}


def resampled(values: np.ndarray) -> Any:
    """The interval of a mean, by a percentile bootstrap."""
    generator = np.random.default_rng(0)
    picks = generator.integers(len(values), size=(1000, len(values)))
    return percentiles(values[picks].mean(1))


def speed(folder: Path, rows: list[Row], arguments: argparse.Namespace) -> None:
    """Questions a second of ours and of the loops."""
    bundle = folder / arguments.name
    model = anysize.load(bundle)
    short = sample(rows, 2 * arguments.questions)
    few = sample([row for row in rows if row["answers"]], max(arguments.questions // 10, 4))
    long = [placed(row, rows, 50, number) for number, row in enumerate(few)]
    for name, asked in (("paragraphs", short), ("long texts", long)):
        compare(name, model, bundle, asked, arguments.rounds)


def compare(name: str, model: anysize.Model, bundle: Path, rows: list[Row], rounds: int) -> None:
    options = anysize.PredictOptions()
    source = model.open(rows, options)
    plan = model.plan(source, options, thorough=True)
    print(f"{name}, {len(rows)} questions; ours: {'; '.join(plan.why)}")

    def ours() -> list[Any]:
        return [
            one.details["answers"][0]["answer"] for one in model.predict(source, options, plan=plan)
        ]

    settings: Any = model.network.settings
    systems: dict[str, Callable[[], list[Any]]] = {"anysize": ours}
    for precision in ("float32", "bfloat16"):
        for batch in (1, 8, 32):
            systems[f"loop {precision} batch {batch}"] = loop(
                bundle, rows, precision, batch, settings.window, settings.overlap
            )
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    answers: dict[str, list[Any]] = {}
    tried = list(systems)
    for number in range(rounds + 1):
        for system in tried:
            start = time.perf_counter()
            answers[system] = systems[system]()
            if number or len(tried) > 3:
                seconds[system].append(time.perf_counter() - start)
        if not number:  # the best of each precision goes on
            best = [
                min(
                    (each for each in tried if precision in each), key=lambda each: seconds[each][0]
                )
                for precision in ("float32", "bfloat16")
            ]
            for system in tried:
                print(f"  first round, {system}: {len(rows) / seconds[system][0]:.2f} questions/s")
            tried = ["anysize", *best]
            seconds.clear()
    for system in tried:
        rates = [len(rows) / value for value in seconds[system]]
        print(f"{system:<28} {common.spread(rates)} questions/s")
        ratios = [b / a for a, b in zip(seconds["anysize"], seconds[system], strict=True)]
        if system != "anysize":
            same = np.mean(
                [a == b for a, b in zip(answers["anysize"], answers[system], strict=True)]
            )
            print(f"  anysize {common.spread(ratios)} times; the same best answer: {same:.3f}")


def loop(
    bundle: Path, rows: list[Row], precision: str, batch: int, window: int, stride: int
) -> Callable[[], list[Any]]:
    """What the tutorials of transformers do: overflowing tokens with a stride, padded batches."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bundle)
    module = AutoModelForQuestionAnswering.from_pretrained(
        bundle, dtype=getattr(torch, precision)
    ).eval()

    @torch.inference_mode()
    def run() -> list[Any]:
        encoded = tokenizer(
            [row["question"] for row in rows], [row["context"] for row in rows],
            truncation="only_second", max_length=window, stride=stride,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        best: list[tuple[float, Any]] = [(-np.inf, None)] * len(rows)
        count = len(encoded["input_ids"])
        for begin in range(0, count, batch):
            places = range(begin, min(begin + batch, count))
            inputs = tokenizer.pad(
                {key: [encoded[key][place] for place in places]
                 for key in ("input_ids", "token_type_ids", "attention_mask")},
                return_tensors="pt",
            )  # fmt: skip
            outputs = module(**inputs)
            starts = outputs.start_logits.float().numpy()
            ends = outputs.end_logits.float().numpy()
            for row, place in enumerate(places):
                owner = encoded["overflow_to_sample_mapping"][place]
                own = np.array([each == 1 for each in encoded.sequence_ids(place)])
                first, last = np.flatnonzero(own)[[0, -1]]
                scores = starts[row, first : last + 1, None] + ends[row, None, first : last + 1]
                scores = np.triu(scores) - np.tril(np.full_like(scores, 1e9), -1)
                scores = scores - np.triu(np.full_like(scores, 1e9), 30)
                i, j = np.unravel_index(scores.argmax(), scores.shape)
                if scores[i, j] > best[owner][0]:
                    offsets = encoded["offset_mapping"][place]
                    text = rows[owner]["context"][offsets[first + i][0] : offsets[first + j][1]]
                    best[owner] = (float(scores[i, j]), text)
        return [text for _, text in best]

    return run


if __name__ == "__main__":
    main()
