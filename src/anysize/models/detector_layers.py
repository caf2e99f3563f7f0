"""The parts of the small detector: backbone, feature pyramid and prediction head."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.models.resnet import ConvolutionNorm, ResidualBlock


class Backbone(nn.Module):
    """Two strided convolutions, then stages of residual blocks; every stage but the first halves.

    Args:
        channels: of the input picture.
        widths: channels of each stage.
        depths: residual blocks of each stage.
        levels: how many of the last stages are given out.
    """

    def __init__(
        self, channels: int, widths: Sequence[int], depths: Sequence[int], levels: int
    ) -> None:
        super().__init__()
        first = widths[0]
        self.stem = nn.Sequential(
            ConvolutionNorm(channels, first // 2, 3, 2),
            nn.ReLU(),
            ConvolutionNorm(first // 2, first, 3, 2),
            nn.ReLU(),
        )
        self.stages = nn.ModuleList()
        inputs = first
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = []
            for position in range(depth):
                stride = 2 if stage > 0 and position == 0 else 1
                blocks.append(ResidualBlock(inputs, width, stride, "basic"))
                inputs = width
            self.stages.append(nn.Sequential(*blocks))
        self.levels = levels

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Maps of the last stages, the finest first.

        Args:
            pixels: ``[n, channels, height, width]``.
        """
        maps = self.stem(pixels)
        found = []
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        return found[-self.levels :]


class Pyramid(nn.Module):
    """A feature pyramid (Lin et al. 2017, arXiv:1612.03144): context flows from coarse to fine.

    Args:
        inputs: channels of each level, the finest first.
        width: channels of every level of the result.
    """

    def __init__(self, inputs: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvolutionNorm(size, width, 1) for size in inputs)
        self.smooth = nn.ModuleList(
            nn.Sequential(ConvolutionNorm(width, width, 3), nn.ReLU()) for _ in inputs
        )

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """One map ``[n, width, h, w]`` a level, the finest first."""
        sides = [lateral(maps) for lateral, maps in zip(self.lateral, levels, strict=True)]
        for fine, coarse in reversed(list(pairwise(range(len(sides))))):
            above = functional.interpolate(sides[coarse], size=sides[fine].shape[2:])
            sides[fine] = sides[fine] + above
        return [smooth(maps) for smooth, maps in zip(self.smooth, sides, strict=True)]


class Branch(nn.Module):
    """Convolutions that all levels share, with batch norms of each level's own.

    Sharing lets a level learn from the objects of every size; the statistics of the levels differ
    too much to be shared (RTMDet, Lyu et al. 2022, arXiv:2212.07784, section 3.2).
    """

    def __init__(self, width: int, depth: int, levels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(depth)
        )
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(width) for _ in range(depth)) for _ in range(levels)
        )

    def forward(self, maps: Tensor, level: int) -> Tensor:
        """Maps ``[n, width, h, w]`` to the same shape."""
        norms = self.norms[level]
        assert isinstance(norms, nn.ModuleList)
        for convolution, norm in zip(self.convolutions, norms, strict=True):
            maps = functional.relu(norm(convolution(maps)))
        return maps


class Head(nn.Module):
    """Class logits and distances to the box's sides for every point of every level.

    Args:
        width: channels of the levels.
        depth: convolutions before each prediction.
        levels: how many.
        classes: how many.
    """

    def __init__(self, width: int, depth: int, levels: int, classes: int) -> None:
        super().__init__()
        self.classify = Branch(width, depth, levels)
        self.locate = Branch(width, depth, levels)
        self.logits = nn.Conv2d(width, classes, 1)
        self.distances = nn.Conv2d(width, 4, 1)
        self.scales = nn.Parameter(torch.ones(levels))

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Of each point, levels one after the other, rows from the top left.

        Returns:
            Logits ``[n, points, classes]`` and distances ``[n, points, 4]`` in strides to the
            left, top, right and bottom side; float32, because bfloat16 has too few digits for
            a position.
        """
        logits, distances = [], []
        for level, maps in enumerate(levels):
            classified = self.classify(maps, level)
            located = self.locate(maps, level)
            with torch.autocast(maps.device.type, enabled=False):
                logits.append(self.logits(classified.float()).flatten(2))
                raw = self.distances(located.float()) * self.scales[level]
                distances.append(raw.clamp(-8.0, 8.0).exp().flatten(2))
        return torch.cat(logits, 2).transpose(1, 2), torch.cat(distances, 2).transpose(1, 2)


def points(
    height: int, width: int, strides: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Where the head's points lie in an input of this size.

    Returns:
        Centres ``[points, 2]`` as (x, y) in pixels, and strides ``[points]``.
    """
    centres, steps = [], []
    for stride in strides:
        rows, columns = -(-height // stride), -(-width // stride)
        down, across = torch.meshgrid(
            (torch.arange(rows, device=device) + 0.5) * stride,
            (torch.arange(columns, device=device) + 0.5) * stride,
            indexing="ij",
        )
        centres.append(torch.stack([across.flatten(), down.flatten()], 1))
        steps.append(torch.full((rows * columns,), float(stride), device=device))
    return torch.cat(centres), torch.cat(steps)
