"""The step of Whisper with a runtime that says what the test wants: guards, clock, languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.examples import Example
from anysize.core.transcription import Aligned, Decoded, DecodingOptions
from anysize.core.transcripts import joined
from anysize.core.windows import Span, Window
from anysize.mergers.transcript import TranscriptMerger
from anysize.models.whisper_tokens import WhisperTokens
from anysize.runtimes import rehearsal
from anysize.tasks.speech.clock import Clock
from anysize.tasks.speech.transcribing import FIRST, PIECES, Transcribing

SPECIAL = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|translate|>",
    "<|transcribe|>", "<|nospeech|>", "<|notimestamps|>",
)  # fmt: skip
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())


def tokenizer() -> Tokenizer:
    """Bytes, and what steers."""
    vocabulary = {letter: place for place, letter in enumerate(ALPHABET)}
    found = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    found.add_special_tokens(list(SPECIAL))
    return found


def tokens(*, multilingual: bool = True) -> WhisperTokens:
    return WhisperTokens.of(tokenizer(), "made", vocabulary=2000, multilingual=multilingual)


TOKENS = tokens()


def said(text: str) -> list[int]:
    return list(TOKENS.tokenizer.encode(text, add_special_tokens=False).ids)


def at(seconds: float) -> int:
    return TOKENS.first_time + round(seconds * 50)


def decoded(*parts: str | float, score: float = -0.2, silence: float = 0.01) -> Decoded:
    """Texts and times as they follow each other."""
    ids: list[int] = []
    for each in parts:
        ids += said(each) if isinstance(each, str) else [at(each)]
    return Decoded(tuple(ids), score, silence)


Answering = Callable[[NDArray[np.float32], DecodingOptions], Decoded]


@dataclass
class Faked:
    """Answers by the features of a window."""

    answer: Answering
    asked: list[DecodingOptions] = field(default_factory=list)
    prompts: list[list[int]] = field(default_factory=list)
    chances: Mapping[str, float] = field(default_factory=lambda: {"en": 0.9, "zh": 0.1})
    detected: int = 0
    name: str = "faked"
    precision: str = "float32"
    whole_only: bool = True
    singly: bool = False
    encoded: int = 0

    def encode(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        assert features.shape[1:] == (80, 3000)
        self.encoded += len(features)
        return features

    def languages(self, encoded: Any, rows: Sequence[int]) -> list[Mapping[int, float]]:
        self.detected += len(rows)
        return [{TOKENS.languages[code]: p for code, p in self.chances.items()} for _ in rows]

    def decode(
        self, encoded: Any, rows: Sequence[int], prompts: Sequence[Sequence[int]],
        options: DecodingOptions,
    ) -> list[Decoded]:  # fmt: skip
        self.asked.append(options)
        self.prompts += [list(each) for each in prompts]
        return [self.answer(encoded[row], options) for row in rows]

    def align(
        self, encoded: Any, rows: Sequence[int], prompt: Sequence[int],
        texts: Sequence[Sequence[int]], frames: Sequence[int],
    ) -> list[Aligned]:  # fmt: skip
        """Tokens at even distances over the window."""
        return [
            Aligned(
                np.linspace(0, count // 2, len(text) + 1).astype(np.int64),
                np.full(len(text), 0.5),
            )
            for text, count in zip(texts, frames, strict=True)
        ]

    def close(self) -> None:
        pass


def example(
    seconds: float = 10.0, *, start: float = 0.0, ordinal: int = 0, value: float = 0.5,
    pieces: Sequence[tuple[float, float]] | None = None,
) -> Example:  # fmt: skip
    frames = np.full((int(seconds * 100), 80), value, np.float32)
    spans = pieces or [(start, start + seconds)]
    span = Span(int(spans[0][0] * 16_000), int(spans[-1][1] * 16_000))
    return Example(
        ordinal=ordinal,
        window=Window(record="r", index=0, region=span, core=span, last=True),
        arrays={"frames": frames},
        cost=480_000,
        aside={
            PIECES: np.array([(int(a * 16_000), int(b * 16_000)) for a, b in spans], np.int64),
            FIRST: frames,
        },
    )


def output(runtime: Faked, one: Example, **wishes: Any) -> Mapping[str, Any]:
    step = Transcribing(tokens=TOKENS, **wishes)
    (answer,) = step.answers(runtime, [one])
    assert answer.finished and answer.problem is None
    return answer.output


def texts(found: Mapping[str, Any]) -> list[tuple[int, int, str]]:
    return [(each.start, each.end, each.text) for each in found["segments"]]


def test_times_are_those_of_the_recording() -> None:
    """Behind silence that was left out, and in a window that begins late."""
    runtime = Faked(lambda *_: decoded(0.0, " one", 4.0, 4.0, " two", 9.0, 9.5, " three", 10.0))
    one = example(10.0, pieces=[(100.0, 105.0), (200.0, 205.0)])
    assert texts(output(runtime, one)) == [
        (100_000, 104_000, "one"), (200_000, 204_000, "two"), (204_500, 205_000, "three"),
    ]  # fmt: skip


def test_words_do_not_reach_across_silence_that_was_left_out() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " aaaa bbbb cccc dddd", 10.0))
    one = example(10.0, pieces=[(100.0, 106.0), (200.0, 204.0)])
    first, second = output(runtime, one, words=True)["segments"]
    assert (first.text, second.text) == ("aaaa bbbb", "cccc dddd")
    words = [*first.words, *second.words]
    assert [each.text for each in words] == [" aaaa", " bbbb", " cccc", " dddd"]
    assert all(each.end - each.start <= 3000 for each in words)
    assert (first.start, second.end) == (100_000, 204_000)


def test_a_segment_does_not_last_through_silence_that_was_left_out() -> None:
    """Whisper's times are inexact by some tenths of a second: ten minutes, beside a seam."""
    runtime = Faked(lambda *_: decoded(0.0, " one", 5.2, 5.2, " two", 9.9))
    one = example(10.0, pieces=[(100.0, 105.0), (700.0, 705.0)])
    assert texts(output(runtime, one)) == [(100_000, 105_000, "one"), (700_200, 704_900, "two")]
    short = example(10.0, pieces=[(100.0, 105.0), (106.0, 111.0)])
    assert texts(output(runtime, short))[0] == (100_000, 106_200, "one")


def test_a_clock_says_which_side_of_a_seam_is_meant() -> None:
    clock = Clock(np.array([[16_000, 32_000], [160_000, 176_000]], np.int64))
    assert clock.milliseconds(100) == 10_000
    assert clock.milliseconds(100, ending=True) == 2000
    assert clock.milliseconds(999) == 11_000


def test_a_loop_is_decoded_again_and_what_is_better_is_taken() -> None:
    def answer(_: Any, options: DecodingOptions) -> Decoded:
        if options.beams == 1:
            return decoded(0.0, " no" * 40, 10.0)
        return decoded(0.0, " no, thank you", 10.0, score=-0.5)

    found = output(Faked(answer), example())
    assert texts(found) == [(0, 10_000, "no, thank you")]
    assert found["counts"] == {"tried_again": 1}


def test_a_loop_that_stays_is_kept_once_and_said() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " and then it says" * 12, 10.0))
    found = output(runtime, example())
    assert found["segments"][0].text.count("and then it says") == 1
    assert found["counts"]["loops_cut"] == 1
    assert [each.times for each in runtime.asked] == [True, True, False]


def test_without_guards_a_loop_stays() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " and then it says" * 12, 10.0))
    found = output(runtime, example(), guard=False)
    assert found["segments"][0].text.count("and then") == 12
    assert len(runtime.asked) == 1


def test_text_where_the_model_hears_nobody_is_left_out_and_counted() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " Thank you.", 2.0, score=-1.4, silence=0.9))
    found = output(runtime, example())
    assert found["segments"] == ()
    assert found["counts"] == {"silenced": 1}


def test_improbable_text_of_speech_stays_and_is_marked() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " blurg", 10.0, score=-1.4, silence=0.1))
    found = output(runtime, example())
    assert texts(found) == [(0, 10_000, "blurg")]
    assert found["counts"] == {"tried_again": 1, "doubtful": 1}


def test_what_a_text_does_not_reach_is_read_again() -> None:
    """Whisper stops early where it thinks that a further window follows (dropped text)."""

    def answer(features: NDArray[np.float32], _: DecodingOptions) -> Decoded:
        silence = features[0] < 0
        count = int((~silence).sum())
        if count == 1000:
            return decoded(0.0, " first", 4.0, 4.0)
        assert count == 600  # what is behind second 4
        return decoded(0.0, " second", 6.0)

    found = output(Faked(answer), example(10.0, start=50.0))
    assert texts(found) == [(50_000, 54_000, "first"), (54_000, 60_000, "second")]
    assert found["counts"] == {"read_again": 1}


def test_a_short_rest_behind_the_text_is_not_read_again() -> None:
    found = output(Faked(lambda *_: decoded(0.0, " all of it", 9.2)), example(10.0))
    assert texts(found) == [(0, 9200, "all of it")]


def test_a_window_without_an_end_goes_to_its_end() -> None:
    found = output(Faked(lambda *_: decoded(0.0, " a", 3.0, 3.0, " b")), example(7.0))
    assert texts(found) == [(0, 3000, "a"), (3000, 7000, "b")]


def test_times_that_fall_are_put_in_order() -> None:
    found = output(Faked(lambda *_: decoded(2.0, " a", 6.0, 1.0, " b", 5.0)), example(7.0))
    assert texts(found) == [(2000, 6000, "a"), (6000, 6000, "b")]


def test_the_language_is_found_once_for_a_recording() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " 你好", 10.0), chances={"en": 0.2, "zh": 0.8})
    step = Transcribing(tokens=TOKENS)
    first, other = example(), example(5.0)
    second = Example(
        ordinal=0, window=other.window, arrays=other.arrays, cost=other.cost,
        aside={**other.aside, FIRST: first.arrays["frames"]},
    )  # fmt: skip
    answers = list(step.answers(runtime, [first, second]))
    assert [each.output["language"] for each in answers] == ["zh", "zh"]
    assert runtime.detected == 1
    assert runtime.prompts[0] == [TOKENS.start, TOKENS.languages["zh"], TOKENS.transcribe]


def test_a_language_that_is_given_is_not_looked_for() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " oui", 10.0))
    found = output(runtime, example(), language="zh", translate=True)
    assert (found["language"], runtime.detected) == ("zh", 0)
    assert runtime.prompts[0] == [TOKENS.start, TOKENS.languages["zh"], TOKENS.translate]


def test_a_model_of_english_alone_takes_neither_language_nor_task() -> None:
    english = tokens(multilingual=False)
    assert english.prompt(None, translate=False, times=True) == [english.start]
    assert english.prompt("en", translate=False, times=False) == [english.start, english.untimed]


def test_a_language_that_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"language must be one .*en, zh.* 'xx'"):
        TOKENS.language("xx")


def test_a_tokenizer_of_others_is_refused() -> None:
    other = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    with pytest.raises(BundleError, match=r"not Whisper.*<\|startoftranscript\|>"):
        WhisperTokens.of(other, "made", vocabulary=1)


def test_nothing_is_run_where_nobody_speaks() -> None:
    runtime = Faked(lambda *_: decoded(" no"))
    silent = Example(
        ordinal=0, window=example().window, arrays={"frames": np.zeros((0, 80), np.float32)}, cost=1
    )
    (answer,) = Transcribing(tokens=TOKENS).answers(runtime, [silent])
    assert answer.output["segments"] == () and not runtime.asked


def test_a_window_gives_the_same_alone_and_among_others() -> None:
    def answer(features: NDArray[np.float32], options: DecodingOptions) -> Decoded:
        if features[0, 0] > 0.6 and options.beams == 1:
            return decoded(0.0, " la" * 40, 10.0)
        return decoded(0.0, f" {features[0, 0]:.1f}", 10.0)

    ones = [example(value=value, ordinal=place) for place, value in enumerate((0.3, 0.7, 0.5))]
    step = Transcribing(tokens=TOKENS)
    together = [texts(each.output) for each in step.answers(Faked(answer), ones)]
    alone = [texts(each.output) for one in ones for each in step.answers(Faked(answer), [one])]
    assert together == alone


def test_words_are_grouped_by_spaces_and_characters() -> None:
    def grouped(text: str) -> list[str]:
        return [TOKENS.tokenizer.decode(each) for each in TOKENS.words(said(text))]

    assert grouped(" Hello, don't go.") == [" Hello,", " don't", " go."]
    assert grouped("你好。") == ["你", "好。"]


def test_texts_are_joined_without_a_space_between_ideographs() -> None:
    assert joined(["one", "two", "", "你好", "世界", "three"]) == "one two 你好世界 three"


def test_a_merger_says_what_guards_did() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " and then it says" * 12, 10.0))
    one = example()
    merger = TranscriptMerger("r")
    merger.add(one.window, output(runtime, one))
    found = merger.finish()
    assert found.receipt.covered == 1.0
    assert any("with repeated text" in note for note in found.receipt.notes)
    assert found.details["language"] == "en"


def test_an_uncertain_language_is_said() -> None:
    runtime = Faked(lambda *_: decoded(0.0, " hm", 10.0), chances={"en": 0.4, "zh": 0.3})
    one = example()
    merger = TranscriptMerger("r")
    merger.add(one.window, output(runtime, one))
    found = merger.finish()
    assert found.details["language_probability"] == 0.4
    assert any("--language" in note for note in found.receipt.notes)


@pytest.mark.parametrize(("singly", "encoding"), [(True, 8.0), (False, 2.0)])
def test_a_rehearsal_encodes_one_window_for_all_where_they_are_encoded_one_by_one(
    monkeypatch: pytest.MonkeyPatch, singly: bool, encoding: float
) -> None:
    times = iter([0.0, 2.0, 3.0])
    moments = (rehearsal.Moment(each, each) for each in times)
    monkeypatch.setattr(rehearsal.Moment, "now", lambda: next(moments))
    runtime = Faked(lambda *_: Decoded((1,) * 19, -0.2, 0.01), singly=singly)
    seconds = Transcribing(tokens=TOKENS).rehearse(runtime, [example()] * 4)
    assert runtime.encoded == (1 if singly else 4)
    assert len(runtime.prompts) == 4
    assert seconds == pytest.approx(encoding + 1.0 * 80 / 20)
