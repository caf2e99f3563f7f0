"""Training MiniLM: anysize against ``transformers.Trainer``.

rotten_tomatoes and movie_reviews_long mixed as they are (a sixth of the records are long), or
rotten_tomatoes alone. Trainer reads one window of a text, so all systems are given the first window
of each long one, as a text of its own.

Three processes one after the other, each for the same number of records: Trainer with its defaults,
Trainer with its best documented settings for a CPU (bfloat16, group by length, larger evaluation
apart, same dropout), and anysize. Reported: records a second of the training alone, peak memory
of the process, and accuracy on rotten_tomatoes' test split after it.

    python -m benchmarks.text_training [--records 1600] [--rounds 1] [--data mixed]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.long_documents import first_windows, write

Rows = list[tuple[str, str]]


def main() -> None:
    """Runs the systems in turn and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1600)
    parser.add_argument("--data", choices=("mixed", "short"), default="mixed")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", help="what a child process runs")
    arguments = parser.parse_args()
    if arguments.only:
        rows = training_rows(arguments.records, arguments.data)
        print(json.dumps(CHILDREN[arguments.only](rows)))
        return
    print(common.machine())
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CHILDREN}
    for _ in range(arguments.rounds):
        for name in CHILDREN:
            command = [sys.executable, "-m", "benchmarks.text_training", "--only", name]
            done = subprocess.run(
                [*command, "--records", str(arguments.records), "--data", arguments.data],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    for name, runs in found.items():
        rates = common.spread([run["rate"] for run in runs], 1)
        peaks = common.spread([run["peak"] / 2**20 for run in runs], 0)
        accuracies = common.spread([run["accuracy"] for run in runs], 4)
        print(f"{name:<18} {rates} records/s   peak {peaks} MiB   accuracy {accuracies}")
    for peer in ("trainer-default", "trainer-best"):
        ratios = [
            mine["rate"] / other["rate"]
            for mine, other in zip(found["anysize"], found[peer], strict=True)
        ]
        print(f"anysize against {peer}: {common.spread(ratios)} times the records/s")


def anysize_run(rows: Rows) -> dict[str, Any]:
    """The library with its defaults."""
    import anysize

    out = common.scratch("text_training") / f"anysize-{time.time_ns()}"
    table = common.scratch("text_training") / "train.jsonl"
    write(table, rows)
    recipe = anysize.Recipe(
        task="text-classification",
        data=str(table),
        model="minilm",
        out=str(out),
        epochs=1.0,
        batch=32,
        learning_rate=1e-4,
        validation=0.0,
        test=0.0,
    )
    from anysize.api import train_report

    report = train_report(recipe)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    moments = [json.loads(line) for line in (out / "training.jsonl").read_text().splitlines()]
    seconds, before = 0.0, 0
    for moment in (each for each in moments if "rate" in each):
        seconds += (moment["records"] - before) / moment["rate"]
        before = moment["records"]
    evaluation = anysize.load(report.bundle).evaluate(common.data("rotten_tomatoes"))
    return {
        "rate": before / seconds,
        "peak": peak,
        "accuracy": evaluation.main()["accuracy"],
    }


def trainer(rows: Rows, *, best: bool) -> dict[str, Any]:
    """transformers.Trainer."""
    import torch
    import transformers
    from datasets import Dataset

    transformers.set_seed(0)
    from anysize.models.minilm import folder

    source = folder()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    module = transformers.AutoModelForSequenceClassification.from_pretrained(source, num_labels=2)
    encoded = tokenizer([text for text, _ in rows], truncation=True, max_length=256)
    encoded["labels"] = [int(label) for _, label in rows]
    dataset = Dataset.from_dict(dict(encoded))
    settings: dict[str, Any] = {
        "output_dir": str(common.scratch("text_training") / "trainer"),
        "num_train_epochs": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "logging_steps": 1000,
    }
    if best:
        settings |= {
            "bf16": True,
            "train_sampling_strategy": "group_by_length",
            "per_device_train_batch_size": 32,
            "learning_rate": 1e-4,
            "optim": "adamw_torch_fused",
        }
    known = set(transformers.TrainingArguments.__dataclass_fields__)
    if best and "train_sampling_strategy" not in known:
        settings.pop("train_sampling_strategy")
        settings["group_by_length"] = True
    run = transformers.Trainer(
        model=module,
        args=transformers.TrainingArguments(**settings),
        train_dataset=dataset,
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
    )
    start = time.perf_counter()
    run.train()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    module.eval()
    test = common.rotten_tomatoes("test")
    right = 0
    with torch.inference_mode():
        for begin in range(0, len(test), 32):
            part = test[begin : begin + 32]
            inputs = tokenizer([text for text, _ in part], padding=True, return_tensors="pt")
            found = module(**inputs).logits.argmax(-1).numpy()
            right += int(np.sum(found == [int(label) for _, label in part]))
    return {"rate": len(rows) / seconds, "peak": peak, "accuracy": right / len(test)}


def training_rows(records: int, mixture: str) -> Rows:
    """Texts and labels, drawn from the training splits as they lie together."""
    rows = common.rotten_tomatoes("train")
    if mixture == "mixed":
        rows += common.long_reviews("train")
    chosen = np.random.default_rng(0).permutation(len(rows))[:records]
    return first_windows([rows[index] for index in chosen])


CHILDREN = {
    "trainer-default": lambda rows: trainer(rows, best=False),
    "trainer-best": lambda rows: trainer(rows, best=True),
    "anysize": anysize_run,
}


if __name__ == "__main__":
    main()
