"""The plans of a loaded model, kept for its next prediction, and when they no longer hold."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

from anysize.core import memory
from anysize.core.steps import Step
from anysize.models.network import Network
from anysize.planning.options import PredictOptions
from anysize.planning.prediction import PredictionPlan

if TYPE_CHECKING:
    from torch import Tensor, nn

_MOST = 8
# A job that is so much larger than the one that was planned for is planned anew.
_LARGER = 4


class KeptPlans:
    """Plans by what they depend on; of the last one the runtime stays open.

    Safe to use from several threads.

    Args:
        network: whose plans they are; when its weights change, all of them are dropped, because
            runtimes hold the weights in a form of their own.
    """

    def __init__(self, network: Network) -> None:
        self._lock = threading.Lock()
        self._plans: dict[Hashable, PredictionPlan] = {}
        modules = (network.module, network.pool)
        self._weights = [Weights(module) for module in modules if module is not None]

    def get(
        self, key: Hashable, cost: float | None = None, reading: int = 0
    ) -> PredictionPlan | None:
        """The plan that was kept, where it holds for a job and there is memory for it.

        Args:
            key: see `plan_key`.
            cost: of the whole job; None is a handful of short inputs, for which any plan will do.
            reading: bytes that reading the inputs takes.
        """
        with self._lock:
            # All of them are asked, so that each sees what is there now.
            changed = [weights.changed() for weights in self._weights]
            if any(changed):
                for each in self._plans.values():
                    each.close()
                self._plans.clear()
            plan = self._plans.get(key)
        if plan is None:
            return None
        small = cost is None or plan.scope is None or cost <= _LARGER * plan.scope
        more = max(reading - plan.reading, 0)
        return plan if small and _has_room(plan, more) else None

    def put(self, key: Hashable, plan: PredictionPlan) -> None:
        """Keeps a plan; the oldest one goes where there are many."""
        with self._lock:
            before = list(self._plans.values())
            self._plans[key] = plan
            if len(self._plans) > _MOST:
                del self._plans[next(iter(self._plans))]
        for each in before:
            if each is not plan:
                each.close()


class Weights:
    """The weights of a module as they were last seen.

    What is changed in place has another version counter, what is replaced another address.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._parts = list(module.modules())
        self._seen = list(self._state())

    def changed(self) -> bool:
        """Whether they differ from what was seen before; takes a fifth of a millisecond."""
        now = list(self._state())
        if now == self._seen:
            return False
        self._parts = list(self._module.modules())
        self._seen = list(self._state())
        return True

    def _state(self) -> Iterator[int]:
        yield self._module.training
        for part in self._parts:
            yield from map(id, part._modules.values())
            for tensor in (*part._parameters.values(), *part._buffers.values()):
                yield from () if tensor is None else _mark(tensor)


def _mark(tensor: Tensor) -> tuple[int, int]:
    # Tensors made in inference mode have no counter; they cannot be changed in place outside it.
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


def plan_key(network: Network, options: PredictOptions, step: Step) -> Hashable:
    """What a plan depends on beside the weights: the windows, the step, the caller's wishes."""
    wishes = (options.memory, options.runtime, options.precision, options.loaders)
    return network.settings, step, *wishes


def _has_room(plan: PredictionPlan, more: int) -> bool:
    needed = plan.work + more
    return memory.resident() + needed <= plan.memory and needed <= memory.available()
