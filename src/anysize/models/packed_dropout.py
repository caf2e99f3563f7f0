"""Dropout that costs little on a CPU, with the exact Bernoulli law.

``torch.nn.functional.dropout`` on a CPU draws one Bernoulli number per element, serially, which
takes longer than the matrix products around it. Here one 64-bit draw serves four elements: the
raw bits are compared with a threshold of 15 bits. The drop rate is therefore rounded to a multiple
of 1/32768 (off by at most 1/65536), and survivors are scaled by the rate that is really used, so
the expectation is exact.

The bits come from a PCG64 stream (O'Neill, 2014) whose seed is drawn from torch's default CPU
generator: restoring ``torch.get_rng_state()`` replays a forward pass bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

LEVELS = 1 << 15
_SIGN_BIT = -(1 << 15)
_WIDTHS = {2: torch.int16, 4: torch.int32}


def drop_level(probability: float) -> int:
    """The threshold in 0..32768: an element is dropped with probability ``level / 32768``."""
    return round(probability * LEVELS)


def survivor_scale(level: int) -> float:
    """What survivors are multiplied by, ``1 / (1 - rate)``; 0 where nothing survives."""
    return LEVELS / (LEVELS - level) if level < LEVELS else 0.0


def draw_seed() -> int:
    """A 63-bit seed from torch's default CPU generator."""
    return int(torch.empty((), dtype=torch.int64).random_())


class DropBits:
    """A stream of drop decisions; the same seed gives the same decisions in the same order."""

    def __init__(self, seed: int, level: int) -> None:
        self._bits = np.random.PCG64(seed)
        self._level = level

    def signs(self, count: int) -> Tensor:
        """``int16[count]``: only the top bit set where the element is dropped, else 0."""
        raw = torch.from_numpy(self._bits.random_raw((count + 3) // 4)).view(torch.int16)[:count]
        return raw.bitwise_and_(LEVELS - 1).sub_(self._level).bitwise_and_(_SIGN_BIT)

    def keep_masks(self, count: int) -> Tensor:
        """``int16[count]``: all bits set where the element is kept, else 0."""
        raw = torch.from_numpy(self._bits.random_raw((count + 3) // 4)).view(torch.int16)[:count]
        return (
            raw.bitwise_and_(LEVELS - 1).sub_(self._level).bitwise_right_shift_(15).bitwise_not_()
        )


def negate_dropped_(values: Tensor, bits: DropBits) -> Tensor:
    """Sets the sign bit of each element that is dropped, in place.

    ``values`` must be contiguous and not negative; ``relu`` of the result is then what survives
    (unscaled) and ``abs`` is the original: one tensor keeps both.
    """
    signs = bits.signs(values.numel())
    if values.element_size() == 2:
        values.view(torch.int16).view(-1).bitwise_or_(signs)
    else:
        values.view(torch.int32).view(-1).bitwise_or_(signs.to(torch.int32).bitwise_left_shift_(16))
    return values


def _mask(values: Tensor, seed: int, level: int) -> Tensor:
    """All bits set where an element is kept: integers of the width of ``values``."""
    kept = DropBits(seed, level).keep_masks(values.numel()).view(values.shape)
    return kept.to(_WIDTHS[values.element_size()])


def _masked(values: Tensor, mask: Tensor, level: int) -> Tensor:
    kept = values.contiguous()
    masked = kept.view(mask.dtype).bitwise_and(mask).view(kept.dtype)
    return masked.mul_(survivor_scale(level))


class _Dropout(torch.autograd.Function):
    """The mask is kept for the backward pass: drawing it again would take longer than using it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, level: int) -> Tensor:
        mask = _mask(values, draw_seed(), level)
        ctx.save_for_backward(mask)
        ctx.level = level
        return _masked(values, mask, level)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return _masked(grads[0], mask, ctx.level), None


def dropped(values: Tensor, level: int) -> Tensor:
    """Dropout at the rate ``level / 32768`` of float32, bfloat16 or float16 on a CPU."""
    return cast(Tensor, _Dropout.apply(values, level))  # type: ignore[no-untyped-call]


class PackedDropout(nn.Dropout):
    """Stands in for ``nn.Dropout``: same law, no parameters, several times faster on a CPU.

    Other devices and dtypes than float32, bfloat16 and float16 take torch's own dropout.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name is nn.Dropout's)
        if not self.training or self.p == 0.0:
            return input
        return dropped(input, drop_level(self.p)) if _fits(input) else super().forward(input)


class QuickDropout(TorchFunctionMode):
    """Within it, ``torch.nn.functional.dropout`` is what `PackedDropout` is.

    For networks that call the function instead of having modules of it.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func is functional.dropout:
            return self._dropout(*args, **named)
        return func(*args, **named)

    @staticmethod
    def _dropout(
        input: Tensor,  # noqa: A002 (the name is torch's)
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Tensor:
        if not training or p == 0.0:
            return input
        if inplace or not _fits(input):
            return functional.dropout(input, p, training, inplace)
        return dropped(input, drop_level(p))


def _fits(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.is_floating_point() and values.element_size() <= 4


def replace_dropout(module: nn.Module) -> int:
    """Puts a `PackedDropout` in the place of each ``nn.Dropout`` below ``module``.

    Returns:
        How many were replaced. Parameter names and saved files do not change.
    """
    replaced = 0
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                stand_in = PackedDropout(child.p)
                stand_in.train(child.training)
                setattr(parent, name, stand_in)
                replaced += 1
    return replaced
