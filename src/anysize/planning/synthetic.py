"""Examples made up for probing: the right sizes, no meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anysize.core.batches import own_cost
from anysize.core.examples import Example
from anysize.modalities import modality_of
from anysize.models.network import Network
from anysize.planning.probe import Climb, Measurement, Work, climb


def windows(network: Network, count: int, *, longest: int | None = None) -> list[Example]:
    """``count`` windows as large as they come.

    Args:
        network: whose windows they are.
        count: how many.
        longest: cost of the longest window, where windows come in many sizes and it is below the
            model's.
    """
    whole = network.settings.whole
    if longest is not None and network.settings.varying:
        whole = min(whole, longest)
    return windows_of(network, [whole] * count)


def windows_of(network: Network, costs: Sequence[int]) -> list[Example]:
    """Windows of such costs, as they come from data.

    Args:
        network: whose windows they are.
        costs: of each.
    """
    return modality_of(network.settings).made_up(network, costs)


def shortened(network: Network, examples: Sequence[Example], most: int) -> list[Example]:
    """The examples, made-up ones of cost ``most`` in place of those that cost more.

    What is only tried must take neither the time nor the memory of a whole book.

    Args:
        network: whose windows they are.
        examples: of a job.
        most: cost of one, at most.
    """
    return [each if each.cost <= most else windows_of(network, [most])[0] for each in examples]


def window_bytes(network: Network) -> int:
    """Bytes of one whole window's arrays."""
    return sum(array.nbytes for array in windows(network, 1)[0].arrays.values())


def part_of_window(network: Network, share: float) -> list[Example]:
    """One window of a part of the size (of the area, for a picture)."""
    return windows_of(network, [int(network.settings.whole * share)])


def parts(network: Network) -> tuple[float, ...]:
    """Rising parts of a window to probe before a whole one."""
    modality = modality_of(network.settings)
    whole, smallest = network.settings.whole, modality.smallest(network)
    found = [1.0]
    while whole * found[-1] / modality.growth >= smallest:
        found.append(found[-1] / modality.growth)
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
