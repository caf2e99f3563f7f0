"""Models of Whisper: names of packages, folders of CTranslate2, damaged ones, both runtimes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tests.unit.test_transcribing import ALPHABET, SPECIAL, TOKENS, tokenizer
from torch import nn
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

import anysize
from anysize.core.errors import BundleError, ConfigurationError, DataError
from anysize.core.transcription import DecodingOptions
from anysize.modalities.sounds.settings import AudioSettings
from anysize.models import pinned
from anysize.models.ctranslate2_file import read_header, read_tensors
from anysize.models.network import Form, Network
from anysize.models.spec import open_network
from anysize.runtimes.alignment import path_of
from anysize.runtimes.blocked_attention import attention_forward
from anysize.runtimes.ctranslate2_transcription import open_transcriber
from anysize.runtimes.timed_tokens import TimeRules
from anysize.runtimes.torch_transcription import TorchTranscriber
from anysize.runtimes.whisper_conversion import convert
from anysize.runtimes.whisper_encoder import Encoder, encoder_of
from anysize.sources.inputs import standard_input

VOCABULARY = TOKENS.first_time + 1501
FRAMES = np.random.default_rng(0).uniform(-1, 1, (3, 80, 3000)).astype(np.float32)


@pytest.fixture(scope="module")
def module() -> WhisperForConditionalGeneration:
    """A small model with weights at random."""
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=VOCABULARY, num_mel_bins=80, d_model=64, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=1, decoder_attention_heads=1, encoder_ffn_dim=256,
        decoder_ffn_dim=256, max_target_positions=64, decoder_start_token_id=TOKENS.start,
        bos_token_id=TOKENS.end, eos_token_id=TOKENS.end, pad_token_id=TOKENS.end,
        init_std=0.3, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    found = WhisperForConditionalGeneration(config).eval()
    found.generation_config = GenerationConfig(
        is_multilingual=True,
        suppress_tokens=[],
        begin_suppress_tokens=[TOKENS.end],
        alignment_heads=[[1, 0]],
    )
    return found


@pytest.fixture(scope="module")
def converted(module: WhisperForConditionalGeneration, tmp_path_factory: Any) -> Path:
    """The same in CTranslate2's form."""
    folder: Path = tmp_path_factory.mktemp("converted")
    convert(network_of(module), folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def network_of(module: WhisperForConditionalGeneration) -> Network:
    """In torch."""
    settings = AudioSettings(
        spectrum="whisper", mels=80, window=480_000, silence=480_000, masked=False
    )
    return Network(module=module, spec="made", settings=settings, tokenizer=tokenizer())


def networks(module: WhisperForConditionalGeneration, converted: Path) -> tuple[Network, Network]:
    """In torch and in CTranslate2's form."""
    own = network_of(module)
    form = Form(runtime="ctranslate2", precision="float32", file=str(converted / "model.bin"))
    return own, dataclasses.replace(own, form=form)


@pytest.mark.parametrize(
    "options",
    [
        DecodingOptions(most=20),
        DecodingOptions(most=20, times=False),
        DecodingOptions(most=12, beams=3),
        DecodingOptions(most=20, times=False, no_repeat=2),
    ],
)
def test_both_runtimes_write_the_same(
    module: WhisperForConditionalGeneration, converted: Path, options: DecodingOptions
) -> None:
    own, other = networks(module, converted)
    found = []
    for runtime in (
        TorchTranscriber(own, "float32", torch.device("cpu")),
        open_transcriber(other, "float32", threads=1),
    ):
        encoded = runtime.encode(FRAMES)
        prompt = TOKENS.prompt("zh", translate=False, times=options.times)
        found.append(runtime.decode(encoded, [0, 2], [prompt] * 2, options))
        runtime.close()
    for one, two in zip(*found, strict=True):
        assert one.silence == pytest.approx(two.silence, rel=1e-2, abs=1e-5)
        if options.beams == 1:
            assert one.tokens == two.tokens
            assert one.score == pytest.approx(two.score, rel=0.1)


def test_a_window_is_decoded_alike_alone_and_among_others(
    module: WhisperForConditionalGeneration, converted: Path
) -> None:
    own, _ = networks(module, converted)
    runtime = TorchTranscriber(own, "float32", torch.device("cpu"))
    encoded = runtime.encode(FRAMES)
    prompt = TOKENS.prompt("en", translate=False, times=True)
    for options in (DecodingOptions(most=12), DecodingOptions(most=8, beams=3)):
        together = runtime.decode(encoded, range(3), [prompt] * 3, options)
        alone = [runtime.decode(encoded, [row], [prompt], options)[0] for row in range(3)]
        assert [each.tokens for each in together] == [each.tokens for each in alone]


def test_times_come_in_pairs_and_never_fall() -> None:
    rules = TimeRules.of(TOKENS, None, VOCABULARY)
    random = torch.Generator().manual_seed(3)
    for _ in range(20):
        written: list[int] = []
        while len(written) < 30:
            logits = 3 * torch.randn(1, VOCABULARY, generator=random)
            chances = rules.chances(logits, [written], times=True)[0].exp()
            token = int(torch.multinomial(chances, 1, generator=random))
            if token == TOKENS.end:
                break
            written.append(token)
        times = [token for token in written if token >= TOKENS.first_time]
        assert written[0] in range(TOKENS.first_time, TOKENS.first_time + 51)
        assert times == sorted(times)
        assert all(token < TOKENS.end or token >= TOKENS.first_time for token in written)


def test_both_runtimes_align_alike(
    module: WhisperForConditionalGeneration, converted: Path
) -> None:
    own, other = networks(module, converted)
    text = list(range(10, 30))
    found = []
    for runtime in (
        TorchTranscriber(own, "float32", torch.device("cpu")),
        open_transcriber(other, "float32", threads=1),
    ):
        encoded = runtime.encode(FRAMES)
        prompt = TOKENS.prompt("en", translate=False, times=True)
        (aligned,) = runtime.align(encoded, [1], prompt, [text], [2000])
        assert len(aligned.starts) == len(text) + 1
        assert (np.diff(aligned.starts) >= 0).all() and aligned.starts[-1] <= 1000
        found.append(aligned.chances)
        runtime.close()
    np.testing.assert_allclose(*found, rtol=1e-2, atol=1e-6)


def test_languages_have_probabilities(
    module: WhisperForConditionalGeneration, converted: Path
) -> None:
    own, _ = networks(module, converted)
    runtime = TorchTranscriber(own, "float32", torch.device("cpu"))
    chances = runtime.languages(runtime.encode(FRAMES), [1, 2])
    assert [set(each) for each in chances] == [set(TOKENS.languages.values())] * 2
    assert [sum(each.values()) for each in chances] == pytest.approx([1, 1])


def test_the_path_follows_the_attention() -> None:
    weights = np.full((1, 4, 40), 1e-3, np.float32)
    for token in range(4):
        weights[0, token, 10 * token : 10 * token + 10] = 1
    assert path_of(weights, 7).tolist() == [0, 10, 20, 30]


def test_an_encoder_of_the_file_gives_what_the_model_gives(
    module: WhisperForConditionalGeneration, converted: Path
) -> None:
    network, _ = open_network(str(converted))
    encoder = encoder_of(converted / "model.bin", network.module.config)
    with torch.inference_mode():
        given = torch.from_numpy(FRAMES)
        wanted = module.get_encoder()(given).last_hidden_state.numpy()
        found = encoder(given).last_hidden_state.numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("tiles", [True, False])
def test_an_encoder_in_bfloat16_leaves_the_model_as_it_was(
    module: WhisperForConditionalGeneration, monkeypatch: pytest.MonkeyPatch, tiles: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": tiles})
    encoder = module.get_encoder()
    kind = encoder.config._attn_implementation
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.inference_mode():
        wanted = encoder(torch.from_numpy(FRAMES)).last_hidden_state.numpy()
    found = Encoder(encoder)(FRAMES)
    assert 0 < np.abs(found - wanted).mean() < 0.02 * np.abs(wanted).mean()
    assert encoder.config._attn_implementation == kind
    after = encoder.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_an_encoder_of_a_stream_leaves_torchs_threads_alone(
    module: WhisperForConditionalGeneration,
) -> None:
    encoder, kept, seen = module.get_encoder(), torch.get_num_threads(), set[int]()
    hook = encoder.conv1.register_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    try:
        Encoder(encoder, threads=kept + 1)(FRAMES[:1])
    finally:
        hook.remove()
    assert seen == {kept + 1} and torch.get_num_threads() == kept


def test_attention_in_blocks_is_attention() -> None:
    generator = torch.Generator().manual_seed(5)
    query, key, value = (torch.randn(2, 3, 1100, 8, generator=generator) for _ in range(3))
    found, _ = attention_forward(nn.Identity(), query, key, value, None)
    wanted = nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="no mask"):
        attention_forward(nn.Identity(), query, key, value, torch.ones(1))


def test_a_folder_of_ctranslate2_is_a_model(converted: Path) -> None:
    network, card = open_network(str(converted))
    assert (card.task, network.settings.whole) == ("automatic-speech-recognition", 480_000)
    config = network.module.config
    assert (config.encoder_layers, config.decoder_layers, config.d_model) == (2, 2, 64)
    model = anysize.load(converted)
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, 40_000).astype(np.float32)
    result = model.predict_one((noise, 16_000), voice=False, language="en", guard=False)
    assert isinstance(result, anysize.Result)
    assert (result.receipt.extent, result.receipt.covered) == (40_000, 1.0)
    silent = model.predict_one((np.zeros(40_000, np.float32), 16_000))
    assert isinstance(silent, anysize.Result)
    assert (silent.prediction, silent.details["segments"]) == ("", [])
    assert (silent.receipt.counts or {})["milliseconds_without_speech"] == 2500
    assert any("no speech was found" in note for note in silent.receipt.notes)


def test_a_model_of_transformers_is_converted_and_kept(
    module: WhisperForConditionalGeneration, tmp_path: Path
) -> None:
    own = network_of(module)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    module.save_pretrained(bundle)
    prompt = TOKENS.prompt("en", translate=False, times=True)
    wanted = TorchTranscriber(own, "float32", torch.device("cpu"))
    states = wanted.encode(FRAMES)
    (right,) = wanted.decode(states, [1], [prompt], DecodingOptions(most=10))
    for _ in range(2):  # converted, then as it was kept
        runtime = open_transcriber(own, "float32", bundle, threads=1)
        (found,) = runtime.decode(runtime.encode(FRAMES), [1], [prompt], DecodingOptions(most=10))
        assert found.tokens == right.tokens
        runtime.close()
    assert list(bundle.rglob("model.bin"))
    # Its encoder is torch's on processors that multiply in bfloat16.
    quick = open_transcriber(own, "int8", threads=1)
    encoded = quick.encode(FRAMES)
    assert np.abs(encoded - states.numpy()).mean() < 0.1 * np.abs(states.numpy()).mean()


def test_damaged_folders_are_refused(converted: Path, tmp_path: Path) -> None:
    place = tmp_path / "model"

    def fresh() -> Path:
        shutil.rmtree(place, ignore_errors=True)
        return Path(shutil.copytree(converted, place))

    with (fresh() / "model.bin").open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(BundleError, match="cut off"):
        open_network(str(place))
    (fresh() / "model.bin").write_bytes(struct.pack("<I", 99))
    with pytest.raises(BundleError, match="version 99"):
        open_network(str(place))
    (fresh() / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"no tokenizer\.json"):
        open_network(str(place))
    (fresh() / "config.json").write_text(json.dumps({"suppress_ids": ["a"]}))
    with pytest.raises(BundleError, match="suppress_ids must be a list of token ids"):
        open_network(str(place))
    with pytest.raises(ConfigurationError, match="is for automatic-speech-recognition"):
        open_network(str(fresh()), "text-classification")


def test_languages_that_a_model_does_not_know_are_refused(converted: Path) -> None:
    model = anysize.load(converted)
    noise = (np.zeros(16_000, np.float32), 16_000)
    with pytest.raises(ConfigurationError, match="'xx'"):
        model.predict_one(noise, language="xx")
    with pytest.raises(ConfigurationError, match="language must be left out or be en"):
        # Its vocabulary is too small for a model of several languages.
        model.predict_one(noise, language="zh")


def test_tensors_are_read_by_name(converted: Path) -> None:
    header = read_header(converted / "model.bin")
    assert header.kind == "WhisperSpec" and header.count("encoder/layer_") == 2
    found = read_tensors(converted / "model.bin", "encoder/conv1/")
    assert {name: each.shape for name, each in found.items()} == {
        "encoder/conv1/weight": (64, 80, 3), "encoder/conv1/bias": (64,),
    }  # fmt: skip


def test_another_file_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYSIZE_CACHE", str(tmp_path / "cache"))
    parts = [tmp_path / "one", tmp_path / "two"]
    for place, part in enumerate(parts):
        part.write_bytes(bytes([place]) * 1000)
    digest = hashlib.sha256(bytes([0]) * 1000 + bytes([1]) * 1000).hexdigest()
    whole = pinned.joined(parts, digest, "model.bin")
    assert whole.read_bytes() == parts[0].read_bytes() + parts[1].read_bytes()
    pinned.check(whole, digest)
    with pytest.raises(BundleError, match="is not the file that is known here"):
        pinned.joined(parts, "0" * 64, "other.bin")
    assert not list((tmp_path / "cache").rglob("other.bin"))


def test_the_alphabet_is_the_one_of_the_tokens() -> None:
    assert TOKENS.end == len(ALPHABET) and len(SPECIAL) == TOKENS.untimed - TOKENS.end + 1


def test_a_folder_of_transformers_is_read_in_both_runtimes(
    module: WhisperForConditionalGeneration, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    module.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), eos_token=SPECIAL[0], pad_token=SPECIAL[0]
    ).save_pretrained(folder)
    model = anysize.load(folder)
    assert model.card.task == "automatic-speech-recognition"
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, 40_000).astype(np.float32)
    texts = []
    for runtime in ("torch", "ctranslate2"):
        result = model.predict_one(
            (noise, 16_000), voice=False, language="zh", guard=False, runtime=runtime,
            precision="float32",
        )  # fmt: skip
        assert isinstance(result, anysize.Result)
        assert result.details["language"] == "zh"
        texts.append(result.prediction)
    assert texts[0] == texts[1]


def test_what_it_says_is_measured(converted: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, 16_000)
    soundfile.write(tmp_path / "a.wav", noise, 16_000)
    table = tmp_path / "data.csv"
    table.write_text("audio,text\na.wav,one two three\n", encoding="utf-8")
    found = anysize.load(converted).evaluate(table, language="en", guard=False)
    assert found.main()["wer"] > 0


def test_training_is_refused(converted: Path, tmp_path: Path) -> None:
    table = tmp_path / "data.csv"
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    table.write_text("audio,text\n" + "a.wav,one two\n" * 30, encoding="utf-8")
    with pytest.raises(anysize.AnysizeError, match="cannot be trained"):
        anysize.train(
            "automatic-speech-recognition", table, model="whisper-tiny.en", out=tmp_path / "run"
        )


def test_the_content_of_a_recording_on_standard_input_is_refused() -> None:
    content = np.arange(2000, dtype="<i2").tobytes().splitlines(keepends=True)
    with (
        pytest.raises(DataError, match="its lines must name files"),
        standard_input(content, "audio", strings=False),
    ):
        pass
