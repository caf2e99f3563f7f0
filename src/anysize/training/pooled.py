"""Gradients of record-level losses: in one graph where a record's windows fit, else in two passes.

A record's loss is taken of its windows' *pooled* outputs, so its gradient needs all of them at
once. Where their activations do not fit into one micro-batch, the gradient is cached at the
outputs (Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited
setup", arXiv:2101.06983):

1. every window runs without a graph, and only its small outputs are kept (those of each token,
   where the network gives them and the loss needs them all at once);
2. the pooled loss is differentiated with respect to those outputs;
3. every window runs again, with the same random numbers, and its outputs' cached gradient is
   propagated into the weights.

Equal to one graph over the same micro-batches, dropout included, for the price of one more
forward pass. Peak memory is that of one micro-batch, whatever the length of the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from anysize.core.batches import BatchPlan, wasteful
from anysize.core.examples import Example
from anysize.modalities import modality_of
from anysize.models.execution import Execution, Tensors
from anysize.models.network import Network
from anysize.tasks.protocols import LossBatch, LossOptions, Mixture, Task

Seeder = Callable[[int], None]
"""Seeds torch for the micro-batch of that number, within the step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What is minimised: the summed loss of records, through one execution.

    Attributes:
        task, network, execution: what runs.
        rule: how a record's windows are pooled.
        label_smoothing: see ``LossOptions``.
        device: where it runs.
        bfloat16: whether the forward pass computes in bfloat16 (autocast).
        extra: what is trained besides the network and is no part of what is saved, by name.
    """

    task: Task
    network: Network
    execution: Execution
    rule: str
    label_smoothing: float
    device: torch.device
    bfloat16: bool
    extra: Mapping[str, nn.Module] = field(default_factory=dict)

    def parts(self) -> dict[str, nn.Module]:
        """Everything with weights that are trained, by name."""
        parts: dict[str, nn.Module] = {"model": self.network.module}
        if self.network.pool is not None:
            parts["pool"] = self.network.pool
        return {**parts, **self.extra}

    def notes(self) -> tuple[str, ...]:
        """What the user should know of it, a sentence each."""
        return ()

    def outputs(self, examples: Sequence[Example]) -> Tensors:
        """What the network gives for every window."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            return self.execution(examples)

    def loss(self, outputs: Tensors, batch: LossBatch) -> Tensor:
        """Sum over the records of their losses."""
        options = LossOptions(rule=self.rule, label_smoothing=self.label_smoothing)
        return self.task.loss(self.network, outputs, replace(batch, options=options))


@dataclass(frozen=True, slots=True)
class Windows:
    """A record with all of its windows at hand."""

    examples: Sequence[Example]
    target: Any

    @property
    def widest(self) -> int:
        """The cost of the costliest window."""
        return max(example.cost for example in self.examples)


def one_graph(
    objective: Objective, records: Sequence[Windows], mixture: Mixture | None = None
) -> float:
    """Adds the gradient of the summed loss of ``records``, run as one micro-batch.

    Args:
        objective: what is minimised.
        records: of the micro-batch.
        mixture: how they were mixed with each other, if they were.

    Returns:
        The summed loss.
    """
    examples = [example for record in records for example in record.examples]
    owners = [number for number, record in enumerate(records) for _ in record.examples]
    outputs = objective.outputs(examples)
    loss = objective.loss(
        outputs,
        LossBatch(
            examples=examples,
            owners=torch.tensor(owners, device=objective.device),
            weights=_core_sizes(examples, objective.device),
            targets=[record.target for record in records],
            mixture=mixture,
            lengths=_lengths(objective, examples),
        ),
    )
    loss.backward()
    return float(loss.detach())


def two_passes(
    objective: Objective,
    first: Iterable[Example],
    again: Callable[[], Iterable[Example]],
    target: Any,
    plan: BatchPlan,
    seed: Seeder,
    number: int,
) -> tuple[float, int]:
    """Adds the gradient of one record's loss, holding one micro-batch at a time.

    Args:
        objective: what is minimised.
        first: the record's windows in order; consumed once.
        again: the same windows once more, for the second pass.
        target: the record's target.
        plan: the budget of a micro-batch.
        seed: seeds a micro-batch's random numbers, the same in both passes.
        number: of the record's first micro-batch within the step.

    Returns:
        The loss, and how many micro-batches it took.
    """
    kept: list[Tensors] = []
    sizes: list[Tensor] = []
    lengths: list[Tensor] = []
    windows: list[Example] = []
    with torch.no_grad(), _untouched_buffers(objective.network.module):
        for part, examples in enumerate(split(first, plan)):
            seed(number + part)
            kept.append(objective.outputs(examples))
            sizes.append(_core_sizes(examples, objective.device))
            found = _lengths(objective, examples)
            if found is not None:
                lengths.append(found)
                windows += (replace(example, arrays={}) for example in examples)
    parts = len(kept)
    cached = {name: torch.cat([part[name] for part in kept]).requires_grad_() for name in kept[0]}
    kept.clear()
    weights = torch.cat(sizes)
    owners = torch.zeros(len(weights), dtype=torch.int64, device=objective.device)
    loss = objective.loss(
        cached,
        LossBatch(
            examples=windows,
            owners=owners,
            weights=weights,
            targets=[target],
            lengths=torch.cat(lengths) if lengths else None,
        ),
    )
    loss.backward()

    done = 0
    rows = dict.fromkeys(cached, 0)
    for part, examples in enumerate(split(again(), plan)):
        seed(number + part)
        outputs = objective.outputs(examples)
        done += len(examples)
        pairs = []
        for name, output in outputs.items():
            start, rows[name] = rows[name], rows[name] + len(output)
            gradient = cached[name].grad
            if gradient is not None and output.requires_grad:
                pairs.append((output, gradient[start : rows[name]]))
        torch.autograd.backward(*map(list, zip(*pairs, strict=True)))  # type: ignore[arg-type]
    if done != len(owners):
        raise RuntimeError(f"the record gave {len(owners)} windows, then {done}")
    return float(loss.detach()), parts


def split(examples: Iterable[Example], plan: BatchPlan) -> Iterator[list[Example]]:
    """Cuts windows into micro-batches under the budget, in the order in which they come."""
    held: list[Example] = []
    total = widest = 0
    for example in examples:
        grown = max(widest, example.cost)
        cost = total + example.cost if plan.packed else grown * (len(held) + 1)
        if held and (cost > plan.budget or len(held) == plan.most):
            yield held
            held, total, grown = [], 0, example.cost
        held.append(example)
        total += example.cost
        widest = grown
    if held:
        yield held


def cost(records: Sequence[Windows], plan: BatchPlan) -> int:
    """What the records cost as one micro-batch."""
    if plan.packed:
        return sum(example.cost for record in records for example in record.examples)
    windows = sum(len(record.examples) for record in records)
    return windows * max((record.widest for record in records), default=0)


def group(records: Sequence[Windows], plan: BatchPlan) -> list[list[Windows]]:
    """Whole records to micro-batches under the budget; similar sizes together.

    A record that alone is over the budget gets a group of its own. Where padding is counted, a
    micro-batch is closed before it is mostly padding, as batches of predictions are.
    """
    groups: list[list[Windows]] = []
    windows = held = longest = 0  # of the last group: windows, cost and the widest window
    whole = sum(cost([record], plan) for record in records)
    for record in sorted(records, key=lambda item: (-item.widest, -len(item.examples))):
        windows += len(record.examples)
        own = cost([record], plan)
        # Sorted: the first record of a group has its widest window.
        grown = held + own if plan.packed else windows * longest
        if (
            groups
            and windows <= plan.most
            and grown <= plan.budget
            and not wasteful(record.widest, longest, held, plan, whole)
        ):
            groups[-1].append(record)
            held = grown
        else:
            groups.append([record])
            windows, held, longest = len(record.examples), own, record.widest
    return groups


def _lengths(objective: Objective, examples: Sequence[Example]) -> Tensor | None:
    """Tokens of each window, where the network gives something for each of them."""
    if not objective.network.per_token:
        return None
    network = objective.network
    lengths = modality_of(network.settings).lengths(examples, network)
    return torch.from_numpy(lengths).to(objective.device)


def _core_sizes(examples: Sequence[Example], device: torch.device) -> Tensor:
    return torch.tensor([example.window.core.size for example in examples], device=device)


@contextmanager
def _untouched_buffers(module: nn.Module) -> Iterator[None]:
    """Puts buffers back afterwards: batch statistics must not count a forward pass twice."""
    saved = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        yield
    finally:
        for buffer, value in saved:
            buffer.copy_(value)
