"""Translation compressed through the command line: runtimes, methods, students that are taught."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.measured_here import measure_here, paced
from typer.testing import CliRunner

import anysize
from anysize import tasks
from anysize.cli.main import app
from anysize.compression import written_targets
from anysize.compression.chain import parse
from anysize.compression.protocols import Context
from anysize.compression.written_targets import UNUSABLE, write_targets
from anysize.core.results import Result
from anysize.models.bundle import read_card
from anysize.models.spec import open_network
from anysize.planning import apart, choice
from anysize.planning.options import PredictOptions
from anysize.planning.prediction import PredictionPlan
from anysize.planning.selection import Measured
from anysize.planning.session import Session
from anysize.sources import open_splits
from anysize.sources.retargeted import TARGET
from anysize.tasks.translation import Translation

Shelf = Callable[..., Path]
MEMORY = "12GiB"
COLUMNS = {"source": "en", "target": "de"}

_NUMBERS = ["one", "two", "three", "four"]
_GERMAN = ["eins", "zwei", "drei", "vier"]
_OPTIONS = {
    "vocabulary": "320", "hidden_size": "64", "num_layers": "2", "decoder_layers": "2",
    "num_heads": "2", "intermediate_size": "128", "dropout": "0",
}  # fmt: skip


def pairs(folder: Path) -> None:
    """Numbers in English and German."""
    rows = [
        (f"{_NUMBERS[a]} and {_NUMBERS[b]} .", f"{_GERMAN[a]} und {_GERMAN[b]} .")
        for a in range(4)
        for b in range(4)
    ]
    for name, part in (("train", rows * 3), ("val", rows[::5]), ("test", rows)):
        lines = ["en\tde", *("\t".join(row) for row in part)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def made(shelf: Shelf) -> Path:
    def make(folder: Path) -> None:
        (folder / "data").mkdir()
        pairs(folder / "data")
        anysize.train(
            "translation", folder / "data", model="transformer-mt", out=folder / "run", steps=80,
            batch=32, learning_rate=3e-3, schedule="constant", columns=COLUMNS, beams=2,
            label_smoothing=0.0, options=_OPTIONS, memory="4GiB", micro_cost=2000,
            validate_every=1000, quiet=True, tensorboard=False,
        )  # fmt: skip

    return shelf("translation to compress", make, own=True)


@pytest.fixture(scope="module")
def bundle(made: Path) -> Path:
    assert read_card(made / "run").metrics["validation_bleu"] > 60
    return made / "run"


@pytest.fixture(scope="module")
def data(made: Path) -> Path:
    return made / "data"


def invoked(*arguments: object) -> tuple[int, dict[str, Any]]:
    found = CliRunner().invoke(app, [str(each) for each in arguments])
    assert found.exit_code in (0, 1), found.output
    return found.exit_code, json.loads(found.stdout)


def compressed(
    bundle: Path, data: Path, out: Path, *methods: str, most: str = "0.2"
) -> tuple[int, dict[str, Any]]:
    chains = [part for each in methods for part in ("--method", each)]
    return invoked(
        "compress", bundle, "--data", data, "--columns", "source=en,target=de", "--out", out,
        "--memory", MEMORY, "--max-drop", most, "--json", *chains,
    )  # fmt: skip


def context(bundle: Path, data: Path, **fields: Any) -> Context:
    return Context(
        task=tasks.of(read_card(bundle)), original=bundle, memory=4 << 30, data=str(data),
        columns=COLUMNS, **fields,
    )  # fmt: skip


def test_a_translator_is_judged_by_bleu_with_its_interval(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ctranslate2")
    measure_here(monkeypatch)
    paced(monkeypatch, 2.0)
    monkeypatch.setattr(apart, "measure", lambda *_, **__: None)  # the runtime is torch
    methods = ("bf16", "int8-weights", "int8-ctranslate2", "int8")
    code, entries = compressed(bundle, data, tmp_path / "small", *methods[:3])
    assert code == 0
    assert (entries["metric"], entries["lower_is_better"], entries["timed"]) == ("bleu", False, "")
    assert entries["original"]["metric"] > 60
    for each in entries["candidates"]:
        drop = (entries["original"]["metric"] - each["figures"]["metric"]) / 100
        assert each["drop"] == pytest.approx(drop)
        interval = each["paired"]["interval"]
        assert interval["low"] <= each["paired"]["difference"] <= interval["high"]
        assert each["paired"]["records"] == entries["original"]["records"] == 16
        assert each["passes"] == (each["drop"] <= 0.2), each["reasons"]
    assert entries["shipped"] == "bf16"
    page = (tmp_path / "small" / "compression.html").read_text(encoding="utf-8")
    assert "lowest allowed" in page and "paired bootstrap" in page
    (result,) = anysize.load(tmp_path / "small").predict(["two and one ."], memory="4GiB")
    assert isinstance(result, Result) and result.prediction == "zwei und eins ."
    refused = CliRunner().invoke(
        app, ["compress", str(bundle), "--out", str(tmp_path / "no"), "--method", methods[3],
              "--data", str(data)],
    )  # fmt: skip
    assert "writes token by token" in str(refused.exception)


def test_the_fastest_runtime_is_found_by_measurement(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ctranslate2")
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path))
    monkeypatch.setattr(choice, "WORTH_SECONDS", 0.0)  # any job is worth a measurement
    network, card = open_network(str(bundle))
    source = open_splits(data, roles=tasks.of(card).columns, columns=COLUMNS).test
    session = Session(network, card, bundle)
    plan = session.plan(source, PredictOptions(memory=MEMORY))
    try:
        rates = {
            name: float(rate.replace(",", ""))
            for name, rate in (
                each.rsplit(" ", 1) for each in plan.why[0].split(": ", 1)[1][:-1].split(", ")
            )
        }
    finally:
        plan.close()
    assert {name.split()[0] for name in rates} == {"torch", "ctranslate2"}
    assert rates[f"{plan.runtime} {plan.precision}"] == max(rates.values())
    assert (bundle / "runtimes" / "ctranslate2" / "model.bin").is_file()


def test_the_runtime_that_was_measured_faster_predicts_and_is_judged_with(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ctranslate2")
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "WORTH_SECONDS", 0.0)
    asked = []

    def measure(_network: Any, _folder: Any, candidates: Any, *_: Any, **__: Any) -> Measured:
        asked.append([f"{each.name} {each.precision}" for each in candidates])
        rates = {name: 1.0 + name.startswith("ctranslate2 float32") for name in asked[-1]}
        return Measured(name="ctranslate2", precision="float32", rates=rates)

    monkeypatch.setattr(apart, "measure", measure)
    opened: list[tuple[str, str]] = []
    whole = PredictionPlan.open_runtime

    def noted(self: PredictionPlan) -> Any:
        opened.append((self.runtime, self.precision))
        return whole(self)

    monkeypatch.setattr(PredictionPlan, "open_runtime", noted)
    found = CliRunner().invoke(
        app, ["predict", str(bundle), str(data / "test.tsv"), "--columns", "source=en",
              "--memory", MEMORY, "--out", str(tmp_path / "out.jsonl")],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line)["prediction"] for line in lines]
    assert len(rows) == 16 and "zwei und eins ." in rows
    assert opened == [("ctranslate2", "float32")] and len(asked) == 1
    assert "torch float32" in asked[0]
    # What the judge runs it with is what was found.
    measure_here(monkeypatch)
    paced(monkeypatch, 2.0)
    code, entries = compressed(bundle, data, tmp_path / "small", "bf16")
    assert len(asked) == 1 and set(opened) == {("ctranslate2", "float32")}
    assert (entries["original"]["runtime"], entries["original"]["precision"]) == opened[0]
    figures = entries["candidates"][0]["figures"]
    assert figures["runtime"] == "ctranslate2" and code == 0


def test_a_student_learns_from_what_its_teacher_writes(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path / "cache"))
    measure_here(monkeypatch)
    paced(monkeypatch, 2.0)
    monkeypatch.setattr(apart, "measure", lambda *_, **__: None)

    def unusable(self: Translation, result: Result) -> str | None:
        return "looping" if str(result.prediction).startswith("eins und eins") else None

    monkeypatch.setattr(Translation, "unusable", unusable)
    out = tmp_path / "small"
    method = "distil(epochs=30, learning_rate=0.003, weight=0.5)"
    code, entries = compressed(bundle, data, out, method, most="1")
    (candidate,) = entries["candidates"]
    assert code == 0, candidate["reasons"]
    wanted = (
        "45 of 48 targets are what the teacher wrote; 3 records keep their own, because what it "
        "wrote was looping (3)"
    )
    assert candidate["notes"] == [wanted]
    assert wanted in (out / "compression.html").read_text(encoding="utf-8")
    assert candidate["figures"]["size"] < entries["original"]["size"]
    network, card = open_network(str(out))
    config: Any = network.module.config
    assert (config.encoder_layers, config.decoder_layers) == (1, 1)
    assert card.prediction == read_card(bundle).prediction  # its beams, too
    (file,) = (tmp_path / "cache").glob("targets-*.jsonl")
    assert card.provenance["tuning"][-1]["written_targets"] == str(file)
    kept = card.provenance["written_targets"]
    assert (kept["records"], kept["written"], kept["unusable"]) == (48, 45, {"looping": 3})
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [set(each) for each in lines].count({"id", UNUSABLE}) == 3
    own = {
        record.id: record.target
        for part in [open_splits(data, roles=tasks.of(card).columns, columns=COLUMNS).train]
        if part is not None
        for record in (part[place] for place in range(len(part)))
    }
    assert [each["id"] for each in lines] == list(own)
    # A teacher as good as this one mostly writes what is in the data.
    same = [each.get(TARGET) == own[each["id"]] for each in lines if TARGET in each]
    assert sum(same) > 30


def test_writing_goes_on_where_it_was_ended(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path / "cache"))
    said: list[str] = []
    asked = context(bundle, data, say=said.append)
    source = open_splits(data, roles=asked.task.columns, columns=COLUMNS).train
    assert source is not None
    whole = written_targets.target_lines

    def killed(*arguments: Any) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(whole(*arguments)):
            if number == 20:
                raise KeyboardInterrupt
            yield line

    with monkeypatch.context() as patch:
        patch.setattr(written_targets, "target_lines", killed)
        with pytest.raises(KeyboardInterrupt):
            write_targets(bundle, source, asked)
    assert not list((tmp_path / "cache").glob("targets-*.jsonl"))
    rest: list[int] = []

    def counting(teacher: Path, left: Any, given: Context) -> Iterator[dict[str, Any]]:
        rest.append(len(left))
        yield from whole(teacher, left, given)

    monkeypatch.setattr(written_targets, "target_lines", counting)
    found = write_targets(bundle, source, asked)
    assert rest == [28] and found.records == 48 and found.found == 20
    assert any("going on after 20 targets" in line for line in said)
    again = write_targets(bundle, source, asked)
    assert rest == [28] and again.found == 48 and again.path == found.path
    assert found.written + sum(found.unusable.values()) == 48


def test_a_narrower_student_shares_the_vocabulary(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is one layer on each side, none can be left out."""
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path / "cache"))
    (thin,) = parse("distil(epochs=0.1, layers=1)")
    thin.method.apply(bundle, tmp_path / "thin", thin.options, context(bundle, data))
    (step,) = parse("distil(epochs=0.1)")
    said: list[str] = []
    asked = context(tmp_path / "thin", data, say=said.append)
    step.method.apply(tmp_path / "thin", tmp_path / "half", step.options, asked)
    assert any("hidden_size=32" in line for line in said)
    teacher, student = (open_network(str(tmp_path / name))[0] for name in ("thin", "half"))
    config: Any = student.module.config
    assert (config.d_model, config.encoder_ffn_dim, config.encoder_layers) == (32, 64, 1)
    assert student.hub_tokenizer is not None and teacher.hub_tokenizer is not None
    assert student.hub_tokenizer.get_vocab() == teacher.hub_tokenizer.get_vocab()
    (result,) = anysize.load(tmp_path / "half").predict(["two and one ."], memory="4GiB")
    assert isinstance(result, Result)
