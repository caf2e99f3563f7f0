"""The placeholder for a module where a bundle holds a compiled form and no weights."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig, PreTrainedModel

from anysize.core.errors import ConfigurationError


class CompiledModel(PreTrainedModel):
    """Has a configuration; the runtime that reads the form does the work.

    Its only parameters are of parts that run before the form; see ``outside``.
    """

    config_class = PretrainedConfig

    def forward(self, *_inputs: Any, **_named: Any) -> Any:
        """Says what to do instead.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "this bundle holds a compiled form and no weights: it predicts and is evaluated, but "
            "to train, compress or export, take the bundle that it was made from"
        )


def stand_in(config: PretrainedConfig) -> CompiledModel:
    """A module for a compiled form.

    Args:
        config: of the original; vocabulary, padding and labels are read from it.
    """
    return CompiledModel(config)
