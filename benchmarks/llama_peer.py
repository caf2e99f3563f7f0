"""llama.cpp as a peer of generation, through the functions of ``llama-cpp-python``.

Not in the lock: it is built from source (``pip install llama-cpp-python`` with a compiler at hand).
All prompts lie in one context, each a sequence of its own; they are read in parts, and every step
decodes one token of each sequence, as llama.cpp's own server and ``batched-bench`` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 2048
"""Tokens of prompts that are handed over at a time."""


def installed() -> bool:
    """Whether ``llama_cpp`` can be imported."""
    import importlib.util

    return importlib.util.find_spec("llama_cpp") is not None


def requantized(source: Path, target: Path, kind: str) -> Path:
    """The same weights in another form.

    Args:
        source: a GGUF file.
        target: the file to write.
        kind: ``BF16`` or another of ``LLAMA_FTYPE_MOSTLY_…``.
    """
    import llama_cpp

    if not target.is_file():
        wishes = llama_cpp.llama_model_quantize_default_params()
        wishes.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
        wishes.allow_requantize = True
        failed = llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), wishes)
        assert not failed, failed
    return target


class Llama:
    """A GGUF file in llama.cpp.

    Args:
        path: the file.
        threads: of the processor.
        repacked: whether weights are laid out anew for the processor, as llama.cpp does by default;
            with AMX and ``Q4_1`` version 0.3.36 of the package crashes so.
    """

    def __init__(self, path: Path, threads: int, *, repacked: bool = True) -> None:
        import llama_cpp

        self._threads = threads
        self._library: Any = llama_cpp
        self._library.llama_backend_init()
        wishes = llama_cpp.llama_model_default_params()
        wishes.use_extra_bufts = repacked
        self._model: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), wishes)
        assert self._model, path
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._size = int(llama_cpp.llama_vocab_n_tokens(vocabulary))

    def continued(self, prompts: Sequence[Sequence[int]], new: int) -> list[list[int]]:
        """Each prompt of token ids continued greedily by so many tokens."""
        llama = self._library
        wishes = llama.llama_context_default_params()
        longest = max(map(len, prompts)) + new
        wishes.n_ctx = len(prompts) * (-(-longest // 256) * 256)
        wishes.n_batch, wishes.n_ubatch = BATCH, 512
        wishes.n_seq_max = len(prompts)
        # Sequences that share one cache look at each other's keys in vain: two thirds of the speed.
        wishes.kv_unified = False
        wishes.n_threads = wishes.n_threads_batch = self._threads
        context = llama.llama_init_from_model(self._model, wishes)
        batch = llama.llama_batch_init(BATCH, 0, 1)
        try:
            written = [[token] for token in self._read(context, batch, prompts)]
            for step in range(1, new):
                batch.n_tokens = 0
                for row, (prompt, tokens) in enumerate(zip(prompts, written, strict=True)):
                    _add(batch, tokens[-1], len(prompt) + step - 1, row, wanted=True)
                assert llama.llama_decode(context, batch) == 0
                for row, tokens in enumerate(written):
                    tokens.append(self._best(context, row))
            return written
        finally:
            llama.llama_batch_free(batch)
            llama.llama_free(context)

    def _read(self, context: Any, batch: Any, prompts: Sequence[Sequence[int]]) -> list[int]:
        """Reads all prompts; the first token after each."""
        first = [0] * len(prompts)
        ends: dict[int, int] = {}

        def decode() -> None:
            assert self._library.llama_decode(context, batch) == 0
            for place, row in ends.items():
                first[row] = self._best(context, place)
            ends.clear()
            batch.n_tokens = 0

        batch.n_tokens = 0
        for row, prompt in enumerate(prompts):
            for place, token in enumerate(prompt):
                last = place == len(prompt) - 1
                if last:
                    ends[batch.n_tokens] = row
                _add(batch, token, place, row, wanted=last)
                if batch.n_tokens == BATCH:
                    decode()
        if batch.n_tokens:
            decode()
        return first

    def _best(self, context: Any, place: int) -> int:
        numbers = self._library.llama_get_logits_ith(context, place)
        return int(np.ctypeslib.as_array(numbers, shape=(self._size,)).argmax())


def _add(batch: Any, token: int, position: int, row: int, *, wanted: bool) -> None:
    place = batch.n_tokens
    batch.token[place], batch.pos[place] = token, position
    batch.n_seq_id[place] = 1
    batch.seq_id[place][0] = row
    batch.logits[place] = int(wanted)
    batch.n_tokens = place + 1
