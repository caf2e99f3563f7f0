"""The embedder: its start in closed form, its features, its bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from anysize.core.errors import ConfigurationError, DataError
from anysize.modalities.pictures.settings import ImageOptions
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.embedder import EmbedderConfig, EmbedderModel, GradientHistograms, build
from anysize.models.network import BuildRequest
from anysize.models.spec import open_network
from anysize.models.whitening import WithinClassStatistics


def samples(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """12 identities in 6 dimensions whose samples differ mostly along one of them."""
    rng = np.random.default_rng(seed)
    identities = np.repeat(np.arange(12), 8)
    noise = rng.normal(size=(96, 6)) * [4, 0.2, 0.2, 0.2, 0.2, 0.2]
    return 5 + rng.normal(size=(12, 6))[identities] + noise, identities


def fitted(width: int = 6, shrinkage: float = 1e-6) -> tuple[np.ndarray, np.ndarray]:
    features, identities = samples()
    statistics = WithinClassStatistics(6, 12)
    for start in range(0, 96, 7):
        statistics.add(features[start : start + 7], identities[start : start + 7])
    return statistics.projection(width, shrinkage)


def test_within_class_covariance_becomes_a_multiple_of_the_identity() -> None:
    features, identities = samples()
    matrix, centres = fitted()
    projected = features @ matrix[:, :-1].T + matrix[:, -1]
    means = np.stack([projected[identities == number].mean(axis=0) for number in range(12)])
    np.testing.assert_allclose(centres, means, atol=1e-9)
    within = projected - means[identities]
    covariance = within.T @ within / len(within)
    np.testing.assert_allclose(covariance, covariance[0, 0] * np.eye(6), atol=1e-4)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-9)
    assert np.mean((projected**2).sum(axis=1)) == pytest.approx(1)


def test_shrinkage_is_of_the_covariance() -> None:
    features, identities = samples()
    matrix, _ = fitted(shrinkage=0.5)
    means = np.stack([features[identities == number].mean(axis=0) for number in range(12)])
    within = np.cov((features - means[identities]).T, bias=True)
    shrunk = 0.5 * within + 0.5 * np.trace(within) / 6 * np.eye(6)
    whitened = matrix[:, :-1] @ shrunk @ matrix[:, :-1].T
    np.testing.assert_allclose(whitened, whitened[0, 0] * np.eye(6), atol=1e-9)


def test_strangers_are_told_apart_better_than_before() -> None:
    from anysize.recognition.pairs import pair_counts, unit_vectors

    matrix, _ = fitted()
    features, identities = samples(seed=1)
    raw = unit_vectors(features - features.mean(axis=0))
    projected = unit_vectors(features @ matrix[:, :-1].T + matrix[:, -1])
    before, after = (
        pair_counts(vectors, identities).rates().equal_error()[0] for vectors in (raw, projected)
    )
    assert after < 0.5 * before


def test_fewer_directions_than_asked_for_leave_zeros() -> None:
    statistics = WithinClassStatistics(6, 2)
    features, _ = samples()
    statistics.add(features[:4], np.array([0, 0, 1, 1]))
    matrix, centres = statistics.projection(5)
    assert np.count_nonzero(np.abs(matrix[:, :-1]).sum(axis=1)) == 3
    assert matrix.shape == (5, 7) and centres.shape == (2, 5)


def test_what_cannot_be_fitted_is_refused() -> None:
    statistics = WithinClassStatistics(6, 3)
    features, _ = samples()
    statistics.add(features[:2], np.array([0, 1]))
    with pytest.raises(DataError, match="two samples"):
        statistics.projection(4)
    with pytest.raises(ConfigurationError):
        statistics.projection(4, 0.0)


def picture(angle: float, side: int = 32) -> torch.Tensor:
    """Stripes whose gradient points at ``angle`` and against it."""
    y, x = torch.meshgrid(torch.arange(side) * 1.0, torch.arange(side) * 1.0, indexing="ij")
    wave = torch.sin((x * np.cos(angle) + y * np.sin(angle)) / 1.5)
    return wave.expand(1, 3, side, side)


def test_histograms_name_the_orientation() -> None:
    histograms = GradientHistograms(8, 9)
    for number in range(9):
        found = histograms(picture(np.pi * number / 9))
        assert found.shape == (1, 9, 4, 4)
        assert (found[0, :, 1:-1, 1:-1].argmax(dim=0) == number).all()


def test_histograms_do_not_see_light_and_contrast() -> None:
    histograms = GradientHistograms(8, 9)
    scene = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(histograms(0.3 * scene + 2), histograms(scene), atol=0.03, rtol=0)
    flat = histograms(torch.full((1, 3, 32, 32), 0.7, requires_grad=True))
    assert flat.isfinite().all()


def request(**options: str) -> BuildRequest:
    return BuildRequest(
        task="face-recognition",
        labels=("Ann", "Bob", "Cem"),
        wishes=ImageOptions(image_size=(32, 48)),
        options={"finder": "none", "width": "16", **options},
    )


@pytest.mark.parametrize("key", ["face-gradients", "face-resnet18"])
def test_embedders_give_a_vector_a_picture(key: str) -> None:
    network = build(key, request())
    assert network.outputs == ("embeddings",)
    network.module.train()
    found = network.module(torch.randn(3, 3, 48, 32)).embeddings
    assert found.shape == (3, 16)
    logits = network.module.head(found, torch.tensor([0, 1, 2]))
    functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    assert network.module.projection.weight.grad.abs().sum() > 0


def test_a_picture_and_its_mirror_image_have_one_direction() -> None:
    module = build("face-gradients", request()).module.eval()
    pictures = torch.randn(2, 3, 48, 32, generator=torch.Generator().manual_seed(0))
    plain, mirrored = module(pictures).embeddings, module(pictures.flip(3)).embeddings
    torch.testing.assert_close(plain, mirrored)
    module.train()
    assert not torch.allclose(module(pictures).embeddings, module(pictures.flip(3)).embeddings)


def test_a_bundle_gives_the_same_vectors(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("face-gradients", request())
    network.module.eval()
    card = Card(
        task="face-recognition",
        labels=("Ann", "Bob", "Cem"),
        model="face-gradients",
        settings=network.settings,
    )
    bundle.save(tmp_path / "b", network, card)
    again, found = open_network(str(tmp_path / "b"))
    assert found.task == "face-recognition" and again.outputs == ("embeddings",)
    pictures = torch.randn(2, 3, 48, 32)
    torch.testing.assert_close(
        again.module(pictures).embeddings, network.module(pictures).embeddings
    )


def test_bad_settings_are_named_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        EmbedderConfig(trunk="trees", width=1, cell=3, margin=5.0)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigurationError) as caught:
        build("face-gradients", request(finder="maybe", depth="3", margin="much"))
    assert len(caught.value.problems) == 3
    other = BuildRequest(task="image-classification", labels=("a", "b"))
    with pytest.raises(ConfigurationError, match="face-recognition"):
        build("face-gradients", other)


def test_a_finder_is_part_of_the_model_and_is_not_trained() -> None:
    finder = {"thresholds": [0.6, 0.7, 0.7], "shrink": 0.7, "smallest": 24}
    module = EmbedderModel(EmbedderConfig(width=8, num_labels=2, finder=finder))
    names = [name for name, weight in module.named_parameters() if weight.requires_grad]
    assert names == ["projection.weight", "projection.bias", "head.centres"]
    assert module.finder is not None and module.finder.config.smallest == 24
