"""What is found wrong with translations, and what is not."""

from __future__ import annotations

import pytest

from anysize.tasks.translation_guard import lost, problems, protected, repeats, unusable
from anysize.tasks.translation_step import fragments

_LONG = "The committee met in the old town hall to discuss the plan for the new bridge."


@pytest.mark.parametrize(
    ("source", "output", "wanted"),
    [
        ("See https://a.b/c?d=1.", "Siehe https://a.b/c?d=1.", []),
        ("See https://a.b/c?d=1.", "Siehe hier.", ["https://a.b/c?d=1"]),
        ("Hi {name}, you have %d mails.", "Hallo {name}, %d Mails.", []),
        ("Hi {name}, {{x y}} and ${z} %(n)s", "Hallo", ["{name}", "{{x y}}", "${z}", "%(n)s"]),
        ("<b>Hi</b> `a_b`", "<b>Hallo</b>", ["`a_b`"]),
        ("It cost 1,250.50 in 1999.", "Es kostete 1.250,50 im Jahr 1999.", []),
        ("It cost 1,250 in 1999.", "Es kostete 1.205.", ["1250", "1999"]),
        ("Write to a.b@c.org", "Schreib an uns", ["a.b@c.org"]),
        ("3 dogs", "drei Hunde", []),
    ],
)
def test_what_is_lost(source: str, output: str, wanted: list[str]) -> None:
    assert sorted(lost(source, output)) == sorted(wanted)


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("Der Ausschuss traf sich im alten Rathaus, um den Plan zu besprechen.", []),
        ("", ["nothing came"]),
        ("Ja.", ["too short"]),
        ("Der Plan der Plan der Plan der Plan der Plan.", ["repeats itself"]),
        ("x " * 200, ["too long", "repeats itself"]),
        (_LONG, ["copied from the source"]),
    ],
)
def test_problems(output: str, wanted: list[str]) -> None:
    # nllb-api#64 (sentences lost), hallucinations: a loop, a copy, much too long, much too short.
    assert problems(_LONG, output) == wanted
    assert problems(_LONG, "Der Ausschuss traf sich im alten Rathaus.", ended=False) == ["cut off"]


def test_lengths_of_scripts_are_comparable() -> None:
    assert problems(_LONG, "委员会在旧市政厅开会，讨论新桥的计划。") == []
    assert problems("委员会在旧市政厅开会，讨论新桥的计划。", _LONG) == []
    assert problems(_LONG, "好。") == ["too short"]


def test_repetition_in_the_source_is_allowed() -> None:
    assert repeats("no no no no no") == 5
    assert repeats("一二一二一二一二") == 4
    assert "repeats itself" not in problems("Ha ha ha ha ha ha!", "Ha ha ha ha ha ha!")


def test_fragments_are_the_segment() -> None:
    source = "Hi {name}, see https://a.b in 2024 or `x`."
    assert "".join(text for text, _ in fragments(source)) == source
    kept = [text for text, copied in fragments(source) if copied]
    assert kept == ["{name}", "https://a.b", "2024", "`x`", "."]
    assert [source[start:stop] for start, stop in protected(source)] == [
        "{name}", "https://a.b", "`x`",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "found", "reason"),
    [
        ("Gut.", [], None),
        (" \n", [], "empty"),
        ("Gut gut gut gut", [["repeats itself"]], "looping"),
        ("Gut. Und", [[], ["cut off", "too short"]], "cut off"),
        ("Gut", [["lost 1999"]], "without an address, number or tag of the source"),
    ],
)
def test_what_no_student_learns_from(output: str, found: list[list[str]], reason: str) -> None:
    assert unusable(output, found) == reason
