"""Examples made up for probing: the right sizes, no meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from anysize.core.batches import own_cost
from anysize.core.examples import Example
from anysize.core.windows import Box, Span, Window
from anysize.models.network import FeatureSettings, Network
from anysize.planning.probe import Climb, Measurement, Work, climb

_SEED = 20


def texts(network: Network, lengths: Sequence[int]) -> list[Example]:
    """Windows of random tokens.

    Args:
        network: whose vocabulary the tokens are from.
        lengths: tokens of each window.
    """
    random = np.random.default_rng(_SEED)
    vocabulary = int(network.module.config.vocab_size)
    # Special tokens come first in most vocabularies; some families count padding differently.
    lowest = min(1000, vocabulary // 2)
    found = []
    for ordinal, length in enumerate(lengths):
        ids = random.integers(lowest, vocabulary, length, dtype=np.int32)
        found.append(_example(ordinal, Span(0, length), "input_ids", ids, length))
    return found


def pictures(width: int, height: int, count: int) -> list[Example]:
    """Pictures of noise, uint8 ``[height, width, 3]``."""
    random = np.random.default_rng(_SEED)
    found = []
    for ordinal in range(count):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        box = Box(0, 0, width, height)
        found.append(_example(ordinal, box, "pixels", pixels, width * height))
    return found


def numbers(settings: FeatureSettings, steps: int, count: int) -> list[Example]:
    """Vectors of noise, or sequences of so many steps of it."""
    random = np.random.default_rng(_SEED)
    shape = (steps, settings.width) if settings.steps else (settings.width,)
    found = []
    for ordinal in range(count):
        values = random.standard_normal(shape, dtype=np.float32)
        found.append(_example(ordinal, Span(0, shape[0]), "features", values, steps))
    return found


def _example(ordinal: int, region: Span | Box, name: str, array: np.ndarray, cost: int) -> Example:
    window = Window(record=f"probe-{ordinal}", index=0, region=region, core=region, last=True)
    return Example(ordinal=ordinal, window=window, arrays={name: array}, cost=cost)


def windows(network: Network, count: int, *, longest: int | None = None) -> list[Example]:
    """``count`` windows as large as they come.

    Args:
        network: text or picture.
        count: how many.
        longest: tokens of the longest window of the data, where it is below the model's.
    """
    if network.text is not None:
        length = network.text.window if longest is None else min(longest, network.text.window)
        return texts(network, [length] * count)
    if network.features is not None:
        return numbers(network.features, network.features.whole, count)
    assert network.image is not None
    return pictures(network.image.width, network.image.height, count)


def windows_of(network: Network, costs: Sequence[int]) -> list[Example]:
    """Windows of such costs, as they come from data: tokens, steps, or whole pictures.

    Args:
        network: whose windows they are.
        costs: of each.
    """
    if network.text is not None:
        return texts(network, costs)
    if network.features is not None:
        settings = network.features
        return [each for cost in costs for each in numbers(settings, cost, 1)]
    return windows(network, len(costs))


def window_bytes(network: Network) -> int:
    """Bytes of one whole window's arrays, which are not made for it."""
    if network.text is not None:
        return network.text.window * np.dtype(np.int32).itemsize
    if network.features is not None:
        return network.features.whole * network.features.width * np.dtype(np.float32).itemsize
    assert network.image is not None
    return 3 * network.image.whole


def part_of_window(network: Network, share: float, *, longest: int | None = None) -> list[Example]:
    """One window of a part of the size (of the area, for a picture)."""
    if network.text is not None:
        length = network.text.window if longest is None else min(longest, network.text.window)
        return texts(network, [max(int(length * share), 4)])
    if network.features is not None:
        steps = max(int(network.features.whole * share), network.features.least)
        return numbers(network.features, steps, 1)
    assert network.image is not None
    side = share**0.5
    return pictures(
        max(int(network.image.width * side), 1), max(int(network.image.height * side), 1), 1
    )


def parts(network: Network, *, longest: int | None = None) -> tuple[float, ...]:
    """Rising parts of a window to probe before a whole one."""
    if network.text is not None:
        whole = network.text.window if longest is None else min(longest, network.text.window)
        smallest, step = 64, 2
    elif network.features is not None:
        whole = network.features.whole
        smallest, step = max(64, network.features.least), 2
    else:
        assert network.image is not None
        whole = network.image.whole
        smallest, step = 64 * 64, 4
    found = [1.0]
    while whole * found[-1] / step >= smallest:
        found.append(found[-1] / step)
    return tuple(reversed(found))


def climb_windows(
    network: Network,
    prepare: Callable[[Sequence[Example]], Work],
    *,
    ceiling: int,
    fixed: int,
    most: int,
    enough: Callable[[Sequence[Measurement]], bool],
    seconds: float,
    whole_only: bool = False,
    cost_of: Callable[[int], int] = own_cost,
) -> Climb:
    """Probes work on made-up windows, from a part of one to ``most`` at once; see ``probe.climb``.

    Args:
        network: whose windows they are.
        prepare: makes the work on some of them.
        ceiling: resident bytes that the probe must not pass.
        fixed: bytes that the run will need on top.
        most: windows at once that are worth knowing.
        enough: whether the measurements of whole windows say enough.
        seconds: of processor time.
        whole_only: whether the work takes whole windows and no part of one.
        cost_of: what the work on an example costs, by the example's own cost.
    """

    def of(examples: Sequence[Example]) -> tuple[Work, int]:
        return prepare(examples), sum(cost_of(example.cost) for example in examples)

    return climb(
        lambda share: of(part_of_window(network, share)),
        lambda count: of(windows(network, count)),
        whole=cost_of(network.settings.whole),
        ceiling=ceiling,
        fixed=fixed,
        parts=(1.0,) if whole_only else parts(network),
        most=most,
        enough=enough,
        seconds=seconds,
    )
