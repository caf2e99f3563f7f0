"""Which low-rank additions a run trains: chosen from its recipe, or noted where it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from anysize.core.errors import BundleError, ConfigurationError
from anysize.models import lora
from anysize.models.lora import LoraSettings
from anysize.training.lora_options import DROPOUT, RANK
from anysize.training.recipe import Recipe

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network


def chosen(recipe: Recipe, network: Network) -> LoraSettings:
    """The additions that are trained instead of the weights.

    Raises:
        ConfigurationError: the weights are not trained yet, or have no such layers.
        MissingExtraError: peft is not installed.
    """
    lora.require_peft()
    if not is_pretrained(network):
        raise ConfigurationError(
            f"lora fine-tunes weights that are trained already, and {recipe.model} begins with "
            "random ones: leave it out, or name a bundle, a folder or a hub id"
        )
    heads = lora.heads_of(network)
    rank = recipe.lora_rank or RANK
    return LoraSettings(
        rank=rank,
        alpha=recipe.lora_alpha or 2.0 * rank,
        dropout=recipe.lora_dropout or DROPOUT,
        targets=lora.targets_of(network, recipe.lora_targets, heads),
        heads=heads,
    )


def noted(card: Card) -> LoraSettings:
    """What was `chosen` for a run that goes on; what is new is no longer known then.

    Raises:
        BundleError: the card does not say.
    """
    lora = card.provenance.get("lora")
    kind = {"rank": int, "alpha": float, "dropout": float, "targets": list, "heads": list}
    if not isinstance(lora, Mapping) or not all(
        isinstance(lora.get(name), each) for name, each in kind.items()
    ):
        raise BundleError(card.model, "its card does not say which layers LoRA adds to; train anew")
    values = {name: lora[name] for name in kind}
    names = {name: tuple(map(str, lora[name])) for name in ("targets", "heads")}
    return LoraSettings(**{**values, **names})


def is_pretrained(network: Network) -> bool:
    """Whether weights were loaded: transformers notes where from; drawn ones come from nowhere."""
    return bool(getattr(network.module, "name_or_path", ""))
