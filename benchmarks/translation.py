"""Translation from scratch: multi30k, English to German, and its BLEU on test_2016_flickr.

    python -m benchmarks.translation [--minutes 40] [--set hidden_size=256 …] [--learning-rate …]

Trains a small ``transformer-mt`` through the command line, as a user would, with two workers of one
thread each, and measures with the beam search of the task; sacrebleu called by hand (13a) scores
the outputs again and must agree. What follows ``--set`` and is no option here replaces settings.
``benchmarks.translation_throughput`` measures speed with the bundle that this leaves.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
from typing import Any

import sacrebleu

import anysize
from benchmarks import common

TEST = "test_2016_flickr.tsv"
MODEL = {"hidden_size": "128", "intermediate_size": "256", "vocabulary": "4000", "dropout": "0.1"}
TRAINING = ("--batch", "128", "--learning-rate", "2e-3", "--validate-every", "1000")


def main() -> None:
    """Trains, and prints BLEU on the test file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--set", nargs="*", default=[], help="NAME=VALUE of the model's options")
    parser.add_argument("--name", default="run")
    arguments, training = parser.parse_known_args()  # the rest is given to anysize train
    print(common.machine())
    out = common.scratch("translation") / arguments.name
    shutil.rmtree(out, ignore_errors=True)
    data = common.data("multi30k")
    options = MODEL | dict(each.split("=", 1) for each in arguments.set)
    command = [
        sys.executable, "-m", "anysize", "train", "translation",
        str(data / "train.tsv"), str(data / "val.tsv"),
        "--columns", "source=en,target=de", "--model", "transformer-mt",
        "--minutes", str(arguments.minutes), "--out", str(out), "--workers", "2",
        "--model-options", ",".join(map("=".join, options.items())), *TRAINING, *training,
    ]  # fmt: skip
    started = time.perf_counter()
    subprocess.run(command, check=True)
    print(f"trained in {(time.perf_counter() - started) / 60:.1f} minutes")
    measure(anysize.load(out))


def measure(model: anysize.Model) -> None:
    """BLEU of the test file, by the evaluation and by sacrebleu called by hand."""
    with (common.data("multi30k") / TEST).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    references = [row["de"] for row in rows]
    outputs = [str(one.prediction) for one in model.predict([row["en"] for row in rows])]
    found: Any = model.evaluate(
        [{"source": row["en"], "target": row["de"]} for row in rows], common.scratch("translation")
    )
    by_hand = sacrebleu.corpus_bleu(outputs, [references], tokenize="13a")
    print(json.dumps(found.main(), indent=1))
    print(f"sacrebleu by hand: {by_hand}")
    for row, output in list(zip(rows, outputs, strict=True))[:5]:
        print(f"{row['en']}\n  {output}\n  {row['de']}")


if __name__ == "__main__":
    main()
