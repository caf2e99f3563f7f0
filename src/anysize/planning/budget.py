"""What a budget allows, and refusing what it does not."""

from __future__ import annotations

from pathlib import Path

from anysize.core import memory
from anysize.core.errors import BudgetError
from anysize.models.gguf.files import gguf_file
from anysize.models.gguf.header import read_header, unpacked_size

STEP = 64 << 20
# Interpreter, torch and transformers with nothing loaded; a little below what is seen, because
# a refusal before loading must be certain.
LIBRARIES = 224 << 20


_ALWAYS = 32 << 20
# Kernels that oneDNN compiles for bfloat16 products, as many as `memory.bound_kernels` lets it and
# torch keep, and what the heap holds between them.
_KERNELS = 96 << 20


def margin(dynamic: float, *, compiling: bool, compiled: float = 0) -> int:
    """What is kept free beside ``dynamic`` bytes of measured work.

    Batches differ and the heap keeps holes between them; the probe sees little of it.

    Args:
        dynamic: what the probe saw.
        compiling: whether batches come in ever new shapes, each with kernels of its own:
            texts, except in torch's float32.
        compiled: bytes by which the process has grown since it was first probed: kernels that
            are there already.
    """
    kernels = max(_KERNELS - max(compiled, 0), 0) if compiling else 0
    return int(0.2 * dynamic + kernels) + _ALWAYS


def share(budget: int, workers: int, beside: int = 0) -> int:
    """What one of ``workers`` may use: what runs beside them goes off first.

    Args:
        budget: of all processes together.
        workers: how many.
        beside: bytes of the processes beside the workers (``Team.beside``).
    """
    return max(budget - beside, 0) // workers


def whole(needed: int, workers: int, beside: int = 0) -> int:
    """The budget that gives each worker ``needed`` bytes, rounded up to 64 MiB.

    Two percent are added, so that the next measurement of the same thing does not differ by more.

    Args:
        needed: bytes of one worker.
        workers: how many.
        beside: as for `share`.
    """
    total = int(1.02 * (needed * workers + beside)) + (8 << 20)
    return -(-total // STEP) * STEP


def refuse(
    what: str, budget: int, needed: int, workers: int, tried: list[str], beside: int = 0
) -> BudgetError:
    """The error for work that does not fit.

    Args:
        what: the work, for the message (``training minilm``).
        budget: what the user allowed, of all processes.
        needed: bytes that one process needs at the least.
        workers: how many processes.
        tried: what was given up already to make it fit.
        beside: as for `share`.
    """
    smallest = whole(needed, workers, beside)
    given_up = f" with {', '.join(tried)}" if tried else ""
    fewer = "; fewer --workers need less" if workers > 1 else ""
    return BudgetError(
        f"memory {memory.format_size(budget)} is not enough for {what}{given_up}: "
        f"the smallest budget that would do is {memory.format_size(smallest)} "
        f"(--memory {smallest >> 20}MiB){fewer}",
        smallest,
    )


def weights_size(folder: str | Path) -> int:
    """Bytes of the weights of a model folder or a GGUF file, as they are loaded; 0 of all else.

    Raises:
        BundleError: a GGUF file whose header is damaged.
    """
    path = gguf_file(folder)
    if path is not None:
        return unpacked_size(read_header(path))
    path = Path(folder)
    return sum(file.stat().st_size for file in path.glob("*.safetensors")) if path.is_dir() else 0


def refuse_early(
    what: str, budget: int, weights: int, *, training: bool, workers: int = 1, states: int = 2
) -> None:
    """Refuses, before anything heavy is loaded, what can never fit.

    Args:
        what: the work, for the message.
        budget: bytes, of all processes.
        weights: bytes of the weights, see `weights_size`.
        training: gradients and optimizer states are needed too.
        workers: how many processes.
        states: optimizer states as large as the weights (2 for AdamW, 1 for momentum).

    Raises:
        BudgetError: libraries and weights alone are over the budget. The budget that it names
            leaves room for the work itself.
    """
    copies = 2 + states if training else 1
    fixed = LIBRARIES + copies * weights
    if fixed * workers > budget:
        raise refuse(what, budget, int(1.3 * fixed) + (384 << 20), workers, [])
