"""The tokenizer of a folder in the Hugging Face layout, and the longest window of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anysize.core.errors import BundleError, ConfigurationError
from anysize.models import hub_settings
from anysize.models.network import BuildRequest, Network, TextSettings

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_USUAL = 512


def add_tokenizer(network: Network, spec: str, request: BuildRequest | None) -> None:
    """Gives a network of texts its tokenizer and its window.

    Raises:
        BundleError: there is no fast tokenizer, or it has tokens that the model has not.
        ConfigurationError: the window that was asked for is longer than the model's.
    """
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(spec, trust_remote_code=False)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise BundleError(spec, "has no fast tokenizer (tokenizer.json)")
    # Padding and truncation are done elsewhere, and no input is ever cut.
    backend.no_truncation()
    backend.no_padding()
    _check_tokens(spec, network.module.config, backend)
    network.tokenizer = backend
    network.hub_tokenizer = tokenizer
    wish = request.window if request is not None else None
    longest = check_window(spec, network.module.config, tokenizer, wish)
    network.text = TextSettings(window=wish or min(longest, _USUAL))


def check_window(spec: str, config: PretrainedConfig, tokenizer: Any, wish: int | None) -> int:
    """The longest window that there are positions for, once the wish is found to fit."""
    longest = hub_settings.longest_window(config, tokenizer.model_max_length)
    if wish is not None and wish > longest:
        raise ConfigurationError(
            f"window must be at most {longest} tokens, the positions of {spec!r}, not {wish}"
        )
    return longest


def _check_tokens(spec: str, config: PretrainedConfig, tokenizer: Any) -> None:
    rows = getattr(config, "vocab_size", None)
    numbers = tokenizer.get_vocab(with_added_tokens=False).values()
    highest = max(numbers, default=-1)
    if highest < 0:
        raise BundleError(spec, "its tokenizer.json has no tokens")
    if isinstance(rows, int) and highest >= rows:
        raise BundleError(
            spec,
            f"its tokenizer.json has a token number {highest}, and its model knows {rows} tokens "
            "(vocab_size): they do not belong together",
        )
