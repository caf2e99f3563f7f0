"""What a task asks of a model: the class of transformers, what goes into it and what comes out.

A module of ``anysize.tasks`` has it at top level::

    ARCHITECTURE = Architecture(
        auto="AutoModelForTokenClassification",
        suffixes=("ForTokenClassification",),
        per_token=("logits",),
    )
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anysize.core import plugins
from anysize.core.errors import ConfigurationError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from anysize.models.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The models that a task takes.

    Attributes:
        auto: name of the Auto class of transformers that loads them.
        suffixes: how the names of their classes end, by which the task of a folder is known.
        outputs: the fields of the module's output that are taken.
        per_token: those of them that have one value or vector for each token of a window.
        beside: arrays as long as the token ids that the task's examples can carry beside them
            (``token_type_ids``); a model is given those that its forward takes.
        overlap: the part of a window that neighbours share, for a model that says nothing of it.
        causal: name of the Auto class that loads models without an encoder and a decoder, where the
            task takes both kinds.
        causal_outputs: what is taken of the output of those, where it is something else; each of
            these fields has a value or vector for each token.
        unused: beginnings of the names of weights that a model of this class may lack, because
            what they give is not taken (``pooler.``).
    """

    auto: str
    suffixes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("logits",)
    per_token: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    overlap: float = 0.0
    causal: str = ""
    causal_outputs: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def auto_for(self, config: PretrainedConfig) -> str:
        """Name of the Auto class for models of a configuration."""
        causal = self.causal and not getattr(config, "is_encoder_decoder", False)
        return self.causal if causal else self.auto

    def outputs_for(self, config: PretrainedConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is taken of models of a configuration, and what of it is for each token."""
        if self.causal_outputs and not getattr(config, "is_encoder_decoder", False):
            return self.causal_outputs, self.causal_outputs
        return self.outputs, self.per_token

    def apply(self, network: Network) -> None:
        """Notes in a network what it is given and what is taken of it, and how windows overlap."""
        network.outputs, network.per_token = self.outputs_for(network.module.config)
        network.beside = tuple(name for name in self.beside if _takes(network.module, name))
        if self.overlap:
            network.settings = network.settings.sharing(self.overlap)


def architecture_of(task: str) -> Architecture:
    """What a task asks of its models.

    Raises:
        ConfigurationError: no such task, or it does not say.
    """
    found = getattr(plugins.load("tasks", task), "ARCHITECTURE", None)
    if not isinstance(found, Architecture):
        raise ConfigurationError(
            f"task {task!r} does not say which models it takes: its module needs an ARCHITECTURE "
            "(docs: add a task)"
        )
    return found


def task_for(architectures: Sequence[str]) -> str | None:
    """The task that classes of transformers are for, by the ends of their names.

    The longest end that fits decides, so that a task may name whole classes.
    """
    best, longest = None, 0
    for task in plugins.keys("tasks"):
        found = getattr(plugins.load("tasks", task), "ARCHITECTURE", None)
        if not isinstance(found, Architecture):
            continue
        fit = (len(end) for end in found.suffixes for name in architectures if name.endswith(end))
        length = max(fit, default=0)
        if length > longest:
            best, longest = task, length
    return best


def _takes(module: Any, name: str) -> bool:
    """Whether a module's forward takes an input, and makes something of it."""
    if name == "token_type_ids" and int(getattr(module.config, "type_vocab_size", 0) or 0) < 2:
        return False  # RoBERTa has the input, and one type alone
    return name in inspect.signature(module.forward).parameters
