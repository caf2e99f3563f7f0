"""Ordered labels, and what helps rare classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics  # type: ignore[import-untyped]
from sklearn.utils.class_weight import compute_class_weight  # type: ignore[import-untyped]

from anysize import heads, tasks
from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.evaluation.ordered import measure
from anysize.heads.protocols import HeadLoss
from anysize.heads.rank_meter import RankMeter, measured
from anysize.modalities.texts.settings import TextSettings
from anysize.models.bundle import Card
from anysize.readers.text import Text
from anysize.sources.memory import FieldSource
from anysize.tasks.understanding import understand

STARS = ("1", "2", "3", "4", "5")
TEXT_SETTINGS = TextSettings(window=16)
HEAD: Any = heads.load("ordered")
ONE: Any = heads.load("one")


def test_numbers_are_ordered_by_value_and_words_as_they_are_named(tmp_path: Path) -> None:
    task: Any = tasks.load("text-classification")
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"w{n},{n % 3 + 8}\n" for n in range(9)))
    found = understand(path, task.headed(HEAD), validation=0, test=0, findings=Findings())
    assert found.labels == ("8", "9", "10")
    path.write_text("text,label\na,low\nb,high\nc,middle\n")
    with pytest.raises(DataError, match=r"nobody knows their order.*--order LOW,…,HIGH"):
        understand(path, task.headed(HEAD), validation=0, test=0, findings=Findings())
    named = heads.of({"name": "ordinal_regression", "steps": ["low", "middle", "high"]})
    found = understand(path, task.headed(named), validation=0, test=0, findings=Findings())
    assert found.labels == ("low", "middle", "high")
    assert named.outputs(found.labels) == ("above low", "above middle")


def test_probabilities_are_those_of_the_steps() -> None:
    logits = np.array([2.0, 0.5, -1.0, -2.0])
    decision = HEAD.decide(logits, STARS)
    above = np.cumprod(1 / (1 + np.exp(-logits)))
    share = list(decision.details["probabilities"].values())
    assert sum(share) == pytest.approx(1, abs=1e-5)
    assert min(share) >= 0
    assert share[0] == pytest.approx(1 - above[0], abs=1e-6)
    assert share[4] == pytest.approx(above[3], abs=1e-6)
    assert decision.prediction == STARS[int((above > 0.5).sum())]


def test_a_step_is_asked_only_where_the_lower_ones_are_passed() -> None:
    logits = torch.tensor([[1.0, -1.0, 2.0, 0.5], [0.3, 0.2, 0.1, 0.0]], requires_grad=True)
    loss = HEAD.loss(logits, [1, 4], HeadLoss())
    likely = logits.sigmoid()
    expected = -(likely[0, 0].log() + (1 - likely[0, 1]).log() + likely[1].log().sum())
    assert float(loss.detach()) == pytest.approx(float(expected.detach()))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 2:].tolist() == [0, 0]


def test_measures_agree_with_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 5, 300)
    guess = (truth + draw.integers(-1, 2, 300)).clip(0, 4)
    found = measured(metrics.confusion_matrix(truth, guess, labels=range(5)))
    wanted = metrics.cohen_kappa_score(truth, guess, weights="quadratic")
    assert found["quadratic_kappa"] == pytest.approx(wanted)
    assert found["mae"] == pytest.approx(np.abs(truth - guess).mean())
    assert found["accuracy"] == pytest.approx((truth == guess).mean())
    receipt = Receipt(
        extent=1, unit="tokens", windows=1, covered=1.0, dropped=0, merge="mean", fidelity="exact"
    )
    results = [
        Result(
            id=str(place), prediction=STARS[other], score=1.0, receipt=receipt,
            target=STARS[one], details={"probabilities": dict.fromkeys(STARS, 0.2)},
        )
        for place, (one, other) in enumerate(zip(truth, guess, strict=True))
    ]  # fmt: skip
    meter = RankMeter(STARS, "mae")
    for each in results:
        meter.add(each, each.target)
    assert meter.score() == pytest.approx((found["mae"], -np.log(0.2)))
    card = Card(
        task="text-classification", labels=STARS, model="lstm", settings=TEXT_SETTINGS,
        head={"name": "ordinal_regression"}, provenance={"label_counts": {"1": 9, "2": 1, "5": 2}},
    )  # fmt: skip
    evaluation = measure(results, card=card, source=FieldSource("text", [Text("x")] * 300))
    assert evaluation.main() == pytest.approx(found)
    assert evaluation.median == "1"
    assert evaluation.baseline["accuracy"] == pytest.approx((truth == 0).mean())
    low, high = (getattr(evaluation.intervals["mae"], end) for end in ("low", "high"))
    assert low < found["mae"] < high


def test_weights_of_classes_are_those_of_scikit_learn() -> None:
    names = np.array(["a"] * 6 + ["b"] * 2 + ["c"])
    wanted = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=names)
    found = ONE.weights({"a": 6, "b": 2, "c": 1}, ("a", "b", "c"))
    assert found == pytest.approx(wanted)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    loss = ONE.loss(logits, [0, 1, 2, 2], HeadLoss(weights=found))
    plain = torch.nn.functional.cross_entropy(
        logits, torch.tensor([0, 1, 2, 2]), torch.tensor(found), reduction="sum"
    )
    assert float(loss) == pytest.approx(float(plain), rel=1e-5)


def test_focal_loss_forgets_what_is_known() -> None:
    logits = torch.tensor([[5.0, 0.0], [0.0, 0.0]])
    each = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0]), reduction="none")
    focal = ONE.loss(logits, [0, 0], HeadLoss(focal=2.0))
    assert float(focal) == pytest.approx(float((each * (1 - (-each).exp()) ** 2).sum()))
    assert float(focal) < float(each.sum()) / 3


def test_validation_can_go_by_another_metric() -> None:
    task: Any = tasks.load("text-classification")
    draw = np.random.default_rng(1)
    truth, guess = draw.integers(0, 3, 200), draw.integers(0, 3, 200)
    labels = ("a", "b", "c")
    receipt = Receipt(
        extent=1, unit="tokens", windows=1, covered=1.0, dropped=0, merge="mean", fidelity="exact"
    )
    wanted = {
        "macro_f1": metrics.f1_score(truth, guess, average="macro"),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, guess),
        "accuracy": metrics.accuracy_score(truth, guess),
        "log_loss": -np.log(0.3),
    }
    for name, value in wanted.items():
        chosen = task.headed(ONE, name)
        assert chosen.lower_is_better == (name == "log_loss")
        meter = chosen.new_meter(labels)
        for one, other in zip(truth, guess, strict=True):
            meter.add(
                Result(
                    id="r", prediction=labels[other], score=1.0, receipt=receipt,
                    details={"probabilities": dict.fromkeys(labels, 0.3)},
                ),
                labels[one],
            )  # fmt: skip
        assert meter.score()[0] == pytest.approx(value)
