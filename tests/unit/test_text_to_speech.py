"""Text to speech with a voice that is made on the spot: joins, receipts, files, memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.voices import PER_ID, RATE, write_voice

import anysize
from anysize import mergers, tasks
from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.memory import resident
from anysize.core.records import Record
from anysize.core.results import PartialResult, Result
from anysize.core.windows import Span, Window
from anysize.planning.options import PredictOptions
from anysize.synthesis.joining import Pauses, faded
from anysize.synthesis.speech import Speech, SpeechWriter
from anysize.tasks.protocols import answering
from anysize.tasks.speaking.spoken import speaker_number

BUDGET = {"memory": "4GiB"}


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> anysize.Model:
    return anysize.load(write_voice(tmp_path_factory.mktemp("voice")))


def spoken(model: anysize.Model, text: str, **settings: Any) -> Result:
    result = model.predict_one(text, **BUDGET, **settings)
    assert isinstance(result, Result)
    return result


def expected(text: str) -> int:
    """Samples of an utterance: start, pad, a pad behind each character, end."""
    return PER_ID * (2 * len(text) + 3)


def test_sentences_have_the_right_length_and_pauses(voice: anysize.Model) -> None:
    result = spoken(voice, "Hello there. A second one.\n\nA paragraph.")
    said = [expected("Hello there."), expected("A second one."), expected("A paragraph.")]
    usual = Pauses()
    pauses = round(usual.sentence * RATE) + round(usual.paragraph * RATE)
    assert isinstance(result.prediction, Speech)
    assert result.prediction.count == sum(said) + pauses
    assert result.receipt.covered == 1.0 and result.receipt.extent == 40
    sentences = result.details["sentences"]
    assert [(each["start"], each["end"]) for each in sentences] == [(0, 13), (13, 28), (28, 40)]
    assert sentences[1]["seconds"][0] == pytest.approx(said[0] / RATE + usual.sentence, abs=1e-3)


def test_a_text_sounds_the_same_alone_and_among_others(voice: anysize.Model) -> None:
    texts = ["One two. Three four.", "Five.", "Six seven eight. Nine."]
    together = [each.prediction for each in voice.predict(texts, **BUDGET)]
    for text, speech in zip(texts, together, strict=True):
        assert spoken(voice, text).prediction == speech
    assert spoken(voice, texts[0], take=1).prediction != together[0]
    still = spoken(voice, texts[0], variation=0).prediction
    assert still == spoken(voice, texts[0], variation=0, take=5).prediction


def test_nothing_clicks_at_joins(voice: anysize.Model) -> None:
    result = spoken(voice, "Zzz zzz. Zzz zzz. Zzz zzz zzz.", variation=0)
    samples = result.prediction.samples()
    steps = np.abs(np.diff(samples))
    for each in result.details["sentences"]:
        for place in each["seconds"]:
            at = round(place * RATE)
            assert steps[max(at - 4, 0) : at + 4].max(initial=0) < 0.01


def test_fades_leave_the_middle() -> None:
    samples = np.ones(1000, np.float32)
    found = faded(samples, 8000)
    assert found[0] == 0 and found[40] == 1 and found[-1] < 0.01 and samples[0] == 1
    assert len(faded(samples[:1], 8000)) == 1


@pytest.mark.parametrize("text", ["", "   \n\n ", "...", "\u200b"])
def test_a_text_without_words_is_silent_and_says_so(voice: anysize.Model, text: str) -> None:
    result = spoken(voice, text)
    assert result.prediction.count == 0
    assert result.receipt.covered == 1.0
    assert "nothing to speak" in result.receipt.notes[0]


def test_characters_without_phonemes_are_counted_and_named(voice: anysize.Model) -> None:
    result = spoken(voice, "Five ★ stars 😀😀.")
    receipt = result.receipt
    assert receipt.dropped == 3 and receipt.covered == pytest.approx(1 - 3 / receipt.extent)
    assert receipt.reason is not None and "'😀' (2)" in receipt.reason and "'★'" in receipt.reason


def test_a_long_sentence_is_cut_at_clauses_and_all_of_it_is_said(voice: anysize.Model) -> None:
    text = ", ".join(["and so it goes on"] * 40) + "."
    result = spoken(voice, text)
    said = [text[each["start"] : each["end"]] for each in result.details["sentences"]]
    assert "".join(said) == text
    assert all(part.rstrip().endswith((",", ".")) for part in said)
    assert result.receipt.counts is not None
    assert result.receipt.counts["cut_sentences"] == len(said) - 1


def test_a_word_longer_than_the_window_is_said_in_pieces(voice: anysize.Model) -> None:
    result = spoken(voice, "x" * 3000, longest=2000)
    assert result.receipt.covered == 1.0
    assert result.receipt.windows > 7
    ids = sum(
        round((each["seconds"][1] - each["seconds"][0]) * RATE / PER_ID)
        for each in result.details["sentences"]
    )
    assert ids == 2 * 3000 + 3 * result.receipt.windows


def test_speed_and_speakers(tmp_path: Path) -> None:
    model = anysize.load(write_voice(tmp_path, speakers=3))
    plain = spoken(model, "hello.", variation=0).prediction.samples()
    fast = spoken(model, "hello.", variation=0, speed=2).prediction.samples()
    other = spoken(model, "hello.", variation=0, speaker="speaker 2").prediction.samples()
    assert np.allclose(fast[200:300], plain[200:300] / 2, atol=1e-3)  # its graph's length scale
    assert np.allclose(other, -plain, atol=1e-3)
    with pytest.raises(ConfigurationError, match="speaker must be one of speaker 0"):
        spoken(model, "hello.", speaker="nobody")
    assert speaker_number("1", ("a", "b")) == 1
    with pytest.raises(ConfigurationError, match="has one speaker"):
        speaker_number("b", ())


def test_markup_is_not_spoken(voice: anysize.Model) -> None:
    marked = spoken(voice, "# title\n\nsome **bold** and `code` <b>words</b>.", variation=0)
    plain = spoken(voice, "title\n\nsome bold and code words.", variation=0)
    assert marked.prediction == plain.prediction
    assert marked.receipt.counts is not None and marked.receipt.counts["markup_characters"] > 5


def test_chapters_of_a_book(voice: anysize.Model, tmp_path: Path) -> None:
    text = "Chapter 1\n\nIt was dark.\n\nChapter II: The End\n\nIt was light."
    result = spoken(voice, text)
    chapters = result.details["chapters"]
    assert [each["title"] for each in chapters] == ["Chapter 1", "Chapter II: The End"]
    assert chapters[0]["seconds"] == 0 and chapters[1]["seconds"] > Pauses().chapter
    assert any("a chapter's heading" in note for note in result.receipt.notes)
    for suffix in (".wav", ".flac", ".ogg"):
        path = result.prediction.save(tmp_path / f"book{suffix}")
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (RATE, 1)
        assert abs(info.frames - result.prediction.count) < 64
        marks = (tmp_path / "book.chapters.txt").read_text(encoding="utf-8")
        assert marks.startswith(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/8000\nSTART=0\n")
    for name in ("book.flac", "book.ogg"):
        assert b"CHAPTER000NAME=Chapter 1" in (tmp_path / name).read_bytes()
    plain = Speech.save(spoken(voice, "No chapters here.").prediction, tmp_path / "plain.ogg")
    assert soundfile.info(plain).frames > 0 and not (tmp_path / "plain.chapters.txt").exists()
    found, _ = soundfile.read(tmp_path / "book.ogg", dtype="float32")
    wanted = result.prediction.samples()
    size = min(len(found), len(wanted))
    assert np.corrcoef(found[:size], wanted[:size])[0, 1] > 0.8  # its pages are whole
    content = (tmp_path / "book.wav").read_bytes()
    assert b"cue " in content and b"labl" in content
    samples, _ = soundfile.read(tmp_path / "book.wav", dtype="int16")
    assert np.array_equal(samples, np.concatenate(list(result.prediction.pcm())))
    flac, _ = soundfile.read(tmp_path / "book.flac", dtype="int16")
    assert np.array_equal(flac, samples)


def test_partial_results_are_the_speech_in_pieces(voice: anysize.Model) -> None:
    text = "One two three. Four five. Six.\n\nSeven eight nine ten. Eleven."
    pieces = []
    for found in voice.stream([text], **BUDGET):
        if isinstance(found, PartialResult):
            pieces.append(found.partial.samples())
            assert json.dumps(found.to_json())
        else:
            assert isinstance(found, Result)
            whole = found.prediction.samples()
    assert len(pieces) > 1
    assert np.array_equal(np.concatenate(pieces), whole)


def test_utterances_may_come_in_any_order() -> None:
    windows = [
        Window(record="r", index=i, region=Span(i, i + 1), core=Span(i, i + 1), last=i == 4)
        for i in range(5)
    ]
    rng = np.random.default_rng(0)
    outputs = [
        {"waveform": rng.uniform(-0.5, 0.5, 90).astype(np.float32), "samples": np.array(80),
         "sample_rate": np.array(8000), "pause": np.array("line")}
        for _ in windows
    ]  # fmt: skip
    found = []
    for order in ((0, 1, 2, 3, 4), (4, 2, 0, 1, 3)):
        merger = mergers.make("r", (), "speech", "characters")
        for i in order:
            merger.add(windows[i], outputs[i])
        found.append(merger.finish())
    assert found[0].prediction == found[1].prediction
    assert found[0].prediction.count == 5 * 80 + 4 * round(Pauses().line * 8000)
    assert found[0].details == found[1].details


class Endless:
    """A megabyte of sentences that nobody holds."""

    origin = "endless"
    size_hint = 1 << 20

    def chunks(self) -> Iterator[str]:
        for _ in range(1 << 10):
            yield "The same sentence, again and again, is said here once more. " * 17

    def read(self, start: int, stop: int) -> str:
        return ""


def test_a_megabyte_of_text_takes_the_memory_of_a_few_sentences(voice: anysize.Model) -> None:
    task: Any = answering(tasks.load("text-to-speech"))
    examples = task.preprocess(voice.network)
    merger = task.new_merger(())("r")
    samples = np.full(1000, 0.1, np.float32)
    before = 0
    for example in examples(0, Record(id="r", fields={"text": Endless()})):
        merger.add(
            example.window, {"waveform": samples, "samples": np.array(1000), **example.aside}
        )
        if example.window.index == 4000:  # more than what is kept in memory at first
            before = resident()
    assert resident() - before < 12 << 20  # 50 MB of sound are on the disk
    result = merger.finish()
    assert result.receipt.extent > 1_000_000 and result.receipt.covered == 1.0
    assert 2 * result.prediction.count > 50 << 20
    first = next(iter(result.prediction.blocks(1000)))
    assert first[500] == pytest.approx(0.1, abs=1e-3)


def test_loud_samples_are_cut_off_and_counted() -> None:
    writer = SpeechWriter(8000)
    writer.add(np.array([0.5, 1.5, -2.0], np.float32))
    assert writer.clipped == 2
    assert writer.finish().samples().tolist() == pytest.approx([0.5, 1.0, -1.0], abs=1e-4)


def test_what_is_wrong_with_a_voice_is_named(tmp_path: Path) -> None:
    path = write_voice(tmp_path / "a", audio={"sample_rate": "fast"}, phoneme_type="pinyin")
    with pytest.raises(
        BundleError, match=r"audio.sample_rate.*phoneme_type must be espeak or text"
    ):
        anysize.load(path)
    lacking = write_voice(tmp_path / "b", phoneme_id_map={"a": [3]})
    with pytest.raises(BundleError, match="lacks '\\^', '_', '\\$'"):
        anysize.load(lacking)
    unknown = write_voice(tmp_path / "c", phoneme_type="espeak", espeak={"voice": "klingonish"})
    with pytest.raises(ConfigurationError, match=r"klingonish.*not a language"):
        spoken(anysize.load(unknown), "hello")
    broken = write_voice(tmp_path / "d")
    broken.write_bytes(b"nothing")
    with pytest.raises(BundleError, match="not an ONNX file"):
        spoken(anysize.load(broken), "hello")
    with pytest.raises(ConfigurationError, match="task must be 'text-to-speech'"):
        anysize.load(write_voice(tmp_path / "e"), "text-classification")


def test_plans_say_what_a_voice_runs_in(voice: anysize.Model) -> None:
    plan = voice.plan(None, PredictOptions(memory="4GiB"))
    assert plan.why[0].startswith("ONNX Runtime float32, ")
