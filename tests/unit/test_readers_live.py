"""Samples from pipes: formats, headers without a length, halves of samples, bounded buffers."""

from __future__ import annotations

import io
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from tests.recordings import chirp

from anysize.core.errors import ConfigurationError, DataError
from anysize.modalities.audio import Audio
from anysize.readers.audio.live import LiveSound, live_sound
from anysize.readers.audio.pcm import FORMATS, Layout, LiveOptions, decoded
from anysize.readers.audio.sound import Sound
from anysize.sources.pipe import Pipe, are_lines

SAMPLES = (chirp(0.5, 8000) * 32767).astype("<i2")
USUAL = LiveOptions()


def pieces(data: bytes, size: int = 7) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def heard(data: bytes, options: LiveOptions = USUAL, size: int = 7) -> tuple[Any, LiveSound]:
    sound = live_sound(pieces(data, size), "stdin", options)
    blocks = list(sound.blocks())
    return np.concatenate([np.zeros(0, np.float32), *blocks]), sound


def wav(samples: NDArray[Any], rate: int, subtype: str = "PCM_16", kind: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def test_raw_samples_are_those_of_a_file_with_the_same(tmp_path: Path) -> None:
    """Whatever the pieces that they come in."""
    stereo = np.stack([SAMPLES, SAMPLES[::-1]], axis=1)
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo, 8000)
    expected = np.concatenate(list(Sound(path).blocks(16_000)))
    for size in (1, 3, 1000, 1 << 20):
        sound = live_sound(
            pieces(stereo.tobytes(), size), "stdin", LiveOptions(pcm_rate=8000, pcm_channels=2)
        )
        np.testing.assert_array_equal(np.concatenate(list(sound.blocks(16_000))), expected)
        assert sound.counts() == Sound(path).counts() | sound.counts()
        assert sound.counts()["milliseconds"] == 500
        assert any("2 channels were mixed" in note for note in sound.notes())


@pytest.mark.parametrize("name", FORMATS)
def test_formats_of_samples(name: str) -> None:
    values = np.array([-1.0, -0.5, 0.0, 0.25, 0.5])
    if name.startswith("f"):
        data = values.astype(f"<f{FORMATS[name]}").tobytes()
    elif name == "u8":
        data = (values * 128 + 128).astype(np.uint8).tobytes()
    else:
        size = FORMATS[name]
        whole = (values * 2.0 ** (8 * size - 1)).astype(np.int64)
        data = b"".join(int(one).to_bytes(size, "little", signed=True) for one in whole)
    found = decoded(data, Layout(encoding=name))
    assert found.dtype == np.float32 and found.shape == (5, 1)
    np.testing.assert_array_equal(found[:, 0], values.astype(np.float32))


def test_a_half_sample_at_the_end_is_counted_and_named() -> None:
    found, sound = heard(SAMPLES.tobytes() + b"x", LiveOptions(pcm_rate=8000))
    assert len(found) == len(SAMPLES)
    assert sound.counts()["bytes_of_half_a_sample"] == 1
    assert any("ended within a sample: its last 1 bytes" in note for note in sound.notes())


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
def test_wav_headers_are_recognised(subtype: str, kind: str) -> None:
    samples = SAMPLES.astype(np.float64) / 32768
    data = wav(samples, 8000, subtype, kind)
    found, sound = heard(data)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    np.testing.assert_array_equal(found, expected)
    assert (sound.header.kind, sound.header.rate) == ("WAV", 8000)
    assert sound.notes() == ()


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000])
def test_a_header_that_leaves_its_length_open(length: int) -> None:
    """As ffmpeg, arecord and sox write it into a pipe."""
    data = wav(SAMPLES, 8000)
    place = data.index(b"data") + 4
    found, sound = heard(data[:place] + struct.pack("<I", length) + data[place + 4 :])
    np.testing.assert_array_equal(found, SAMPLES.astype(np.float32) / 32768)
    assert any("leaves its length open" in note for note in sound.notes())


def test_what_follows_or_lacks_the_length_of_a_header_is_said() -> None:
    data = wav(SAMPLES, 8000)
    found, sound = heard(data + b"LIST\4\0\0\0abcd")
    assert len(found) == len(SAMPLES)
    assert sound.counts()["bytes_behind"] == 12
    found, sound = heard(data[:-200])
    assert len(found) == len(SAMPLES) - 100
    assert any("ended 100 samples before the length" in note for note in sound.notes())


def test_options_that_contradict_a_header_and_other_formats_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="pcm_rate is 16000, and the WAV header") as error:
        heard(wav(SAMPLES, 8000), LiveOptions(pcm_rate=16_000, pcm_channels=2))
    assert len(error.value.problems) == 2
    assert len(heard(wav(SAMPLES, 8000), LiveOptions(pcm_rate=8000))[0]) == len(SAMPLES)
    with pytest.raises(DataError, match="the format FLAC; give samples: ffmpeg"):
        heard(wav(SAMPLES, 8000, kind="FLAC"))
    with pytest.raises(DataError, match="format 7 with 8 bits"):
        heard(wav(SAMPLES, 8000, "ULAW"))
    with pytest.raises(DataError, match="WAV header that is cut off"):
        heard(wav(SAMPLES, 8000)[:30])


def test_it_comes_once() -> None:
    _, sound = heard(SAMPLES.tobytes())
    with pytest.raises(DataError, match="write it to a file"):
        next(sound.blocks())
    with pytest.raises(DataError, match="is empty: it has no samples"):
        heard(b"")


def test_arrays_and_binary_files() -> None:
    values = SAMPLES.astype(np.float32) / 32768
    arrays = iter([SAMPLES[:100], SAMPLES[100:]])
    sound = live_sound(arrays, "live", LiveOptions(pcm_rate=8000))
    np.testing.assert_array_equal(np.concatenate(list(sound.blocks())), values)
    file = Audio().live(io.BytesIO(SAMPLES.tobytes()), "live", USUAL)
    assert isinstance(file, LiveSound)
    np.testing.assert_array_equal(np.concatenate(list(file.blocks())), values)


def test_streams_of_something_else_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="and not str"):
        live_sound("a.wav", "live", USUAL)
    with pytest.raises(ConfigurationError, match="must give bytes or arrays, and not int"):
        live_sound(iter([1, 2]), "live", USUAL)
    with pytest.raises(ConfigurationError, match="opened in binary mode"):
        live_sound(io.StringIO("text"), "live", USUAL)
    with pytest.raises(ConfigurationError, match="pcm_format is for bytes"):
        live_sound(iter([SAMPLES]), "live", LiveOptions(pcm_format="s16le"))
    changing = live_sound(iter([SAMPLES, np.stack([SAMPLES] * 2, 1)]), "live", USUAL)
    with pytest.raises(DataError, match="1 channels first, and then 2"):
        list(changing.blocks())


def test_a_pipe_holds_no_more_than_its_buffer_and_says_that_it_was_full() -> None:
    reading, writing = os.pipe()
    pipe = Pipe(reading, most=1 << 16)
    sent = os.urandom(1 << 20)

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(sent)

    writer = threading.Thread(target=write)
    writer.start()
    assert pipe.peek(10) == sent[:10]
    while not pipe.notes():
        threading.Event().wait(0.01)
    assert writer.is_alive()  # it has to wait
    assert b"".join(pipe) == sent
    writer.join()
    os.close(reading)
    assert "may have dropped some" in pipe.notes()[0]


def test_a_pipe_that_is_stopped_gives_what_it_has() -> None:
    reading, writing = os.pipe()
    pipe = Pipe(reading)
    os.write(writing, b"some")
    assert pipe.peek(4) == b"some"
    pipe.stop()
    assert b"".join(pipe) == b"some" and pipe.stopped
    os.close(writing)
    os.close(reading)


def test_lines_are_told_from_samples() -> None:
    assert are_lines("a.wav\nfür.flac\n录音.wav\r\n".encode())
    assert are_lines(b"")
    assert not are_lines(SAMPLES.tobytes()[:512])
    assert not are_lines(np.zeros(256, np.int16).tobytes())
    assert not are_lines(wav(SAMPLES, 8000)[:512])
    reading, writing = os.pipe()
    pipe = Pipe(reading)
    os.write(writing, b"a\nbc\n\nd")
    os.close(writing)
    assert list(pipe.lines()) == [b"a\n", b"bc\n", b"\n", b"d"]
    os.close(reading)
