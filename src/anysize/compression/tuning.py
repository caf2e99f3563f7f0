"""Fine-tuning of a bundle that was made smaller, by the ordinary training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.compression.protocols import Context
from anysize.core.errors import ConfigurationError
from anysize.core.files import scratch
from anysize.tasks.options import taken

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.training import Recipe

# Fields of the recipe that a bundle was trained with that its fine-tuning takes over.
_KEPT = (
    "optimizer", "momentum", "weight_decay", "clip", "label_smoothing", "batch", "augment",
    "layer_decay",
)  # fmt: skip
# Rates above these are of training from scratch; a fifth of them fine-tunes.
_FINE = {"adamw": 2e-4, "sgd": 1e-2}
_PART = 0.2
_WARMUP = 0.05
# What the judge keeps for validation, and for the test, of data without splits of their own.
_HELD_OUT = 0.1


def fine_tune(
    source: Path,
    out: Path,
    context: Context,
    *,
    epochs: float | None,
    learning_rate: float | None = None,
    before_removal: Callable[[Path], None] = lambda _run: None,
    before_training: Callable[[Recipe], Recipe] = lambda asked: asked,
    **recipe: Any,
) -> None:
    """Trains a bundle further on the context's data, and writes the result as a bundle.

    Optimizer, regularisation and augmentation are those that the bundle was trained with, where it
    says so; its labels, windows, merge rule, altered layers and record of compression stay as they
    are. The best weights by validation are kept. The records by which the result is judged are not
    trained on: of data without splits the bundle's own shares are kept out if they are no smaller
    than the judge's.

    Args:
        source: a bundle with weights.
        out: where the result goes; does not exist yet.
        context: data, budget, seed.
        epochs: how long; None where ``recipe`` has ``steps`` or ``minutes``.
        learning_rate: the highest; None is the rate that the bundle was trained with if that is one
            of fine-tuning, and a fifth of it otherwise.
        before_removal: called with the run's folder before it and its checkpoints are removed.
        before_training: changes the recipe, once it is known.
        recipe: any other field of ``anysize.train.Recipe``; goes before what is taken over.

    Raises:
        ConfigurationError: there is no data, or the recipe does not fit.
        DataError, RunError, BudgetError: as in training.
    """
    from anysize.models import bundle

    card = bundle.read_card(source)
    entries = {
        **taken_over(card),
        "epochs": epochs,
        "learning_rate": _rate(card) if learning_rate is None else learning_rate,
        "seed": context.seed,
        **recipe,
    }
    train(
        card,
        out,
        context,
        said="fine-tuned",
        carried=lambda tuned: _card(card, tuned),
        before_removal=before_removal,
        before_training=before_training,
        model=str(source),
        **entries,
    )


def train(
    card: Card,
    out: Path,
    context: Context,
    *,
    said: str,
    carried: Callable[[Card], Card],
    before_removal: Callable[[Path], None] = lambda _run: None,
    before_training: Callable[[Recipe], Recipe] = lambda asked: asked,
    **recipe: Any,
) -> None:
    """Trains on the context's data, for the task and labels of a bundle, and leaves a bundle alone.

    Args:
        card: of the bundle that is made smaller.
        out: where the result goes; does not exist yet.
        context: data, budget, seed.
        said: begins each message to the user.
        carried: from the card that training wrote to the result's.
        before_removal: called with the folder of the run before it is removed.
        before_training: changes the recipe, once it is known.
        recipe: fields of ``anysize.train.Recipe`` beside the data, the task and the budget.

    Raises:
        ConfigurationError: there is no data, or the recipe does not fit.
        DataError, RunError, BudgetError: as in training.
    """
    from anysize.models import bundle
    from anysize.models.spec import open_network
    from anysize.training import Recipe, run

    if context.data is None:
        raise ConfigurationError("fine-tuning needs data: give --data, or set epochs=0")
    with scratch(out.absolute().parent, "tuning") as folder:
        asked = Recipe(
            task=card.task,
            data=context.data,
            out=str(folder),
            columns=context.columns,
            encoding=context.encoding,
            # Tasks without classes refuse them.
            labels=(card.labels or None) if taken(card.task).get("labels", True) else None,
            **_head(card),
            **_prediction(card),
            merge=card.merge,
            memory=context.memory,
            tensorboard=False,
            **recipe,
        )
        report = run(before_training(asked), quiet=True)
        before_removal(folder)
        score = "" if report.best is None else f", validation {report.metric} {report.best:.4f}"
        context.say(f"{said} for {report.steps} steps in {report.seconds:.0f} s{score}")
        network, trained = open_network(str(folder))
        bundle.save(out, network, carried(trained))


def _head(card: Card) -> dict[str, str]:
    """The head of a bundle, as a recipe names it; nothing where the card says nothing."""
    return {"head": str(card.head["name"])} if card.head else {}


def _prediction(card: Card) -> dict[str, Any]:
    """How a model that writes is asked to: its languages, its search, a prefix of its texts."""
    from anysize import tasks
    from anysize.core.options import declared
    from anysize.tasks.distilling import Writing
    from anysize.training.recipe import own_tables

    if not isinstance(tasks.of(card), Writing):
        return {}
    known = {one.name for kind in own_tables(card.task) for one in declared(kind)}
    return {name: value for name, value in card.prediction.items() if name in known}


@contextmanager
def tuned_afterwards(
    out: Path, context: Context, *, epochs: float, learning_rate: float | None
) -> Iterator[Path]:
    """A place to save a bundle at, which is trained further when the block is left.

    Yields:
        ``out`` itself where ``epochs`` is 0, else a folder that is removed in the end.
    """
    if not epochs:
        yield out
        return
    with scratch(out.absolute().parent, "pruned") as work:
        place = work / "pruned"
        yield place
        fine_tune(place, out, context, epochs=epochs, learning_rate=learning_rate)


def taken_over(card: Card) -> dict[str, Any]:
    """What a bundle was trained with and its successor is trained with too."""
    before: Mapping[str, Any] = card.provenance.get("recipe") or {}
    entries = {name: before[name] for name in _KEPT if before.get(name) is not None}
    shares = {name: float(before.get(name, _HELD_OUT)) for name in ("validation", "test")}
    if sum(shares.values()) >= 2 * _HELD_OUT:
        entries |= shares
    return {**entries, "schedule": "cosine", "warmup": _WARMUP}


def _rate(card: Card) -> float | None:
    before: Mapping[str, Any] = card.provenance.get("recipe") or {}
    rate, optimizer = before.get("learning_rate"), before.get("optimizer")
    if rate is None or optimizer not in _FINE:
        return None
    return float(rate) if rate <= _FINE[optimizer] else max(_PART * rate, _FINE[optimizer])


def _card(before: Card, tuned: Card) -> Card:
    """The bundle's own card with what fine-tuning measured, and its recipe beside the first."""
    tunings = [*before.provenance.get("tuning", ()), tuned.provenance["recipe"]]
    provenance = {**tuned.provenance, **before.provenance, "tuning": tunings}
    return dataclasses.replace(
        before, metrics=tuned.metrics, head=tuned.head, provenance=provenance
    )
