"""A prompt whose cache would take more than the memory budget: the cache has a bound instead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

import anysize
from anysize.core import memory
from anysize.core.results import Result
from anysize.models.subwords import train_subwords, wrap_subwords
from anysize.runtimes.decoder_weights import DecoderWeights

Shelf = Callable[..., Path]
MIB = 1 << 20
PER_TOKEN = 256 << 10  # what `heavy` keeps of each token
NEW = 40


def heavy(folder: Path) -> None:
    """Small layers that keep 256 KiB of each token, and 2,048 positions: 512 MiB."""
    tokenizer = train_subwords(["the cat sat on the mat", "a dog saw the cat"] * 20, 300)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=16, intermediate_size=16,
        num_hidden_layers=16, num_attention_heads=2, num_key_value_heads=2, head_dim=1024,
        max_position_embeddings=2048, initializer_range=0.3, bos_token_id=None,
        eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    wrap_subwords(tokenizer, window=2048).save_pretrained(folder)


def test_a_cache_stays_within_the_budget(shelf: Shelf, run: Callable[..., Any]) -> None:
    # In a process of its own: what tests before it have left in the heap would be measured too.
    done = run(__file__, shelf("heavy-cache", heavy))
    assert not done.returncode, done.stderr


def check(folder: Path) -> None:
    loaded = anysize.load(folder, "text-generation")
    wishes: dict[str, Any] = {
        "runtime": "torch", "precision": "float32", "window": 64,
        "of_task": {"max_new_tokens": NEW, "loops": "keep"},
    }  # fmt: skip
    prompt = "the cat sat on the mat a dog saw the cat " * 170
    memory.trim()
    budget = memory.resident() + 300 * MIB
    options = anysize.PredictOptions(memory=budget, **wishes)
    source = loaded.open([prompt], options)
    plan = loaded.plan(source, options)
    bound = plan.longest
    assert bound is not None and 64 < bound < 1500, "the budget does not bound the cache"
    positions: list[int] = []
    resident: list[int] = []
    read = DecoderWeights.read

    def watched(self: DecoderWeights, ids: Any, places: Any, attend: Any) -> Any:
        found = read(self, ids, places, attend)
        positions.append(int(places.max()))
        resident.append(memory.resident())
        return found

    DecoderWeights.read = watched  # type: ignore[method-assign]
    memory.reset_peak()
    (found,) = loaded.predict(source, options, plan=plan)
    assert memory.peak() <= budget
    assert isinstance(found, Result) and found.details["tokens"] == NEW
    # Positions are counted in the cache.
    assert bound // 2 < max(positions) < bound
    # With the cache once full, nothing grows any more. While a prompt is read, work space comes
    # and goes with the size of a batch, so a copy of the cache is what is looked for there.
    cache = bound * PER_TOKEN
    full = next(place for place, each in enumerate(positions) if each > 3 * bound // 4)
    seen = f"MiB by read: {[each // MIB for each in resident]}, the cache {cache // MIB}"
    assert max(resident[full:]) - resident[full] < cache // 2, seen
    assert max(resident[-NEW + 5 :]) - resident[-NEW + 5] < 8 * MIB, seen
    receipt = found.receipt
    assert receipt.fidelity == "approximate" and receipt.covered == 1
    assert "had left the model's memory when the text ended" in receipt.notes[0]
    # With memory for all of it and the same bound as a wish, the same comes out.
    wishes["of_task"]["context"] = bound
    ample = anysize.PredictOptions(memory="8GiB", **wishes)
    (again,) = loaded.predict(loaded.open([prompt], ample), ample)
    assert isinstance(again, Result) and again.prediction == found.prediction


if __name__ == "__main__":
    check(Path(sys.argv[1]))
