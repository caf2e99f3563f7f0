"""Voices in the Hugging Face layout, small and random, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import VitsConfig, VitsModel, VitsTokenizer

import anysize
from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.results import Result

VOCABULARY = "_abcdefghijklmnopqrstuvwxyz '-"


def write_folder(folder: Path, **changes: Any) -> Path:
    """A VITS model of a few thousand weights, with its tokenizer."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({one: at for at, one in enumerate(VOCABULARY)}))
    settings: dict[str, Any] = {"add_blank": True, "normalize": True, "phonemize": False}
    names = settings.keys() | {"is_uroman"}
    tokenizer = VitsTokenizer(
        str(vocabulary), pad_token="_", unk_token="-",
        **(settings | {name: value for name, value in changes.items() if name in names}),
    )  # fmt: skip
    config = VitsConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        ffn_dim=16, flow_size=16, spectrogram_bins=9, upsample_initial_channel=16,
        upsample_rates=[4, 4], upsample_kernel_sizes=[8, 8], resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]], prior_encoder_num_flows=2,
        prior_encoder_num_wavenet_layers=1, posterior_encoder_num_wavenet_layers=1,
        duration_predictor_filter_channels=16, duration_predictor_num_flows=2,
        depth_separable_num_layers=1, sampling_rate=8000, speaker_embedding_size=8,
        **{name: value for name, value in changes.items() if name not in names},
    )  # fmt: skip
    VitsModel(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("vits"))


def spoken(model: anysize.Model, text: str, **settings: Any) -> Result:
    result = model.predict_one(text, memory="4GiB", **settings)
    assert isinstance(result, Result)
    return result


def test_a_folder_speaks_as_transformers_does(folder: Path) -> None:
    model = anysize.load(folder)
    assert model.card.task == "text-to-speech"
    result = spoken(model, "Hello there", variation=0)
    plain = VitsModel.from_pretrained(folder).eval()
    plain.noise_scale = plain.noise_scale_duration = 0.0
    ids = VitsTokenizer.from_pretrained(folder)("hello there", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        wanted = plain(ids).waveform[0].numpy()
    samples = result.prediction.samples()
    assert result.prediction.sample_rate == 8000
    assert len(samples) == len(wanted)
    inner = slice(50, -50)  # the ends are faded
    assert np.allclose(samples[inner], np.clip(wanted, -1, 1)[inner], atol=1e-4)


def test_the_same_text_sounds_the_same_and_torchs_generator_stays(folder: Path) -> None:
    model = anysize.load(folder)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one = spoken(model, "one two. Three").prediction
    assert torch.equal(torch.get_rng_state(), state)
    assert spoken(model, "one two. Three").prediction == one
    assert spoken(model, "one two. Three", take=1).prediction != one
    slow = spoken(model, "one two", speed=0.5, variation=0).prediction
    assert slow.count > spoken(model, "one two", variation=0).prediction.count


def test_what_the_vocabulary_lacks_is_counted(folder: Path) -> None:
    result = spoken(anysize.load(folder), "in 1995, é.")
    assert result.receipt.dropped == 5
    assert result.receipt.reason is not None and "'9' (2)" in result.receipt.reason
    nothing = spoken(anysize.load(folder), "1995")
    assert nothing.prediction.count == 0 and nothing.receipt.dropped == 4


def test_phonemes_are_made_without_phonemizer(tmp_path: Path) -> None:
    model = anysize.load(write_folder(tmp_path, phonemize=True))
    assert spoken(model, "the cat").prediction.count > 0


def test_speakers_and_romanised_text(tmp_path: Path) -> None:
    several = anysize.load(write_folder(tmp_path / "a", num_speakers=2))
    one = spoken(several, "hello", speaker="0", variation=0).prediction
    assert one != spoken(several, "hello", speaker="1", variation=0).prediction
    romanised = anysize.load(write_folder(tmp_path / "b", is_uroman=True))
    assert spoken(romanised, "hello").prediction.count > 0
    with pytest.raises(ConfigurationError, match="pip install uroman"):
        spoken(romanised, "Привет")


def test_other_models_are_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(BundleError):
        anysize.load(tmp_path, "text-to-speech")
