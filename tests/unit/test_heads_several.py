"""Several labels: how they are found, learned, decided and measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics  # type: ignore[import-untyped]

from anysize import heads, tasks
from anysize.core.errors import BundleError, ConfigurationError, DataError
from anysize.core.findings import Findings
from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.evaluation.several import measure
from anysize.heads.protocols import HeadLoss
from anysize.heads.set_meter import SetMeter, average_precision, best_thresholds
from anysize.heads.set_meter import measured as decisions_measured
from anysize.modalities.texts.settings import TextSettings
from anysize.models.bundle import Card
from anysize.models.classifier import last_linear
from anysize.models.spec import open_network
from anysize.readers.text import Text
from anysize.sources.labels.sets import separator_of
from anysize.sources.memory import FieldSource
from anysize.tasks.memory_tables import RowsSource, rows_of
from anysize.tasks.protocols import MergeOptions
from anysize.tasks.understanding import Understood, understand

TASK = tasks.load("text-classification")
TEXT_SETTINGS = TextSettings(window=16)
HEAD: Any = heads.load("several")


def understood(
    path: Path, text: str, task: Any, rename: dict[str, str] | None = None
) -> tuple[Understood, list[str]]:
    path.write_text(text)
    findings = Findings()
    found = understand(path, task, columns=rename or {}, validation=0, test=0, findings=findings)
    return found, [one.code for one in findings]


def targets(found: Understood) -> list[Any]:
    return [found.training[index].target for index in range(len(found.training))]


def test_lists_of_labels_are_noticed_by_themselves(tmp_path: Path) -> None:
    lines = ['{"text": "a", "label": ["x", "y"]}', '{"text": "b", "label": []}']
    lines += ['{"text": "c", "label": ["y"]}', '{"text": "d", "label": null}']
    found, codes = understood(tmp_path / "t.jsonl", "\n".join(lines) + "\n", TASK)
    assert found.task.head.name == "multi_label_classification"  # type: ignore[attr-defined]
    assert found.labels == ("x", "y")
    assert targets(found) == [("x", "y"), (), ("y",)]
    assert {"head-chosen", "labels-missing"} <= set(codes)
    assert found.counts["train"] == {"x": 1, "y": 2}


def test_cells_with_signs_between_labels(tmp_path: Path) -> None:
    text = "text,label\na,x; y\nb,y\nc,[]\nd,Y;z\ne,x;z\n"
    found, _ = understood(tmp_path / "t.csv", text, TASK.headed(HEAD))  # type: ignore[attr-defined]
    assert targets(found) == [("x", "y"), ("y",), (), ("y", "z"), ("x", "z")]
    head: Any = found.task.head  # type: ignore[attr-defined]
    assert head.separator == ";"
    assert heads.of(heads.described(head)) == head  # as the card keeps it


def test_columns_of_yes_and_no_are_a_label_each(tmp_path: Path) -> None:
    text = "text,sport,law,note\na,1,0,q\nb,yes,x,q\nc,0,,q\nd,0,maybe,q\n"
    found, codes = understood(tmp_path / "t.csv", text, TASK, {"label": "sport+law"})
    assert found.labels == ("law", "sport")
    assert [found.training[index].target for index in range(3)] == [
        ("sport",), ("sport", "law"), (),
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"'maybe' in the column 'law', which must be 0 or 1"):
        _ = found.training[3]
    assert "records-unreadable" in codes
    rows = rows_of([{"text": "a", "sport": 1, "law": True}])
    assert rows is not None
    task: Any = TASK.headed(HEAD)  # type: ignore[attr-defined]
    source = RowsSource(rows, roles=task.columns, columns={"label": "sport+law"})
    assert HEAD.known(("law", "sport"))(source)[0].target == ("sport", "law")


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["a|b", "b", "a", "a|b|c"], "|"),
        (["a, b", "b, a", "a"], ","),
        (["red, white", "blue", "green"], ""),
        (['["a", "b"]', '["b"]'], ""),
    ],
)
def test_the_sign_between_labels_is_found(cells: list[str], sign: str) -> None:
    assert separator_of(cells) == sign


def test_one_label_stays_one_label(tmp_path: Path) -> None:
    found, _ = understood(tmp_path / "t.csv", 'text,label\na,"[""x""]"\nb,y\n', TASK)
    assert found.task.head.name == "single_label_classification"  # type: ignore[attr-defined]
    assert found.labels == ("x", "y")


def random_scores(seed: int = 0) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    truth = draw.random((400, 4)) < (0.05, 0.2, 0.4, 0.7)
    scores = (draw.random((400, 4)) * 0.5 + 0.25 * truth).round(2).astype(np.float32)
    return scores, truth


def test_thresholds_are_the_best_there_are() -> None:
    scores, truth = random_scores()
    found = best_thresholds(scores, truth)
    for label in range(4):
        own = metrics.f1_score(truth[:, label], scores[:, label] >= found[label])
        every = [
            metrics.f1_score(truth[:, label], scores[:, label] >= each)
            for each in np.linspace(0, 1, 201)
        ]
        assert own == pytest.approx(max(every))
    chosen = decisions_measured(scores >= found, truth)["macro_f1"]
    assert chosen > decisions_measured(scores >= 0.5, truth)["macro_f1"] + 0.05
    assert best_thresholds(scores, np.zeros_like(truth)).tolist() == [0.5] * 4


def test_labels_of_a_handful_of_records_share_a_threshold() -> None:
    draw = np.random.default_rng(0)
    truth = np.zeros((2, 500, 30), bool)
    truth[:, :, 0] = draw.random((2, 500)) < 0.4
    for label in range(1, 30):
        for half in truth:
            half[draw.choice(500, 2, replace=False), label] = True
    noise = draw.normal(size=truth.shape)
    scores = (1 / (1 + np.exp(4 - 3 * truth - noise))).astype(np.float32)
    found = best_thresholds(scores[0], truth[0])
    assert len(set(found[1:])) == 1
    assert found[0] != found[1]
    # In records that it was not chosen by, a label is not found everywhere.
    assert (scores[1] >= found).sum() < 2 * truth[1].sum()


def test_measures_agree_with_scikit_learn() -> None:
    scores, truth = random_scores()
    told = scores >= 0.5
    found = decisions_measured(told, truth)
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, told, average="macro"))
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(truth, told, average="micro"))
    assert found["subset_accuracy"] == pytest.approx(metrics.accuracy_score(truth, told))
    wanted = metrics.average_precision_score(truth, scores, average=None)
    assert average_precision(scores, truth) == pytest.approx(wanted)


def result(scores: Any, labels: tuple[str, ...], place: int = 0, target: Any = None) -> Result:
    decision = heads.of({"name": HEAD.name, "thresholds": [0.3, 0.4, 0.5, 0.6]}).decide(
        np.log(scores / (1 - scores)), labels
    )
    receipt = Receipt(
        extent=1, unit="tokens", windows=1, covered=1.0, dropped=0, merge="mean", fidelity="exact"
    )
    return Result(
        id=str(place), prediction=decision.prediction, score=decision.score, receipt=receipt,
        details=decision.details, target=target,
    )  # fmt: skip


def test_a_label_is_told_from_its_threshold_on() -> None:
    one = result(np.array([0.31, 0.39, 0.51, 0.59]), ("a", "b", "c", "d"))
    assert one.prediction == ["a", "c"]
    assert one.score == pytest.approx(0.31)
    assert one.details["probabilities"]["b"] == pytest.approx(0.39)


def test_validation_and_evaluation_agree() -> None:
    labels = ("a", "b", "c", "d")
    scores, truth = random_scores(3)
    scores = scores.astype(np.float64).clip(0.01, 0.99)
    sets = [tuple(np.array(labels)[row]) for row in truth]
    results = [
        result(row, labels, place, target)
        for place, (row, target) in enumerate(zip(scores, sets, strict=True))
    ]
    meter = SetMeter(labels, "average_precision")
    halves = [SetMeter(labels, "average_precision"), SetMeter(labels, "average_precision")]
    for place, each in enumerate(results):
        meter.add(each, sets[place])
        halves[place % 2].add(each, sets[place])
    whole, loss = meter.score()
    halves[0].join([each.state() for each in halves])
    assert halves[0].score() == pytest.approx((whole, loss))
    assert loss == pytest.approx(
        np.mean([metrics.log_loss(truth[:, each], scores[:, each]) for each in range(4)])
    )
    card = Card(
        task="text-classification", labels=labels, model="lstm", settings=TEXT_SETTINGS,
        head={"name": HEAD.name, "thresholds": [0.3, 0.4, 0.5, 0.6]},
    )  # fmt: skip
    found = measure(results, card=card, source=FieldSource("text", [Text("x")] * 400))
    told = scores >= (0.3, 0.4, 0.5, 0.6)
    main = found.main()
    assert main["macro_f1"] == pytest.approx(metrics.f1_score(truth, told, average="macro"))
    assert main["average_precision"] == pytest.approx(whole, abs=1e-6)
    assert found.intervals["macro_f1"].low < main["macro_f1"] < found.intervals["macro_f1"].high
    assert found.rows[1].threshold == 0.4
    half = {each.name: each for each in found.baselines}["threshold_0.5"]
    assert half.metrics["micro_f1"] == pytest.approx(
        metrics.f1_score(truth, scores >= 0.5, average="micro")
    )


def test_the_loss_is_the_mean_cross_entropy_over_the_labels() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    wanted = [np.array([1, 0], np.float32), np.array([0, 1], np.float32)]
    plain = HEAD.loss(logits, wanted, HeadLoss())
    expected = torch.nn.BCEWithLogitsLoss(reduction="none")(logits, torch.tensor(np.stack(wanted)))
    assert float(plain) == pytest.approx(float(expected.mean(1).sum()))
    weighted = HEAD.loss(logits, wanted, HeadLoss(weights=(3.0, 1.0)))
    assert float(weighted) == pytest.approx(float(plain + 2 * expected[0, 0] / 2))
    focal = HEAD.loss(logits, wanted, HeadLoss(focal=2.0))
    chance = (-expected).exp()
    assert float(focal) == pytest.approx(float((expected * (1 - chance) ** 2).mean(1).sum()))


@pytest.mark.parametrize("name", ["several", "ordered", "number"])
def test_windows_of_other_heads_are_not_answered_one_by_one(name: str) -> None:
    head = heads.load(name)
    task: Any = tasks.load(f"text-{head.family}")
    with pytest.raises(ConfigurationError, match="merge must not be 'grid' with the head"):
        task.headed(head).new_merger(("1", "2"), MergeOptions(rule="grid"))


def test_an_untrained_model_answers_as_often_as_the_data_do(tmp_path: Path) -> None:
    from anysize.training import Recipe, run

    rows = [f"{n % 7},{n},{';'.join(['a'] * (n % 2) + ['b'] * (n % 8 == 0))}" for n in range(160)]
    data = tmp_path / "t.csv"
    data.write_text(
        "\n".join(["x,y,label", *[f"{row}[]" if row[-1] == "," else row for row in rows]])
    )
    recipe = Recipe(
        task="tabular-classification", data=str(data), model="dense", out=str(tmp_path / "run"),
        head="several", separator=";", options={"hidden": "4"}, steps=1, validation=0.0, test=0.0,
        tensorboard=False, memory=12 << 30,
    )  # fmt: skip
    run(recipe, quiet=True)
    last = last_linear(open_network(str(tmp_path / "run"))[0].module, 2)
    assert last is not None
    assert last.bias.detach().sigmoid().tolist() == pytest.approx([1 / 2, 1 / 8], abs=0.02)


def test_damaged_thresholds_are_refused() -> None:
    with pytest.raises(BundleError, match="thresholds must be a list of probabilities"):
        heads.of({"name": HEAD.name, "thresholds": [1.5]})
