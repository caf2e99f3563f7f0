"""Options of object detection: which of the objects that are found are reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Options, option


@dataclass(frozen=True, kw_only=True)
class DetectionOptions(Options):
    """Which objects are reported; kept with the model."""

    table: ClassVar[str] = "detection"

    threshold: float | None = option(
        None, low=0, high=1, automatic="0.25", help="Minimum score of a reported object."
    )
    nms_iou: float | None = option(
        None, above=0, high=1, automatic="0.6",
        help="Overlap (IoU) above which the weaker of two objects of a class is suppressed.",
    )  # fmt: skip
