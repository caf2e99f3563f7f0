"""Language models from scratch beside a Kneser-Ney 5-gram of the same training text.

    python -m benchmarks.language_models            # both texts, both models, 15 minutes each
    python -m benchmarks.language_models --text ptb --model gpt --minutes 5

The validation part of Penn Treebank and of WikiText-2 is the training text here (70,000 and 217,000
words), the test part is measured on, both by words: a line end counts as one, and words that the
training text does not have are ``<unk>`` for all models alike.
"""

from __future__ import annotations

import argparse
import shutil
import time
from typing import Any

import anysize
from benchmarks import common

TEXTS = {"ptb": "ptb", "wikitext2": "wikitext2"}
# Small models with much dropout: the text is tiny, and is seen many times.
MODELS: dict[str, dict[str, Any]] = {
    "gpt": {
        "window": 64,
        "options": {"hidden_size": 256, "num_layers": 2, "num_heads": 4, "dropout": 0.5},
        "settings": {"learning_rate": 1e-3, "batch": 8, "weight_decay": 0.5},
    },
    "lstm-lm": {
        "window": 64,
        "options": {"hidden_size": 256, "num_layers": 1, "dropout": 0.6},
        "settings": {"learning_rate": 3e-3, "batch": 8, "weight_decay": 0.1},
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", choices=TEXTS, action="append")
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--set", nargs="*", default=[], help="NAME=VALUE of a model's options")
    arguments = parser.parse_args()
    changes = dict(each.split("=", 1) for each in arguments.set)
    for text in arguments.text or TEXTS:
        for model in arguments.model or MODELS:
            measure(text, model, arguments.minutes, changes)


def measure(text: str, model: str, minutes: float, changes: dict[str, str]) -> None:
    """Trains one model on one text and prints its perplexity beside the baselines'."""
    folder = common.data(TEXTS[text])
    out = common.scratch("language_models") / f"{text}-{model}"
    shutil.rmtree(out, ignore_errors=True)
    wanted = MODELS[model]
    options = {"tokenizer": "word", "vocabulary": 100_000, **wanted["options"]}
    settings = {"window": wanted["window"], **wanted["settings"]}
    for name, value in changes.items():
        if name in settings:
            settings[name] = type(settings[name])(value)
        else:
            options[name] = value
    started = time.monotonic()
    trained = anysize.train(
        "text-generation", folder / "valid.txt", model=model, out=out, minutes=minutes,
        validation=0.1, test=0.0, options={name: str(value) for name, value in options.items()},
        **settings,
    )  # fmt: skip
    seconds = time.monotonic() - started
    found: Any = trained.evaluate(folder / "test.txt", out / "report", precision="float32")
    ours = found.main()["perplexity"]
    print(f"{text} {model} after {seconds / 60:.1f} minutes: perplexity {ours:.2f}")
    print(f"  {found.tokens:,} tokens, {found.unknown:,} unknown, stride {found.stride}")
    for each in found.baselines:
        print(f"  {each.name}: {each.perplexity:.2f}, from {each.learned:,} tokens; "
              f"the model's is {ours / each.perplexity:.3f} of it")  # fmt: skip


if __name__ == "__main__":
    main()
