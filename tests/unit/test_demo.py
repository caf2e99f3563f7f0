"""The demo's parts: what it learns from and reads, how it measures, and the table it makes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from anysize.core.errors import RunError
from anysize.demo import digits, documents, measure
from anysize.demo import run as story


@pytest.fixture(scope="module")
def handwritten() -> tuple[digits.Digits, digits.Digits]:
    pytest.importorskip("sklearn")
    return digits.split()


def test_held_out_digits_are_not_learned_from(
    handwritten: tuple[digits.Digits, digits.Digits],
) -> None:
    train, held_out = handwritten
    assert (len(train.labels), len(held_out.labels)) == (1437, 360)
    assert set(held_out.labels.tolist()) == set(range(10))
    learned = {picture.tobytes() for picture in train.pictures}
    assert not any(picture.tobytes() in learned for picture in held_out.pictures)


def test_the_page_has_100_megapixels_of_the_digits_that_it_says(
    handwritten: tuple[digits.Digits, digits.Digits],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (digits.CELLS * digits.CELL) ** 2 >= 100e6
    monkeypatch.setattr(digits, "CELLS", 5)
    _, held_out = handwritten
    truth = digits.write_page(tmp_path / "page.png", held_out, seed=3)
    page = cv2.imread(str(tmp_path / "page.png"), cv2.IMREAD_GRAYSCALE)
    assert page is not None
    assert page.shape == (5 * digits.CELL, 5 * digits.CELL)
    known = {
        cv2.resize(picture, (digits.CELL, digits.CELL), interpolation=cv2.INTER_CUBIC).tobytes(): n
        for picture, n in zip(held_out.pictures, held_out.labels.tolist(), strict=True)
    }
    cells = page.reshape(5, digits.CELL, 5, digits.CELL).transpose(0, 2, 1, 3)
    assert [[known[cell.tobytes()] for cell in row] for row in cells] == truth.tolist()


def test_no_docstring_is_both_learned_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "LIBRARIES", ("email", "unittest", "nosuchlibrary"))
    documents.write_tables(tmp_path)
    texts = {}
    for name in ("train", "test"):
        lines = (tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        assert {row["label"] for row in rows} == {"email", "unittest"}
        assert not any(row["label"] in row["text"] for row in rows)
        texts[name] = {row["text"] for row in rows}
    assert not texts["train"] & texts["test"]
    words = documents.write_book(tmp_path / "book.txt", "email", 2000)
    book = (tmp_path / "book.txt").read_text(encoding="utf-8")
    assert words == len(book.split()) >= 2000
    assert not any(text in book for text in texts["train"])


def test_commands_are_measured_from_outside() -> None:
    found = measure.run(["list", "tasks"])
    assert "text-classification" in json.dumps(found.document)
    assert found.seconds > 0
    assert found.peak > 10 << 20
    with pytest.raises(RunError, match=r"list colours failed:[\s\S]*colours"):
        measure.run(["list", "colours"])


def test_the_table_tells_how_much_of_the_page_was_read_right(
    handwritten: tuple[digits.Digits, digits.Digits],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(digits, "CELLS", 4)
    monkeypatch.setattr(story, "find_spec", lambda name: None)
    truth = digits.write_page(tmp_path / "page.png", handwritten[1])
    commands = []
    summarised = story.Row(what="summarise", read="", result="One.", seconds=1.0, peak=1, where="")
    monkeypatch.setattr(story, "summary_row", lambda folder, say: summarised)

    def pretended(arguments: Sequence[str]) -> measure.Measured:
        """Reads the page right but for its first row."""
        commands.append(list(arguments))
        if arguments[0] == "predict":
            side = digits.CELL
            regions = [
                {
                    "core": [side * x, side * y, side * (x + 1), side * (y + 1)],
                    "label": str(truth[y, x] if y else (truth[y, x] + 1) % 10),
                }
                for y, x in np.ndindex(4, 4)
            ]
            receipt = {"extent": (4 * side) ** 2, "windows": 16, "covered": 1.0}
            out = Path(arguments[arguments.index("--out") + 1])
            out.write_text(json.dumps({"regions": regions, "receipt": receipt}))
        return measure.Measured(document={"accuracy": 0.9}, seconds=1.5, peak=1 << 29)

    monkeypatch.setattr(measure, "run", pretended)
    said: list[str] = []
    rows = story.run(tmp_path / "demo", said.append)
    assert [command[0] for command in commands] == ["train", "evaluate", "predict"]
    assert commands[0][commands[0].index("--workers") + 1] == "2"
    assert commands[2][commands[2].index("--memory") + 1] == "1GiB"
    results = [row.result for row in rows]
    assert results == ["bundle", "accuracy 0.900", "accuracy 0.750", "One."]
    assert rows[2].read == "0.1 megapixels, 16 tiles, 100% covered"
    assert "pip install 'anysize[pretrained]'" in said[-1]
    assert len(list((tmp_path / "demo" / "digits" / "data" / "test").iterdir())) == 10
    assert story.table(rows).row_count == 4
    assert story.to_json(rows)["rows"][2]["peak"] == 1 << 29


def test_a_long_text_is_summarised_whole(tmp_path: Path) -> None:
    said: list[str] = []
    row = story.summary_row(tmp_path, said.append, library="email", words=3_000)
    (line,) = said
    assert "words under 1GiB" in line
    result = json.loads((tmp_path / "summary.jsonl").read_text(encoding="utf-8"))
    (drawn,) = result["sentences"]
    book = (tmp_path / "book.txt").read_text(encoding="utf-8")
    assert book[drawn["start"] : drawn["end"]] == result["prediction"] != ""
    assert "100% covered" in row.read
    assert row.result[:39] == " ".join(result["prediction"].split())[:39]
