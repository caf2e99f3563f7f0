"""The sentence splitter: nothing is lost, places are exact, work grows with the text alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.windows.sentences import Part, SentenceSplitter, sentences

_PIECES = st.sampled_from(
    [
        *".!?…。！？；，,;:\"'“”„«»()[]「」《》-—\n\t\u2028\u3000\u0301# *`a",
        *("\r\n", "  ", "\n\n", "Dr.", "z.B.", "3.", "Mai", "The", "der", "war", "I."),
        *("U.S.", "3.14", "https://a.b/c?d=e.f", "他说", "好的", "e\u0301", "👩\u200d👩\u200d👧"),
    ]
)  # fmt: skip
_TEXTS = st.one_of(st.lists(_PIECES, max_size=60).map("".join), st.text(max_size=200))


def _of(text: str, **options: object) -> list[str]:
    found = sentences([text], **options)  # type: ignore[arg-type]
    return [part.text for part in found if part.kind == "sentence"]


@given(_TEXTS, st.integers(32, 80), st.sampled_from(["auto", "separate", "wrapped"]))
@example("\n.\u0301" * 60, 32, "auto")
@settings(max_examples=80, deadline=None)
def test_the_parts_are_the_text(text: str, longest: int, lines: str) -> None:
    parts = list(sentences([text], longest=longest, lines=lines))  # type: ignore[arg-type]
    assert "".join(part.text for part in parts) == text
    at = 0
    for part in parts:
        assert part.start == at and part.stop == at + len(part.text)
        assert 0 < len(part.text) <= longest
        at = part.stop
        if part.kind == "sentence":
            assert part.text == part.text.strip()
        else:
            assert part.text.isspace() and not part.continues


@given(_TEXTS, st.integers(32, 60), st.lists(st.integers(1, 40), min_size=1, max_size=8))
@settings(max_examples=80, deadline=None)
def test_the_parts_do_not_depend_on_the_pieces_that_the_text_comes_in(
    text: str, longest: int, sizes: list[int]
) -> None:
    text = text * (1 + 400 // (len(text) + 1))
    chunks, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(text):
            break
        chunks.append(text[at : at + size])
        at += size
    assert list(sentences(chunks, longest=longest)) == list(sentences([text], longest=longest))


@pytest.mark.parametrize(
    "wanted",
    [
        # English: titles, initials, hours, decimals, addresses, spaced ellipses.
        ["Dr. Smith went to Washington, D.C. on Jan. 5.", "He met J. R. R. Tolkien at 3 p.m."],
        ["It cost $3.14 at example.com/a.b?c=d.", "The U.S. Army won.", "No. 5 is here."],
        ["Wait... what?", "I heard it.", "Go!", "Vitamin C.", "The rest etc.", "And so on."],
        ["1. Introduction to life.", "2. More of it.", "**Bold.**", "Next."],
        ["See it (cf. Sec. 3. It is short.) and go.", "Then [a. B. c.] follows."],
        # pragmatic_segmenter#62 and #80, pySBD#118.
        ["‘What’s the matter, Jerry?’ called berate Mr Lorry.", "“Is it?” she asked.", "“Yes.”"],
        ['"These should be two different sentences.', 'Of course."', "Right."],
        # German: syntok#28, pySBD#132, SoMaJo#11.
        ["Ich habe am 3. Juni Geburtstag.", "Jonas ist Fan vom 1. FC Köln, und du?", "Ja."],
        ["Dies ist nun der 17. Versuch.", "Friedrich II. war da.", "Das war 1990.", "Ja."],
        ["Sie näherte sich Louis.", "„Darf ich mitspielen?“, fragte sie.", "„Nein.“", "Er ging."],
        ["Er sagte z.B. nichts, d.h. gar nichts.", "Vgl. Abb. 3 und S. 5.", "Fertig."],
        ['Er sagte: "Das betrifft die 1:1-Versorgung."', "Dann könne sich das ändern."],
        ["« Bonjour ! » dit-il.", "Il part."],
        # hindi, arabic
        ["यह एक वाक्य है।", "यह दूसरा है।"],
        ["هل هذا سؤال؟", "نعم."],
    ],
)  # fmt: skip
def test_sentences_with_spaces_between(wanted: list[str]) -> None:
    assert _of(" ".join(wanted)) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        ["今天天气很好！", "我们去公园吧？", "好的。"],
        # pySBD#99, openmed#1471, remnic#2404.
        ['"这是对的。"他说。', "我不知道……真的。"],
        ["“你去哪里？”她问道。", "「我回家。」", "后来下雨了（很大。真的）。"],
        ["他读了《你好！李焕英》这本书。", "圆周率是3.14。", "値は３．１４です。", "次です。"],
    ],
)
def test_sentences_without_spaces_between(wanted: list[str]) -> None:
    assert _of("".join(wanted)) == wanted


def test_lines_are_wrapped_or_not() -> None:
    # lindat-translation#30: lines of one sentence; modernmt#544: lines that are apart.
    wrapped = (
        "We have been keeping the solution of oil for twenty-four hours \n"
        "in a jar with fifty embryos (tadpoles), and the colour \n"
        "shows that the colloid is there."
    )
    assert _of(wrapped) == [wrapped]
    assert len(_of(wrapped, lines="separate")) == 3
    apart = "Branch Code\nBank Code\nStatus \nLine of Business"
    assert _of(apart) == ["Branch Code", "Bank Code", "Status", "Line of Business"]
    assert _of(apart, lines="wrapped") == [apart]
    long = "There is a list of things that we have to buy in the next weeks"
    assert _of(f"{long}\n- Bread\n- Milk") == [long, "- Bread", "- Milk"]


def test_kinds_of_white_space() -> None:
    parts = list(sentences(["  One. Two.\r\n\r\nThree\nFour. \t"]))
    assert [(part.kind, part.text) for part in parts if part.kind != "sentence"] == [
        ("space", "  "), ("space", " "), ("paragraph", "\r\n\r\n"), ("line", "\n"),
        ("space", " \t"),
    ]  # fmt: skip


def test_long_sentences_are_cut_at_clauses_then_words_then_characters() -> None:
    clause = "one two three four, five six seven eight nine ten eleven"
    assert _of(clause, longest=40) == ["one two three four,", clause[20:]]
    words = "one two three four five six seven eight nine ten"
    assert _of(words, longest=40) == ["one two three four five six seven eight", "nine ten"]
    chinese = "我们昨天去了公园，看到了很多美丽的花，今天还想再去一次看看那些非常漂亮的小鸟和树木"
    assert _of(chinese, longest=32)[0].endswith("，")
    family = "👩\u200d👩\u200d👧" * 20
    pieces = _of(family, longest=32)
    assert "".join(pieces) == family and not any(piece.startswith("\u200d") for piece in pieces)
    parts = list(sentences([words + "."], longest=40))
    assert [(part.kind, part.continues) for part in parts] == [
        ("sentence", False), ("space", False), ("sentence", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "unit",
    ["a", " ", "\n", ".", ". ", "(", "(a. B ", "a. ", "„", '."', "Dr. ", "。", "。”", " .\n"],
)  # fmt: skip
def test_work_grows_with_the_text_alone(unit: str) -> None:
    looked = []
    for size in (10_000, 40_000):
        splitter = SentenceSplitter()
        text = unit * (size // len(unit))
        held = sum(len(part.text) for part in splitter.split([text]))
        assert held == len(text)
        looked.append(splitter.looked)
    assert looked[1] < 4.5 * looked[0] + 20_000
    assert looked[1] < 300 * 40_000


def test_memory_is_that_of_a_few_sentences() -> None:
    ahead = 0

    def chunks() -> object:
        nonlocal ahead
        for _ in range(8_000):
            ahead += len("A sentence of some words. ")
            yield "A sentence of some words. "

    count = 0
    for part in sentences(chunks()):  # type: ignore[arg-type]
        assert isinstance(part, Part)
        assert ahead - part.stop < 8_000
        count += part.kind == "sentence"
    assert count == 8_000


def test_options_that_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"longest must be at least 32 .*\n?.*lines must"):
        sentences(["a"], longest=3, lines="none")  # type: ignore[arg-type]
