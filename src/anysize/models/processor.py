"""What the processor multiplies matrices with."""

from __future__ import annotations

from functools import cache

import torch


@cache
def has_tiles() -> bool:
    """Whether the processor has AMX: products of bfloat16 some seven times faster than float32."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


@cache
def multiplies_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 itself (AVX-512 BF16 or AMX)."""
    return has_tiles() or bool(torch.cpu.get_capabilities().get("avx512_bf16"))
