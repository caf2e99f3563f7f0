"""Single weights pruned, and stored so that the zeros take no room.

``prune-magnitude``: the smallest weights of all layers together, gradually while training goes on
(Zhu and Gupta 2017, arXiv:1710.01878). ``prune-2:4``: two of every four neighbours along the inputs
(Mishra et al. 2021, arXiv:2104.08378), a pattern that some accelerators compute faster. The bundle
holds ``sparse.safetensors`` (``models.sparse``) and opens as an ordinary dense model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.compression.fitting import tuning_problems, weight_problems
from anysize.compression.protocols import Context, Method
from anysize.core.errors import ConfigurationError
from anysize.core.files import scratch

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network

PROVIDES = ("prune-magnitude", "prune-2:4")


@dataclass(frozen=True, slots=True, kw_only=True)
class MagnitudeOptions:
    """How much is pruned.

    Attributes:
        sparsity: part of the weights of linear layers and convolutions that become zero.
        epochs: of training while and after pruning; 0 prunes at once and does not train.
        learning_rate: the highest; None derives it from how the bundle was trained.
    """

    sparsity: float = 0.8
    epochs: float = 5.0
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        problems = tuning_problems(self.epochs, self.learning_rate)
        if not 0 < self.sparsity < 1:
            problems.append(f"sparsity must be above 0 and below 1, not {self.sparsity:g}")
        if problems:
            raise ConfigurationError(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternOptions:
    """How long it is trained.

    Attributes:
        epochs: of training after pruning; 0 does not train.
        learning_rate: the highest; None derives it from how the bundle was trained.
    """

    epochs: float = 3.0
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        problems = tuning_problems(self.epochs, self.learning_rate)
        if problems:
            raise ConfigurationError(problems)


def make(key: str) -> Method:
    """``prune-magnitude`` or ``prune-2:4``."""
    return Unstructured(key, MagnitudeOptions if key == "prune-magnitude" else PatternOptions)


class Unstructured:
    """Zeros where weights were small."""

    needs_data = True
    compiles = False

    def __init__(self, key: str, options: type[Any]) -> None:
        self.key = key
        self.options = options

    def problems(self, network: Network, card: Card) -> list[str]:
        from anysize.training.sparsity import prunable, two_of_four

        if found := weight_problems(network):
            return found
        weights = prunable(network.module).values()
        if not weights:
            return ["it has no linear layers or convolutions whose weights could be pruned"]
        if self.key == "prune-2:4" and all(two_of_four(weight) is None for weight in weights):
            return ["it has no layer with a multiple of four inputs"]
        return []

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        from anysize.compression.tuning import fine_tune
        from anysize.models import bundle
        from anysize.models.spec import open_network

        sparsity = getattr(options, "sparsity", 0.5)
        pattern = "global" if self.key == "prune-magnitude" else "2:4"
        with scratch(out.absolute().parent, "pruned") as work:
            tuned = source
            if options.epochs:
                tuned = work / "tuned"
                fine_tune(
                    source,
                    tuned,
                    context,
                    epochs=options.epochs,
                    learning_rate=options.learning_rate,
                    sparsity=sparsity,
                    sparsity_pattern=pattern,
                )
            network, card = open_network(str(tuned))
            context.say(_prune(network, sparsity, pattern))
            bundle.save(out, network, card, lambda folder: write_sparse(network, folder))


def write_sparse(network: Network, folder: Path) -> None:
    """Writes the weights into a folder in the sparse encoding."""
    from anysize.models import sparse

    network.module.save_pretrained(folder)
    sparse.pack(folder)


def _prune(network: Network, sparsity: float, pattern: str) -> str:
    """Prunes what is not zero yet; after training in that pattern this changes nothing."""
    from anysize.training.sparsity import Sparsity, prunable, zeros

    pruner = Sparsity(network.module, sparsity, pattern)
    pruner.begin()
    pruner.finish()
    weights = list(prunable(network.module).values())
    total = sum(weight.numel() for weight in weights)
    return f"{zeros(weights):,} of {total:,} weights are zero"
