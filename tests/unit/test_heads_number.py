"""Numbers: how targets are read, standardised, measured, and how sure predictions are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from sklearn import metrics  # type: ignore[import-untyped]

from anysize import heads, tasks
from anysize.core.errors import BundleError, ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.evaluation.regression import measure
from anysize.heads.number_meter import NumberCounts, NumberMeter, conformal_width
from anysize.heads.protocols import HeadLoss
from anysize.modalities.numbers.settings import FeatureSettings
from anysize.models.bundle import Card
from anysize.readers.text import Text
from anysize.sources.memory import FieldSource
from anysize.tasks.understanding import Understood, understand

TASK = tasks.load("tabular-regression")


def understood(
    path: Path, cells: list[str], findings: Findings, delimiter: str = ","
) -> Understood:
    rows = [f"{index}{delimiter}{cell}" for index, cell in enumerate(cells)]
    path.write_text(f"a{delimiter}price\n" + "\n".join(rows) + "\n")
    return understand(path, TASK, validation=0, test=0, findings=findings)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "2.5", "-3e1", "4"], [1, 2.5, -30, 4]),
        (["1,5", "2,25", "1.234,5", "7"], [1.5, 2.25, 1234.5, 7]),
        (["1,234", "2,345.5", "-7,000", "$ 12"], [1234, 2345.5, -7000, 12]),
    ],
)
def test_numbers_are_read_as_people_write_them(
    tmp_path: Path, cells: list[str], values: list[float]
) -> None:
    found = understood(tmp_path / "t.csv", cells, Findings(), ";")
    assert [found.training[i].target for i in range(4)] == values
    assert found.labels == ("price",)
    entries = heads.described(found.task.head)  # type: ignore[attr-defined]
    assert entries["mean"] == pytest.approx(np.mean(values))
    assert entries["deviation"] == pytest.approx(np.std(values))
    assert entries["median"] == pytest.approx(np.median(values))


def test_records_without_a_number_are_named_and_left_out(tmp_path: Path) -> None:
    findings = Findings()
    found = understood(tmp_path / "t.csv", ["1", "", "soon", "2", "n/a", "3"], findings)
    assert [found.training[i].target for i in range(len(found.training))] == [1, 2, 3]
    told = {one.code: one for one in findings}
    assert told["targets-missing"].count == 2
    assert told["targets-no-numbers"].count == 1
    assert "'soon'" in told["targets-no-numbers"].examples[0]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (["good", "bad", "good", "3"], "most targets are not numbers"),
        (["12 kg", "7 kg", "9 kg"], "most targets are not numbers .*12 kg.*without their units"),
        (["", "", ""], "no record for training has a number"),
        (["4", "4", "4"], "all targets are the same number"),
    ],
)
def test_what_cannot_be_learned_is_refused(tmp_path: Path, cells: list[str], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        understood(tmp_path / "t.csv", cells, Findings())


def head(**entries: Any) -> Any:
    return heads.of({"name": "regression", "mean": 100.0, "deviation": 20.0, **entries})


def test_targets_are_standard_inside_and_as_they_are_outside() -> None:
    number = head(width=5.0)
    assert number.encode(140.0, ("price",), "r") == pytest.approx(2.0)
    decision = number.decide(np.array([2.0]), ("price",))
    assert (decision.prediction, decision.score) == (140.0, None)
    assert decision.details["interval"] == [135.0, 145.0]
    with pytest.raises(DataError, match="no number"):
        number.encode(None, ("price",), "r")
    logits = torch.tensor([[2.0], [0.0]])
    loss = number.loss(logits, [1.0, 3.0], HeadLoss())
    assert float(loss) == pytest.approx(10.0)


def test_a_teacher_of_another_scale_teaches_the_same_numbers() -> None:
    teacher = head(mean=0.0, deviation=10.0)
    student = head()
    # 120 in both: 12 deviations of the teacher's, one of the student's.
    loss = student.soft_loss(torch.tensor([[1.0]]), torch.tensor([[12.0]]), teacher, 2.0)
    assert loss.tolist() == pytest.approx([0.0], abs=1e-6)


def test_measures_agree_with_scikit_learn_and_scipy() -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(size=500).round(1)
    guess = truth + draw.normal(scale=0.7, size=500)
    counts, parts = NumberCounts(), [NumberCounts(), NumberCounts()]
    for index, (one, other) in enumerate(zip(truth, guess, strict=True)):
        counts.add(one, other)
        parts[index % 2].add(one, other)
    joined = NumberCounts()
    joined.join([each.state() for each in parts])
    for each in (counts, joined):
        assert each.r2() == pytest.approx(metrics.r2_score(truth, guess))
        assert each.mae() == pytest.approx(metrics.mean_absolute_error(truth, guess))
        assert each.rmse() == pytest.approx(metrics.root_mean_squared_error(truth, guess))
        assert each.spearman() == pytest.approx(stats.spearmanr(truth, guess).statistic)


def test_the_conformal_width_is_the_right_order_statistic() -> None:
    errors = np.array([-9.0, 1.0, 2.0, -3.0, 4.0, 5.0, 6.0, -7.0, 8.0])
    assert conformal_width(errors, 0.9) == 9.0  # the 9th of 9
    assert conformal_width(errors, 0.5) == 5.0  # the 5th
    assert conformal_width(errors[:8], 0.9) is None  # 9 records are the fewest


def test_intervals_cover_what_they_say() -> None:
    draw = np.random.default_rng(1)
    meter = NumberMeter(metric="r2", deviation=1.0, level=0.9)
    for error in draw.standard_t(4, size=4000):
        meter.add(result(float(error)), 0.0)
    width = head().calibrated(meter.calibration()).width
    inside = np.abs(draw.standard_t(4, size=20_000)) <= width
    assert inside.mean() == pytest.approx(0.9, abs=0.02)


def result(prediction: float, **details: Any) -> Result:
    receipt = Receipt(
        extent=1, unit="features", windows=1, covered=1.0, dropped=0, merge="mean", fidelity="exact"
    )
    return Result(id="r", prediction=prediction, score=None, receipt=receipt, details=details)


def test_an_evaluation_says_how_good_and_how_sure(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    truth = draw.normal(100, 20, size=300)
    guess = truth + draw.normal(scale=5, size=300)
    card = Card(
        task="tabular-regression", labels=("price",), model="dense",
        settings=FeatureSettings(width=1), head=dict(heads.described(head(records=9, width=8.0))),
    )  # fmt: skip
    results = [
        Result(
            id=str(place), prediction=float(one), score=None, receipt=result(0.0).receipt,
            details={"interval": [one - 8, one + 8]}, target=float(other),
        )
        for place, (one, other) in enumerate(zip(guess, truth, strict=True))
    ]  # fmt: skip
    source = FieldSource("text", [Text("a text")] * 300)
    found = measure(results, card=card, source=source)
    main = found.main()
    assert main["r2"] == pytest.approx(metrics.r2_score(truth, guess))
    assert main["interval_coverage"] == pytest.approx(np.mean(np.abs(truth - guess) <= 8))
    assert main["interval_width"] == pytest.approx(16)
    assert found.intervals["r2"].low < main["r2"] < found.intervals["r2"].high
    mean = found.baselines[0]
    assert mean.mae == pytest.approx(np.abs(truth - 100).mean())
    assert mean.interval.high < 0
    assert found.far[0].id == str(int(np.abs(truth - guess).argmax()))
    assert json.loads(json.dumps(found.to_json()))["baselines"]["median"]["r2"] < 0.1


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"deviation": 0.0}, "deviation must be above 0"),
        ({"level": 1.5}, "level must be between"),
        ({"mean": "much"}, "mean must be a number"),
        ({"spread": 1.0}, "spread is not known"),
    ],
)
def test_damaged_heads_are_refused(entries: dict[str, Any], problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        head(**entries)


def test_a_head_is_for_its_tasks() -> None:
    with pytest.raises(ConfigurationError, match="regression, not for text-classification"):
        tasks.load("text-classification").headed(head())  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match=r"metric must be one of r2.*'accuracy'"):
        TASK.headed(head(), "accuracy")  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["text", "image", "tabular", "time-series"])
def test_the_column_of_the_number_is_the_target(name: str) -> None:
    found = {spec.role: spec for spec in tasks.load(f"{name}-regression").columns}
    assert found["target"].reading(" 1,5 ") == "1,5"
    assert "price" in found["target"].names
