"""Transcription in torch: Whisper of transformers, encoder and decoder in one batch each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anysize.core.errors import ConfigurationError
from anysize.core.transcription import Aligned, Decoded, DecodingOptions
from anysize.models.network import Network
from anysize.models.whisper_tokens import WhisperTokens
from anysize.runtimes.alignment import aligned, path_of
from anysize.runtimes.timed_tokens import TimeRules
from anysize.runtimes.transcription_search import search
from anysize.runtimes.whisper_conversion import alignment_heads

_MEDIAN = 7


class TorchTranscriber:
    """Transcribes with a network in torch; see ``core.transcription.Transcriber``.

    Args:
        network: a model of Whisper; put into evaluation mode and moved to ``device``.
        precision: ``float32`` or ``bfloat16``.
        device: ``cpu``, ``cuda``, …

    Raises:
        ConfigurationError: an unknown precision.
    """

    name = "torch"
    packed = False
    whole_only = True

    def __init__(self, network: Network, precision: str, device: torch.device) -> None:
        if precision not in ("float32", "bfloat16"):
            raise ConfigurationError(f"precision must be float32 or bfloat16, not {precision!r}")
        self.precision = precision
        self._device = device
        self.singly = device.type == "cpu"
        self._module: Any = network.module.eval().to(device)
        self._config: Any = network.module.config
        generation: Any = getattr(network.module, "generation_config", None)
        self._tokens = WhisperTokens.of_network(network)
        self._rules = TimeRules.of(self._tokens, generation, int(self._config.vocab_size))
        self._heads = alignment_heads(generation, self._config)

    def encode(self, features: NDArray[np.float32]) -> Tensor:
        """See ``Transcriber``."""
        given = torch.from_numpy(np.ascontiguousarray(features)).to(self._device)
        encoder = self._module.get_encoder()
        with self._computing():
            # On a processor many at once are not faster, and take memory for all of them.
            parts = given.split(1) if self.singly else (given,)
            return torch.cat([encoder(part).last_hidden_state for part in parts])

    def languages(self, encoded: Tensor, rows: Sequence[int]) -> list[Mapping[int, float]]:
        """See ``Transcriber``."""
        ids = list(self._tokens.languages.values())
        start = torch.full((len(rows), 1), self._tokens.start, device=self._device)
        with self._computing():
            logits = self._logits(encoded[list(rows)], start, None)[0][:, -1]
        chances = logits.float()[:, ids].softmax(-1).tolist()
        return [dict(zip(ids, each, strict=True)) for each in chances]

    def decode(
        self,
        encoded: Tensor,
        rows: Sequence[int],
        prompts: Sequence[Sequence[int]],
        options: DecodingOptions,
    ) -> list[Decoded]:
        """See ``Transcriber``; beams keep the sequences of the highest mean log probability."""
        # Half of the positions is for the prompt, as in the model's training.
        most = max(min(options.most, int(self._config.max_target_positions) // 2), 1)
        with self._computing():
            return search(
                self._logits, encoded[list(rows)], prompts, self._rules, options,
                most=most, silence=self._tokens.silence,
            )  # fmt: skip

    def align(
        self,
        encoded: Tensor,
        rows: Sequence[int],
        prompt: Sequence[int],
        texts: Sequence[Sequence[int]],
        frames: Sequence[int],
    ) -> list[Aligned]:
        """See ``Transcriber``: the best path through the attention to the encoder (DTW)."""
        found = []
        begun = [*prompt, self._tokens.untimed]
        for row, text, count in zip(rows, texts, frames, strict=True):
            ids = torch.tensor([[*begun, *text, self._tokens.end]], device=self._device)
            weights, logits = self._attended(encoded[[row]], ids)
            # Among the words, as none of the others is what is said.
            own = logits[len(prompt) : len(prompt) + len(text), : self._tokens.end]
            own = own.float().softmax(-1)
            chances = own[torch.arange(len(text)), torch.tensor(list(text))].double().numpy()
            # The row of a token is that of the one before it, which it is predicted from.
            kept = weights[:, len(prompt) : -1, : max(count // 2, 1)]
            found.append(aligned(path_of(kept.numpy(), _MEDIAN), len(text), chances))
        return found

    def close(self) -> None:
        """The weights are the network's."""

    def _attended(self, encoded: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Attention of the heads that align ``[heads, tokens, frames]``, and logits."""
        from transformers.modeling_outputs import BaseModelOutput

        kept = self._config._attn_implementation
        self._module.set_attn_implementation("eager")
        try:
            with self._computing():
                found = self._module(
                    decoder_input_ids=ids,
                    encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
                    output_attentions=True,
                    use_cache=False,
                )
        finally:
            self._module.set_attn_implementation(kept)
        weights = [found.cross_attentions[layer][0, head] for layer, head in self._heads]
        return torch.stack(weights).float().cpu(), found.logits[0].cpu()

    def _logits(self, encoded: Tensor, ids: Tensor, cache: Any) -> tuple[Tensor, Any]:
        from transformers.modeling_outputs import BaseModelOutput

        found = self._module(
            decoder_input_ids=ids,
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
            past_key_values=cache,
            use_cache=True,
        )
        return found.logits, found.past_key_values

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        bfloat16 = self.precision == "bfloat16"
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=bfloat16),
        ):
            yield
