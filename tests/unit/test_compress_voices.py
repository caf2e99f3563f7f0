"""Voices in fewer bits, and who hears what is left of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tests.unit.test_compress_speech import ctc
from tests.unit.test_hub_voice import write_folder
from tests.voices import PER_ID, write_voice

import anysize
from anysize import tasks
from anysize.compression.chain import parse
from anysize.compression.graph_weights import name_licence
from anysize.compression.judge import CompressionOrder, compress
from anysize.compression.protocols import Context
from anysize.compression.request import Judging
from anysize.compression.worker import Bench
from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.results import Result
from anysize.models import bundle, quantized_weights
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest
from anysize.models.spec import build, open_network
from anysize.synthesis.vocabulary import SpeechFacts

TASK = "text-to-speech"


def table(rows: int = 140) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((rows, PER_ID)).astype(np.float32) / 4


def applied(method: str, source: Path, out: Path) -> Path:
    (step,) = parse(method)
    network, card = open_network(str(source))
    assert step.method.problems(network, card) == []
    context = Context(task=tasks.load(TASK), original=source, memory=1 << 31)
    step.method.apply(source, out, step.options, context)
    return out


def samples(folder: Path, text: str = "Hello there") -> np.ndarray:
    result = anysize.load(folder).predict_one(text, variation=0, memory="4GiB")
    assert isinstance(result, Result)
    return np.asarray(result.prediction.samples())


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in bundle.files_of(folder))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A voice of ours with random weights."""
    torch.manual_seed(0)
    facts = SpeechFacts(texts=lambda: iter(["hello there"]), sample_rate=8000)
    request = BuildRequest(
        task=TASK, labels=(), facts=facts, options={"reading": "characters", "hidden_size": "64"}
    )
    network = build("speech-small", request)
    card = Card(task=TASK, labels=(), model="speech-small", settings=network.settings)
    return bundle.save(tmp_path / "small", network, card)


@pytest.mark.parametrize(("method", "part"), [("int8-weights", 0.3), ("bf16", 0.52)])
def test_weights_of_a_graph_are_stored_in_fewer_bits(
    method: str, part: float, tmp_path: Path
) -> None:
    weights = table()
    path = write_voice(tmp_path / "voice", table=weights)
    out = applied(method, path.parent, tmp_path / "out")
    onnx.checker.check_model(onnx.load(str(out / path.name)), full_check=True)
    assert sorted(each.name for each in out.iterdir()) == ["voice.onnx", "voice.onnx.json"]
    graphs = (out / path.name).stat().st_size / path.stat().st_size
    assert graphs < part
    before, after = samples(path.parent), samples(out)
    # Half of a step of the row with the largest number; and of bfloat16 half of its last bit.
    bound = np.abs(weights).max() / 127 / 2 if method == "int8-weights" else 0.5 / (1 << 8)
    worst = np.abs(before - after).max()
    assert 0 < worst <= bound + 1e-4  # samples are kept in 16 bits


def test_a_compressed_graph_names_the_licence_of_its_original(tmp_path: Path) -> None:
    path = write_voice(tmp_path / "voice", table=table())
    assert open_network(str(path))[1].licence == "unknown"
    out = applied("bf16", path.parent, tmp_path / "out")
    name_licence(out, "unknown")
    assert "licence" not in json.loads((out / "voice.onnx.json").read_text())
    name_licence(out, "CC0-1.0")
    network, card = open_network(str(out))
    assert (network.licence, card.licence) == ("CC0-1.0", "CC0-1.0")


def test_graphs_without_large_weights_or_with_weights_elsewhere(tmp_path: Path) -> None:
    path = write_voice(tmp_path / "voice")
    (step,) = parse("bf16")
    context = Context(task=tasks.load(TASK), original=path, memory=1 << 31)
    with pytest.raises(BundleError, match="no weights that are large enough"):
        step.method.apply(path.parent, tmp_path / "out", step.options, context)
    model = onnx.load(str(write_voice(tmp_path / "apart", table=table())))
    onnx.save(
        model, str(tmp_path / "apart" / "voice.onnx"), save_as_external_data=True,
        location="weights.bin",
    )  # fmt: skip
    with pytest.raises(BundleError, match="weights in other files: join them"):
        step.method.apply(tmp_path / "apart", tmp_path / "out", step.options, context)


@pytest.mark.parametrize(("method", "part"), [("int8-weights", 0.4), ("bf16", 0.6)])
def test_our_own_voice_in_fewer_bits(method: str, part: float, small: Path, tmp_path: Path) -> None:
    out = applied(method, small, tmp_path / "out")
    assert size(out) < part * size(small)
    before, after = (open_network(str(each))[0].module for each in (small, out))
    ids = torch.tensor([1, 5, 6, 2, 7, 4, 2])
    counts = torch.tensor([2, 3, 1, 4, 2, 5, 2])
    with torch.inference_mode():
        wanted, found = before(ids, counts), after(ids, counts)
    assert 0 < (found - wanted).norm() < 0.03 * (wanted - wanted.mean()).norm()
    assert len(samples(out))


def test_a_folder_of_transformers_in_fewer_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantized_weights, "SMALLEST", 64)
    folder = write_folder(tmp_path / "vits")
    network, card = open_network(str(folder))
    original = bundle.save(tmp_path / "bundle", network, card)
    out = applied("int8-weights", original, tmp_path / "out")
    stored = (out / "quantized.safetensors").stat().st_size
    assert stored < 0.5 * (original / "model.safetensors").stat().st_size
    before, after = (open_network(str(each))[0].module for each in (original, out))
    for name, wanted in before.state_dict().items():
        found = after.get_parameter(name) if name in dict(after.named_parameters()) else None
        if found is not None and wanted.ndim > 1:
            step = wanted.abs().amax(tuple(range(1, wanted.ndim))) / 127
            assert ((found - wanted).flatten(1).abs().amax(1) <= step / 2 + 1e-6).all(), name
    assert len(samples(out)) > 0


@pytest.mark.parametrize(
    "method", ["int8", "int8-dynamic", "prune-structured", "distil", "int8-ctranslate2", "qat"]
)
def test_what_fits_no_voice_is_refused_with_what_does(method: str, small: Path) -> None:
    order = CompressionOrder(
        model=str(small), out=small.parent / "out", memory=1 << 32, methods=(method,),
        data=str(small / "texts.csv"),
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="use int8-weights or bf16"):
        compress(order)


def test_graphs_in_four_bits_and_needless_recognisers_are_refused(tmp_path: Path) -> None:
    path = write_voice(tmp_path / "voice", table=table())
    order: dict[str, Any] = {"out": tmp_path / "out", "memory": 1 << 32}
    with pytest.raises(ConfigurationError, match="use int8-weights or bf16"):
        compress(CompressionOrder(model=str(path), methods=("int4-weights",), **order))
    network = ctc()
    card = Card(
        task="automatic-speech-recognition", labels=(), model=network.spec,
        settings=network.settings,
    )  # fmt: skip
    ears = bundle.save(tmp_path / "ears", network, card)
    with pytest.raises(ConfigurationError, match="recogniser hears what a voice speaks"):
        compress(CompressionOrder(model=str(ears), methods=("bf16",), recogniser="x", **order))
    other = write_voice(tmp_path / "fi", table=table(), espeak={"voice": "fi"})
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nhi\n")
    with pytest.raises(ConfigurationError, match="of the language fi: name a model"):
        compress(CompressionOrder(model=str(other), methods=("bf16",), data=str(texts), **order))


def test_all_texts_decide_unless_data_has_parts(tmp_path: Path) -> None:
    rows = "text\n" + "".join(f"sentence {number}\n" for number in range(30))
    (tmp_path / "one.csv").write_text(rows)
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "train.csv").write_text(rows)
    (parts / "test.csv").write_text("text\nalone\n")

    def judging(data: Path, records: int = 0) -> Judging:
        return Judging(task=TASK, data=str(data), memory=1, recogniser="ears", records=records)

    counts = [
        len(found)
        for found in (
            judging(tmp_path / "one.csv").deciding(), judging(tmp_path / "one.csv", 7).deciding(),
            judging(parts).deciding(),
        )
        if found is not None
    ]  # fmt: skip
    assert counts == [30, 7, 1]
    assert judging(parts).training() is None


def test_a_voice_is_measured_by_what_is_heard(tmp_path: Path) -> None:
    voice = write_voice(tmp_path / "voice", table=table())
    network = ctc()
    card = Card(
        task="automatic-speech-recognition", labels=(), model=network.spec,
        settings=network.settings,
    )  # fmt: skip
    ears = bundle.save(tmp_path / "ears", network, card)
    texts = tmp_path / "texts.csv"
    texts.write_text("text\nabc de\nfed gh. a bc\n")
    judging = Judging(task=TASK, data=str(texts), memory=4 << 30, recogniser=str(ears))
    bench = Bench(str(voice.parent), judging, tmp_path / "answers.npz")
    entries = bench.entries
    assert (entries["records"], entries["observed"], entries["unit"]) == (2, 6, "words")
    with np.load(tmp_path / "answers.npz") as answers:
        sums = answers["sums"]
    rate = sums[:, 1:4].sum() / sums[:, :3].sum()
    assert entries["metric"] == entries["metrics"]["wer"] == pytest.approx(rate)
    assert "an utterance of up to" in entries["timed"]
    assert bench.round()["throughput"] > 0
