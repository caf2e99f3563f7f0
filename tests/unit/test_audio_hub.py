"""Audio classifiers in the Hugging Face layout give what transformers gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from tests.recordings import RATE, chirp

from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.modalities import load
from anysize.modalities.sounds.settings import AudioOptions, AudioSettings
from anysize.models import bundle, spec
from anysize.models.execution import make_execution
from anysize.models.network import BuildRequest, Network
from anysize.readers.audio.sound import Sound
from anysize.tasks import load as load_task

pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter")  # of the extractors

LABELS = {0: "bell", 1: "dog", 2: "雨"}
SMALL: Mapping[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
    "id2label": LABELS, "label2id": {name: place for place, name in LABELS.items()},
}  # fmt: skip
WAVES: Mapping[str, Any] = {
    **SMALL, "conv_dim": (8, 8, 8), "conv_kernel": (10, 8, 4), "conv_stride": (5, 4, 4),
    "classifier_proj_size": 8, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
LEAST = 10 + 7 * 5 + 3 * 20
"""Samples under the three convolutions of `WAVES`."""


def waveform(kind: str, **given: Any) -> tuple[Any, Any]:
    model: Any = getattr(transformers, f"{kind}ForSequenceClassification")
    extractor = transformers.Wav2Vec2FeatureExtractor(
        return_attention_mask=given.get("feat_extract_norm") == "layer"
    )
    return model(getattr(transformers, f"{kind}Config")(**{**WAVES, **given})), extractor


def spectrogram() -> tuple[Any, Any]:
    config = transformers.ASTConfig(**SMALL, max_length=120, num_mel_bins=32)
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=120)
    return transformers.ASTForAudioClassification(config), extractor


def whisper() -> tuple[Any, Any]:
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_mel_bins=20,
        max_source_positions=100, classifier_proj_size=8, id2label=LABELS,
        label2id=SMALL["label2id"],
    )  # fmt: skip
    extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=2)
    return transformers.WhisperForAudioClassification(config), extractor


KINDS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "ast": spectrogram,
    "whisper": whisper,
    "wav2vec2": lambda: waveform("Wav2Vec2"),
    "wav2vec2-layer": lambda: waveform(
        "Wav2Vec2", feat_extract_norm="layer", do_stable_layer_norm=True
    ),
    "hubert": lambda: waveform("Hubert"),
    "wavlm": lambda: waveform("WavLM"),
    "unispeech-sat": lambda: waveform("UniSpeechSat"),
    "data2vec-audio": lambda: waveform("Data2VecAudio"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], Path]:
    def make(kind: str) -> Path:
        torch.manual_seed(5)
        model, extractor = KINDS[kind]()
        model.save_pretrained(tmp_path / kind)
        extractor.save_pretrained(tmp_path / kind)
        return tmp_path / kind

    return make


def examples(network: Network, samples: NDArray[np.float32], name: str = "r") -> list[Example]:
    preprocess = load_task("audio-classification").preprocess(network)
    return list(preprocess(0, Record(id=name, fields={"audio": Sound(samples, rate=RATE)})))


def theirs(folder: Path, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What transformers itself gives for a recording."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        return np.asarray(model(**inputs).logits[0])


@pytest.mark.parametrize("kind", KINDS)
def test_short_recordings_get_the_logits_of_transformers(
    kind: str, folder: Callable[[str], Path]
) -> None:
    place = folder(kind)
    network, card = spec.open_network(str(place))
    assert (card.task, card.labels) == ("audio-classification", tuple(LABELS.values()))
    recordings = [chirp(seconds, seed=seed) for seed, seconds in enumerate((0.9, 0.31, 1.1, 0.9))]
    batch = [one for samples in recordings for one in examples(network, samples)]
    assert len(batch) == len(recordings)
    with torch.no_grad():
        found = make_execution(network)(batch)["logits"].numpy()
    wanted = np.array([theirs(place, samples) for samples in recordings])
    assert wanted.std(axis=0).min() > 0
    np.testing.assert_allclose(found, wanted, atol=2e-4)


@pytest.mark.parametrize("kind", ["ast", "whisper", "wav2vec2"])
def test_long_recordings_are_cut_into_windows_that_the_model_reads(
    kind: str, folder: Callable[[str], Path]
) -> None:
    network, _ = spec.open_network(str(folder(kind)))
    settings = network.reads(AudioSettings)
    samples = chirp(11.0)
    windows = examples(network, samples)
    assert sum(each.window.core.size for each in windows) == len(samples)
    assert {each.arrays["frames"].shape for each in windows} == {
        (settings.frames, settings.front.width)
    }
    with torch.no_grad():
        found = make_execution(network)(windows)["logits"]
    assert found.shape == (len(windows), 3)
    assert torch.isfinite(found).all()


def test_a_recording_below_the_receptive_field_is_followed_by_silence(
    folder: Callable[[str], Path],
) -> None:
    network, _ = spec.open_network(str(folder("wav2vec2")))
    (found,) = examples(network, chirp(1.0)[:40])
    assert found.window.region.size == 40
    assert found.arrays["frames"].shape == (LEAST, 1)
    assert found.facts is not None
    assert f"40 samples are fewer than the {LEAST}" in found.facts.notes[0]
    (found,) = examples(network, chirp(1.0)[:LEAST])
    assert found.facts is None


@pytest.mark.parametrize("kind", ["ast", "whisper", "wav2vec2-layer"])
def test_a_new_head_is_trained_and_transformers_reads_the_bundle(
    kind: str, folder: Callable[[str], Path], tmp_path: Path
) -> None:
    place = folder(kind)
    torch.manual_seed(1)
    network = spec.build(str(place), BuildRequest(task="audio-classification", labels=("x", "y")))
    card = bundle.Card(
        task="audio-classification", labels=("x", "y"), model=kind, settings=network.settings
    )
    out = bundle.save(tmp_path / "bundle", network, card)
    again, read = spec.open_network(str(out))
    assert read.settings == network.settings
    samples = chirp(0.8)
    with torch.no_grad():
        found = make_execution(again)(examples(again, samples))["logits"][0].numpy()
    np.testing.assert_allclose(found, theirs(out, samples), atol=2e-4)


def test_windows_that_a_model_has_no_places_for_are_refused(
    folder: Callable[[str], Path],
) -> None:
    modality = load("audio")
    network, _ = spec.open_network(str(folder("ast")))
    with pytest.raises(ConfigurationError, match="window must be 19200, which the model was made"):
        modality.changed(network, AudioOptions(window=8000))
    network, _ = spec.open_network(str(folder("wav2vec2")))
    found = modality.changed(network, AudioOptions(window=8000))
    assert isinstance(found, AudioSettings)
    assert found.window == 8000


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({}, "does not say how its model reads recordings"),
        ({"feature_extractor_type": "ClapFeatureExtractor"}, "ClapFeatureExtractor, which is not"),
        (
            {"feature_extractor_type": "ASTFeatureExtractor", "max_length": 90},
            "makes 90 frames, and its model reads 120",
        ),
        (
            {"feature_extractor_type": "ASTFeatureExtractor", "std": "x", "max_length": 120},
            "std of its feature extractor must be a number",
        ),
        (
            {"feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 8000},
            "sampling_rate of its feature extractor must be 16000",
        ),
        (
            {
                "feature_extractor_type": "ASTFeatureExtractor", "std": -1.0, "max_length": 120,
                "num_mel_bins": 32,
            },
            "scale must be above 0",
        ),
    ],
)  # fmt: skip
def test_extractors_that_do_not_fit_are_refused(
    entries: dict[str, Any], problem: str, folder: Callable[[str], Path]
) -> None:
    place = folder("ast")
    (place / "preprocessor_config.json").write_text(json.dumps(entries))
    with pytest.raises(BundleError, match=problem):
        spec.open_network(str(place))


def test_the_extractor_of_a_processor_is_found(folder: Callable[[str], Path]) -> None:
    place = folder("wav2vec2")
    own = json.loads((place / "preprocessor_config.json").read_text())
    (place / "preprocessor_config.json").unlink()
    (place / "processor_config.json").write_text(json.dumps({"feature_extractor": own}))
    network, _ = spec.open_network(str(place))
    assert network.reads(AudioSettings).spectrum == "waveform"
