"""How texts are read aloud: rewriting, clauses, phonemes of espeak-ng, utterances."""

from __future__ import annotations

import importlib.util
import itertools
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.synthesis.clauses import clauses
from anysize.synthesis.espeak import Espeak
from anysize.synthesis.phonemes import EspeakReader
from anysize.synthesis.rewriting import spoken
from anysize.windows.utterances import utterances

IDS = {
    one: [number]
    for number, one in enumerate("_^$ .,;:!?ˈˌːabcdefghijklmnoprstuvwxyzəɪɹʊæɑɐɔɛŋʌθðʃʒɡɚɜɾᵻ")
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It cost $5.50.", "It cost 5 dollars and 50 cents."),
        ("£3 billion, €1, $0.99", "3 billion pounds, 1 euro, 99 cents"),
        ("on 2024-01-05", "on January 5th, 20 24"),
        ("on 2024-13-05", "on 2024-13-05"),
        ("at 12:30 or 10:05pm", "at 12 30 or 10 oh 5 P M"),
        ("Dr. Smith of St. Ives", "Doctor Smith of Saint Ives"),
        ("in 1995, from 1990-1995", "in 19 95, from 19 90 to 19 95"),
        ("the 1990s", "the 19 nineties"),
        ("pages 5-10, No. 5", "pages 5 to 10, number 5"),
        ("call 555-123-4567", "call 555-123-4567"),
        ("1/2 cup at 36.6 °C", "one half cup at 36.6 degrees Celsius"),
        ("cats vs. dogs", "cats versus dogs"),
        ("1 kg", "1 kilogram"),
        ("I said no.", "I said no."),
    ],
)  # fmt: skip
def test_english_is_written_out(text: str, said: str) -> None:
    assert spoken(text, "en-us") == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Am 3. Mai 2020", "Am dritten Mai 2020"),
        ("der 21. Juli", "der einundzwanzigste Juli"),
        ("3,50 € und 1,00 €", "3 Euro 50 und ein Euro"),
        ("um 12:30 Uhr", "um 12 Uhr 30"),
        ("z. B. Äpfel, d.h. Obst usw.", "zum Beispiel Äpfel, das heißt Obst und so weiter"),
        ("am 24.12.2021", "am vierundzwanzigsten Dezember 2021"),
    ],
)  # fmt: skip
def test_german_is_written_out(text: str, said: str) -> None:
    assert spoken(text, "de") == said


def test_other_languages_stay_as_they_are() -> None:
    assert spoken("Il coûte $5.50.", "fr") == "Il coûte $5.50."


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello, world.", [("Hello", ","), ("world", ".")]),
        ("Wait… what?!", [("Wait", ","), ("what", "?")]),
        ("He said: “Go! Now.” and left—fast.",
         [("He said", ":"), ("Go", "!"), ("Now", "."), ("and left", ","), ("fast", ".")]),
        ("Dr. Smith (a man) paid 5.50.", [("Dr. Smith", ","), ("a man", ","), ("paid 5.50", ".")]),
        ("file(s) and f(x)", [("file(s) and f(x", "")]),
        ("你好，世界。", [("你好", ","), ("世界", ".")]),
        ("...", [("", "")]),
        ("so...", [("so", ".")]),
    ],
)  # fmt: skip
def test_clauses(text: str, parts: list[tuple[str, str]]) -> None:
    assert [tuple(each) for each in clauses(text)] == parts


@given(st.text(alphabet="ab .,!?…—()\"'5\n你。", max_size=60))
@settings(max_examples=200)
def test_no_word_is_lost_between_clauses(text: str) -> None:
    def letters(words: str) -> str:
        return "".join(one for one in words if one.isalnum())

    assert letters("".join(each.text for each in clauses(text))) == letters(text)


@given(st.text(alphabet="ab .!?\n*_#C你。", max_size=200), st.integers(32, 80))
@settings(max_examples=200)
def test_utterances_partition_a_text(text: str, longest: int) -> None:
    found = list(utterances([text[:7], text[7:]], longest=longest))
    assert found[0].start == 0 and found[-1].stop == len(text)
    for one, two in itertools.pairwise(found):
        assert one.stop == two.start
    assert all(len(each.text) <= longest for each in found)


def test_pauses_between_utterances() -> None:
    text = "One two. Three!\n\nChapter 7\n\nFour five.\n- An item\n- Another item"
    found = list(utterances([text]))
    assert [each.pause for each in found] == [
        "sentence", "paragraph", "paragraph", "line", "line", "paragraph"
    ]  # fmt: skip
    assert [each.text for each in found if each.heading] == ["Chapter 7"]
    assert found[-1].text == "Another item" and found[-1].markup == 2


def test_phonemes_have_the_marks_of_the_sentence() -> None:
    reader = EspeakReader("en-us", IDS)
    assert reader.phonemes("Hello, world.") == "həlˈoʊ, wˈɜːld."
    assert reader.phonemes("Dr. Smith left") == "dˈɑːktɚ smˈɪθ lˈɛft."
    assert reader.phonemes("wait… what?") == "wˈeɪt, wˌʌt?"
    assert reader.phonemes("...") == ""
    assert reader.phonemes("and then,", whole=False).endswith(",")


def test_every_letter_of_a_long_word_is_read() -> None:
    espeak = Espeak("en-us")
    assert espeak.phonemes("x" * 200).count("ɛks") == 200
    assert espeak.phonemes("1" * 45).count("wˈʌn") >= 4


def test_ids_have_a_start_pads_and_an_end() -> None:
    said = EspeakReader("en-us", IDS).said("tea.")
    begin, pad, end = IDS["^"][0], IDS["_"][0], IDS["$"][0]
    assert said.ids[:2].tolist() == [begin, pad] and said.ids[-1] == end
    assert set(said.ids[1:-1:2].tolist()) == {pad}
    plain = EspeakReader("en-us", IDS, padded=False).said("tea.")
    assert plain.ids.tolist() == [begin, *said.ids[2:-1:2].tolist(), end]
    with pytest.raises(ConfigurationError, match="lack '_'"):
        EspeakReader("en-us", {"^": [1], "$": [2]})


def test_what_is_not_read_is_counted() -> None:
    reader = EspeakReader("en-us", IDS)
    said = reader.said("a ★ and 你好, naïve 😀")
    assert dict(said.unread) == {"★": 1} and said.spelled == 2
    assert reader.said("★").ids.size == 0
    lacking = EspeakReader("en-us", {one: own for one, own in IDS.items() if one != "h"})
    assert dict(lacking.said("hat").missing) == {"h": 1}


def test_unknown_languages_are_named_with_near_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'en-uss'.*did you mean"):
        Espeak("en-uss")


def test_voices_do_not_mix_between_threads() -> None:
    wanted = {voice: Espeak(voice).phonemes("Haus ist schön") for voice in ("en-us", "de", "fr")}
    assert len(set(wanted.values())) == 3
    wrong: list[str] = []

    def read(voice: str) -> None:
        espeak = Espeak(voice)
        found = [espeak.phonemes("Haus ist schön") for _ in range(40)]
        wrong.extend(voice for each in found if each != wanted[voice])

    threads = [threading.Thread(target=read, args=(voice,)) for voice in (*wanted, *wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(importlib.util.find_spec("piper") is None, reason="piper-tts is not installed")
@pytest.mark.parametrize(
    "text",
    ["Hello, world.", "The quick brown fox jumps over the lazy dog.", "How are you; fine?",
     "He said: it works!", "Tell me more about 42 cats and 3.5 dogs."],
)  # fmt: skip
def test_phonemes_are_those_of_piper(text: str) -> None:
    from piper.phonemize_espeak import EspeakPhonemizer  # measured against, never used

    (theirs,) = EspeakPhonemizer().phonemize("en-us", text)
    # Its espeak-ng is newer, and writes a glide between vowels.
    assert EspeakReader("en-us", IDS).phonemes(text) == "".join(theirs).replace("ʲ", "")
