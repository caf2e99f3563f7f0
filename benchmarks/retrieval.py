"""Retrieval on long documents, embeddings against sentence-transformers, and memory.

    python -m benchmarks.retrieval recall
    python -m benchmarks.retrieval throughput
    python -m benchmarks.retrieval memory

The paragraphs are those of squad2 in the folder of data that ``ANYSIZE_DATA`` names.

``recall``: the paragraphs of a question-answering set are shuffled into documents of eight; some
questions of each document, to paragraphs drawn at random, are to find it among all. Measured by
``anysize evaluate``: by the nearest passage, by the vector of the whole text, and by truncation at
the model's window (the first window alone, which is what sentence-transformers gives).

``throughput``: the same paragraphs embedded by anysize and by ``SentenceTransformer.encode`` at its
best batch size and precision, in turn, three times; and how far the vectors are apart in float32.

``memory``: the peak memory of a process that embeds a text of a million words, beside one a hundred
times shorter.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import data, machine

PARAGRAPHS = 8
QUESTIONS = 2
BATCHES = (8, 32, 128)
WORDS = 1_000_000


def paragraphs(path: Path) -> dict[str, list[str]]:
    """Questions with an answer, by their paragraph, in the order of the file."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row["context"], [])
        answers = row.get("answers") or row.get("answer")
        if answers and (not isinstance(answers, dict) or answers.get("text")):
            found[row["context"]].append(row["question"])
    return {text: questions for text, questions in found.items() if questions}


def documents(path: Path, folder: Path) -> tuple[Path, int]:
    """A table of queries and their documents; and how many documents there are."""
    by_paragraph = paragraphs(path)
    order = sorted(by_paragraph)
    draw = random.Random(0)
    draw.shuffle(order)
    table = folder / "documents.jsonl"
    count = 0
    with table.open("w", encoding="utf-8") as out:
        for at in range(0, len(order) - PARAGRAPHS + 1, PARAGRAPHS):
            parts = order[at : at + PARAGRAPHS]
            count += 1
            for depth in draw.sample(range(PARAGRAPHS), QUESTIONS):
                row = {"query": by_paragraph[parts[depth]][0], "text": "\n\n".join(parts)}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return table, count


def recall(path: Path) -> None:
    import anysize
    from anysize.evaluation.rendering import render

    with tempfile.TemporaryDirectory() as folder:
        table, count = documents(path, Path(folder))
        measured: Any = anysize.load("minilm").evaluate(table)
    from rich.console import Console

    Console(width=120).print(render(measured))
    print(f"{measured.texts} queries, {count} documents of {PARAGRAPHS} paragraphs ({path})")
    print(json.dumps(measured.difference.to_json()))


def throughput(path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    import anysize
    from anysize.models.minilm import folder

    texts = list(paragraphs(path))
    model = anysize.load("minilm")
    source = [{"text": text} for text in texts]
    peer = SentenceTransformer(str(folder()), device="cpu")
    peer.max_seq_length = 512  # whole paragraphs, as ours
    ours = np.array([one.prediction for one in model.predict(
        source[:200], precision="float32", runtime="torch", window=512)])  # fmt: skip
    theirs = peer.encode(texts[:200])
    print(f"float32, 200 paragraphs: largest difference {np.abs(ours - theirs).max():.1e}")
    coarse = SentenceTransformer(
        str(folder()), device="cpu", model_kwargs={"dtype": torch.bfloat16}
    )
    coarse.max_seq_length = 512
    peers = {"float32": peer, "bfloat16": coarse}
    best = max(
        ((_rate(lambda p=each, b=batch: p.encode(texts[:300], batch_size=b), 300), name, batch)
         for name, each in peers.items() for batch in BATCHES),
    )  # fmt: skip
    print(f"sentence-transformers is fastest in {best[1]} with batches of {best[2]}")
    model.predict_one(texts[0], window=512)
    rates: dict[str, list[float]] = {"anysize": [], "sentence-transformers": []}
    for _ in range(3):
        rates["anysize"].append(_rate(lambda: model(source, window=512), len(texts)))
        rates["sentence-transformers"].append(
            _rate(lambda: peers[best[1]].encode(texts, batch_size=best[2]), len(texts))
        )
    for name, found in rates.items():
        print(f"{name}: {', '.join(f'{rate:.1f}' for rate in found)} paragraphs/s")
    ratio = np.median(rates["anysize"]) / np.median(rates["sentence-transformers"])
    print(f"ratio of the medians: {ratio:.2f} ({len(texts)} paragraphs)")


def _rate(work: Any, count: int) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def memory(path: Path) -> None:
    words = [word for text in paragraphs(path) for word in text.split()]

    def stream(count: int) -> Iterator[str]:
        for at in range(count):
            yield words[at % len(words)]

    peaks = []
    for count in (WORDS // 100, WORDS):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "text.txt"
            file.write_text(" ".join(stream(count)), encoding="utf-8")
            command = [sys.executable, "-c", _EMBED, str(file)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        peaks.append(found["peak"])
        print(f"{count:,} words: peak {found['peak'] / 2**20:.0f} MiB, receipt {found['receipt']}")
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


_EMBED = """
import json, resource, sys
from pathlib import Path
import anysize
(result,) = anysize.load("minilm").predict(Path(sys.argv[1]), memory="2GiB", runtime="torch",
                                            precision="float32")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"peak": peak, "receipt": result.receipt.to_json()}))
"""


def main() -> None:
    path = data("squad2") / "dev.jsonl"
    print(machine())
    {"recall": recall, "throughput": throughput, "memory": memory}[sys.argv[1]](path)


if __name__ == "__main__":
    main()
