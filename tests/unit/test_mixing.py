"""MixUp and CutMix in a micro-batch: pictures, targets, and the loss of both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from anysize.augmentation.image import Augmentation
from anysize.core.examples import Example
from anysize.core.windows import Box, Window
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.network import Network
from anysize.models.resnet import ResNetConfig, ResNetForImageClassification
from anysize.tasks import load
from anysize.tasks.protocols import LossBatch, LossOptions, Mixture
from anysize.training.mixing import Mixing
from anysize.training.pooled import Windows


def record(shade: int, windows: int = 1) -> Windows:
    box = Box(0, 0, 8, 6)
    examples = [
        Example(
            ordinal=shade,
            window=Window(record=str(shade), index=index, region=box, core=box, last=True),
            arrays={"pixels": np.full((6, 8, 3), shade, dtype=np.uint8)},
            cost=48,
        )
        for index in range(windows)
    ]
    return Windows(examples, shade % 3)


@pytest.mark.parametrize("spec", ["mixup(1.0)", "cutmix(1.0)"])
def test_each_picture_keeps_its_share(spec: str) -> None:
    mixing = Mixing(Augmentation(spec), seed=3, rank=0)
    records = [record(shade) for shade in (0, 50, 100, 150, 200)]
    seen = set()
    for step in range(20):
        mixed, mixture = mixing(records, 1, step, 0)
        assert mixture is not None
        seen.add(round(mixture.share, 3))
        for place, (partner, made) in enumerate(zip(mixture.partners, mixed, strict=True)):
            pixels = made.examples[0].arrays["pixels"]
            assert pixels.dtype == np.uint8
            assert made.target == records[place].target
            expected = mixture.share * 50 * place + (1 - mixture.share) * 50 * partner
            assert pixels.mean() == pytest.approx(expected, abs=0.6)
    assert len(seen) > 5
    assert [item.examples[0].arrays["pixels"][0, 0, 0] for item in records] == [
        0,
        50,
        100,
        150,
        200,
    ]


def test_the_micro_batch_alone_decides() -> None:
    records = [record(shade) for shade in range(6)]

    def mixture(seed: int, rank: int, *place: int) -> Mixture | None:
        return Mixing(Augmentation("mixup(1.0), cutmix(1.0)"), seed, rank)(records, *place)[1]

    assert mixture(1, 0, 0, 5, 2) == mixture(1, 0, 0, 5, 2)
    others = [(2, 0, 0, 5, 2), (1, 1, 0, 5, 2), (1, 0, 1, 5, 2), (1, 0, 0, 6, 2), (1, 0, 0, 5, 3)]
    assert all(mixture(1, 0, 0, 5, 2) != mixture(*other) for other in others)


def test_records_of_several_windows_and_lonely_ones_are_left() -> None:
    mixing = Mixing(Augmentation("mixup(1.0)"), seed=0, rank=0)
    for records in ([record(1), record(2, windows=2)], [record(1)]):
        mixed, mixture = mixing(records, 0, 0, 0)
        assert mixed is records
        assert mixture is None


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_the_mixed_targets(smoothing: float) -> None:
    task = load("image-classification")
    module = ResNetForImageClassification(
        ResNetConfig(depths=(1,), hidden_sizes=(4,), stem="full", num_labels=3)
    )
    network = Network(module=module, spec="-", settings=ImageSettings(width=8, height=6))
    torch.manual_seed(0)
    logits = torch.randn(4, 3, requires_grad=True)
    targets, partners, share = [0, 1, 2, 1], (3, 2, 0, 1), 0.3
    batch = LossBatch(
        examples=(),
        owners=torch.arange(4),
        weights=torch.ones(4),
        targets=targets,
        mixture=Mixture(partners=partners, share=share),
        options=LossOptions(label_smoothing=smoothing),
    )
    loss = task.loss(network, {"logits": logits}, batch)
    own = one_hot(torch.tensor(targets), 3).float()
    soft = share * own + (1 - share) * own[list(partners)]
    expected = cross_entropy(logits, soft, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected)
