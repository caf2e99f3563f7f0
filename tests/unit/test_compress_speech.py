"""Models of speech and sounds through the compressors: graphs, integers, heads, students."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.recordings import chirp
from tests.unit.test_audio_hub import KINDS, examples

from anysize import tasks
from anysize.compression import chain
from anysize.compression.fitting import graph_problems
from anysize.compression.heads import transformer_groups
from anysize.compression.prune_structured import removable, remove
from anysize.compression.quantization import Graph, quantize
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.modalities import modality_of
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models import altered, bundle
from anysize.models.architectures import architecture_of
from anysize.models.bundle import Card
from anysize.models.conformer_ctc import conformer
from anysize.models.ctc_vocabulary import train_vocabulary, wrap_vocabulary
from anysize.models.execution import make_execution
from anysize.models.layout import layout_of
from anysize.models.network import Network
from anysize.models.spec import open_network
from anysize.models.thinned import stacks_of, thin
from anysize.runtimes.feeding import feeding
from anysize.tasks.distilling import Side
from anysize.tasks.speech.ctc import TARGET
from anysize.tasks.speech.ctc_distilling import soft_steps

pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter")  # of the extractors
SPEECH = "automatic-speech-recognition"


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def hub(folder: Path, kind: str) -> Network:
    """A classifier in the Hugging Face layout whose weights are large enough to matter."""
    torch.manual_seed(5)
    model, extractor = KINDS[kind]()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.25)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return open_network(str(folder))[0]


def ctc(layers: int = 2, text: str = "abcdef gh", seed: int = 0) -> Network:
    """A small conformer."""
    torch.manual_seed(seed)
    tokenizer = train_vocabulary([text], "characters", 100)
    module = conformer(
        feature_size=16, vocab_size=tokenizer.get_vocab_size(), channels=(4, 4), hidden_size=32,
        num_layers=layers, num_heads=4, kernel=3, attention_context=4, dropout=0.0,
    )  # fmt: skip
    network = Network(
        module=module.eval(),
        spec="conformer-ctc-small",
        settings=AudioSettings(mels=16, window=96_000),
        tokenizer=tokenizer,
        hub_tokenizer=wrap_vocabulary(tokenizer),
    )
    architecture_of(SPEECH).apply(network)
    return network


def windows(network: Network, frames: tuple[int, ...] = (120, 33, 80)) -> list[Example]:
    """Windows of several lengths with transcripts."""
    made = modality_of(network.settings).made_up(network, [160 * each for each in frames])
    targets = (np.arange(2 + place, dtype=np.int64) + 2 for place in range(len(made)))
    return [
        dataclasses.replace(one, aside={TARGET: target})
        for one, target in zip(made, targets, strict=True)
    ]


def logits(network: Network, batch: list[Example]) -> torch.Tensor:
    network.module.eval()
    with torch.no_grad():
        return make_execution(network)(batch)["logits"]


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize("kind", ["ast", "whisper", "wav2vec2", "wav2vec2-layer", "wavlm"])
def test_classifiers_of_the_hub_run_in_other_runtimes(
    kind: str, runtime: str, tmp_path: Path
) -> None:
    pytest.importorskip({"onnx": "onnxscript"}.get(runtime, runtime))
    network = hub(tmp_path, kind)
    recordings = [chirp(seconds, seed=seed) for seed, seconds in enumerate((0.9, 0.31, 1.1, 0.9))]
    batch = [one for samples in recordings for one in examples(network, samples)]
    module = plugins.load("runtimes", runtime)
    assert "float32" in module.precisions(network)
    opened = module.open_runtime(network, "float32", None, 1)
    try:
        found = np.asarray(opened.run(batch).arrays["logits"])
    finally:
        opened.close()
    wanted = logits(network, batch).numpy()
    assert wanted.std() > 0.05
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_a_conformer_is_calibrated_on_several_lengths_and_runs_on_others() -> None:
    pytest.importorskip("nncf")
    openvino = pytest.importorskip("openvino")
    network = ctc()
    graph = Graph.of(network, windows(network, (120, 33, 80, 57)))
    model = quantize(graph)
    kinds = [each.get_type_name() for each in model.get_ops()]
    assert kinds.count("FakeQuantize") > 20
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    feed = feeding(network)
    for example in windows(network, (99, 21, 200)):
        found = torch.tensor(compiled(feed([example]))[0][0])
        wanted = logits(network, [example])
        found = found[: len(wanted)]
        assert (found - wanted).norm() < 0.3 * wanted.norm()
        assert not torch.equal(found, wanted)


def test_what_gives_labels_has_a_graph_and_what_writes_has_none(tmp_path: Path) -> None:
    assert graph_problems(hub(tmp_path / "labels", "whisper")) == []
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, vocab_size=60,
        pad_token_id=0, bos_token_id=1, eos_token_id=1, decoder_start_token_id=2,
    )  # fmt: skip
    network = Network(
        module=transformers.WhisperForConditionalGeneration(config),
        spec="whisper",
        settings=AudioSettings(spectrum="whisper", mels=80, window=480_000, masked=False),
    )
    architecture_of(SPEECH).apply(network)
    (problem,) = graph_problems(network)
    assert "writes token by token" in problem
    card = Card(task=SPEECH, labels=(), model="whisper", settings=network.settings)
    (problem,) = chain.parse("distil")[0].method.problems(network, card)
    assert "writes token by token" in problem


@pytest.mark.parametrize("kind", ["ast", "whisper", "wav2vec2-layer", "hubert", "conformer"])
def test_heads_and_units_of_models_of_sound_are_removed(kind: str, tmp_path: Path) -> None:
    network = ctc() if kind == "conformer" else hub(tmp_path / "hub", kind)
    groups, _ = removable(network, 4)
    names = {group.name.rpartition(".")[2] for group in groups}
    assert any("attention" in name or name == "self_attn" for name in names)
    assert len(names) > 1
    chosen = [list(range(group.units // 2)) for group in groups]
    remove(network, groups, chosen)  # compares with what is only silenced
    network.altered = altered.describe(network.module)
    labels = () if kind == "conformer" else tuple(network.module.config.id2label.values())
    task = SPEECH if kind == "conformer" else "audio-classification"
    card = Card(task=task, labels=labels, model=network.spec, settings=network.settings)
    bundle.save(tmp_path / "bundle", network, card)
    again, _ = open_network(str(tmp_path / "bundle"))
    batch = windows(network) if kind == "conformer" else examples(network, chirp(0.9))
    assert torch.equal(logits(again, batch), logits(network, batch))
    assert sum(each.numel() for each in again.module.parameters()) < sum(
        each.numel() for each in (ctc() if kind == "conformer" else hub(tmp_path / "whole", kind))
        .module.parameters()
    )  # fmt: skip


def test_heads_with_a_bias_of_their_own_stay(tmp_path: Path) -> None:
    network = hub(tmp_path, "wavlm")
    groups, _ = removable(network, 4)
    assert {group.name.rpartition(".")[2] for group in groups} == {"intermediate_dense"}
    remove(network, groups, [list(range(group.units // 2)) for group in groups])


def test_a_student_of_a_conformers_own_layers_learns_its_steps() -> None:
    teacher, student = ctc(4), ctc(4)
    thin(student, 2)
    assert (len(student.module.blocks), student.module.config.num_layers) == (2, 2)  # type: ignore[arg-type]
    assert stacks_of(student.module)[0].setting == "num_layers"
    batch = windows(teacher)
    sides = (Side(network=each, labels=(), head={}) for each in (student, teacher))
    soft = soft_steps(*sides, 2.0)
    assert soft.loss is not None
    own, wanted = ({"logits": logits(each, batch)} for each in (student, teacher))
    assert torch.equal(soft.loss(wanted, wanted, batch), torch.zeros(3))
    found = soft.loss(own, wanted, batch)
    first = len(batch[0].arrays["frames"]) // 4
    rows = [(each["logits"][:first] / 2).log_softmax(1) for each in (own, wanted)]
    by_hand = 4 * (rows[1].exp() * (rows[1] - rows[0])).sum() / len(batch[0].aside[TARGET])
    torch.testing.assert_close(found[0], by_hand)


def test_steps_of_other_tokens_are_not_compared() -> None:
    own, other = (Side(network=ctc(text=text), labels=(), head={}) for text in ("abc", "abd"))
    with pytest.raises(ConfigurationError, match="must know the same tokens"):
        soft_steps(own, other, 1.0)


def test_states_of_padding_are_not_compared() -> None:
    network = ctc()
    batch = windows(network)
    execution = make_execution(network)
    states: list[torch.Tensor] = []
    network.module.blocks[1].register_forward_hook(  # type: ignore[index,union-attr]
        lambda _module, _given, out: states.append(out)
    )
    with torch.no_grad():
        execution(batch)
        rows, owners = layout_of(execution, batch).rows(states[0], first=False)
        network.module(**dict(zip(("input_features", "attention_mask"), map(
            torch.from_numpy, feeding(network)([batch[1]])), strict=True)))  # fmt: skip
    assert torch.bincount(owners).tolist() == [30, 9, 20]
    torch.testing.assert_close(rows[owners == 1], states[1][0, :9], atol=1e-5, rtol=1e-4)


def test_recognition_is_distilled() -> None:
    from anysize.tasks.distilling import distillable
    from anysize.training.distillation import problems

    network = ctc()
    card = Card(task=SPEECH, labels=(), model="c", settings=network.settings)
    task = tasks.load(SPEECH)
    assert distillable(task) is not None
    assert problems(task, card, ()) == []
    assert transformer_groups(network, removable(network, 4)[1], 4) is not None
