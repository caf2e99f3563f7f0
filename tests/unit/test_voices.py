"""Embedders of voices: exact statistics over windows, crops, Resemblyzer's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.recordings import RATE, chirp, write

import anysize
from anysize.augmentation.sounds import SoundChanges
from anysize.augmentation.specification import parse
from anysize.core.errors import BundleError, ConfigurationError, DataError, MissingExtraError
from anysize.core.examples import Example
from anysize.core.records import Record
from anysize.core.results import Result
from anysize.modalities.sounds.settings import AudioFacts, AudioOptions
from anysize.models import bundle, resemblyzer
from anysize.models.bundle import Card
from anysize.models.execution import collect, make_execution
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import build, open_network
from anysize.models.xvector import HALO
from anysize.planning.options import PredictOptions
from anysize.readers.audio.loudness import gain
from anysize.readers.audio.sound import Sound
from anysize.readers.spectra.front import energies
from anysize.readers.spectra.stream import frames
from anysize.tasks.speaker_recognition import SpeakerRecognition
from anysize.tasks.speakers.windows import VoicePreprocess

pytest.importorskip("soxr")
HOP = RATE // 100


def network(window: int = 4000, **options: Any) -> Network:
    """A small x-vector with weights that are not the first ones."""
    torch.manual_seed(0)
    wishes = {name: options.pop(name) for name in ("overlap",) if name in options}
    request = BuildRequest(
        task="speaker-recognition",
        labels=("Ann", "Bob"),
        facts=AudioFacts(sample_rate=RATE),
        wishes=AudioOptions(window=window, mels=16, **wishes),
        options={"hidden_size": "8", "pooled_size": "12", "width": "6", **options},
    )
    found = build("xvector", request)
    with torch.no_grad():
        for name, weight in found.module.named_parameters():
            if "norm" in name or "bias" in name:
                weight.add_(0.3 * torch.randn(weight.shape))
    found.module.start_from(np.full(16, -8.0), np.full(16, 9.0), 1)  # type: ignore[operator]
    return found


def record(samples: np.ndarray, name: str = "r", rate: int = RATE) -> Record:
    return Record(id=name, fields={"audio": Sound(samples, name, rate=rate)})


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    """Something whose spectrum changes all the time."""
    random = np.random.default_rng(seed)
    loud = 0.05 + 0.3 * np.repeat(random.random(int(seconds * 20) + 2), RATE // 20)
    return (chirp(seconds, seed=seed) * loud[: int(seconds * RATE)]).astype(np.float32)


def merged(net: Network, item: Record, order: Sequence[int] | None = None) -> Result:
    """What prediction makes of a record, window by window, in any order."""
    task = SpeakerRecognition()
    step, merger = task.step(net), task.new_merger(("Ann", "Bob"))(item.id)
    examples = list(task.preprocess(net)(0, item))
    runtime = Runtime(net)
    for place in order or range(len(examples)):
        (answer,) = step.answers(runtime, [examples[place]])
        merger.add(answer.example.window, answer.output)
    return merger.finish()


class Runtime:
    """The network as it is."""

    name, precision = "test", "float32"

    def __init__(self, net: Network) -> None:
        self.net = net
        self.execution = make_execution(net)

    def run(self, examples: Sequence[Example]) -> Any:
        with torch.inference_mode():
            return collect(self.execution(examples), examples, self.net)

    def close(self) -> None:
        pass


def at_once(net: Network, samples: np.ndarray) -> np.ndarray:
    """The direction of the module's answer for all frames at once, in float64."""
    from anysize.modalities.sounds.settings import AudioSettings

    front = net.reads(AudioSettings).front
    values = np.concatenate(list(frames([samples], front)))
    module = net.module.double()
    with torch.inference_mode():
        found = module(torch.from_numpy(values).double()[None]).embeddings[0].numpy()
    net.module.float()
    return np.asarray(found / np.linalg.norm(found))


@pytest.mark.parametrize("samples", [600, 3990, 4001, 16_037, 52_345])
@pytest.mark.parametrize("window", [2400 + HOP, 4000])
def test_windows_give_the_embedding_of_the_whole_recording(samples: int, window: int) -> None:
    net, recording = network(window), voice(4.0)[:samples]
    found = merged(net, record(recording))
    values = np.array(found.details["found"][0]["embedding"])
    np.testing.assert_allclose(values, at_once(net, recording), atol=2e-6)
    receipt = found.receipt
    assert (receipt.extent, receipt.covered, receipt.dropped) == (samples, 1.0, 0)
    assert receipt.fidelity == "exact" and receipt.merge == "voice"
    assert receipt.windows == 1 if samples <= window else receipt.windows > 1
    assert 0 < found.score <= 1


def test_the_order_of_windows_does_not_matter() -> None:
    net, item = network(), record(voice(3.0))
    first = merged(net, item)
    count = first.receipt.windows
    again = merged(net, item, np.random.default_rng(0).permutation(count).tolist())
    np.testing.assert_allclose(
        first.details["found"][0]["embedding"], again.details["found"][0]["embedding"], atol=1e-6
    )
    assert again.receipt == first.receipt


def test_too_little_overlap_is_said_to_be_approximate() -> None:
    net, item = network(overlap=2 * (HALO - 1) * HOP), record(voice(2.0))
    assert merged(net, item).receipt.fidelity == "approximate"
    enough = network(overlap=2 * HALO * HOP)
    assert merged(enough, item).receipt.fidelity == "exact"


def test_without_weights_the_directions_are_joined() -> None:
    task, net, item = SpeakerRecognition(), network(), record(voice(2.0))
    merger = task.new_merger(())("r")
    total = np.zeros(6)
    for example in task.preprocess(net)(0, item):
        output = Runtime(net).run([example]).row(0)
        total += output["embeddings"] / np.linalg.norm(output["embeddings"])
        merger.add(example.window, {**output, **example.aside})
    found = merger.finish()
    assert found.receipt.fidelity == "approximate"
    np.testing.assert_allclose(
        found.details["found"][0]["embedding"], total / np.linalg.norm(total), atol=1e-6
    )


def test_padding_does_not_change_what_a_window_gives() -> None:
    net = network()
    preprocess = SpeakerRecognition().preprocess(net)
    examples = [
        next(iter(preprocess(place, record(voice(seconds, seed=place), f"{place}"))))
        for place, seconds in enumerate((0.25, 0.11, 0.18))
    ]
    together = Runtime(net).run(examples)
    for place, example in enumerate(examples):
        alone = Runtime(net).run([example])
        for name in ("embeddings", "states"):
            np.testing.assert_allclose(together.row(place)[name], alone.row(0)[name], atol=1e-4)
        assert together.row(place)["states"].shape == (len(example.arrays["frames"]), 12)


def test_a_bundle_gives_the_same_voices(tmp_path: Path) -> None:
    net = network()
    card = Card(
        task="speaker-recognition", labels=("Ann", "Bob"), model="xvector", settings=net.settings
    )
    again, found = open_network(str(bundle.save(tmp_path / "b", net, card)))
    assert found.task == "speaker-recognition"
    assert again.outputs == ("embeddings", "states") and again.per_token == ("states",)
    item = record(voice(1.5))
    assert merged(again, item) == merged(net, item)


def crop(preprocess: VoicePreprocess, item: Record, draw: int) -> np.ndarray:
    (example,) = preprocess(0, item, draw)
    return example.arrays["frames"]


def test_crops_are_drawn_from_seed_epoch_and_record_alone() -> None:
    settings: Any = network().settings
    item = record(voice(4.0))
    one, other = VoicePreprocess(settings, seed=1), VoicePreprocess(settings, seed=1)
    first = crop(one, item, 3)
    for draw in (0, 1, 2):
        crop(one, item, draw)
    np.testing.assert_array_equal(first, crop(other, item, 3))
    np.testing.assert_array_equal(first, crop(one, item, 3))
    assert len(first) == settings.frames
    others = [crop(one, item, 4), crop(VoicePreprocess(settings, seed=2), item, 3)]
    others.append(crop(one, record(voice(4.0), "another"), 3))
    assert all(not np.array_equal(first, each) for each in others)


def test_crops_reach_all_of_a_recording_and_short_ones_are_taken_whole() -> None:
    settings: Any = network().settings
    preprocess = VoicePreprocess(settings)
    # The loudness says where a crop is from.
    ramp = (np.linspace(0, 1, 4 * RATE) * np.random.default_rng(0).uniform(-1, 1, 4 * RATE)).astype(
        np.float32
    )
    means = [float(crop(preprocess, record(ramp), draw).mean()) for draw in range(40)]
    assert len(set(means)) == 40 and max(means) - min(means) > 2
    short = voice(0.2)
    assert len(crop(preprocess, record(short), 0)) == 20


def test_crops_are_changed_as_recordings_are() -> None:
    settings: Any = network().settings
    changes = SoundChanges(parse("gain(-20..-20)"), 0, RATE)
    item = record(voice(4.0))
    plain = crop(VoicePreprocess(settings), item, 0)
    quiet = crop(VoicePreprocess(settings, changes=changes), item, 0)
    loud = plain > plain.max() - 6
    np.testing.assert_allclose((plain - quiet)[loud], 2 * np.log(10), atol=0.05)


def test_options_and_tasks_that_do_not_fit_are_named() -> None:
    request = BuildRequest(task="speaker-recognition", labels=("a", "b"), options={"depth": "3"})
    with pytest.raises(ConfigurationError, match="no option 'depth'"):
        build("xvector", request)
    with pytest.raises(ConfigurationError, match="speaker-recognition"):
        build("xvector", BuildRequest(task="audio-classification", labels=("a", "b")))
    with pytest.raises(ConfigurationError, match="window must be more than"):
        network(window=2 * HALO * HOP)


def test_gain_raises_and_never_lowers() -> None:
    tone = np.sin(np.arange(RATE)).astype(np.float32)
    level = 20 * np.log10(np.sqrt(np.mean(tone**2)))
    assert gain([tone], level - 3) == 1
    raised = tone * gain([tone[:100] * 0.1, tone[100:] * 0.1], level) * 0.1
    assert 20 * np.log10(np.sqrt(np.mean(raised**2))) == pytest.approx(level, abs=1e-3)
    assert gain([np.zeros(10, np.float32)], -30) == 1
    assert gain([], -30) == 1


def test_energies_are_those_of_the_usual_filter_bank() -> None:
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    samples = voice(1.0)
    found = np.concatenate(list(frames([samples], energies(RATE, 40))))
    bank = mel_filter_bank(
        num_frequency_bins=201, num_mel_filters=40, min_frequency=0.0, max_frequency=8000.0,
        sampling_rate=RATE, norm="slaney", mel_scale="slaney",
    )  # fmt: skip
    wanted = spectrogram(
        samples.astype(np.float64), window_function(400, "hann"), frame_length=400, hop_length=160,
        power=2.0, mel_filters=bank, mel_floor=0.0, pad_mode="reflect",
    )  # fmt: skip
    np.testing.assert_allclose(found, wanted.T[: len(found)], rtol=1e-4, atol=1e-9)


def wheel() -> Path:
    try:
        return resemblyzer.weights_file()
    except MissingExtraError:
        pytest.skip(f"needs {resemblyzer.INSTALL}")


def test_the_wheels_numbers_are_read_from_their_places() -> None:
    path = wheel()
    stored = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    found = resemblyzer.read_weights(path)
    assert set(stored) - set(found) == {"similarity_weight", "similarity_bias"}
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, stored[name], rtol=0, atol=0)


def test_resemblyzer_gives_the_mean_of_its_windows() -> None:
    wheel()
    net, card = open_network("resemblyzer")
    assert (card.task, card.labels, net.licence) == ("speaker-recognition", (), "Apache-2.0")
    samples = voice(5.0)
    found = merged(net, record(samples))
    values = np.concatenate(list(frames([samples * gain([samples], -30)], energies(RATE, 40))))
    lstm, linear = net.module.lstm, net.module.linear
    begins = [*range(0, len(values) - 160, 77), len(values) - 160]
    partial = []
    for begin in begins:
        with torch.inference_mode():
            _, (hidden, _) = lstm(torch.from_numpy(values[None, begin : begin + 160]))
            raw = torch.relu(linear(hidden[-1]))[0].double().numpy()
        partial.append(raw / np.linalg.norm(raw))
    mean = np.mean(partial, axis=0)
    np.testing.assert_allclose(
        found.details["found"][0]["embedding"], mean / np.linalg.norm(mean), atol=1e-5
    )
    assert found.receipt.windows == len(begins) and found.receipt.covered == 1.0
    assert found.receipt.fidelity == "approximate"


def test_a_short_recording_is_followed_by_silence() -> None:
    wheel()
    net, _ = open_network("resemblyzer")
    samples = voice(0.7)
    found = merged(net, record(samples))
    filled = np.zeros(160 * HOP, np.float32)
    filled[: len(samples)] = samples * gain([samples], -30)
    values = np.concatenate(list(frames([filled], energies(RATE, 40))))
    with torch.inference_mode():
        wanted = net.module(torch.from_numpy(values[None])).embeddings[0].numpy()
    np.testing.assert_allclose(found.details["found"][0]["embedding"], wanted, atol=1e-5)
    assert found.receipt.fidelity == "exact" and found.receipt.extent == len(samples)


def test_resemblyzer_can_be_trained_further() -> None:
    wheel()
    request = BuildRequest(task="speaker-recognition", labels=("Ann", "Bob", "Cem"))
    net = build("resemblyzer", request)
    found = net.module(torch.rand(3, 160, 40)).embeddings
    assert net.module.head(found, torch.tensor([0, 1, 2])).shape == (3, 3)
    wishes = AudioOptions(mels=64, sample_rate=8000)
    with pytest.raises(ConfigurationError) as caught:
        build(
            "resemblyzer",
            BuildRequest(task="speaker-recognition", labels=("Ann", "Bob"), wishes=wishes),
        )
    assert len(caught.value.problems) == 2


def test_another_file_and_no_wheel_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "pretrained.pt"
    other.write_bytes(b"\x80\x02." * 100)
    with pytest.raises(BundleError, match="not the file of version"):
        resemblyzer.read_weights(other)
    monkeypatch.setattr(resemblyzer, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install --no-deps Resemblyzer==0\.1\.4"):
        open_network("resemblyzer")


def test_a_recording_without_a_length_in_its_header_is_cropped_too(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    path = write(tmp_path / "a.flac", voice(2.0))
    content = bytearray(path.read_bytes())
    # STREAMINFO: 36 bits of total samples end at byte 25; 0 means unknown.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(bytes(content))
    settings: Any = network().settings
    item = Record(id="a", fields={"audio": Sound(path)})
    assert Sound(path).header.samples is None
    preprocess = VoicePreprocess(settings)
    found = [crop(preprocess, item, draw) for draw in range(4)]
    assert all(len(each) == settings.frames for each in found)
    assert not np.array_equal(found[0], found[1])


def test_who_has_no_name_and_what_is_no_gallery_is_refused_before_anything_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network()
    card = Card(
        task="speaker-recognition", labels=("Ann", "Bob"), model="xvector", settings=made.settings
    )
    model = anysize.load(bundle.save(tmp_path / "bundle", made, card))
    monkeypatch.setattr(anysize.Model, "session", None)  # nothing is run
    (tmp_path / "flat").mkdir()
    write(tmp_path / "flat" / "a.wav", chirp(0.5))
    with pytest.raises(DataError, match=r"none of 1 record has an identity\. Put the files"):
        model.enroll(tmp_path / "gallery", tmp_path / "flat")
    with pytest.raises(ConfigurationError, match="holds other things"):
        model.enroll(tmp_path, tmp_path / "flat")
    with pytest.raises(DataError, match="make one with enroll"):
        model.check_gallery(PredictOptions(of_task={"gallery": str(tmp_path / "none")}))
    model.check_gallery(PredictOptions())
