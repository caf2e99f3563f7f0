"""Whether a converted model computes what the module does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from anysize.core.errors import ConfigurationError
from anysize.core.examples import Example
from anysize.core.generation import GenerationOptions, Growth
from anysize.core.windows import Span, Window
from anysize.models.network import Network
from anysize.models.sequence_ends import end_tokens
from anysize.runtimes.generation_limits import encodes, never_of

if TYPE_CHECKING:
    from anysize.runtimes.ctranslate2_generation import CTranslate2Generator

_LENGTHS = (11, 5, 11)
_TOKENS = 6
# Of the mean log-probability of a token.
_TOLERANCES = {"float32": 1e-3}
_LESS_EXACT = 0.1


def check_agreement(generator: CTranslate2Generator, network: Network) -> None:
    """Compares what a converted model says of the tokens that it writes with the module itself.

    A setting that the conversion does not know (the base of rotary positions, an activation) would
    go unseen otherwise.

    Raises:
        ConfigurationError: they differ.
    """
    config: Any = network.module.config
    random = np.random.default_rng(0)
    size = int(config.get_text_config(decoder=True).vocab_size)
    # Padding is not counted among the positions by some.
    usual = np.setdiff1d(np.arange(size), [config.pad_token_id or 0, *end_tokens(network.module)])
    examples = []
    for place, length in enumerate(_LENGTHS):
        span = Span(0, length)
        window = Window(record=str(place), index=0, region=span, core=span, last=True)
        ids = random.choice(usual, length).astype(np.int32)
        arrays = {"input_ids": ids}
        examples.append(Example(ordinal=place, window=window, arrays=arrays, cost=length))
    options = GenerationOptions(most=_TOKENS, least=_TOKENS)
    tolerance = _TOLERANCES.get(generator.precision, _LESS_EXACT)
    for growth in generator.generate(examples, options):
        ours = _score(network, examples[growth.row], growth, generator.start)
        if not abs(ours - growth.score) <= tolerance * _TOKENS:
            raise ConfigurationError(
                f"{network.spec} as CTranslate2 converts it computes something else (a sequence of "
                f"{_TOKENS} tokens has log-probability {growth.score:.4f}, and {ours:.4f} in "
                "torch): use runtime torch"
            )


def _score(network: Network, example: Example, growth: Growth, start: int) -> float:
    """The sum of the tokens' log-probabilities in torch, without those that were forbidden."""
    tokens = torch.from_numpy(growth.tokens.astype(np.int64))
    ids = torch.from_numpy(example.arrays["input_ids"].astype(np.int64))
    module: Any = network.module.eval()
    with torch.inference_mode():
        if encodes(module):
            read = torch.cat([torch.tensor([start]), tokens[:-1]])
            found = module(input_ids=ids[None], decoder_input_ids=read[None], use_cache=False)
        else:
            found = module(input_ids=torch.cat([ids, tokens[:-1]])[None], use_cache=False)
    logits = found.logits[0, -len(tokens) :].float().clone()
    logits[:, [*never_of(module), *end_tokens(module)]] = -torch.inf
    chances = torch.log_softmax(logits, 1)
    return float(chances.gather(1, tokens[:, None]).sum())
