"""What a change costs: the speed of this checkout against another one's, taking turns.

Starting, reading JPEGs into a loop with augmentation, one chain of augmentations, opening a large
table a second time (imports included), predicting and training texts: each is run by both
checkouts, one after the other, several times, and the ratio of every pair is printed; above 1 is
faster than before. Everything that a plan could choose is fixed, so that both do the same work::

    python -m benchmarks.before_after --before ../anysize-before [--rounds 5] [--only predict,train]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import augmentation as chain
from benchmarks import augmented_jpegs, common, open_large_csv

_HERE = Path(__file__).resolve().parents[1]
_SPENT = """
import json, resource, subprocess, sys
for command in (["-m", "anysize", "--help"], ["-c", "import anysize; anysize.load"]):
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"seconds": used.ru_utime + used.ru_stime}))
"""
_PREDICT = """
import json, sys, time
import anysize
from benchmarks.text_prediction import mixed
model = anysize.load(sys.argv[1])
texts = mixed(192, 24)
options = anysize.PredictOptions(runtime="torch", precision="float32", memory=4 << 30)
list(model.predict(texts, options))
start = time.perf_counter()
list(model.predict(texts, options))
print(json.dumps({"seconds": time.perf_counter() - start}))
"""
_TRAIN = """
import json, sys
import anysize
from benchmarks import common
import shutil
from anysize.api import train_report
shutil.rmtree(sys.argv[1], ignore_errors=True)
train_report(anysize.Recipe(
    task="text-classification", data=str(common.data("rotten_tomatoes")), model="minilm",
    out=sys.argv[1], steps=30, batch=32, precision="float32", micro_cost=2048,
    validate_every=1000, memory=6 << 30,
))
lines = [json.loads(line) for line in open(sys.argv[1] + "/training.jsonl")]
rates = [line["rate"] for line in lines if "rate" in line]
print(json.dumps({"seconds": 1 / rates[-1]}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--before", type=Path, required=True, help="another checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="startup,jpegs,augmentation,csv,predict,train")
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the table")
    arguments = parser.parse_args()
    print(common.machine())
    for name in arguments.only.split(","):
        command = KINDS[name](arguments.rows)
        ratios = []
        for turn in range(arguments.rounds + 1):
            before, after = (seconds(where, command) for where in (arguments.before, _HERE))
            if turn:  # the first fills caches
                ratios.append(before / after)
        print(f"{name}: {common.spread(ratios, 3)} times the speed of before", flush=True)


def seconds(checkout: Path, command: Sequence[str]) -> float:
    """What a command of a checkout says that it took."""
    where = checkout.resolve()
    own = common.scratch("before_after").resolve() / where.name
    environment = {
        **os.environ,
        "PYTHONPATH": f"{where / 'src'}{os.pathsep}{where}",
        "ANYSIZE_BENCH": str(common.scratch("").resolve()),
        "ANYSIZE_CACHE": str(own / "cache"),
        "PYTHONDONTWRITEBYTECODE": "",  # both start from compiled files
    }
    done = subprocess.run(
        [sys.executable, *(part.replace("OWN", str(own)) for part in command)],
        env=environment, cwd=where, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{where}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if "rate" in found:
        return 1 / float(found["rate"])
    return float(found.get("open_seconds") or found["seconds"])


def startup(_rows: int) -> Sequence[str]:
    return ["-c", _SPENT]


def jpegs(_rows: int) -> Sequence[str]:
    augmented_jpegs.write_files()
    return ["-m", "benchmarks.augmented_jpegs", "--only", "anysize", "--epochs", "4"]


def augmentation(_rows: int) -> Sequence[str]:
    chain.write_pictures()
    return ["-m", "benchmarks.augmentation", "--only", "anysize"]


def csv(rows: int) -> Sequence[str]:
    path = common.scratch("before_after") / f"{rows}.csv"
    if not path.exists():
        open_large_csv.make(path, rows)
    opening = "source = open_source(sys.argv[1], roles=[text, label])"
    assert opening in open_large_csv.CHILD
    older = f"""try:
    {opening}
except TypeError:  # what roles were called once
    {opening.replace("roles=", "columns=")}"""
    return ["-c", open_large_csv.CHILD.replace(opening, older), str(path.resolve())]


def predict(_rows: int) -> Sequence[str]:
    from benchmarks.text_prediction import fine_tuned

    return ["-c", _PREDICT, str(Path(fine_tuned()).resolve())]


def train(_rows: int) -> Sequence[str]:
    return ["-c", _TRAIN, "OWN/run"]


KINDS: dict[str, Callable[[int], Sequence[str]]] = {
    "startup": startup, "jpegs": jpegs, "augmentation": augmentation, "csv": csv,
    "predict": predict, "train": train,
}  # fmt: skip


if __name__ == "__main__":
    main()
