"""First filters from the data: decorrelated, in pairs of opposite sign, and drawn where unknown."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize import tasks
from anysize.modalities.pictures.settings import ImageOptions
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network
from anysize.models.patches import whiten
from anysize.models.spec import build
from anysize.sources import open_source


def photographs(count: int = 64, side: int = 32) -> Tensor:
    """Smooth random pictures, whose neighbouring pixels are alike as those of photographs are."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(count, 3, side // 4, side // 4, generator=generator)
    fine = 0.1 * torch.randn(count, 3, side, side, generator=generator)
    return functional.interpolate(coarse, size=(side, side), mode="bilinear") + fine


def responses(convolution: nn.Conv2d, pictures: Tensor) -> Tensor:
    """What the filters see, ``[filters, positions]``; the padded border is left out."""
    found = functional.conv2d(pictures, convolution.weight, stride=convolution.stride)
    return found.transpose(0, 1).flatten(1).detach().double()


def test_the_filters_see_uncorrelated_things_of_one_size() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 64, 4, 2, bias=False)
    pictures = photographs()
    drawn = torch.corrcoef(responses(convolution, pictures)[:32]).triu(1).abs().max()
    whiten(convolution, pictures.split(10))
    seen = responses(convolution, pictures)
    products = seen[:32] @ seen[:32].T / seen.shape[1]
    apart = (products - torch.diag(products.diag())).abs().max()
    assert drawn > 0.5
    assert apart < 1e-3
    assert 0.3 < products.diag().min() <= products.diag().max() < 1.001
    torch.testing.assert_close(seen[32:], -seen[:32])


def test_the_answer_does_not_depend_on_the_batches() -> None:
    first, second = nn.Conv2d(3, 16, 3, bias=False), nn.Conv2d(3, 16, 3, bias=False)
    pictures = photographs(20)
    whiten(first, [pictures])
    whiten(second, pictures.split(3))
    torch.testing.assert_close(first.weight, second.weight, rtol=1e-4, atol=1e-4)


def test_grey_pictures_keep_what_they_do_not_know_as_it_was_drawn() -> None:
    convolution = nn.Conv2d(3, 64, 4, 2, bias=False)
    drawn = convolution.weight.detach().clone()
    whiten(convolution, [photographs()[:, :1].expand(-1, 3, -1, -1)])
    # 16 components of a grey patch of 4 by 4, where 32 would find room.
    changed = (convolution.weight != drawn).flatten(1).any(1)
    assert changed.tolist() == ([True] * 16 + [False] * 16) * 2
    assert convolution.weight.isfinite().all()


@pytest.mark.parametrize("batches", [[], [torch.zeros(4, 3, 32, 32)], [torch.ones(4, 3, 2, 2)]])
def test_pictures_that_say_nothing_change_nothing(batches: list[Tensor]) -> None:
    convolution = nn.Conv2d(3, 64, 4, 2, bias=False)
    drawn = convolution.weight.detach().clone()
    whiten(convolution, batches)
    assert torch.equal(convolution.weight, drawn)


def write(folder: Path, pictures: Tensor) -> Path:
    """Pictures of two classes, and one that cannot be read."""
    levels = np.clip(pictures.permute(0, 2, 3, 1).numpy() * 60 + 128, 0, 255).astype(np.uint8)
    for number, pixels in enumerate(levels):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{number}.png"), pixels)
    (folder / "a" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def begun(data: Path, model: str) -> Network:
    """A network as training begins with it."""
    torch.manual_seed(0)
    task = tasks.load("image-classification")
    network = build(
        model,
        BuildRequest(task=task.name, labels=("a", "b"), wishes=ImageOptions(image_size=(32, 32))),
    )
    task.begin(network, open_source(data, roles=task.columns), ("a", "b"))
    return network


def filters(network: Network) -> Tensor:
    return network.module.get_parameter("stem.0.convolution.weight").detach()


def test_a_net_begins_with_its_pictures_and_a_trained_one_keeps_its_filters(
    tmp_path: Path,
) -> None:
    data = write(tmp_path / "data", photographs(16))
    first = begun(data, "resnet18")
    torch.testing.assert_close(filters(first)[32:], -filters(first)[:32])
    card = Card(
        task="image-classification", labels=("a", "b"), model="resnet18", settings=first.settings
    )
    saved = str(bundle.save(tmp_path / "bundle", first, card))
    others = write(tmp_path / "others", photographs(16).flip(2) ** 2)
    assert torch.equal(filters(begun(others, saved)), filters(first))
    assert not torch.allclose(filters(begun(others, "resnet18")), filters(first), rtol=0.1)
