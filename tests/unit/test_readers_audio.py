"""Recordings as streams: every format, rate and channel count, and every kind of broken file."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.recordings import RATE, chirp, write

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.windows import Span
from anysize.modalities.sounds.memory import recording
from anysize.readers.audio import libsndfile, limits, sound
from anysize.readers.audio.sound import Sound

soundfile = pytest.importorskip("soundfile")
soxr = pytest.importorskip("soxr")


@pytest.fixture(autouse=True)
def _no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """What libsndfile does is tested here, also where ffmpeg is installed."""
    monkeypatch.setattr(sound, "find_ffmpeg", lambda: None)


def read(field: Sound, rate: int = 0) -> np.ndarray[Any, Any]:
    blocks = list(field.blocks(rate))
    assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
    return np.concatenate(blocks)


def data_at(content: bytes) -> int:
    """Where the length of the samples stands in a WAV file."""
    return content.index(b"data") + 4


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_U8", 0.008), ("a.wav", "PCM_16", 4e-5), ("a.wav", "PCM_24", 2e-7),
        ("a.wav", "PCM_32", 1e-7), ("a.wav", "FLOAT", 0.0), ("a.wav", "DOUBLE", 0.0),
        ("a.wav", "ULAW", 0.02), ("a.flac", "PCM_16", 4e-5), ("a.flac", "PCM_24", 2e-7),
        ("a.aiff", "PCM_16", 4e-5), ("a.au", "PCM_16", 4e-5), ("a.w64", "PCM_16", 4e-5),
        ("a.caf", "PCM_16", 4e-5), ("a.ogg", "VORBIS", 0.1), ("a.mp3", "MPEG_LAYER_III", 0.1),
    ],
)  # fmt: skip
def test_formats_and_encodings(name: str, subtype: str, error: float, tmp_path: Path) -> None:
    samples = chirp(0.7)
    field = Sound(write(tmp_path / name, samples, subtype=subtype))
    found = read(field)
    assert len(found) == len(samples)
    assert np.abs(found - samples).max() <= error
    assert field.notes() == ()
    assert field.counts() == {"milliseconds": 700, "sample_rate": RATE, "channels": 1}
    assert (field.header.rate, field.header.samples) == (RATE, len(samples))


def test_opus(tmp_path: Path) -> None:
    path = write(tmp_path / "a.opus", chirp(0.7), format="OGG", subtype="OPUS")
    assert len(read(Sound(path))) == len(chirp(0.7))


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_any_rate_is_brought_to_the_one_that_is_asked_for(rate: int, tmp_path: Path) -> None:
    samples = chirp(0.9, rate)
    field = Sound(write(tmp_path / "a.wav", samples, rate, subtype="FLOAT"))
    found = read(field, RATE)
    # In one piece, by the same library: what comes out does not depend on the pieces.
    assert np.array_equal(found, soxr.resample(samples, rate, RATE))
    assert field.counts()["sample_rate"] == rate


@pytest.mark.parametrize("pieces", [64, 1000, 1 << 16])
def test_the_stream_does_not_depend_on_its_blocks(
    pieces: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write(tmp_path / f"a{suffix}", chirp(1.3)) for suffix in (".flac", ".ogg", ".mp3")]
    wanted = [read(Sound(path), 11_025) for path in paths]
    monkeypatch.setattr(libsndfile, "BLOCK", pieces)
    for path, whole in zip(paths, wanted, strict=True):
        assert np.array_equal(read(Sound(path), 11_025), whole)


def test_channels_are_mixed_and_that_is_said(tmp_path: Path) -> None:
    both = np.stack([chirp(0.5), chirp(0.5, seed=1), np.zeros(RATE // 2, np.float32)], 1)
    field = Sound(write(tmp_path / "a.wav", both, subtype="FLOAT"))
    np.testing.assert_allclose(read(field), both.mean(1), atol=1e-7)
    assert field.counts()["channels"] == 3
    assert any("3 channels were mixed to one" in note for note in field.notes())


def test_channels_that_cancel_each_other_are_named(tmp_path: Path) -> None:
    both = np.stack([chirp(0.5), -chirp(0.5)], 1)
    field = Sound(write(tmp_path / "a.wav", both))
    read(field)
    assert any("cancel each other" in note for note in field.notes())


def test_stretches_are_what_slices_of_the_whole_are(tmp_path: Path) -> None:
    field = Sound(write(tmp_path / "a.flac", chirp(10.0)))
    whole = read(field, 8000)
    spans = [Span(0, 10), Span(5, 70_000), Span(5, 6), Span(70_001, 70_001), Span(79_000, 90_000)]
    for span, found in zip(spans, field.stretches(spans, 8000), strict=True):
        assert np.array_equal(found, whole[span.start : span.stop])
    (behind,) = field.stretches([Span(100_000, 100_010)], 8000)
    assert len(behind) == 0


# Files that are no recordings.


@pytest.mark.parametrize("name", ["text.wav", "zeros.mp3", "head.flac", "head.ogg"])
def test_what_is_no_recording_is_refused_with_a_remedy(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    whole = write(tmp_path / f"whole{path.suffix}", chirp()).read_bytes()
    kinds = {"text": b"hello " * 99, "zeros": bytes(999), "head": whole[:60]}
    path.write_bytes(kinds[path.stem])
    with pytest.raises(DataError, match=r"is not a recording that libsndfile can read.*ffmpeg"):
        read(Sound(path))
    with pytest.raises(DataError, match="convert it to WAV or FLAC"):
        read(Sound(path.read_bytes(), "row 3"))


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for name, problem in (("none.wav", "no such file"), (".", "folder"), ("pipe.wav", "pipe")):
        with pytest.raises(DataError, match=problem):
            read(Sound(tmp_path / name))


@pytest.mark.parametrize("suffix", [".wav", ".ogg"])
def test_a_recording_without_samples_is_refused(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{suffix}", np.zeros(0, np.float32))
    with pytest.raises(DataError, match="is empty: it has no samples"):
        read(Sound(path))
    path.write_bytes(b"")
    for content in (path, b""):
        with pytest.raises(DataError, match="is empty: it has no bytes"):
            read(Sound(content))


# Files that are cut off or damaged.


@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".mp3", ".aiff"])
def test_a_file_that_was_cut_off_is_read_and_that_is_said(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{suffix}", chirp(6.0))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    field = Sound(path)
    found = read(field)
    assert 2 * RATE < len(found) < 4.2 * RATE
    assert any("cut off" in note for note in field.notes())
    if suffix in (".wav", ".mp3"):
        missing = field.counts()["samples_missing"]
        assert missing == pytest.approx(6 * RATE - len(found), abs=50)


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_damage_in_the_middle_is_refused_unless_it_is_tolerated(
    suffix: str, tmp_path: Path
) -> None:
    path = write(tmp_path / f"a{suffix}", chirp(6.0))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = b"\x55" * 64
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged behind .* seconds.*--tolerant"):
        read(Sound(path))
    field = Sound(path, tolerant=True)
    found = read(field)
    assert RATE < len(found) < 5.5 * RATE
    assert any("is damaged" in note for note in field.notes())
    assert field.counts()["samples_missing"] >= RATE // 2


def test_what_is_read_before_damage_is_as_in_the_sound_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", chirp(6.0))
    whole, content = read(Sound(path)), path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    found = read(Sound(path, tolerant=True))
    assert len(found) > 2 * RATE
    assert np.array_equal(found, whole[: len(found)])


# Headers that are wrong.


def test_a_header_that_leaves_the_length_open_is_read_to_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", chirp())
    content = bytearray(path.read_bytes())
    at = data_at(content)
    content[at : at + 4] = b"\xff" * 4
    path.write_bytes(content)
    field = Sound(path)
    assert len(read(field)) == RATE
    assert any("leaves its length open" in note for note in field.notes())


@pytest.mark.parametrize("length", [0, 1000])
def test_a_header_that_names_less_than_there_is_is_refused(length: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", chirp())
    content = bytearray(path.read_bytes())
    at = data_at(content)
    content[at : at + 4] = struct.pack("<I", length)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"would not be read to its end.*Install ffmpeg"):
        read(Sound(path))
    if length:
        field = Sound(path, tolerant=True)
        assert len(read(field)) == length // 2
        assert any("only its first part" in note for note in field.notes())


def test_chunks_behind_the_samples_are_no_samples(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", chirp())
    content = path.read_bytes() + b"LIST" + struct.pack("<I", 6) + b"INFO\0\0"
    path.write_bytes(content)
    field = Sound(path)
    assert len(read(field)) == RATE
    assert field.notes() == ()


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_of_several_streams_in_a_file_not_only_the_first_is_read_in_silence(
    suffix: str, tmp_path: Path
) -> None:
    one = write(tmp_path / f"a{suffix}", chirp(2.0)).read_bytes()
    other = write(tmp_path / f"b{suffix}", chirp(2.0, seed=4)).read_bytes()
    path = tmp_path / f"both{suffix}"
    path.write_bytes(one + other)
    with pytest.raises(DataError, match="several streams"):
        read(Sound(path))
    field = Sound(path, tolerant=True)
    assert len(read(field)) == 2 * RATE
    assert any("only its first part" in note for note in field.notes())


def test_a_flac_stream_that_does_not_say_its_length(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", chirp())
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    field = Sound(path)
    assert field.header.samples is None
    assert len(read(field)) == RATE


# Samples that are odd.


def test_silence_clipping_and_broken_numbers_are_said(tmp_path: Path) -> None:
    silent = Sound(write(tmp_path / "s.wav", np.zeros(999, np.float32)))
    assert len(read(silent)) == 999
    assert silent.notes() == ("is silent: no sample is above -80 dB of full scale",)
    clipped = Sound(write(tmp_path / "c.wav", np.clip(5 * chirp(), -1, 1)))
    read(clipped)
    assert any(note.startswith("is clipped:") for note in clipped.notes())
    assert clipped.counts()["samples_clipped"] > 1000
    broken = chirp()
    broken[[5, 6, 9]] = np.nan, np.inf, -np.inf
    field = Sound(write(tmp_path / "b.wav", broken, subtype="FLOAT"))
    found = read(field)
    assert (found[[5, 6, 9]] == 0).all()
    assert field.counts()["samples_broken"] == 3
    assert any("3 samples are no finite numbers" in note for note in field.notes())


# Limits.


def test_what_no_recording_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = write(tmp_path / "m.wav", np.zeros((10, 65), np.float32))
    with pytest.raises(DataError, match="65 channels"):
        read(Sound(many))
    slow = write(tmp_path / "r.wav", np.zeros(10, np.float32), 100)
    with pytest.raises(DataError, match="100 samples a second"):
        read(Sound(slow))
    with pytest.raises(DataError, match="longer than 1000 hours"):
        limits.refuse_long(1001 * 3600 * 8000, 8000, "a.wav")
    monkeypatch.setattr(limits, "LONGEST_HOURS", 1 / 3600)
    with pytest.raises(DataError, match="cut it into several files"):
        read(Sound(write(tmp_path / "l.wav", chirp(1.5))))
    monkeypatch.setattr(sound, "MOST_BYTES", 99)
    with pytest.raises(DataError, match="99 are allowed"):
        Sound(bytes(100), "row 1")


# Memory.


def test_recordings_in_memory(tmp_path: Path) -> None:
    samples = chirp(0.5)
    content = write(tmp_path / "a.wav", samples, subtype="FLOAT").read_bytes()
    whole = (samples * 32768).astype(np.int16)
    for item in (
        content, tmp_path / "a.wav", str(tmp_path / "a.wav"), (samples, RATE), (RATE, samples),
        {"array": samples, "sampling_rate": RATE}, {"bytes": content, "path": None},
        {"bytes": None, "path": str(tmp_path / "a.wav")}, (samples[:, None], RATE),
    ):  # fmt: skip
        assert np.array_equal(read(recording(item, "item")), samples)
    np.testing.assert_allclose(read(recording((whole, RATE), "item")), samples, atol=4e-5)
    low = ((samples + 1) * 128).astype(np.uint8)
    np.testing.assert_allclose(read(recording((low, RATE), "item")), samples, atol=0.01)


@pytest.mark.parametrize("item", [chirp(0.1), {"array": chirp(0.1)}, {"a": 1}, 7, None])
def test_what_is_no_recording_in_memory_is_refused(item: Any) -> None:
    with pytest.raises(ConfigurationError, match="item"):
        recording(item, "item")


def test_samples_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(DataError, match="turn it round"):
        read(recording((np.zeros((2, 100), np.float32), RATE), "item"))
    with pytest.raises(DataError, match="must hold numbers"):
        read(recording((np.array(["a"]), RATE), "item"))


@pytest.mark.parametrize(("count", "rate"), [(1, 44_100), (1, 48_000), (2, 192_000), (10, 8000)])
def test_what_has_samples_has_some_at_every_rate(count: int, rate: int, tmp_path: Path) -> None:
    field = Sound(write(tmp_path / "a.wav", np.full(count, 0.25, np.float32), rate))
    found = read(field, RATE)
    assert len(found) == max(round(count * RATE / rate), 1)
    if len(found) == 1:
        assert found[0] == pytest.approx(0.25, abs=1e-4)
