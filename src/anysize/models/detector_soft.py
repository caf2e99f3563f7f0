"""Losses of detectors that have a teacher's outputs for a target, one number a window.

Each is zero where the student's outputs equal the teacher's.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from anysize.core.errors import MissingExtraError
from anysize.heads.soft import divergence, wide
from anysize.modalities.pictures.settings import ImageSettings
from anysize.models.detector_loss import overlaps
from anysize.models.network import Network

# Of a teacher's detections, those that are meant.
_CONFIDENT = 0.1
# Weights of the box against the class, as detectors are trained themselves.
_DENSE_BOX = 2.0
_SET_DISTANCE, _SET_OVERLAP = 5.0, 2.0


def points(network: Network) -> tuple[int, int] | None:
    """Size of the input of a detector that predicts at points of it; None of any other."""
    if network.module.config.model_type != "anysize_detector":
        return None
    settings = network.reads(ImageSettings)
    return settings.width, settings.height


def prediction(network: Network) -> str:
    """How a detector predicts, in words."""
    found = points(network)
    return "a set of boxes" if found is None else f"points of {found[0]}x{found[1]} pixels"


def dense_boxes(
    logits: Tensor, boxes: Tensor, teacher_logits: Tensor, teacher_boxes: Tensor
) -> Tensor:
    """Of detectors that predict at the same points: scores and boxes, point by point.

    The class loss is the quality focal loss (Li et al. 2020, arXiv:2006.04388) with the teacher's
    scores as the targets, the box loss 1 - GIoU where the teacher sees something; both as the
    targets' own (``models.detector_loss``).

    Args:
        logits: of sigmoids, ``[n, points, classes]``.
        boxes: centre and sides as parts of the input's, ``[n, points, 4]``.
        teacher_logits: the teacher's.
        teacher_boxes: the teacher's.

    Returns:
        ``[n]``.
    """
    wanted = wide(teacher_logits).sigmoid()
    confident = _confident(wanted)
    focal = _focal(wide(logits), wanted).sum((1, 2))
    _, generous = overlaps(_cornered(boxes), _cornered(teacher_boxes))
    box = ((1 - generous) * confident).sum(1)
    return (focal + _DENSE_BOX * box) / confident.sum(1).clamp_min(1.0)


def box_sets(
    logits: Tensor, boxes: Tensor, teacher_logits: Tensor, teacher_boxes: Tensor, *, nothing: bool
) -> Tensor:
    """Of detectors that predict a set: each of the teacher's boxes is given one of the student's.

    The pairs have the least cost in sum, as boxes and objects have in training (Carion et al. 2020,
    arXiv:2005.12872; between detectors Chang et al. 2022, arXiv:2211.10156).

    Args:
        logits: ``[n, queries, classes]``.
        boxes: centre and sides as parts of the input's, ``[n, queries, 4]``.
        teacher_logits: the teacher's; it may have another number of queries.
        teacher_boxes: the teacher's.
        nothing: whether the last class says that there is nothing (softmax), else sigmoids.

    Returns:
        ``[n]``.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("scipy", "vision") from error

    logits, teacher_logits = wide(logits), wide(teacher_logits)
    losses = []
    for own, own_boxes, wanted, wanted_boxes in zip(
        logits, wide(boxes), teacher_logits, wide(teacher_boxes), strict=True
    ):
        scores = wanted.softmax(-1)[:, :-1] if nothing else wanted.sigmoid()
        with torch.no_grad():
            found = own.softmax(-1)[:, :-1] if nothing else own.sigmoid()
            _, generous = overlaps(_cornered(own_boxes)[:, None], _cornered(wanted_boxes)[None, :])
            cost = torch.cdist(found, scores, p=1) - _SET_OVERLAP * generous
            cost += _SET_DISTANCE * torch.cdist(own_boxes, wanted_boxes, p=1)
        rows, columns = (
            torch.from_numpy(np.asarray(each)).to(own.device)
            for each in linear_sum_assignment(cost.cpu().numpy())
        )
        confident = _confident(scores)[columns]
        if nothing:
            classes = divergence(own[rows], wanted[columns], 1.0)
            classes = classes * scores[columns].amax(-1).clamp_min(_CONFIDENT)
        else:
            classes = _focal(own[rows], scores[columns]).sum(-1)
        _, generous = overlaps(_cornered(own_boxes[rows]), _cornered(wanted_boxes[columns]))
        distance = (own_boxes[rows] - wanted_boxes[columns]).abs().sum(-1)
        box = (_SET_DISTANCE * distance + _SET_OVERLAP * (1 - generous)) * confident
        losses.append((classes.sum() + box.sum()) / confident.sum().clamp_min(1.0))
    return torch.stack(losses)


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    distance = (logits.detach().sigmoid() - wanted).square()
    return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * distance


def _confident(scores: Tensor) -> Tensor:
    """The best score of each prediction, zero where nothing is meant."""
    best = scores.amax(-1)
    return torch.where(best > _CONFIDENT, best, 0.0)


def _cornered(boxes: Tensor) -> Tensor:
    middle, sides = wide(boxes).split(2, dim=-1)
    return torch.cat([middle - sides / 2, middle + sides / 2], dim=-1)
