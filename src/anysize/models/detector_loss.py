"""What the small detector is trained by: which points answer for which object, and the loss.

Points are assigned by alignment (TOOD, Feng et al. 2021, arXiv:2108.07755): the points inside an
object that score its class and overlap its box best become its positives, and the class target is
the overlap itself, so that the score says how good the box is. The class loss is the quality focal
loss (Li et al. 2020, arXiv:2006.04388), the box loss is 1 - GIoU (Rezatofighi et al. 2019,
arXiv:1902.09630).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_TINY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Objects:
    """What a picture holds, in pixels of the model's input.

    Attributes:
        boxes: float32 ``[k, 4]``, left, top, right, bottom.
        classes: int64 ``[k]``.
        ignored: float32 ``[j, 4]``: where a detection is neither right nor wrong (crowds, and what
            a tile's border cut off).
    """

    boxes: Tensor
    classes: Tensor
    ignored: Tensor


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Which points of a picture answer for its objects.

    Attributes:
        points: int64 ``[m]``, the positive points.
        objects: int64 ``[m]``, the object of each.
        quality: float32 ``[m]``, the class target of each, from 0 to 1.
    """

    points: Tensor
    objects: Tensor
    quality: Tensor


def overlaps(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and GIoU of boxes that broadcast against each other, ``[..., 4]`` each, in float32."""
    boxes, others = boxes.float(), others.float()
    area = (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)
    other_area = (others[..., 2:] - others[..., :2]).clamp_min(0).prod(-1)
    low = torch.maximum(boxes[..., :2], others[..., :2])
    high = torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    union = area + other_area - shared
    around = (
        torch.maximum(boxes[..., 2:], others[..., 2:])
        - torch.minimum(boxes[..., :2], others[..., :2])
    ).prod(-1)
    overlap = shared / union.clamp_min(_TINY)
    return overlap, overlap - (around - union) / around.clamp_min(_TINY)


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    centres: Tensor,
    strides: Tensor,
    objects: Objects,
    *,
    most: int = 10,
    alpha: float = 0.5,
    beta: float = 6.0,
) -> Assignment:
    """The positive points of one picture.

    Args:
        scores: ``[points, classes]``, 0 to 1.
        boxes: predicted, ``[points, 4]`` in pixels.
        centres: ``[points, 2]``.
        strides: ``[points]``.
        objects: of the picture.
        most: positives of one object at most.
        alpha: exponent of the score in the alignment.
        beta: exponent of the overlap in it.
    """
    wanted = objects.boxes
    if not len(wanted):
        none = torch.zeros(0, dtype=torch.int64, device=scores.device)
        return Assignment(points=none, objects=none, quality=scores.new_zeros(0))
    middle = (wanted[:, :2] + wanted[:, 2:]) / 2
    # An object smaller than a stride still gets the points around its middle.
    half = ((wanted[:, 2:] - wanted[:, :2]) / 2)[:, None]
    half = torch.maximum(half, 0.51 * strides[None, :, None])
    inside = ((centres[None] - middle[:, None]).abs() < half).all(-1)
    overlap, _ = overlaps(wanted[:, None], boxes[None])
    overlap = overlap * inside
    alignment = scores[:, objects.classes].t().pow(alpha) * overlap.pow(beta)
    ranked = torch.where(inside, alignment + _TINY, 0.0)
    best, index = ranked.topk(min(most, ranked.shape[1]), dim=1)
    chosen = torch.zeros_like(inside).scatter_(1, index, best > 0)
    # A point inside several objects answers for the one that it overlaps most.
    overlap_of_chosen = torch.where(chosen, overlap + _TINY, 0.0)
    value, owner = overlap_of_chosen.max(0)
    points = value.nonzero().squeeze(1)
    owner = owner[points]
    aligned = alignment[owner, points]
    shape = (len(wanted),)
    top = aligned.new_zeros(shape).scatter_reduce(0, owner, aligned, "amax")
    covered = aligned.new_zeros(shape).scatter_reduce(0, owner, overlap[owner, points], "amax")
    quality = aligned / (top[owner] + _TINY) * covered[owner]
    return Assignment(points=points, objects=owner, quality=quality)


def detection_loss(
    logits: Tensor,
    boxes: Tensor,
    centres: Tensor,
    strides: Tensor,
    pictures: Sequence[Objects],
    *,
    box_weight: float = 2.0,
) -> Tensor:
    """The sum over the pictures of their losses, a scalar.

    A picture's loss is divided by the summed quality of its positives, so that one with a hundred
    objects counts as one with a few.

    Args:
        logits: ``[n, points, classes]``.
        boxes: predicted, ``[n, points, 4]`` in pixels.
        centres: of the points, ``[points, 2]``.
        strides: of the points, ``[points]``.
        pictures: what each of the ``n`` holds.
        box_weight: of the box loss.
    """
    logits, boxes = logits.float(), boxes.float()
    total = logits.new_zeros(())
    scores = logits.detach().sigmoid()
    for row, objects in enumerate(pictures):
        found = assign(scores[row], boxes[row].detach(), centres, strides, objects)
        target = torch.zeros_like(logits[row])
        target[found.points, objects.classes[found.objects]] = found.quality
        counted = _counted(centres, objects.ignored)
        counted[found.points] = True
        distance = (scores[row] - target).abs().square()
        focal = functional.binary_cross_entropy_with_logits(logits[row], target, reduction="none")
        class_loss = (focal * distance)[counted].sum()
        _, generous = overlaps(boxes[row][found.points], objects.boxes[found.objects])
        box_loss = ((1 - generous) * found.quality).sum()
        total = total + (class_loss + box_weight * box_loss) / found.quality.sum().clamp_min(1.0)
    return total


def _counted(centres: Tensor, ignored: Tensor) -> Tensor:
    """Points outside all ignored boxes, bool ``[points]``."""
    if not len(ignored):
        return torch.ones(len(centres), dtype=torch.bool, device=centres.device)
    low = centres[None] >= ignored[:, None, :2]
    high = centres[None] <= ignored[:, None, 2:]
    return ~(low & high).all(-1).any(0)
