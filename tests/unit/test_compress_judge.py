"""The judge's trials, with methods that only copy and measurements that are made up."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from anysize.cli import compress as command
from anysize.cli.main import app
from anysize.compression import chain, judge, report, trial, verdict, worker
from anysize.compression.answers import Answers
from anysize.compression.pace import Pace, Ratio
from anysize.compression.protocols import Context
from anysize.compression.request import Judging
from anysize.compression.verdict import Candidate, Figures, Judgement
from anysize.core.errors import BudgetError, ConfigurationError
from anysize.core.objects import Annotation
from anysize.core.receipts import Receipt
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.modalities.pictures.settings import ImageOptions
from anysize.models.bundle import Card, save
from anysize.models.network import BuildRequest
from anysize.models.spec import build
from anysize.training import Stopped

LABELS = ("a", "b")


def figures(**changes: Any) -> Figures:
    measured: dict[str, Any] = {
        "size": 1000, "peak_memory": 1 << 20, "latency_p50": 4e-5, "latency_p95": 0.02,
        "throughput": 10.0, "runtime": "torch", "precision": "float32", "metric": 0.9,
        "records": 500,
    }  # fmt: skip
    return Figures(**{**measured, **changes})


def paced(speed: float, latency: float) -> Pace:
    one, two = (Ratio(value=of, low=of, high=of, pairs=9) for of in (speed, latency))
    return Pace(speed=one, latency=two)


class Measured:
    """Stands for the measuring process: whatever is not the original has lost ten points."""

    answers = None

    def __init__(self, bundle: Path, _judging: Any, _work: Path, name: str) -> None:
        original = name == "original"
        self._figures = figures() if original else figures(size=500, metric=0.8)
        self.entries = {"runtime": "torch", "precision": "float32"}

    def __enter__(self) -> Measured:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def round(self) -> None:
        pass

    def figures(self, _rounds: Any) -> Figures:
        return self._figures


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    keep: int = 0


@dataclasses.dataclass
class Copying:
    """A method that copies its bundle and notes what it was asked."""

    key: str
    calls: list[tuple[str, int, Path]]
    needs_data = False
    options = Options

    @property
    def compiles(self) -> bool:
        return self.key == "int8"

    def problems(self, _network: Any, _card: Card) -> list[str]:
        return []

    def apply(self, source: Path, out: Path, options: Options, context: Context) -> None:
        self.calls.append((self.key, options.keep, source))
        if self.key == "qat":
            raise Stopped(signal.SIGINT, 3, "gone")
        shutil.copytree(source, out)
        assert context.work is not None
        if self.key == "int8" and options.keep:
            layers = [{"layer": f"{source.name} {n}", "error": 0.1, "changed": 0.0} for n in "1234"]
            (context.work / "sensitivity.json").write_text(json.dumps(layers))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, Path]]:
    made: list[tuple[str, int, Path]] = []
    monkeypatch.setattr(chain, "load_method", lambda key: Copying(key, made))
    monkeypatch.setattr(trial, "Measured", Measured)
    monkeypatch.setattr(trial, "side_by_side", lambda *_: ([], [], paced(2.0, 0.5)))
    return made


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    request = BuildRequest(
        task="image-classification", labels=LABELS, wishes=ImageOptions(image_size=(8, 8))
    )
    network = build("mlp", request)
    card = Card(task=request.task, labels=LABELS, model="mlp", settings=network.settings)
    return save(tmp_path / "original", network, card)


def order(bundle: Path, *methods: str) -> judge.CompressionOrder:
    return judge.CompressionOrder(
        model=str(bundle), out=bundle.parent / "out", memory=1 << 30, data=str(bundle.parent),
        methods=methods,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judging, "training", lambda _self: None)
    monkeypatch.setattr(Judging, "deciding", lambda *_: None)


def test_what_chains_begin_with_is_made_once_and_has_a_sensitivity_of_its_own(
    bundle: Path, calls: list[tuple[str, int, Path]]
) -> None:
    found = judge.compress(order(bundle, "int8", "distil, prune, int8", "distil, int8"))
    assert found.chosen is None
    # All are too costly, so each is tried with up to half of four layers in higher precision.
    assert [each.chain for each in found.candidates] == [
        f"{begin}int8{keep}"
        for begin in ("", "distil, prune, ", "distil, ")
        for keep in ("", "(keep=1)", "(keep=2)")
    ]
    assert [key for key, _, _ in calls if key != "int8"] == ["distil", "prune"]
    sources = [source for key, _, source in calls if key == "int8"]
    assert len(set(sources)) == 3
    assert [(each["network"], each["layer"]) for each in found.sensitivity[::4]] == [
        ("original", f"{sources[0].name} 1"),
        ("distil", f"{sources[6].name} 1"),
        ("distil, prune", f"{sources[3].name} 1"),
    ]
    page = (bundle.parent / "out" / report.PAGE).read_text(encoding="utf-8")
    assert page.count("Sensitivity to int8") == 3
    assert "Sensitivity to int8 after distil, prune" in page
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["original", "out"]


def test_a_signal_during_training_ends_it_all(
    bundle: Path, calls: list[tuple[str, int, Path]]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        judge.compress(order(bundle, "qat", "int8"))
    assert [key for key, _, _ in calls] == ["qat"]
    assert [path.name for path in bundle.parent.iterdir()] == ["original"]


def test_what_cannot_be_is_told_before_anything_is_measured(
    bundle: Path, calls: list[tuple[str, int, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="int8 must be the last method, not followed by"):
        judge.compress(order(bundle, "int8, prune"))
    (bundle.parent / "file").write_text("")
    blocked = dataclasses.replace(order(bundle, "int8"), out=bundle.parent / "file" / "deep" / "x")
    with pytest.raises(ConfigurationError, match="out must be in a folder that can be written to"):
        judge.compress(blocked)

    def too_little(*_: Any) -> None:
        raise BudgetError("memory 1 B is not enough", 500 << 20)

    monkeypatch.setattr(trial, "Measured", too_little)
    with pytest.raises(BudgetError, match=r"1\.00 GiB is not enough") as caught:
        judge.compress(order(bundle, "int8"))
    # What is named does: half of what this process leaves is what one needs.
    assert trial.budget_of_one(caught.value.smallest) == pytest.approx(500 << 20, rel=0.02)
    assert calls == []


def test_the_command_line_takes_several_files_and_patterns(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.csv", "b1.csv", "b2.csv"):
        (bundle.parent / name).write_text("text,label\n")
    orders: list[judge.Order] = []

    def noted(order: judge.Order, _say: Any) -> Judgement:
        orders.append(order)
        return judged("accuracy", None)

    monkeypatch.setattr(judge, "compress", noted)
    monkeypatch.chdir(bundle.parent)
    arguments = ["compress", str(bundle), "--out", "out", "--method", "int8", "--data", "a.csv"]
    for more in ([], ["--data", "b*.csv"]):
        done = CliRunner().invoke(app, [*arguments, *more])
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, [*arguments, "--data", "c*.csv"])
    assert str(done.exception) == "c*.csv: matches nothing"
    assert [order.data for order in orders] == ["a.csv", ("a.csv", "b*.csv")]


def judged(metric: str, answers: Answers | None) -> Judgement:
    candidate = verdict.judge(
        "prune-structured(flops=0.5), int8", (figures(), answers), (figures(size=500), answers),
        pace=paced(2.0, 0.5), max_drop=0.01, metric=metric,
    )  # fmt: skip
    failed = Candidate(chain="qat", figures=None, reasons=("it has no layers",))
    return Judgement(
        task="object-detection", metric=metric, max_drop=0.01, data="pictures", original=figures(),
        candidates=(candidate, failed), chosen=candidate,
    )  # fmt: skip


def test_a_metric_without_interval_is_said_to_have_none() -> None:
    boxes = judged("ap", Answers(np.array([-1], np.int32), np.array([False])))
    assert "no interval" in report.rows(boxes)[1][report.COLUMNS.index("drop (95 %)")]
    (line,) = report.notes(boxes)
    assert "ap is no mean over records" in line
    labels = judged("accuracy", Answers(np.array([0, 1], np.int32), np.array([True, False])))
    assert report.notes(labels) == []
    assert "(+0.0000 … +0.0000)" in report.rows(labels)[1][9]


def test_answers_that_are_objects_are_no_labels() -> None:
    """Neither those with boxes nor those where nothing was found."""
    found = [{"label": "cat", "score": 0.9, "box": [1, 2, 3, 4]}]
    receipt = Receipt(
        extent=1, unit="pixels", windows=1, covered=1.0, dropped=0, merge="objects",
        fidelity="exact",
    )  # fmt: skip
    results = [
        Result(id=str(n), prediction=answer, score=None, receipt=receipt)
        for n, answer in enumerate((found, []))
    ]
    target = (Annotation("cat", (1, 2, 3, 4)),)
    kept = worker.Answers((), [Record(id="0", fields={}, target=target)] * 2, None)
    assert list(kept.kept(iter(results))) == results
    assert kept.predictions == [-1, -1]


def test_the_table_is_never_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judgement = judged("ap", None)
    wanted = [cell for row in report.rows(judgement) for cell in row]
    assert "0.040 / 20.0 ms" in wanted
    monkeypatch.setenv("COLUMNS", "80")
    for terminal in ("0", "1"):
        monkeypatch.setenv("TTY_COMPATIBLE", terminal)
        command.show(judgement)
        printed = capsys.readouterr().out
        assert all(cell in printed for cell in wanted)
        # A terminal gets no line that it would break; a file gets the table.
        assert (max(map(len, printed.splitlines())) <= 80) == (terminal == "1")
