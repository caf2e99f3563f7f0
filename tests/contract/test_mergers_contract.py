"""Every merger: order-independent where it says so, receipts that add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anysize import mergers
from anysize.core import plugins
from anysize.core.ctc import BestPath, Steps
from anysize.core.ctc_words import Reading
from anysize.core.windows import Box, Span, Window

LABELS = ("a", "b", "c")
RULES = sorted(plugins.keys("mergers"))
# Objects have places in pictures only.
ALONG_A_LINE = [rule for rule in RULES if rule != "objects"]
SPOKEN = ("ctc", "speech", "transcript", "timeline")
# These are of texts only, or of time.
OF_PICTURES = [
    rule for rule in RULES if rule not in ("entities", "likelihood", "segments", *SPOKEN)
]


def spans(count: int) -> list[Window]:
    return [
        Window(
            record="r",
            index=i,
            region=Span(max(10 * i - 2, 0), 10 * i + 12),
            core=Span(10 * i, 10 * i + 10),
            last=i == count - 1,
        )
        for i in range(count)
    ]


def outputs(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [
        {
            "logits": rng.normal(size=3).astype(np.float32),
            "scores": np.float32(rng.normal(0, 30)),
            "embeddings": np.float32([2, -1, 3]) + rng.normal(size=3).astype(np.float32),
            "class_scores": rng.random((4, 3)),
            "boxes": np.sort(rng.random((4, 2, 2)), axis=1).reshape(4, 4),
            "losses": rng.random(10),
            "predicted": np.array(10),
            "speech": np.array([0.0, 1.0, 1.0]),
            "waveform": rng.uniform(-1, 1, 50).astype(np.float32),
            "samples": np.array(40),
        }
        for _ in range(count)
    ]


def steps_of(values: dict[str, Any]) -> dict[str, Any]:
    """What a network with a CTC head gives for a window, as its step leaves it."""
    return {
        "steps": Steps.of(np.tile(values["logits"], (4, 1)), blank=0),
        "search": lambda: BestPath(0),
        "reading": Reading(pieces=("", "a", "b"), step=10.0),
        "exact": False,
        "rate": 16_000,
    }


def outputs_for(rule: str, windows: list[Window]) -> list[dict[str, Any]]:
    """What a rule reads: of a window, or of each of its tokens."""
    values = outputs(len(windows))
    if rule == "ctc":
        return [steps_of(each) for each in values]
    if rule == "transcript":
        return [{"segments": ()} for _ in values]
    for place, each in enumerate(values):
        each |= {"before": np.array(""), "text": np.array(f"{place}"), "after": np.array(".")}
    if rule != "entities":
        return values
    rng = np.random.default_rng(2)
    for window, each in zip(windows, values, strict=True):
        region = window.region
        assert isinstance(region, Span)
        tokens = np.arange(region.start, region.stop)
        each["logits"] = rng.normal(size=(region.size, 3)).astype(np.float32)
        each["first"] = np.array(0)
        each["offsets"] = np.stack([2 * tokens, 2 * tokens + 1], axis=1)
        each["starts"] = tokens % 3 > 0
    return values


@pytest.mark.parametrize("rule", ALONG_A_LINE)
def test_order_does_not_matter_where_claimed(rule: str) -> None:
    windows = spans(17)
    values = outputs_for(rule, windows)
    finished = []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(17)
        merger = mergers.make("r", LABELS, rule, "tokens", keep_first=True)
        if not merger.order_independent:
            pytest.skip(f"{rule} needs its windows in order, and says so")
        for i in order:
            merger.add(windows[i], values[i])
        finished.append(merger.finish())
    for result in finished[1:]:
        assert result.prediction == finished[0].prediction
        assert result.score == pytest.approx(finished[0].score, abs=1e-9)
        assert result.details == finished[0].details
        assert result.receipt == finished[0].receipt


@pytest.mark.parametrize("rule", ALONG_A_LINE)
@pytest.mark.parametrize("count", [1, 5])
def test_receipts_cover_the_extent(rule: str, count: int) -> None:
    merger = mergers.make("r", LABELS, rule, "tokens")
    for window, value in zip(spans(count), outputs_for(rule, spans(count)), strict=True):
        merger.add(window, value)
    receipt = merger.finish().receipt
    assert receipt.extent == 10 * count
    assert receipt.covered == 1.0
    assert receipt.dropped == 0
    assert receipt.windows == count
    assert receipt.merge == rule
    assert (receipt.fidelity == "exact") == (count == 1)


@pytest.mark.parametrize("rule", OF_PICTURES)
def test_picture_receipts_tell_width_and_height(rule: str) -> None:
    merger = mergers.make("r", LABELS, rule, "pixels")
    cores = [Box(0, 0, 6, 4), Box(6, 0, 9, 4), Box(0, 4, 6, 7), Box(6, 4, 9, 7)]
    regions = [Box(0, 0, 7, 5), Box(2, 0, 9, 5), Box(0, 2, 7, 7), Box(2, 2, 9, 7)]
    places = zip(cores, regions, outputs(4), strict=True)
    for i, (core, region, value) in enumerate(places):
        merger.add(Window(record="r", index=i, region=region, core=core, last=i == 3), value)
    receipt = merger.finish().receipt
    assert receipt.shape == (9, 7)
    assert receipt.extent == 63
    assert receipt.covered == 1.0
    assert receipt.tile == (7, 5)
    assert receipt.to_json()["tile"] == (7, 5)


@pytest.mark.parametrize("rule", OF_PICTURES)
def test_a_picture_that_one_window_owns_has_no_tile(rule: str) -> None:
    merger = mergers.make("r", LABELS, rule, "pixels")
    whole, nothing = Box(0, 0, 9, 7), Box(0, 0, 0, 0)
    # As the faces of a picture: the first window owns all of it.
    for i, (region, core) in enumerate(((Box(1, 1, 4, 4), whole), (Box(5, 1, 8, 4), nothing))):
        window = Window(record="r", index=i, region=region, core=core, last=i == 1)
        merger.add(window, outputs(2)[i])
    assert merger.finish().receipt.tile is None


def pooled(rule: str) -> np.ndarray:
    merger = mergers.make("r", LABELS, rule, "tokens")
    for window, value in zip(spans(17), outputs(17), strict=True):
        merger.add(window, value)
    shares = merger.finish().details["probabilities"]
    return np.array([shares[label] for label in LABELS])


def test_pooling_equals_its_definition() -> None:
    logits = np.stack([value["logits"] for value in outputs(17)]).astype(np.float64)
    scores = np.array([value["scores"] for value in outputs(17)], np.float64)
    weights = np.exp(scores - scores.max())
    expected = {
        "mean": logits.mean(0),
        "max": logits.max(0),
        "attention": (weights[:, None] * logits).sum(0) / weights.sum(),
    }
    for rule, value in expected.items():
        shares = np.exp(value) / np.exp(value).sum()
        np.testing.assert_allclose(pooled(rule), shares, atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "max", "attention"])
def test_training_pools_as_prediction_does(rule: str) -> None:
    import torch

    from anysize.tasks.pooling import pool_windows

    values = outputs(17)
    logits = torch.tensor(np.stack([value["logits"] for value in values]))
    scores = torch.tensor(np.array([value["scores"] for value in values]))
    sizes = torch.tensor([window.core.size for window in spans(17)])
    # A second record between the windows of the first must not disturb it.
    owners = torch.zeros(34, dtype=torch.int64)
    owners[1::2] = 1
    doubled = logits.repeat_interleave(2, 0)
    doubled[1::2] += 5 * torch.randn(17, 3, generator=torch.Generator().manual_seed(0))
    result = pool_windows(
        doubled, scores.repeat_interleave(2), sizes.repeat_interleave(2), owners, 2, rule
    )
    np.testing.assert_allclose(result[0].softmax(0).numpy(), pooled(rule), atol=1e-5)


def test_grid_lists_windows_in_reading_order() -> None:
    merger = mergers.make("r", LABELS, "grid", "pixels")
    cores = [Box(4, 2, 8, 4), Box(0, 0, 4, 2), Box(4, 0, 8, 2), Box(0, 2, 4, 4)]
    for i, core in enumerate(cores):
        logits = np.eye(3, dtype=np.float32)[i % 3] * 9
        window = Window(record="r", index=i, region=core, core=core, last=False)
        merger.add(window, {"logits": logits})
    result = merger.finish()
    found = [(region["core"], region["label"]) for region in result.details["regions"]]
    assert found == [
        ([0, 0, 4, 2], "b"), ([4, 0, 8, 2], "c"), ([0, 2, 4, 4], "a"), ([4, 2, 8, 4], "a"),
    ]  # fmt: skip
    assert result.prediction == "a"
