"""A batch under generation with its cache of keys and values, in torch.

The cache grows by one token a step. Padding comes before the prompt, so that all rows grow at the
same end; it is masked, and positions are counted without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anysize.models.sequence_ends import start_token


class Cached(Protocol):
    """Rows that are generated together.

    Attributes:
        logits: of each row's next token after `begin`, ``[rows, vocabulary]``.
    """

    logits: Tensor

    @property
    def length(self) -> int:
        """Tokens that the cache holds of each row, padding included."""
        ...

    def begin(self, arrays: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """Reads the prompts."""
        ...

    def begin_empty(self) -> None:
        """Reads a single token of one row, to measure with."""
        ...

    def advance(self, tokens: Tensor) -> Tensor:
        """Reads one more token of each row, ``[rows]``; gives the logits of the next."""
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Lets the other rows go, and what the cache holds of them."""
        ...

    def reorder(self, rows: Tensor) -> None:
        """As `keep`, for as many rows as before, each from the same prompt as the one it replaces.

        Args:
            rows: int64 ``[rows]``; a row may come several times.
        """
        ...

    def stretch(self, tokens: int) -> None:
        """Grows the cache by so many tokens that nobody has read, to measure with."""
        ...

    def size(self) -> int:
        """Bytes of the cache that grows."""
        ...


class Growing:
    """What decoders and encoder-decoders have in common."""

    logits: Tensor

    def __init__(self, module: nn.Module, device: torch.device, *, bfloat16: bool) -> None:
        self._device, self._bfloat16 = device, bfloat16
        self._module: Any = module
        config: Any = self._module.config
        self._renew()
        self._takes = inspect.signature(module.forward).parameters.keys()
        self._padding = int(getattr(config, "pad_token_id", None) or 0)
        self._first = int(getattr(config, "bos_token_id", None) or 0)

    def _renew(self) -> None:
        """Begins with an empty cache."""
        from transformers import DynamicCache

        config = self._module.config.get_text_config(decoder=True)
        self._cache: Any = DynamicCache(config=config)

    @property
    def length(self) -> int:
        return int(self._own.get_seq_length())

    def size(self) -> int:
        parts = [(layer.keys, layer.values) for layer in self._layers()]
        return sum(item.numel() * item.element_size() for pair in parts for item in pair)

    def stretch(self, tokens: int) -> None:
        if tokens < 1:
            return
        with torch.inference_mode():
            for layer in self._layers():
                shapes = [(*item.shape[:2], tokens, item.shape[3])
                          for item in (layer.keys, layer.values)]  # fmt: skip
                layer.update(*(layer.keys.new_zeros(shape) for shape in shapes))
        self._stretched(tokens)

    def keep(self, rows: Sequence[int]) -> None:
        """See `Cached`."""
        raise NotImplementedError

    def reorder(self, rows: Tensor) -> None:
        """See `Cached`."""
        self.keep(rows.tolist())

    @property
    def _own(self) -> Any:
        """The part of the cache that grows."""
        return self._cache

    def _layers(self) -> list[Any]:
        return [layer for layer in self._own.layers if getattr(layer, "keys", None) is not None]

    def _stretched(self, tokens: int) -> None:
        """The cache has grown by tokens that nobody has read."""

    def _logits(self, **inputs: Any) -> Tensor:
        if "logits_to_keep" in self._takes:
            inputs["logits_to_keep"] = 1
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16),
        ):
            found = self._module(past_key_values=self._cache, use_cache=True, **inputs)
        logits: Tensor = found.logits[:, -1].float()
        return logits

    def _padded(self, every: Sequence[NDArray[Any]], *, before: bool) -> tuple[Tensor, Tensor]:
        """Token ids side by side, ``[rows, longest]``, and which of them are not padding."""
        longest = max(map(len, every))
        ids = np.full((len(every), longest), self._padding, np.int64)
        mask = np.zeros_like(ids)
        for row, each in enumerate(every):
            place = slice(longest - len(each), None) if before else slice(len(each))
            ids[row, place] = each
            mask[row, place] = 1
        return torch.from_numpy(ids).to(self._device), torch.from_numpy(mask).to(self._device)


class EncoderDecoder(Growing):
    """Rows of an encoder-decoder: what the encoder read stays, what the decoder writes grows."""

    _encoded: Tensor
    _mask: Tensor | None = None

    def __init__(self, module: nn.Module, device: torch.device, *, bfloat16: bool) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        super().__init__(module, device, bfloat16=bfloat16)
        config: Any = module.config
        text = config.get_text_config(decoder=True)
        self._cache = EncoderDecoderCache(self._cache, DynamicCache(config=text))

    @property
    def _own(self) -> Any:
        return self._cache.self_attention_cache

    def begin(self, arrays: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        """See `Cached`."""
        name = str(self._module.main_input_name)
        given: dict[str, Tensor] = {}
        if name == "input_ids":
            given[name], self._mask = self._padded([each[name] for each in arrays], before=False)
            given["attention_mask"] = self._mask
        else:
            stacked = np.stack([np.asarray(each[name]) for each in arrays])
            given[name] = torch.from_numpy(stacked).to(self._device)
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16),
        ):
            self._encoded = self._module.get_encoder()(**given).last_hidden_state
        start = np.array([start_token(self._module)])
        starts = [np.asarray(each.get("decoder_input_ids", start)) for each in arrays]
        self.logits = self._read(torch.from_numpy(np.stack(starts).astype(np.int64)))

    def begin_empty(self) -> None:
        """See `Cached`."""
        config: Any = self._module.config
        width = config.get_text_config(decoder=True).hidden_size
        self._encoded = torch.zeros(1, 1, width, device=self._device)
        self.logits = self._read(torch.tensor([[start_token(self._module)]]))

    def advance(self, tokens: Tensor) -> Tensor:
        """See `Cached`."""
        return self._read(tokens[:, None])

    def keep(self, rows: Sequence[int]) -> None:
        """See `Cached`."""
        chosen = torch.tensor(rows, device=self._device)
        self._encoded = self._encoded[chosen]
        if self._mask is not None:
            self._mask = self._mask[chosen]
        with torch.inference_mode():
            self._cache.batch_select_indices(chosen)

    def reorder(self, rows: Tensor) -> None:
        """See `Cached`: what the encoder gave is the same, so only what was written changes."""
        with torch.inference_mode():
            self._own.batch_select_indices(rows)

    def _read(self, ids: Tensor) -> Tensor:
        from transformers.modeling_outputs import BaseModelOutput

        masked = {} if self._mask is None else {"attention_mask": self._mask}
        return self._logits(
            decoder_input_ids=ids.to(self._device),
            encoder_outputs=BaseModelOutput(last_hidden_state=self._encoded),
            **masked,
        )
