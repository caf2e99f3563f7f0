"""SpeechT5, small and random, made on the spot: as transformers speaks, and what it is given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tests.voices import write_voice
from transformers import (
    SpeechT5Config,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    SpeechT5Tokenizer,
)

import anysize
from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.modalities.texts.cells import in_memory
from anysize.models.speecht5_voice import read_speaker
from anysize.tasks.text_to_speech import make

pytest.importorskip("sentencepiece")
SIZE, MELS = 12, 8
LETTERS = "The quick brown fox jumps over a lazy dog, isn't it? Yes."


def write_model(folder: Path) -> Path:
    """A model of some thousand weights, with its tokenizer and an x-vector."""
    import sentencepiece

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    (folder / "letters.txt").write_text("\n".join([LETTERS] * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "letters.txt"), model_prefix=str(folder / "spm_char"), vocab_size=40,
        model_type="char", bos_id=0, pad_id=1, eos_id=2, unk_id=3, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    (folder / "spm_char.vocab").unlink()
    tokenizer = SpeechT5Tokenizer(str(folder / "spm_char.model"), model_max_length=600)
    config = SpeechT5Config(
        vocab_size=len(tokenizer), hidden_size=16, encoder_layers=1, encoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16,
        num_mel_bins=MELS, reduction_factor=10, speech_decoder_prenet_units=16,
        speech_decoder_postnet_units=16,
        speech_decoder_postnet_layers=2, speaker_embedding_dim=SIZE, max_speech_positions=600,
        max_text_positions=60, conv_dim=(16,), conv_stride=(2,), conv_kernel=(2,),
        num_feat_extract_layers=1, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    model = SpeechT5ForTextToSpeech(config).eval()
    torch.nn.init.constant_(model.speech_decoder_postnet.prob_out.bias, -9.0)  # it has no end
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    vector = np.random.default_rng(0).standard_normal(SIZE).astype(np.float32)
    np.save(folder / "speaker.npy", vector)
    return folder


def write_vocoder(folder: Path, **changes: Any) -> Path:
    torch.manual_seed(1)
    settings: dict[str, Any] = {
        "model_in_dim": MELS, "sampling_rate": 8000, "upsample_initial_channel": 8,
        "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8], "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1]], **changes,
    }  # fmt: skip
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**settings)).eval()
    for weight in vocoder.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    vocoder.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    whole = write_model(tmp_path_factory.mktemp("speecht5") / "model")
    write_vocoder(whole / "vocoder")
    return whole


@pytest.fixture(scope="module")
def model(folder: Path) -> anysize.Model:
    return anysize.load(folder)


def spoken(model: anysize.Model, text: str, **settings: Any) -> Result:
    result = model.predict_one(text, memory="4GiB", **settings)
    assert isinstance(result, Result)
    return result


def test_it_speaks_as_transformers_does(folder: Path, model: anysize.Model) -> None:
    text = "the lazy dog, isn't it?"
    network = model.network
    (example,) = make("").answering().preprocess(network)(0, record(text))
    plain = SpeechT5ForTextToSpeech.from_pretrained(folder).eval()
    vocoder = SpeechT5HifiGan.from_pretrained(folder / "vocoder").eval()
    ids = SpeechT5Tokenizer.from_pretrained(folder)(text, return_tensors="pt")["input_ids"]
    assert example.arrays["input_ids"].tolist() == ids[0].tolist()
    vector = torch.from_numpy(np.load(folder / "speaker.npy"))[None]
    torch.manual_seed(int(example.arrays["seed"]))
    with torch.no_grad():
        wanted = plain.generate_speech(ids, vector, vocoder=vocoder).numpy()
    speech = spoken(model, text).prediction
    samples = speech.samples()
    assert (speech.sample_rate, len(samples)) == (8000, len(wanted))
    inner = slice(50, -50)  # the ends are faded
    assert wanted[inner].std() > 1e-3
    assert np.allclose(samples[inner], np.clip(wanted, -1, 1)[inner], atol=1e-4)


def record(text: str) -> Record:
    return Record(id="r", fields={"text": in_memory(text, "r")})


def test_dropout_is_drawn_from_the_text_and_torchs_generator_stays(model: anysize.Model) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one = spoken(model, "the dog. The fox").prediction
    assert torch.equal(torch.get_rng_state(), state)
    assert spoken(model, "the dog. The fox").prediction == one
    assert spoken(model, "the dog. The fox", take=1).prediction != one
    # The sentences of a text are those that are spoken alone.
    first = spoken(model, "the dog.").prediction.samples()
    assert np.array_equal(one.samples()[: len(first)], first)


def test_long_texts_and_what_the_vocabulary_lacks(
    model: anysize.Model, caplog: pytest.LogCaptureFixture
) -> None:
    result = spoken(model, "The quick fox. " * 8 + "The Ω is here ★")
    counts = result.receipt.counts or {}
    assert result.receipt.windows >= 9 and result.receipt.dropped == counts["unread_characters"] > 0
    assert result.receipt.reason is not None and "'Ω' (1)" in result.receipt.reason
    assert "found no end of an utterance of" in caplog.text
    assert counts["endless_utterances"] == counts["utterances"]  # the model never finds one
    assert any("found no end of" in note for note in result.receipt.notes)
    # 60 positions of letters, and 6,000 of frames, of which a letter may take 20.
    assert model.network.settings.whole == 60


def test_a_speaker_and_a_vocoder_may_be_given(
    folder: Path, model: anysize.Model, tmp_path: Path
) -> None:
    usual = spoken(model, "the dog").prediction
    vector = np.random.default_rng(5).standard_normal((1, SIZE)).astype(np.float32)
    save_file({"xvector": vector}, tmp_path / "other.safetensors")
    other = spoken(model, "the dog", speaker=str(tmp_path / "other.safetensors")).prediction
    assert other != usual
    fast = write_vocoder(tmp_path / "fast", sampling_rate=16_000)
    assert spoken(model, "the dog", vocoder=str(fast)).prediction.sample_rate == 16_000
    assert spoken(model, "the dog").prediction == usual
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    shutil.move(bare / "vocoder", tmp_path / "speecht5_hifigan")  # as the hub calls it, beside
    assert spoken(anysize.load(bare), "the dog").prediction == usual


def test_what_is_missing_is_said_with_the_remedy(
    folder: Path, model: anysize.Model, tmp_path: Path
) -> None:
    bare = tmp_path / "only" / "model"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("vocoder", "speaker.npy"))
    with pytest.raises(ConfigurationError) as error:
        spoken(anysize.load(bare), "the dog", speed=2.0)
    assert [problem.split(":")[-1].strip()[:22] for problem in error.value.problems] == [
        "it decides itself how ", "give --vocoder FOLDER ", "give --speaker FILE (.",
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match="use --take"):
        spoken(model, "the dog", variation=0.0)
    small = write_vocoder(tmp_path / "small", model_in_dim=4)
    with pytest.raises(BundleError, match="frames of 4 numbers, and the voice has 8"):
        spoken(model, "the dog", vocoder=str(small))
    with pytest.raises(BundleError, match="must be a SpeechT5HifiGan"):
        spoken(model, "the dog", vocoder=str(folder))
    with pytest.raises(BundleError, match="no folder of a vocoder"):
        spoken(model, "the dog", vocoder=str(tmp_path / "none"))
    (small / "model.safetensors").unlink()
    settings = json.loads((small / "config.json").read_text())
    (small / "config.json").write_text(json.dumps({**settings, "model_in_dim": MELS}))
    with pytest.raises(BundleError, match="no weights as safetensors"):
        spoken(model, "the dog", vocoder=str(small))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("short.npy", np.zeros(3, np.float32), "must hold 12 finite numbers.*holds 3"),
        ("nan.npy", np.full(SIZE, np.nan, np.float32), "finite"),
        ("pickle.npy", np.array([{}], dtype=object), "no file of an x-vector"),
        ("huge.npy", np.zeros(1 << 19, np.float32), "larger than 1 MiB"),
        ("none.npy", None, "does not exist"),
    ],
)
def test_files_that_are_no_x_vector(name: str, content: Any, message: str, tmp_path: Path) -> None:
    if content is not None:
        np.save(tmp_path / name, content, allow_pickle=True)
    with pytest.raises(BundleError, match=message):
        read_speaker(tmp_path / name, SIZE)


def test_other_voices_take_no_vocoder_and_this_one_is_not_compressed(
    folder: Path, model: anysize.Model, tmp_path: Path
) -> None:
    voice = anysize.load(write_voice(tmp_path / "piper"))
    with pytest.raises(ConfigurationError, match="vocoder must be left out"):
        voice.predict_one("hello", vocoder=str(folder / "vocoder"))
    with pytest.raises(ConfigurationError, match="brings a runtime of its own"):
        model.compress(tmp_path / "out", methods=("bf16",))
