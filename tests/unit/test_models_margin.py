"""The margin loss against its formula, and the pooling of directions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from anysize.core.errors import ConfigurationError
from anysize.core.windows import Span, Window
from anysize.mergers.embedding import EmbeddingMerger
from anysize.models.margin import MarginHead, margin_logits, mean_directions


def formula(
    embedding: np.ndarray, centres: np.ndarray, target: int, margin: float, scale: float
) -> list[float]:
    """ArcFace for one embedding, in float64, through the angle itself."""
    logits = []
    for number, centre in enumerate(centres):
        cosine = embedding @ centre / np.linalg.norm(embedding) / np.linalg.norm(centre)
        angle = math.acos(max(-1.0, min(1.0, cosine)))
        if number == target:
            if angle + margin < math.pi:
                cosine = math.cos(angle + margin)
            else:
                cosine -= margin * math.sin(margin)
        logits.append(scale * cosine)
    return logits


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.0])
def test_logits_equal_the_formula(margin: float) -> None:
    rng = np.random.default_rng(0)
    embeddings, centres = rng.normal(size=(64, 7)), rng.normal(size=(5, 7))
    targets = rng.integers(0, 5, 64)
    # Some lie beyond pi - margin, where the cosine would turn back.
    embeddings[:8] = -centres[targets[:8]] + 0.05 * rng.normal(size=(8, 7))
    expected = [
        formula(embedding, centres, int(target), margin, 30.0)
        for embedding, target in zip(embeddings, targets, strict=True)
    ]
    found = margin_logits(
        torch.tensor(embeddings), torch.tensor(centres), torch.tensor(targets),
        margin=margin, scale=30.0,
    )  # fmt: skip
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


def test_targets_value_falls_over_the_whole_half_turn() -> None:
    angles = torch.linspace(0, math.pi, 1000, dtype=torch.float64)
    embeddings = torch.stack([angles.cos(), angles.sin()], dim=1)
    found = margin_logits(
        embeddings, torch.tensor([[1.0, 0.0]]), torch.zeros(1000, dtype=torch.int64),
        margin=0.5, scale=1.0,
    )  # fmt: skip
    assert (found[1:, 0] < found[:-1, 0] + 1e-6).all()
    assert found[0, 0] == pytest.approx(math.cos(0.5), abs=1e-3)


def test_gradient_equals_finite_differences_and_stays_finite_at_the_centre() -> None:
    head = MarginHead(4, 3, margin=0.3, scale=8.0)
    with torch.no_grad():
        head.centres.copy_(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    targets = torch.tensor([0, 2])
    embeddings = torch.randn(2, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def loss(values: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(head(values, targets), targets)

    loss(embeddings).backward()
    step = 1e-2
    for row in range(2):
        for column in range(4):
            moved = torch.zeros(2, 4)
            moved[row, column] = step
            with torch.no_grad():
                slope = (loss(embeddings + moved) - loss(embeddings - moved)) / (2 * step)
            assert float(embeddings.grad[row, column]) == pytest.approx(float(slope), abs=2e-3)
    centred = head.centres.detach()[targets].clone().requires_grad_()
    loss(centred).backward()
    assert centred.grad.isfinite().all()


def test_autocast_does_not_change_the_logits() -> None:
    head = MarginHead(16, 5, margin=0.3, scale=16.0)
    embeddings, targets = torch.randn(8, 16), torch.arange(8) % 5
    plain = head(embeddings, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = head(embeddings, targets)
    assert lowered.dtype == torch.float32
    torch.testing.assert_close(lowered, plain, rtol=0, atol=0)


def test_without_targets_there_is_no_margin() -> None:
    head = MarginHead(4, 3, margin=0.3, scale=8.0)
    embeddings = torch.randn(5, 4)
    plain = MarginHead(4, 3, margin=0.0, scale=8.0)
    plain.load_state_dict(head.state_dict())
    torch.testing.assert_close(head(embeddings), plain(embeddings, torch.zeros(5).long()))


def test_bad_settings_are_named_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        MarginHead(4, 3, margin=2.0, scale=0.0)
    assert len(caught.value.problems) == 2


def test_training_joins_windows_as_the_merger_does() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(9, 6)).astype(np.float32) * rng.uniform(0.1, 9, size=(9, 1))
    sizes = rng.integers(1, 50, 9)
    owners = np.array([0, 1] * 4 + [0])
    joined = mean_directions(
        torch.tensor(vectors), torch.tensor(sizes), torch.tensor(owners), 2
    ).numpy()
    for record in range(2):
        merger = EmbeddingMerger("r", "samples")
        start = 0
        for index in np.flatnonzero(owners == record):
            span = Span(start, start + int(sizes[index]))
            start = span.stop
            merger.add(
                Window(record="r", index=int(index), region=span, core=span, last=False),
                {"embeddings": vectors[index]},
            )
        result = merger.finish()
        np.testing.assert_allclose(result.prediction, joined[record], atol=1e-5)
        assert result.receipt.covered == 1.0
        assert 0 < result.score <= 1
