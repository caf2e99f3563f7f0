"""Hidden states of a student against its teacher's, window by window.

What is compared, in pairs:

- of two stacks of transformer layers: the outputs of layers at the same part of the way up (Jiao et
  al. 2020, TinyBERT, arXiv:1909.10351), at every token. Where sequences are packed the last layer
  exists at their first tokens alone, which is what the head reads, so there it is compared;
- of two small detectors: the maps of the feature pyramid, at every point;
- of other classifiers: what the last linear layer reads.

Where widths differ the student's states pass a learned linear projection, which is no part of what
is saved. The loss is the squared difference as a part of the teacher's squares, so that its size
does not depend on the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from anysize.core.examples import Example
from anysize.modalities import modality_of
from anysize.models.classifier import last_linear
from anysize.models.execution import Execution
from anysize.models.layout import layout_of
from anysize.models.network import Network
from anysize.models.thinned import kept, layers_of

_TINY = 1e-12
# Layers whose end is a part of them that packed execution calls also where it calls no layer.
_ENDS = {
    "BertLayer": "output",
    "CamembertLayer": "output",
    "ElectraLayer": "output",
    "RobertaLayer": "output",
    "XLMRobertaLayer": "output",
    "TransformerBlock": "output_layer_norm",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where states are caught: what a module gives, or what it is given, and how wide it is."""

    module: nn.Module
    width: int
    given: bool = False


class Listener:
    """Catches the states at some places while it listens.

    The hooks stay on the modules. Layers that run again in the backward pass (activation
    checkpointing) are not heard.

    Args:
        places: of one network.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._caught: dict[int, Any] = {}
        self._listens = False
        for number, place in enumerate(places):
            if place.given:
                place.module.register_forward_pre_hook(self._before(number))
            else:
                place.module.register_forward_hook(self._after(number))

    @contextmanager
    def listening(self) -> Iterator[dict[int, Any]]:
        """What is caught, by place, while the block runs."""
        self._caught, self._listens = {}, True
        try:
            yield self._caught
        finally:
            self._caught, self._listens = {}, False

    def _before(self, number: int) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def catch(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if self._listens:
                self._caught[number] = inputs[0]

        return catch

    def _after(self, number: int) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def catch(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            if self._listens:
                self._caught[number] = output

        return catch


def pairs(student: Network, teacher: Network) -> tuple[tuple[Place, Place], ...]:
    """The places that are compared; none where nothing of the two corresponds."""
    own, others = _layers(student), _layers(teacher)
    if own and others and _tokens(student) == _tokens(teacher):
        count = min(len(own), len(others))
        chosen = zip(kept(len(own), count), kept(len(others), count), strict=True)
        return tuple((own[first], others[second]) for first, second in chosen)
    find = _last_linear if student.outputs == ("logits",) else _pyramid
    places = find(student), find(teacher)
    if places[0] is None or places[1] is None:
        return ()
    return ((places[0], places[1]),)


class Comparison:
    """The difference between the hidden states of two networks.

    Args:
        places: of student and teacher, see `pairs`.

    Attributes:
        count: how many places there are.
        student, teacher: to listen with.
        projections: of the student's states, by pair; none where widths agree.
    """

    def __init__(self, places: Sequence[tuple[Place, Place]]) -> None:
        self.student = Listener([first for first, _ in places])
        self.teacher = Listener([second for _, second in places])
        self.count = len(places)
        self.projections = nn.ModuleDict(
            {
                str(number): nn.Linear(own.width, other.width, bias=False)
                for number, (own, other) in enumerate(places)
                if own.width != other.width
            }
        )

    def __call__(
        self,
        examples: Sequence[Example],
        own: dict[int, Any],
        others: dict[int, Any],
        executions: tuple[Execution, Execution],
    ) -> Tensor:
        """The mean over the pairs of each window's relative squared difference, ``[windows]``.

        Args:
            examples: the windows.
            own: what the student's listener caught.
            others: what the teacher's caught.
            executions: of student and teacher, just run.
        """
        views = [layout_of(execution, examples) for execution in executions]
        total = torch.zeros(len(examples), device=_states(own[0]).device)
        for number in range(self.count):
            states = _states(own[number])
            first = views[0].only_first(states)
            rows, owners = views[0].rows(states, first=first)
            wanted, _ = views[1].rows(_states(others[number]), first=first)
            rows, wanted = rows.float(), wanted.detach().float()
            if str(number) in self.projections:
                rows = self.projections[str(number)](rows)
            difference = (rows - wanted).square().mean(1)
            scale = wanted.square().mean(1)
            sums = torch.zeros(2, len(examples), device=rows.device)
            sums = sums.index_add(1, owners, torch.stack([difference, scale]))
            total = total + sums[0] / sums[1].clamp_min(_TINY)
        return total / self.count


def _states(caught: Any) -> Tensor:
    """What was caught as ``[windows, width]`` or ``[windows, rows, width]``."""
    if isinstance(caught, list):
        return torch.cat([maps.flatten(2).transpose(1, 2) for maps in caught], 1)
    states: Tensor = caught[0] if isinstance(caught, tuple) else caught
    return states.flatten(1) if states.ndim > 3 else states


def _layers(network: Network) -> list[Place]:
    found = layers_of(network.module)
    width = getattr(network.module.config, "hidden_size", None)
    if found is None or not isinstance(width, int):
        return []
    ends = ((layer, _ENDS.get(type(layer).__name__)) for layer in found[1])
    return [Place(layer if end is None else layer.get_submodule(end), width) for layer, end in ends]


def _tokens(network: Network) -> tuple[Any, ...]:
    """What decides how many states an example becomes."""
    return modality_of(network.settings).comparable(network)


def _pyramid(network: Network) -> Place | None:
    module = getattr(network.module, "pyramid", None)
    if not isinstance(module, nn.Module):
        return None
    return Place(module, int(network.module.config.neck_size))


def _last_linear(network: Network) -> Place | None:
    layer = last_linear(network.module, int(network.module.config.num_labels or 0))
    return None if layer is None else Place(layer, layer.in_features, given=True)
