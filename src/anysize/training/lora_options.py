"""Options of fine-tuning by low-rank additions to the weights (LoRA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from anysize.core.options import Options, Together, option

RANK, DROPOUT = 16, 0.0
_NAMES = ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets")


def _used(lora: bool, *values: Any) -> str | None:
    given = [name for name, value in zip(_NAMES, values, strict=True) if value not in (None, ())]
    if lora or not given:
        return None
    return f"is off, so that {' and '.join(given)} have no effect: turn it on, or leave them out"


def _alone(lora: bool, sparsity: float, quantization: str | None) -> str | None:
    """Weights that stay as they are cannot be pruned, or learn to be whole numbers."""
    given = ["sparsity"] * (sparsity > 0) + ["quantization"] * (quantization is not None)
    if not lora or not given:
        return None
    return (
        f"leaves the weights as they are, which {' and '.join(given)} would change: train with "
        "lora first, then train the bundle further with the other"
    )


def _no_blocks(lora: bool, last_blocks: int | None) -> str | None:
    if not lora or last_blocks is None:
        return None
    return (
        "leaves the weights of all blocks as they are, so that last_blocks has no effect: name "
        "layers of the last blocks in lora_targets instead"
    )


@dataclass(frozen=True, kw_only=True)
class LoraOptions(Options):
    """Fine-tuning by low-rank additions; see ``models.lora``."""

    table: ClassVar[str] = "lora"
    heading: ClassVar[str] = "LoRA"
    together: ClassVar[tuple[Together, ...]] = (
        Together(("lora", *_NAMES), _used),
        Together(("lora", "sparsity", "quantization"), _alone),
        Together(("lora", "last_blocks"), _no_blocks),
    )

    lora: bool = option(
        False, key="enabled",
        help="Leave trained weights as they are, and train low-rank additions to linear layers "
        "(LoRA) and the head.",
    )  # fmt: skip
    lora_rank: int | None = option(
        None, key="rank", low=1, high=1 << 14, automatic=str(RANK),
        help="Rank of the additions.",
    )  # fmt: skip
    lora_alpha: float | None = option(
        None, key="alpha", above=0, high=1e6, automatic="twice the rank",
        help="Additions are multiplied by this number over their rank.",
    )  # fmt: skip
    lora_dropout: float | None = option(
        None, key="dropout", low=0, below=1, automatic="0",
        help="Probability with which an input of an addition is zero in training.",
    )  # fmt: skip
    lora_targets: tuple[str, ...] = option(
        (), key="targets", metavar="NAME,…",
        automatic="what peft takes for the architecture, else all-linear",
        help="Layers that additions are made to: the last parts of their names, such as "
        "'q_proj,v_proj', whole names, patterns, or all-linear.",
    )  # fmt: skip
