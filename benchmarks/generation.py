"""Generation with SmolLM2-135M-Instruct: tokens a second beside transformers, and long prompts.

``speed``: prompts of mixed length, each continued by the same number of tokens (nothing ends
early), greedily. The peer is ``generate`` of transformers on left-padded batches sorted by length,
in float32 and in bfloat16, at the best of several batch sizes; both have the same threads. Where
``llama-cpp-python`` is installed, llama.cpp continues the same prompts as one batch, with the same
weights in four bits, as their file has them, and in bfloat16.
Beside the rate stands the ceiling: the time that reading the weights once a step would take.

``prompt``: one prompt of 50,000 tokens under a budget of 2 GiB; prints the peak of the process.

``exact``: the last logits of a prompt that fits the window, read in parts and at once, in float32.

``bits``: one to four prompts continued by the same weights in bfloat16, 8 and 4 bits, in seconds of
the thread's own time for a step; prints how many times faster fewer bits are.

    python -m benchmarks.generation speed
    python -m benchmarks.generation speed --prompts 8 --new 16 --batches 8
    python -m benchmarks.generation prompt
    python -m benchmarks.generation exact
    OMP_NUM_THREADS=1 python -m benchmarks.generation bits
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import anysize
from benchmarks import common, llama_peer

# Tokens of prompts come and go: short questions, paragraphs, pages.
SHORTEST, LONGEST = 16, 768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", choices=("speed", "prompt", "exact", "bits"), nargs="*", default=["speed"]
    )
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--new", type=int, default=128, help="tokens that each is continued by")
    parser.add_argument("--batches", default="1,4,8,16,32", help="batch sizes of the peer")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=50_000, help="of the long prompt")
    parser.add_argument("--memory", default="2GiB", help="budget of the long prompt")
    wishes = parser.parse_args()
    print(common.machine(), flush=True)
    for what in wishes.what:
        if what == "speed":
            speed(wishes)
        elif what == "prompt":
            prompt(wishes.tokens, wishes.memory)
        elif what == "bits":
            bits(wishes.rounds)
        else:
            exact()


def texts(model: anysize.Model, count: int) -> list[str]:
    """Prompts cut from wikitext, of lengths spread evenly on a logarithmic scale."""
    raw = next((common.data("wikitext2")).glob("*test*")).read_text(encoding="utf-8")
    ids = model.network.needed_tokenizer().encode(raw[:600_000]).ids
    lengths = np.geomspace(SHORTEST, LONGEST, count).astype(int)
    np.random.default_rng(0).shuffle(lengths)
    found, start = [], 0
    for length in lengths.tolist():
        found.append(model.network.needed_tokenizer().decode(ids[start : start + length]))
        start += length
    return found


def speed(wishes: argparse.Namespace) -> None:
    model = anysize.load("smollm2")
    prompts = texts(model, wishes.prompts)
    batches = [int(each) for each in wishes.batches.split(",")]
    count = wishes.prompts * wishes.new
    best = 0.0
    for precision in ("bfloat16", "float32"):
        own = rates(lambda p=precision: ours(model, prompts, wishes.new, p), wishes.rounds, count)
        print(f"anysize {precision}: {common.spread(own)} tokens/s", flush=True)
        best = max(best, float(np.median(own)))
    ceiling(model)
    peer = 0.0
    for precision in ("bfloat16", "float32"):
        module = model.network.module.to(getattr(__import__("torch"), precision))
        for size in batches:
            found = rates(
                lambda m=module, s=size: theirs(m, model, prompts, wishes.new, s),
                wishes.rounds, count,
            )  # fmt: skip
            print(f"transformers {precision}, batch {size}: {common.spread(found)} tokens/s",
                  flush=True)  # fmt: skip
            peer = max(peer, float(np.median(found)))
        model.network.module.float()
    print(f"best against best: {best / peer:.2f} times", flush=True)
    if llama_peer.installed():
        beside_llama(model, prompts, wishes, best)
    else:
        print("llama.cpp: not measured, llama-cpp-python is not installed", flush=True)


def beside_llama(
    model: anysize.Model, prompts: Sequence[str], wishes: argparse.Namespace, best: float
) -> None:
    """llama.cpp with the same weights and threads."""
    import torch

    from anysize.models import smollm2

    tokenizer = model.network.needed_tokenizer()
    ids = [tokenizer.encode(text).ids for text in prompts]
    source = smollm2.weights()
    bf16 = llama_peer.requantized(source, common.scratch("generation") / "bf16.gguf", "BF16")
    for kind, path in (("Q4_1", source), ("BF16", bf16)):
        llama = llama_peer.Llama(path, torch.get_num_threads(), repacked=kind != "Q4_1")
        found = rates(
            lambda one=llama: one.continued(ids, wishes.new), wishes.rounds,
            wishes.prompts * wishes.new,
        )  # fmt: skip
        print(
            f"llama.cpp {kind}: {common.spread(found)} tokens/s; ours at its best "
            f"{best / float(np.median(found)):.2f} times",
            flush=True,
        )


def rates(work: Any, rounds: int, tokens: int) -> list[float]:
    return [tokens / seconds for seconds in common.repeated(work, rounds)]


def ours(model: anysize.Model, prompts: Sequence[str], new: int, precision: str) -> None:
    """By the generator that ``predict`` opens, with nothing that ends a continuation early."""
    from anysize.runtimes.torch import open_generator

    generator = kept.get(precision)
    if generator is None:
        generator = kept[precision] = open_generator(model.network, precision)
    tokenizer = model.network.needed_tokenizer()
    continued(generator, [tokenizer.encode(text).ids for text in prompts], new)


kept: dict[str, Any] = {}


def continued(generator: Any, prompts: Sequence[Sequence[int]], new: int) -> None:
    """Each prompt of token ids continued by so many tokens."""
    from anysize.core.examples import Example
    from anysize.core.generation import GenerationOptions
    from anysize.core.windows import Span, Window

    span = Span(0, 1)
    examples = []
    for place, ids in enumerate(prompts):
        window = Window(str(place), 0, span, span, last=True)
        arrays = {"input_ids": np.array(ids, np.int32)}
        examples.append(Example(ordinal=place, window=window, arrays=arrays, cost=len(ids)))
    options = GenerationOptions(most=new, end=())
    written = sum(len(one.tokens) for one in generator.generate(examples, options) if one.ending)
    assert written == len(prompts) * new, written


def theirs(module: Any, model: anysize.Model, prompts: Sequence[str], new: int, size: int) -> None:
    """``generate`` of transformers on left-padded batches, sorted by length."""
    import torch

    tokenizer: Any = model.network.hub_tokenizer
    tokenizer.padding_side = "left"
    order = sorted(prompts, key=len)
    with torch.inference_mode():
        for start in range(0, len(order), size):
            batch = tokenizer(order[start : start + size], return_tensors="pt", padding=True)
            found = module.generate(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                do_sample=False, max_new_tokens=new, min_new_tokens=new,
                pad_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
            assert found.shape[1] == batch["input_ids"].shape[1] + new


def ceiling(model: anysize.Model) -> None:
    """What reading the weights once a step allows."""
    import torch

    weights = sum(each.numel() for each in model.network.module.parameters())
    buffer = torch.ones(1 << 28, dtype=torch.bfloat16)
    buffer.sum()
    started = time.perf_counter()
    buffer.view(torch.int64).sum()
    rate = buffer.numel() * 2 / (time.perf_counter() - started)
    step = 2 * weights / rate
    print(
        f"reading {2 * weights / 1e6:.0f} MB of bfloat16 weights at {rate / 1e9:.1f} GB/s takes "
        f"{1000 * step:.0f} ms a step: at most {32 / step:.0f} tokens/s for 32 rows",
        flush=True,
    )


def prompt(tokens: int, memory: str) -> None:
    """A long prompt, in a process of its own."""
    code = """
import json, resource, sys, time
import anysize
from benchmarks.generation import long_text
model = anysize.load("smollm2", memory=sys.argv[2])
text = long_text(model, int(sys.argv[1]))
started = time.perf_counter()
(found,) = model([text], memory=sys.argv[2], max_new_tokens=64, chat=False)
print(json.dumps({
    "seconds": round(time.perf_counter() - started, 1),
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    "receipt": found.receipt.to_json() if hasattr(found, "receipt") else found.error,
}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tokens), memory], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"a prompt of {tokens:,} tokens under {memory}: {found}", flush=True)


def long_text(model: anysize.Model, tokens: int) -> str:
    """A text of so many tokens."""
    raw = "".join(
        path.read_text(encoding="utf-8") for path in sorted(common.data("wikitext2").glob("*"))
        if path.is_file() and path.suffix in (".txt", ".raw", ".tokens")
    )  # fmt: skip
    ids = model.network.needed_tokenizer().encode(raw[: 8 * tokens]).ids[:tokens]
    return model.network.needed_tokenizer().decode(ids)


def bits(rounds: int) -> None:
    """Steps of few rows, with weights in fewer bits."""
    from anysize.models.spec import open_network
    from anysize.runtimes.torch import open_generator

    generators = {}
    for method in ("", "int8-weights", "int4-weights"):
        network, _ = open_network(str(compressed(method)))
        generators[method or "bfloat16"] = open_generator(network, "bfloat16")
    draw = np.random.default_rng(0)
    for count in (1, 2, 4):
        prompts = draw.integers(100, 40_000, (count, 40)).tolist()
        best: dict[str, float] = {}
        for _ in range(rounds):
            for name, generator in generators.items():
                seconds = []
                for new in (4, 4, 20):
                    started = time.thread_time()
                    continued(generator, prompts, new)
                    seconds.append(time.thread_time() - started)
                best[name] = min(best.get(name, 1e9), (seconds[2] - seconds[1]) / 16)
        whole = best["bfloat16"]
        said = [f"{name} {1000 * each:.1f} ms ({whole / each:.2f})" for name, each in best.items()]
        print(f"a step of {count} rows: {', '.join(said)}", flush=True)


def compressed(method: str) -> Path:
    """SmolLM2 as a bundle, with a method of compression applied."""
    from anysize import tasks
    from anysize.compression.chain import load_method
    from anysize.compression.protocols import Context
    from anysize.models import bundle
    from anysize.models.spec import open_network

    folder = common.scratch("generation")
    whole = folder / "smollm2"
    if not whole.exists():
        bundle.save(whole, *open_network("smollm2"))
    out = folder / (method or "smollm2")
    if not out.exists():
        task, found = tasks.load("text-generation"), load_method(method)
        context = Context(task=task, original=whole, memory=4 << 30)
        found.apply(whole, out, found.options(), context)
    return out


def exact() -> None:
    """Read in parts and at once."""
    import torch

    from anysize.runtimes.decoder_weights import DecoderWeights
    from anysize.runtimes.ragged_decoding import Ragged

    model = anysize.load("smollm2")
    ids = np.array(model.network.needed_tokenizer().encode(long_text(model, 4096)).ids, np.int64)
    batch = Ragged(DecoderWeights(model.network.module, torch.float32), None, None, 1)
    batch.begin([{"input_ids": ids}])
    module: Any = model.network.module
    with torch.inference_mode():
        whole = module(input_ids=torch.from_numpy(ids)[None], logits_to_keep=1).logits[0, -1]
    difference = float((batch.logits[0] - whole).abs().max())
    print(f"{len(ids):,} tokens in parts of 512 against at once: the last logits differ by at most "
          f"{difference:.1e} (bar: 1e-4)", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
