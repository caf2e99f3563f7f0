"""What a language model must beat: unigrams and a Kneser-Ney 5-gram of the same tokens.

They are made from the training text where it is still where the model learned from it, in the
model's own tokens. Of conversations they learn and predict the answers, from the tokens before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from anysize.core.errors import AnysizeError, DataError
from anysize.core.kneser_ney import KneserNey, Stretch, stretches_of
from anysize.core.progress import counted
from anysize.core.records import Source
from anysize.evaluation.language_result import Baseline
from anysize.sources.splits import open_splits
from anysize.tasks.conversation_findings import is_conversation
from anysize.tasks.inputs import columns_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.tasks.protocols import Task

_MOST = 2_000_000


def baselines(
    task: Task, card: Card, network: Network, source: Source
) -> tuple[tuple[Baseline, ...], tuple[str, ...]]:
    """The baselines, or why there are none.

    Args:
        task: that reads the texts.
        card: of the bundle; it says what was learned from.
        network: whose tokens are counted.
        source: that is measured.
    """
    try:
        training = _training(task, card)
    except AnysizeError as error:
        training, why = None, str(error)
    else:
        why = "the model does not say what it was trained on"
    if training is None:
        return (), (f"no baselines, because the training text is not at hand: {why}",)
    vocabulary = int(network.module.config.vocab_size)
    preprocess = task.preprocess(network)
    try:
        model = KneserNey(_stretches(preprocess, training), vocabulary, most=_MOST)
    except ValueError as error:
        return (), (f"no baselines: {error}",)
    unigram, smoothed, tokens = 0.0, 0.0, 0
    for stretch in _stretches(preprocess, source):
        unigram += float(model.unigram_losses(stretch).sum())
        smoothed += float(model.losses(stretch).sum())
        tokens += len(stretch.tokens) - stretch.first
    common: dict[str, Any] = {
        "tokens": tokens,
        "learned": model.tokens,
        "complete": model.complete,
        "answers": is_conversation(training),
    }
    return (
        Baseline(name="unigram", description="how often a token is", loss=unigram, **common),
        Baseline(
            name="kneser_ney_5",
            description="5-grams with modified Kneser-Ney smoothing",
            loss=smoothed,
            **common,
        ),
    ), ()


def _training(task: Task, card: Card) -> Source | None:
    """What the model learned from; None where nothing says it."""
    recipe = card.provenance.get("recipe") or {}
    data = recipe.get("data")
    if not data:
        return None
    validation, test = card.shares()
    return open_splits(
        data,
        roles=columns_of(task, card),
        columns=recipe.get("columns") or {},
        encoding=recipe.get("encoding") or "utf-8",
        validation=validation,
        test=test,
    ).train


def _stretches(preprocess: Any, source: Source) -> Iterator[Stretch]:
    def windows() -> Iterator[tuple[Any, Any]]:
        for index in counted(range(len(source)), f"counting {source.name}", len(source)):
            try:
                for example in preprocess(index, source[index], None):
                    yield example.arrays["input_ids"], example.arrays["labels"]
            except DataError:
                continue  # counted where the model reads it

    return stretches_of(windows())
