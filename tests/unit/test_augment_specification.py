"""Specifications: what is understood, what comes back, and what is said about faults."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anysize.augmentation.colour import Colour
from anysize.augmentation.geometry import Crop, HorizontalFlip, Rotate, Scale
from anysize.augmentation.image import Augmentation, make
from anysize.augmentation.local import Blur
from anysize.augmentation.parameters import Range
from anysize.augmentation.policies import POLICIES
from anysize.augmentation.specification import catalogue, parse, written
from anysize.augmentation.steps import Step
from anysize.core.errors import ConfigurationError

EXAMPLE = "rotate(±30), scale(0.8..1.2), crop(224), hflip, colour(0.4), blur(p=0.1)"
MEANT = (
    Rotate(degrees=Range(-30, 30)),
    Scale(factor=Range(0.8, 1.2)),
    Crop(size=224),
    HorizontalFlip(),
    Colour(amount=0.4),
    Blur(p=0.1),
)


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        "rotate(+-30), scale(.8..1.2), crop(224), hflip(0.5), color(0.4), blur(p=0.1)",
        "rotate(-30..30) | scale(±0.2) | crop(size=224) | hflip | color(amount=0.4) | blur(p=.1)",
        "rotate(30)\nscale(0.2)\ncrop(224)\nhflip\nCOLOUR(0.4)\nblur( p = 0.1 )",
        "rotate(+/-30); scale(0.8 .. 1.2); crop(224); flip; colour; blur(0.1..2, 0.1)",
    ],
)
def test_ways_to_write_the_same(text: str) -> None:
    assert parse(text) == MEANT


def test_lists_of_texts_tables_and_steps() -> None:
    mixed = [
        "rotate(±30)",
        {"step": "scale", "factor": [0.8, 1.2]},
        Crop(size=224),
        "hflip, colour(0.4)",
        {"step": "blur", "p": 0.1},
    ]
    assert parse(mixed) == MEANT


def test_a_policy_stands_for_its_steps() -> None:
    assert parse("imagenet, mixup(0.3)") == parse("random_resized_crop, hflip, mixup(alpha=0.3)")
    assert make("none") is None
    assert make("") is None
    for name in POLICIES:
        assert parse(name) == parse(POLICIES[name][0])


def values(kind: type[Step]) -> st.SearchStrategy[Step]:
    """Steps of a kind with parameters inside their rules."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for item in dataclasses.fields(kind):
        rule = item.metadata["rule"]
        low, high = max(rule.low, -1e3), min(rule.high, 1e3)
        numbers = st.floats(low, high).map(lambda value: float(f"{value:g}"))
        numbers = numbers.filter(lambda value, low=low, high=high: low <= value <= high)
        if rule.kind == "number":
            fields[item.name] = numbers
        elif rule.kind == "whole":
            fields[item.name] = st.integers(int(low), int(high))
        elif rule.kind == "range":
            fields[item.name] = st.tuples(numbers, numbers).map(lambda pair: Range(*sorted(pair)))
        elif rule.kind == "size":
            side = st.integers(1, 4096)
            fields[item.name] = st.one_of(st.none(), side, st.tuples(side, side))
        elif rule.kind == "string":
            fields[item.name] = st.sampled_from(("noises", "../noises/of the street"))
        else:
            fields[item.name] = st.sampled_from(rule.words)
    return st.builds(kind, **fields)


@given(st.lists(st.sampled_from(list(catalogue().values())).flatmap(values), max_size=5))
def test_what_is_written_is_read_back(steps: list[Step]) -> None:
    text = written(steps)
    assert written(parse(text)) == text
    assert [type(step) for step in parse(text)] == [type(step) for step in steps]


def test_all_faults_are_reported_at_once_with_near_names() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse("rotat(30), crop(-1), colour(amunt=3), blur(p=2), hflip(0.5, 0.5), 3!, imagenet(2)")
    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 7
    for piece in (
        "'rotat'; did you mean 'rotate'?",
        "crop: size must be a side or WIDTHxHEIGHT",
        "'amunt'; did you mean 'amount'?",
        "blur: p must be a number from 0 to 1, not '2'",
        "hflip: takes 1 parameters at most",
        "'3!' is not of the form",
        "the policy imagenet takes no parameters",
    ):
        assert piece in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rotate(30", "brackets"),
        ("rotate(30))", "brackets"),
        ("rotate(30, degrees=20)", "given twice"),
        ("scale(1.2..0.8)", "from low to high"),
        ("rotate(nan)", "must be a number or a range"),
        ("crop(224x)", "WIDTHxHEIGHT"),
        ("border(blue)", "one of reflect"),
        ("posterize(9)", "from 1 to 8"),
    ],
)
def test_each_fault_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse(text)


def test_faults_of_tables_and_of_python() -> None:
    with pytest.raises(ConfigurationError, match="must name its step"):
        parse([{"degrees": 30}])
    with pytest.raises(ConfigurationError, match="must be a text, a step or a table"):
        parse([3])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError) as caught:
        Rotate(degrees="far", p=3)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 2


def test_a_crop_without_a_size_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"crop\(224\)"):
        Augmentation("crop").plan((100, 100), (0, 0, "a", 0))
    assert Augmentation("crop").plan((100, 100), (0, 0, "a", 0), size=(32, 24)).size == (32, 24)
