"""Summaries: ROUGE on SciTLDR, and the memory of a book against a text a hundred times shorter.

``rouge`` evaluates methods that need no training on SciTLDR's test split (an abstract to a TLDR,
several references, the best of them counts), one sentence a summary. ``book`` summarises 300 pages
of real abstracts, one after the other, and 3 pages of them, through the command, measured from
outside; ``rounds`` does so with a model that writes (random weights, of BART's kind: what is
measured is memory and the receipt, not what it says).

    python -m benchmarks.summarization [rouge] [book] [rounds]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, cast

import anysize
from anysize.core.rouge import METRICS
from anysize.demo.measure import run
from anysize.evaluation.summary_result import MODEL, SummaryEvaluation
from benchmarks import common

METHODS = ("lead", "tfidf-ranking", "sentence-ranking")
WORDS_A_PAGE = 330
PAGES = 300


def main() -> None:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=["rouge", "book", "rounds"])
    arguments = parser.parse_args()
    print(common.machine())
    for kind in arguments.kinds:
        if kind == "rouge":
            rouge()
        elif kind == "book":
            for method in METHODS:
                book(method, method)
        else:
            book("rounds", str(writer()), "--task", "summarization", "--max-new-tokens", "40")


def rouge() -> None:
    """F1 with intervals, and how far each method is from ``lead`` on the same records."""
    for method in METHODS:
        started = time.perf_counter()
        found = cast(
            SummaryEvaluation,
            anysize.evaluate(
                method, common.data("scitldr") / "test.jsonl", sentences=1, quiet=True
            ),
        )
        own = found.systems[MODEL]
        parts = []
        for name in METRICS:
            each = own.intervals[name]
            parts.append(
                f"{name} {100 * own.means[name]:.2f} ({100 * each.low:.2f}-{100 * each.high:.2f})"
            )
        line = f"{method:<17} {', '.join(parts)}"
        if "lead" in found.systems:
            difference, each = found.systems["lead"].differences["rougeL"]
            line += (
                f"; rougeL minus lead {100 * difference:+.2f} "
                f"({100 * each.low:+.2f} to {100 * each.high:+.2f})"
            )
        print(f"{line}; {found.receipts.records} records, {time.perf_counter() - started:.0f} s")


def book(name: str, model: str, *options: str) -> None:
    """Peaks of the whole process for 3 and 300 pages, and what the receipts say."""
    peaks = []
    for pages in (PAGES // 100, PAGES):
        path = common.scratch("summarization") / f"{pages}-pages.txt"
        write_book(path, pages * WORDS_A_PAGE)
        out = common.scratch("summarization") / f"{name}-{pages}.jsonl"
        found = run(
            ["predict", model, str(path), "--runtime", "torch", "--memory", "4GiB",
             "--out", str(out), *options]
        )  # fmt: skip
        result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        receipt = result["receipt"]
        peaks.append(found.peak)
        print(
            f"{name}, {pages} pages: {found.peak >> 20} MiB, {found.seconds:.1f} s, "
            f"{receipt['extent']:,} characters, {receipt['windows']:,} windows, covered "
            f"{receipt['covered']:.0%}, {len(receipt.get('rounds', ()))} further rounds, "
            f"{receipt['fidelity']}"
        )
    print(f"{name}: peak memory {peaks[1] / peaks[0]:.3f} times")


def write_book(path: Path, words: int) -> None:
    """So many words of abstracts, around and around where there are not enough."""
    lines = (common.data("scitldr") / "train.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [" ".join(json.loads(line)["text"].split()) for line in lines]
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < words:
            for text in texts:
                part = text.split(" ")[: words - written]
                file.write(" ".join(part) + "\n\n")
                written += len(part)
                if written >= words:
                    break


def writer() -> Path:
    """An encoder-decoder with random weights and the tokenizer of the pretrained encoder."""
    import torch
    import transformers

    from anysize.models import minilm

    folder = common.scratch("summarization") / "writer"
    if (folder / "config.json").is_file():
        return folder
    hub = transformers.AutoTokenizer.from_pretrained(minilm.folder())
    hub.model_max_length = 512
    torch.manual_seed(0)
    config = transformers.BartConfig(
        vocab_size=len(hub), d_model=128, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=256,
        decoder_ffn_dim=256, max_position_embeddings=512, eos_token_id=hub.sep_token_id,
        pad_token_id=hub.pad_token_id, bos_token_id=hub.cls_token_id,
        decoder_start_token_id=hub.sep_token_id,
    )  # fmt: skip
    transformers.BartForConditionalGeneration(config).save_pretrained(folder)
    hub.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
