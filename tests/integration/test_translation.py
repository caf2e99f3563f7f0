"""Translation from a folder of pairs to a report, and folders that others made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result as CommandResult
from typer.testing import CliRunner

import anysize
from anysize.cli.main import app

_NUMBERS = ["one", "two", "three", "four"]
_GERMAN = ["eins", "zwei", "drei", "vier"]
_OPTIONS = (
    "vocabulary=320,hidden_size=64,num_layers=1,decoder_layers=1,num_heads=2,"
    "intermediate_size=128,dropout=0"
)


def _pairs(folder: Path) -> None:
    """Numbers in English and German."""
    rows = [
        (f"{_NUMBERS[a]} and {_NUMBERS[b]} .", f"{_GERMAN[a]} und {_GERMAN[b]} .")
        for a in range(4)
        for b in range(4)
    ]
    for name, part in (("train", rows * 4), ("val", rows[::5]), ("test", rows[1::3])):
        lines = ["en\tde", *("\t".join(row) for row in part)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _trained(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    _pairs(data)
    anysize.train(
        "translation", data, model="transformer-mt", out=folder / "run", steps=70, batch=32,
        learning_rate=3e-3, schedule="constant", columns={"source": "en", "target": "de"}, beams=2,
        label_smoothing=0.0,
        options=dict(part.split("=") for part in _OPTIONS.split(",")), memory="4GiB",
        micro_cost=2000, validate_every=1000, quiet=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(shelf: Any) -> Path:
    return Path(shelf("translation", _trained))


def test_it_learns_and_keeps_what_is_around_sentences(run: Path) -> None:
    model = anysize.load(run / "run")
    assert model.card.metrics["validation_bleu"] > 60
    text = "# one and two .\n\n- three and four .\n```\ntwo and two .\n```\n"
    (result,) = model.predict([text], memory="4GiB")
    assert result.prediction == "# eins und zwei .\n\n- drei und vier .\n```\ntwo and two .\n```\n"
    assert result.receipt.covered == 1.0 and result.receipt.counts == {"segments": 2}
    (greedy,) = model.predict(["two and one ."], beams=1, memory="4GiB")
    assert greedy.prediction == "zwei und eins ."


def test_the_command_line_evaluates_with_a_report(run: Path, tmp_path: Path) -> None:
    found: CommandResult = CliRunner().invoke(
        app,
        ["evaluate", str(run / "run"), str(run / "data" / "test.tsv"), "--columns",
         "source=en,target=de", "--out", str(tmp_path / "report"), "--memory", "4GiB", "--json"],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["bleu"] > 60 > metrics["baselines"]["copy"]["bleu"]
    low, high = (metrics["intervals"]["bleu"][end] for end in ("low", "high"))
    assert low <= metrics["bleu"] <= high
    assert metrics["tokenizers"] == {"13a": metrics["records"]}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Lowest chrF" in page and "copying the source" in page and "<svg" in page


def test_records_without_a_target_are_left_out_and_named(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "some.tsv"
    path.write_text("source\ttarget\none and two .\teins und zwei .\ntwo .\t\n", encoding="utf-8")
    evaluation = anysize.load(run / "run").evaluate(path, memory="4GiB", split=None)
    assert evaluation.to_json()["records"] == 1
    assert evaluation.without_target == 1
