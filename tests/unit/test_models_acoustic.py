"""Models of recordings: nothing depends on the padding; settings, wishes and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.windows import Span, Window
from anysize.modalities import load
from anysize.modalities.sounds.settings import AudioFacts, AudioOptions, AudioSettings
from anysize.models import bundle, spec
from anysize.models.execution import make_execution
from anysize.models.network import BuildRequest, Network

FAMILIES = ("audio-cnn", "audio-transformer", "crnn")
SMALL = {"hidden_sizes": "4x6x8", "hidden_size": "8"}


def network(key: str, **given: Any) -> Network:
    torch.manual_seed(3)
    request = {"facts": AudioFacts(sample_rate=8000), "options": SMALL, **given}
    return spec.build(
        key, BuildRequest(task="audio-classification", labels=("a", "b", "c"), **request)
    )


def example(frames: int, width: int = 64, seed: int = 0) -> Example:
    values = np.random.default_rng(seed).standard_normal((frames, width)).astype(np.float32)
    span = Span(0, 80 * frames)
    window = Window(record="r", index=0, region=span, core=span, last=True)
    return Example(ordinal=0, window=window, arrays={"frames": values}, cost=span.size)


def test_layers_of_attention_add_up_in_float32_where_products_are_in_bfloat16() -> None:
    module: Any = network("audio-transformer").module.eval()
    kinds: list[torch.dtype] = []
    for layer in module.layers:
        layer.register_forward_pre_hook(lambda _, inputs: kinds.append(inputs[0].dtype))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        module(torch.randn(1, 40, 64))
    assert kinds == [torch.float32] * len(module.layers) and kinds


@pytest.mark.parametrize("key", FAMILIES)
def test_a_window_among_longer_ones_is_the_window_alone(key: str) -> None:
    run = make_execution(network(key))
    examples = [example(count, seed=count) for count in (1, 2, 7, 31, 32, 100)]
    with torch.no_grad():
        together = run(examples)["logits"]
        alone = torch.cat([run([each])["logits"] for each in examples])
    assert together.std(0).min() > 0
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("key", FAMILIES)
def test_frames_are_normalised_by_what_the_data_are_like(key: str) -> None:
    fresh, run = network(key), example(40)
    moved = Example(
        ordinal=0, window=run.window, cost=run.cost,
        arrays={"frames": 3 * run.arrays["frames"] - 5},
    )  # fmt: skip
    with torch.no_grad():
        before = make_execution(fresh)([run])["logits"]
        module: Any = fresh.module
        module.start_from(np.full(64, -5.0), np.full(64, 9.0), 1)
        after = make_execution(fresh)([moved])["logits"]
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("key", FAMILIES)
def test_a_bundle_keeps_statistics_and_settings(key: str, tmp_path: Path) -> None:
    made = network(key, wishes=AudioOptions(window=16_000, overlap=800, mels=40, spectrum="mfcc"))
    module: Any = made.module
    module.start_from(np.arange(20.0), np.arange(1.0, 21.0), 1)
    card = bundle.Card(
        task="audio-classification", labels=("a", "b", "c"), model=key, settings=made.settings
    )
    bundle.save(tmp_path / "bundle", made, card)
    again, read = spec.open_network(str(tmp_path / "bundle"))
    assert read.settings == made.settings
    assert made.settings == AudioSettings(
        sample_rate=8000, spectrum="mfcc", mels=40, cepstra=20, window=16_000, overlap=800
    )
    one = example(50, width=20)
    with torch.no_grad():
        wanted = make_execution(made)([one])["logits"]
        torch.testing.assert_close(make_execution(again)([one])["logits"], wanted)


def test_the_rate_is_that_of_the_data() -> None:
    found = [
        network("audio-cnn", facts=AudioFacts(sample_rate=rate)).reads(AudioSettings)
        for rate in (None, 4000, 8000, 11_025, 44_100)
    ]
    assert [each.sample_rate for each in found] == [16_000, 8000, 8000, 11_025, 16_000]
    assert [each.window for each in found] == [10 * each.sample_rate for each in found]


@pytest.mark.parametrize("spectrum", ["whisper", "kaldi"])
def test_spectra_of_others_have_their_rate_and_filters(spectrum: str) -> None:
    settings = network("audio-cnn", wishes=AudioOptions(spectrum=spectrum)).reads(AudioSettings)
    assert (settings.sample_rate, settings.front.width) == (16_000, 80)
    with pytest.raises(ConfigurationError, match=f"16000 for the spectrum {spectrum}"):
        network("audio-cnn", wishes=AudioOptions(spectrum=spectrum, sample_rate=8000))


@pytest.mark.parametrize(
    ("wishes", "problem"),
    [
        ({"cepstra": 13}, "cepstra must be from 1 to mels"),
        ({"window": 100}, "window must be from 640 samples"),
        ({"overlap": 90_000}, "overlap must be from 0 to below window"),
        ({"mels": 16, "spectrum": "mfcc"}, "cepstra must be from 1 to mels"),
    ],
)
def test_wishes_that_cannot_be_are_refused(wishes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        network("audio-cnn", wishes=AudioOptions(**wishes))
    with pytest.raises(ConfigurationError, match="must be below window"):
        AudioOptions(window=1000, overlap=1000)


def test_what_a_model_was_made_for_does_not_change() -> None:
    made = network("audio-cnn")
    modality = load("audio")
    assert modality.changed(made, AudioOptions(window=4000)) == AudioSettings(
        sample_rate=8000, window=4000
    )
    with pytest.raises(ConfigurationError) as caught:
        modality.changed(made, AudioOptions(mels=40, sample_rate=16_000))
    assert len(caught.value.problems) == 2
    assert "sample_rate must be 8000, which the model was made for" in caught.value.problems[0]


@pytest.mark.parametrize("key", FAMILIES)
def test_options_of_the_families(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        network(key, options={"width": "3", "hidden_sizes": "4xa", "dropout": "x"})
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigurationError, match="dropout must be at least 0 and below 1"):
        network(key, options={"dropout": "1"})
    with pytest.raises(ConfigurationError, match="is for recordings"):
        spec.build(key, BuildRequest(task="image-classification", labels=("a", "b")))
