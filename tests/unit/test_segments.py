"""Segments: what is translated, and what stays around it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.windows.segments import segments

_PIECES = st.sampled_from(
    ["# ", "- ", "> ", "| ", " | ", "1. ", "```\n", "~~~", "<b>", "</b>", "<br/>", "<pre>",
     "</pre>", "<a href='x. Y'>", "\n", "\n\n", " ", "\t", "Hello there.", "Wie geht es?", "好的。",
     "x < y", "{name}", "https://a.b/c", "...", "42", "*bold*", "`a. B`", "\u2028", "<"]
)  # fmt: skip


@given(st.one_of(st.lists(_PIECES, max_size=40).map("".join), st.text(max_size=120)), st.booleans())
@settings(max_examples=150)
def test_the_segments_are_the_text(text: str, markup: bool) -> None:
    found = list(segments([text], longest=60, markup=markup))
    assert "".join(each.before + each.text + each.after for each in found) == text
    at = 0
    for each in found:
        assert each.start == at
        at = each.stop
        assert each.text == each.text.strip()
    assert len(found) == 1 or all(each.text for each in found)


def _texts(text: str, *, markup: bool = True) -> list[str]:
    return [each.text for each in segments([text], longest=500, markup=markup) if each.text]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# A heading\n\nSome text. More text.\n", ["A heading", "Some text.", "More text."]),
        ("- one thing\n- [ ] to do\n1. first\n> quoted", ["one thing", "to do", "first", "quoted"]),
        ("| Name | Age |\n|---|---|\n| a word | 3 |", ["Name | Age", "a word | 3"]),
        ("<p>Hello <b>you</b>.</p><br/>", ["Hello <b>you</b>."]),
        ("Before.\n```python\nx = 1. Y\n\nz\n```\nAfter.", ["Before.", "After."]),
        ("<script>\nvar a = 'b. C';\n</script>\nText.", ["Text."]),
        ("1999\n---\n***\n", []),
        ("你好。今天天气很好！", ["你好。", "今天天气很好！"]),
    ],
)
def test_markup_stays(text: str, wanted: list[str]) -> None:
    assert _texts(text) == wanted


def test_without_markup_all_is_translated() -> None:
    assert _texts("# A <b>", markup=False) == ["# A <b>"]


def test_an_empty_text_has_one_segment() -> None:
    (only,) = segments([" \n "], longest=100)
    assert (only.before, only.text, only.after) == ("", "", " \n ")


def test_much_that_stays_is_not_held() -> None:
    text = "One.\n```\n" + "code\n" * 30_000 + "```\nTwo."
    found = list(segments([text], longest=500))
    assert "".join(each.before + each.text + each.after for each in found) == text
    assert max(len(each.before) + len(each.after) for each in found) < 20_000
