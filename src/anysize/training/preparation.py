"""From a recipe to a job: data opened, labels found, network built, everything checked."""

from __future__ import annotations

import dataclasses
import logging
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import heads, tasks
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.findings import Finding, Findings
from anysize.core.records import Source
from anysize.modalities import modality_of
from anysize.models.classifier import last_linear
from anysize.models.network import BuildRequest, Network
from anysize.sources.labels.alike import tell_alike
from anysize.sources.labels.class_findings import tell_named
from anysize.sources.opening import called
from anysize.sources.retargeted import Retargeted
from anysize.sources.sample import sample_digest
from anysize.tasks.abilities import measure
from anysize.tasks.fields import modality_of as modality_of_task
from anysize.tasks.protocols import KnowsMore, Task, head_of
from anysize.tasks.understanding import Understood, understand
from anysize.training import scales
from anysize.training.job import Job
from anysize.training.layers import trained_part
from anysize.training.lora import chosen, is_pretrained, noted
from anysize.training.order import mix
from anysize.training.probing import check_checkpointing
from anysize.training.recipe import Recipe
from anysize.training.recipe_defaults import resolve
from anysize.training.selection import prediction_of, task_of, with_loss
from anysize.training.unused_options import tell_unused

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation
    from anysize.models.bundle import Card

_log = logging.getLogger("anysize")
# Where no more of the weights are trained, it is the head.
_HEAD = 0.1


def initial(recipe: Recipe) -> Path:
    """The bundle with the weights that a run starts from; workers and resumed runs open it."""
    return Path(recipe.out) / "initial"


def prepare(recipe: Recipe, *, started: float, quiet: bool = False) -> Job:
    """A job that starts at the beginning.

    Args:
        recipe: as the user gave it.
        started: when the run's clock started.
        quiet: show no progress.

    Raises:
        ConfigurationError: the recipe does not fit the task, model or data.
        DataError: the data cannot be used.
    """
    task = task_of(recipe, _learned(recipe))
    findings = Findings()
    data = _understand(recipe, task, recipe.labels, findings)
    findings.checked(strict=recipe.strict)
    task, training = data.task, data.training
    labels = data.labels or recipe.labels or task.labels(training)
    if recipe.teacher is not None:
        from anysize.training.distillation import check

        check(task, recipe.teacher, labels)
    network = _build(recipe, task, training, labels)
    check_checkpointing(recipe.model, network.module, recipe.checkpointing)
    lora = chosen(recipe, network) if recipe.lora else None
    task.begin(network, training, labels)
    measure(task, network, training, findings)
    counts = data.counts.get("train") or task.label_counts(training)
    tell_alike([counts], Path(training.name).name, findings)
    tell_named(counts, recipe.labels or (), findings)
    if (head := head_of(task)) is not None:
        scales.start(network, head, labels, counts, len(training))
    findings.checked(strict=recipe.strict)
    modality = modality_of(network.settings)
    resolved = resolve(
        recipe,
        modality=modality,
        pretrained=is_pretrained(network),
        normalised=_normalised(network),
        side=modality.shortest_side(network),
        records=len(training),
        own=task.recipe_defaults(pretrained=is_pretrained(network)),
        head_only=trained_part(network.module, recipe.freeze) <= _HEAD,
    )
    tell_unused(recipe, resolved, validated=data.splits.validation is not None, findings=findings)
    findings.checked(strict=recipe.strict)
    from anysize.models.bundle import Card

    card = Card(
        task=recipe.task,
        labels=labels,
        model=network.spec,
        merge=recipe.merge,
        prediction=prediction_of(recipe, task),
        settings=network.settings,
        licence=network.licence,
        head=_head(task),
        provenance={
            "data": training.name,
            "fingerprint": training.fingerprint(),
            "sample": sample_digest(training),
            "label_counts": counts,
            "findings": findings.to_json(),
            "seed": recipe.seed,
            "versions": _versions(),
            **({} if lora is None else {"lora": dataclasses.asdict(lora)}),
        },
    )
    job = _job(resolved, with_loss(task, card, training), network, card, data, started, quiet)
    return dataclasses.replace(job, findings=findings, summary=data.summary(findings), lora=lora)


def reopen(recipe: Recipe, *, started: float, quiet: bool = False) -> Job:
    """The job of a run that has begun: its network as it started, its data as it is now.

    Args:
        recipe: the run's own, resolved.
        started: when the run's clock started.
        quiet: show no progress.

    Raises:
        BundleError: the run's folder is damaged.
        DataError: the data cannot be used, or is not the run's.
    """
    from anysize.models.bundle import is_bundle
    from anysize.models.spec import open_network

    begun = initial(recipe)
    # A finished run has its weights once, in its bundle; those of its checkpoint replace them.
    folder = begun if is_bundle(begun) else Path(recipe.out)
    network, card = open_network(str(folder), recipe.task)
    network.module.float()
    task = task_of(recipe, tasks.of(card))
    data = _understand(recipe, task, card.labels, Findings())
    fingerprint = data.training.fingerprint()
    sample = card.provenance.get("sample")
    changed = sample is not None and sample != sample_digest(data.training)
    if changed or fingerprint != card.provenance.get("fingerprint"):
        raise DataError(
            called(recipe.data),
            f"has changed since the run in {recipe.out} was started (files, sizes or times "
            "differ), so the saved position is no longer valid; put the data back, or "
            "train anew with another --out",
        )
    task = with_loss(task, card, data.training)
    job = _job(recipe, task, network, card, data, started, quiet)
    kept = Findings()
    kept.join(map(Finding.from_json, card.provenance.get("findings", ())))
    return dataclasses.replace(job, findings=kept, lora=noted(card) if recipe.lora else None)


def _job(
    recipe: Recipe,
    task: Task,
    network: Network,
    card: Card,
    data: Understood,
    started: float,
    quiet: bool,
) -> Job:
    return Job(
        recipe=recipe,
        task=task,
        network=network,
        card=card,
        training=data.training,
        validation=data.validation,
        augmentation=_ready(_augmentation(recipe, task), recipe, task, network, data.training),
        fingerprint=str(card.provenance["fingerprint"]),
        started=started,
        quiet=quiet,
    )


def _understand(
    recipe: Recipe, task: Task, labels: tuple[str, ...] | None, findings: Findings
) -> Understood:
    # A record's part depends on its id alone, so that evaluating finds the same parts again,
    # whatever the seed of the run.
    data = understand(
        recipe.data,
        task,
        columns=recipe.columns,
        encoding=recipe.encoding,
        validation=recipe.validation,
        test=recipe.test,
        labels=labels,
        preferred=_labels_of(recipe.model),
        findings=findings,
    )
    if recipe.written_targets is None:
        return data
    training = Retargeted(data.training, Path(recipe.written_targets))
    return dataclasses.replace(data, splits=dataclasses.replace(data.splits, train=training))


def training_part(recipe: Recipe) -> Source:
    """The records that a run learns from, with the targets of the data."""
    own = recipe.changed(written_targets=None)
    task = task_of(own, _learned(own))
    return _understand(own, task, own.labels, Findings()).training


def _learned(recipe: Recipe) -> Task | None:
    """The task as a bundle has learned it that is trained further, or that teaches.

    Weights that give numbers in one scale are not to be trained for another one.
    """
    from anysize.models.bundle import is_bundle, read_card

    for spec in (recipe.model, recipe.teacher):
        if spec and is_bundle(spec) and (card := read_card(spec)).task == recipe.task:
            return tasks.of(card)
    return None


def _head(task: Task) -> dict[str, Any]:
    """What the card says of the task's head; nothing where it has none of its own."""
    head = head_of(task)
    return {} if head is None else heads.described(head, task.main_metric)


def _labels_of(model: str) -> tuple[str, ...]:
    """The labels of a bundle that is trained further."""
    from anysize.models.bundle import is_bundle, read_card

    return read_card(model).labels if is_bundle(model) else ()


def _build(recipe: Recipe, task: Task, training: Source, labels: tuple[str, ...]) -> Network:
    import torch
    from torch import nn

    from anysize.models import spec

    torch.manual_seed(mix("model", recipe.seed))
    head = head_of(task)
    outputs = labels if head is None else head.outputs(labels)
    modality = modality_of_task(task)
    wishes = recipe.asked(modality.options)
    facts = modality.facts(training, role=task.role, task=recipe.task, teacher=recipe.teacher)
    if isinstance(task, KnowsMore):
        facts = task.facts(training, facts)
    network = spec.build(
        recipe.model,
        BuildRequest(
            task=recipe.task,
            labels=outputs,
            head="" if head is None else head.name,
            facts=facts,
            wishes=wishes,
            options=recipe.options,
        ),
    )
    if network.new:
        _log.warning(
            "%s: not stored in it, so drawn at random and trained: %s",
            network.spec, ", ".join(network.new),
        )  # fmt: skip
    network.module.float()
    if head is not None:
        network.module.config.problem_type = head.problem_type
    modality.begin(network, facts)
    if modality.key == network.settings.modality:
        network.settings = modality.changed(network, wishes)
    if recipe.merge != "attention":
        network.pool = None
    elif network.pool is None:
        last = last_linear(network.module, len(outputs))
        network.pool = nn.Linear(last.in_features if last is not None else len(outputs), 1)
        # All windows weigh the same at first.
        nn.init.zeros_(network.pool.weight)
        nn.init.zeros_(network.pool.bias)
    return network


def _normalised(network: Network) -> bool:
    """Whether the network normalises over the batch."""
    from torch import nn

    return any(isinstance(layer, nn.BatchNorm2d) for layer in network.module.modules())


def _augmentation(recipe: Recipe, task: Task) -> Augmentation | None:
    spec = recipe.augment
    if spec == "auto":
        spec = task.augmentation
    if spec == "none":
        return None
    modality_of_task(task).refuse_augmentation(spec, recipe.task)
    from anysize.augmentation import image
    from anysize.augmentation.specification import refuse_unfit

    made = image.make(spec)
    if made is not None:
        refuse_unfit((*made.steps, *made.batch_steps), modality_of_task(task).settings.content)
    if made is not None and made.batch_steps and head_of(task) is None:
        raise ConfigurationError(
            f"augment: {' and '.join(step.name for step in made.batch_steps)} mix the targets of "
            f"image-classification and image-regression, not those of {recipe.task}"
        )
    if made is not None and recipe.task == "object-detection":
        from anysize.augmentation.automatic import AugMix

        if any(isinstance(step, AugMix) for step in made.steps):
            raise ConfigurationError(
                "augment: aug_mix lays differently moved copies of a picture over each other, so "
                "that its objects have no boxes: use another one for object-detection"
            )
    return made


def _ready(
    augmentation: Augmentation | None, recipe: Recipe, task: Task, network: Network, source: Source
) -> Augmentation | None:
    """The augmentation with what its steps put in the place of training texts."""
    from anysize.planning.paraphrases import needs_paraphrases, with_kept

    if augmentation is None or not needs_paraphrases(augmentation.steps):
        return augmentation
    from anysize.augmentation import Augmentation

    # A task that takes no such steps refuses them before anything is translated.
    task.preprocess(network, augment=augmentation, seed=recipe.seed)
    steps = with_kept(augmentation.steps, source, task.role, recipe.memory)
    return Augmentation((*steps, *augmentation.batch_steps))


def _versions() -> dict[str, str]:
    found = {}
    for package in ("anysize", "torch", "transformers", "tokenizers", "keras", "peft"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
