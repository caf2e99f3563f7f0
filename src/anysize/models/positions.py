"""How many tokens a text model has positions for."""

from __future__ import annotations

from typing import Any

# Families whose first position is the padding token's id plus one.
_AFTER_PADDING = frozenset({
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
    "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
})  # fmt: skip


def after_padding(config: Any) -> bool:
    """Whether a model numbers positions from its padding token's id plus one, not from 0."""
    return config.model_type in _AFTER_PADDING


def position_count(config: Any) -> int | None:
    """Tokens of the longest text that a model has positions for; None where there is no limit."""
    found = getattr(config, "max_position_embeddings", None)
    if not isinstance(found, int) or not found:
        return None
    return found - (int(config.pad_token_id) + 1 if after_padding(config) else 0)
