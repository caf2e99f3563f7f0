"""The targets of a picture in the form that transformers' detectors take in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anysize.core.examples import Example


def detection_targets(examples: Sequence[Example], device: torch.device) -> dict[str, Any]:
    """The keyword argument ``labels`` of a detector's forward pass.

    Args:
        examples: with ``boxes`` float ``[k, 4]`` (left, top, right, bottom in pixels of the
            window), ``classes`` int ``[k]`` and, where there are any, ``ignored`` float ``[j, 4]``.
        device: where the network is.

    Returns:
        For each picture ``class_labels`` int64 ``[k]``, ``boxes`` float32 ``[k, 4]`` and
        ``ignored`` float32 ``[j, 4]``; boxes are centre and sides as parts of the picture's sides.
    """
    labels: list[dict[str, Tensor]] = []
    for example in examples:
        height, width = example.arrays["pixels"].shape[:2]
        classes = np.asarray(example.arrays["classes"], np.int64)
        labels.append(
            {
                "class_labels": torch.from_numpy(classes).to(device),
                "boxes": _parts(example.arrays["boxes"], width, height).to(device),
                "ignored": _parts(example.arrays["ignored"], width, height).to(device),
            }
        )
    return {"labels": labels}


def _parts(boxes: np.ndarray[Any, Any], width: int, height: int) -> Tensor:
    corners = torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 2, 2)
    low, high = corners.unbind(1)
    sides = torch.tensor([width, height])
    return torch.cat([(low + high) / 2 / sides, (high - low) / sides], dim=1)
