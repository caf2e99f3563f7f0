"""What a run is made of: model, optimizer, stream of records and budget, put together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from anysize.core.batches import BatchPlan
from anysize.core.errors import DataError
from anysize.core.memory import processors
from anysize.modalities import modality_of
from anysize.models.convolution import guard_gradients
from anysize.models.execution import make_execution
from anysize.runtimes.torch import fast_bfloat16
from anysize.scale.protocols import Team
from anysize.training.budget import agree, leave_recipe
from anysize.training.job import Job
from anysize.training.layers import below_last_blocks, freeze, trained_count
from anysize.training.mixing import Mixing
from anysize.training.optimization import AveragedWeights, make_optimizer
from anysize.training.order import Order, mix
from anysize.training.pooled import Objective
from anysize.training.probing import set_checkpointing
from anysize.training.recipe import Recipe
from anysize.training.selection import strata_of
from anysize.training.sparsity import Sparsity, was_pruned
from anysize.training.step import Stepper
from anysize.training.stream import Labelled, Stream

_log = logging.getLogger("anysize")
_LOOK_AHEAD = 16
_MOST_READERS = 8
_ALIGNMENT = 64  # bytes, as torch allocates


class Machinery:
    """The parts of a run on one worker.

    Attributes:
        trained: everything with weights that are trained.
        objective: what is minimised.
        budget: the planner's choices; None where the recipe says how large micro-batches are.
        plan: cost of a micro-batch.
        order: which records when.
        optimizer, averages, stream, stepper: as named; ``averages`` only with ``ema``.
        sparsity: prunes while training; None where nothing is pruned.
        loaders: reader threads.
    """

    def __init__(self, job: Job, team: Team) -> None:
        recipe, network = job.recipe, job.network
        self.objective = make_objective(job, team)
        self.trained = nn.ModuleDict(self.objective.parts())
        self.loaders = readers(recipe)
        micro_cost = recipe.micro_cost
        self.budget = None
        if micro_cost and recipe.checkpointing == "on":
            set_checkpointing(network.module, True)
        if micro_cost:
            leave_recipe(job, team, bfloat16=self.objective.bfloat16)
        else:
            self.budget = agree(job, self.objective, team, self.loaders)
            micro_cost, self.loaders = self.budget.micro_cost, self.budget.loaders
            self.objective = replace(self.objective, bfloat16=self.budget.bfloat16)
        self.plan = BatchPlan(
            budget=micro_cost,
            packed=self.objective.execution.packed,
            look_ahead=_LOOK_AHEAD * micro_cost,
        )
        self.order = Order(
            records=len(job.training),
            batch=recipe.batch or 1,
            seed=recipe.seed,
            strata=strata_of(job.task, job.card, job.training),
        )
        self.optimizer = make_optimizer(self.trained, recipe)
        self.averages = AveragedWeights(self.trained, recipe.ema) if recipe.ema else None
        self.sparsity = (
            Sparsity(self.trained, recipe.sparsity, recipe.sparsity_pattern)
            if recipe.sparsity or was_pruned(self.trained)
            else None
        )
        training = job.training
        if self.budget is not None and self.budget.kept:
            modality = modality_of(network.settings)
            training = modality.keeping(training, job.task.role, self.budget.kept)
        self.stream = Stream(
            training,
            Labelled(
                job.task.preprocess(network, augment=job.augmentation, seed=recipe.seed),
                job.task,
                job.card.labels,
            ),
            self.order,
            worker=team.rank,
            workers=team.size,
            loaders=self.loaders,
            hold=self.plan.gathered,
            strict=recipe.strict,
        )
        self.stepper = Stepper(
            self.objective,
            self.trained,
            self.optimizer,
            self.stream,
            self.plan,
            team,
            seed=recipe.seed,
            clip=recipe.clip or 0.0,
            mixing=_mixing(job, team, at_once=micro_cost // job.network.settings.whole),
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is minimised, and why the budget is spent as it is, a sentence for each choice."""
        said = trained_count(self.objective.network.module)
        return (
            *self.objective.notes(),
            *([said] if said and self.budget is None else []),
            *(() if self.budget is None else self.budget.why),
        )

    def weights(self) -> dict[str, Tensor]:
        """The parameters that are trained, and all buffers, by name; shared ones once.

        The others stay what they are in the bundle that a run starts from.
        """
        trained = {
            name: item for name, item in self.trained.named_parameters() if item.requires_grad
        }
        return {**trained, **dict(self.trained.named_buffers())}

    @torch.no_grad()
    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over weights by name.

        Raises:
            DataError: they are of another model.
        """
        own = {**dict(self.trained.named_parameters()), **dict(self.trained.named_buffers())}
        for name, value in tensors.items():
            if name not in own or own[name].shape != value.shape:
                raise DataError(
                    "checkpoint", f"its {name} does not fit the model; train without --resume"
                )
            own[name].copy_(value)


@torch.no_grad()
def _align(module: nn.Module) -> None:
    """Moves weights that a file has put at odd addresses to where torch puts new ones.

    Libraries round products of the same numbers differently by the address at which they begin,
    and a resumed run reads its weights from another file than the run that it goes on with.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % _ALIGNMENT:
            tensor.data = tensor.detach().clone()


def make_objective(job: Job, team: Team) -> Objective:
    """Puts the network on the device, in the layout and precision that it is trained in."""
    recipe, network = job.recipe, job.network
    module: nn.Module = network.module
    module.to(team.device)
    _align(module)
    if network.pool is not None:
        network.pool.to(team.device)
        _align(network.pool)
    _choose_trained(job)
    modality_of(network.settings).arrange(module)
    if recipe.compile:
        module.compile()
    automatic = recipe.precision == "auto" and fast_bfloat16(team.device, module)
    objective = Objective(
        task=job.task,
        network=network,
        execution=make_execution(network, team.device),
        rule=recipe.merge,
        label_smoothing=recipe.label_smoothing or 0.0,
        device=team.device,
        bfloat16=automatic or recipe.precision == "bfloat16",
    )
    if recipe.quantization is not None:
        from anysize.models.fake_quantization import FakeQuantizer, Ranges

        quantizer = FakeQuantizer(Ranges.load(recipe.quantization)).to(team.device)
        quantizer.attach(module)
        objective = replace(objective, extra={"quantizers": quantizer})
    if team.device.type == "cpu":
        guard_gradients(module)
    if recipe.teacher is None:
        return objective
    from anysize.training.distillation import with_teacher

    return with_teacher(objective, recipe, job.card.labels)


def _choose_trained(job: Job) -> None:
    """Says which parameters are trained, and adds those of low rank."""
    recipe, module = job.recipe, job.network.module
    patterns: tuple[str, ...] = recipe.freeze
    if job.lora is not None:
        from anysize.models import lora

        lora.add(module, job.lora, mix("low rank", recipe.seed))
        heads = tuple(f"!{name}" for name in job.lora.heads)
        patterns = ("*", *heads, f"!{lora.TRAINED}", *patterns)
    elif recipe.last_blocks is not None:
        patterns = (*below_last_blocks(module, recipe.last_blocks), *patterns)
    freeze(module, patterns)


def readers(recipe: Recipe) -> int:
    """Reader threads of a worker: as asked for, or its share of the cores.

    On a processor half of them, since the network wants them all.
    """
    if recipe.loaders is not None:
        return recipe.loaders
    shared = recipe.workers if torch.cuda.is_available() else 2 * recipe.workers
    return max(1, min(_MOST_READERS, processors() // shared))


def _mixing(job: Job, team: Team, *, at_once: int) -> Mixing | None:
    if job.augmentation is None or not job.augmentation.batch_steps:
        return None
    if at_once < 2 and team.rank == 0:
        _log.warning(
            "MixUp and CutMix mix nothing: one picture fits at a time; give more memory (--memory) "
            "or smaller pictures (--image-size)"
        )
    return Mixing(job.augmentation, job.recipe.seed, team.rank)
