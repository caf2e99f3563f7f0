"""The tokens that sequences which a model writes begin and end with."""

from __future__ import annotations

from typing import Any


def start_token(module: Any) -> int:
    """The token that the decoder of an encoder-decoder begins with.

    The settings of generation name it, or else the configuration: the decoder's own, or else the
    one that texts begin with, as ``generate`` of transformers has it.
    """
    for name in ("decoder_start_token_id", "bos_token_id"):
        for owner in (getattr(module, "generation_config", None), module.config):
            found = getattr(owner, name, None)
            if found is not None:
                return int(found)
    return 0


def end_tokens(module: Any) -> tuple[int, ...]:
    """The tokens that end a sequence; none where neither settings nor configuration name one."""
    for owner in (getattr(module, "generation_config", None), module.config):
        found = getattr(owner, "eos_token_id", None)
        if found is not None:
            return tuple(map(int, found)) if isinstance(found, list | tuple) else (int(found),)
    return ()
