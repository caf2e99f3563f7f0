"""Sentences translated a second: anysize, a plain transformers loop, CTranslate2 called by hand.

All have the same model and beam search, translate the whole test file from texts to texts, and take
turns. The loop is that of transformers' documentation (tokenizer, ``generate``, ``batch_decode`` in
the file's order); CTranslate2 by hand is ``translate_batch`` of all sentences on the converted
model. Both get the batch size, and CTranslate2 the division of threads, that was the fastest on the
first sentences. BLEU is sacrebleu's, of each.

    python -m benchmarks.translation_throughput BUNDLE [--test FILE.tsv] [--columns en,de]
        [--beams 4] [--records 0] [--rounds 3] [--memory 4GiB]
"""

from __future__ import annotations

import argparse
import csv
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

import anysize
from anysize.core.memory import processors
from anysize.core.results import Result
from benchmarks import common

Translate = Callable[[Sequence[str]], list[str]]

_BATCHES = (8, 16, 32, 64, 128, 256)
_TRIED = 128


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", help="a trained translation bundle")
    parser.add_argument("--test", help="a TSV with a header; multi30k's test_2016_flickr otherwise")
    parser.add_argument("--columns", default="en,de", help="source and target")
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--records", type=int, default=0, help="of the file; 0 is all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="4GiB")
    arguments = parser.parse_args()
    test = Path(arguments.test or common.data("multi30k") / "test_2016_flickr.tsv")
    sources, references = pairs(test, *arguments.columns.split(","), arguments.records)
    print(common.machine())
    print(f"{len(sources)} sentences of {test.name}, beam {arguments.beams}")
    few = sources[:_TRIED]
    systems: dict[str, Translate] = {}
    batch, loop = fastest(
        {f"batch {size}": plain(arguments.bundle, arguments.beams, size) for size in _BATCHES}, few
    )
    systems[f"transformers, {batch}"] = loop
    for runtime in ("auto", "torch", "ctranslate2"):
        systems[f"anysize {runtime}"] = ours(
            arguments.bundle, sources, runtime, arguments.beams, arguments.memory
        )
    setting, made = fastest(by_hand(arguments.bundle, arguments.beams), few)
    systems[f"CTranslate2 by hand, {setting}"] = made
    report(systems, sources, references, arguments.rounds)


def pairs(path: Path, source: str, target: str, records: int) -> tuple[list[str], list[str]]:
    """Both sides of a file."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = rows[: records or None]
    return [row[source] for row in rows], [row[target] for row in rows]


def fastest(choices: dict[str, Translate], texts: Sequence[str]) -> tuple[str, Translate]:
    """What translates some texts in the shortest time."""
    taken = {name: min(common.repeated(partial(run, texts), 2)) for name, run in choices.items()}
    best = min(taken, key=taken.__getitem__)
    return best, choices[best]


def plain(bundle: str, beams: int, size: int) -> Translate:
    """What one writes with transformers alone."""
    tokenizer, module = loaded(bundle)

    def run(texts: Sequence[str]) -> list[str]:
        found: list[str] = []
        for start in range(0, len(texts), size):
            inputs = tokenizer(list(texts[start : start + size]), return_tensors="pt", padding=True)
            inputs.pop("token_type_ids", None)
            with torch.inference_mode():
                made = module.generate(**inputs, num_beams=beams, do_sample=False)
            found += tokenizer.batch_decode(made, skip_special_tokens=True)
        return found

    return run


_LOADED: dict[str, tuple[Any, Any]] = {}


def loaded(bundle: str) -> tuple[Any, Any]:
    """Tokenizer and model of a bundle, as transformers opens them."""
    import transformers

    if bundle not in _LOADED:
        _LOADED[bundle] = (
            transformers.AutoTokenizer.from_pretrained(bundle),
            transformers.AutoModelForSeq2SeqLM.from_pretrained(bundle).eval(),
        )
    return _LOADED[bundle]


def ours(bundle: str, sources: Sequence[str], runtime: str, beams: int, memory: str) -> Translate:
    """The library as its users call it, planned once for the whole job."""
    model = anysize.load(bundle, task="translation")
    options = anysize.PredictOptions(
        runtime=runtime, memory=memory, of_task={"beams": beams, "guard": False}
    )
    source = model.open(list(sources), options)
    plan = model.plan(source, options, thorough=True)
    print(f"anysize {runtime}: {'; '.join(plan.why)}")

    def run(texts: Sequence[str]) -> list[str]:
        # The plan is that of these texts.
        assert len(texts) == len(sources)
        results = model.predict(source, options, plan=plan)
        return [str(each.prediction) if isinstance(each, Result) else "" for each in results]

    return run


def by_hand(bundle: str, beams: int) -> dict[str, Translate]:
    """CTranslate2 alone, by batch size and division of the threads."""
    import ctranslate2

    tokenizer, module = loaded(bundle)
    folder = Path(bundle) / "runtimes" / "ctranslate2"
    start = str(module.generation_config.decoder_start_token_id)
    never = [[str(word[0])] for word in module.generation_config.bad_words_ids or []]
    cores = processors()
    found: dict[str, Translate] = {}
    for inter, size in itertools.product(sorted({1, cores}), _BATCHES):
        engine = ctranslate2.Translator(
            str(folder), compute_type="float32", inter_threads=inter, intra_threads=cores // inter
        )

        def run(texts: Sequence[str], engine: Any = engine, size: int = size) -> list[str]:
            ids = tokenizer(list(texts))["input_ids"]
            made = engine.translate_batch(
                [[str(token) for token in each] for each in ids], [[start]] * len(ids),
                beam_size=beams, max_batch_size=size, max_input_length=max(map(len, ids)),
                suppress_sequences=never or None,
            )  # fmt: skip
            rows = [[int(token) for token in each.hypotheses[0]] for each in made]
            return list(tokenizer.batch_decode(rows, skip_special_tokens=True))

        found[f"batch {size}, {inter} × {cores // inter} threads"] = run
    return found


def report(
    systems: dict[str, Translate], sources: Sequence[str], references: Sequence[str], rounds: int
) -> None:
    """Rounds in turns, and the ratios of each to our fastest."""
    import sacrebleu

    seconds: dict[str, list[float]] = {name: [] for name in systems}
    texts: dict[str, list[str]] = {}
    for _ in range(rounds):
        for name, run in systems.items():
            started = time.perf_counter()
            texts[name] = run(sources)
            seconds[name].append(time.perf_counter() - started)
    for name, taken in seconds.items():
        score = sacrebleu.corpus_bleu(texts[name], [list(references)]).score
        rates = [len(sources) / each for each in taken]
        print(f"{name:<48} {common.spread(rates, 1)} sentences/s, BLEU {score:.2f}")
    own = [name for name in systems if name.startswith("anysize")]
    best = min(own, key=lambda name: statistics.median(seconds[name]))
    for name in systems:
        if name not in own:
            ratios = [b / a for a, b in zip(seconds[best], seconds[name], strict=True)]
            same = sum(a == b for a, b in zip(texts[best], texts[name], strict=True))
            print(
                f"{best} against {name}: {common.spread(ratios)} times; "
                f"{same / len(sources):.1%} of the translations are the same"
            )


if __name__ == "__main__":
    main()
