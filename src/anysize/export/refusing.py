"""What several formats cannot write, and the tokenizer that goes beside a graph of texts."""

from __future__ import annotations

import json
from pathlib import Path

from anysize.core.errors import ConfigurationError
from anysize.models.network import Network

TOKENIZER = "tokenizer.json"
_GRAPHS = (".onnx", ".xml")


def refuse_forms(key: str, network: Network, runtime: str | None) -> None:
    """Refuses networks that cannot become a format's graph.

    Args:
        key: the format.
        network: to be written.
        runtime: whose compiled forms the format can hold; None where it wants weights.

    Raises:
        ConfigurationError: the remedy is named.
    """
    network.ask()
    form = network.form
    if form is not None and form.runtime != runtime:
        raise ConfigurationError(
            f"format {key!r} cannot hold what this bundle has instead of weights, a compiled form "
            f"of {form.runtime} in {form.precision}: export to {form.runtime!r}, or export the "
            "bundle that it was made from"
        )
    if getattr(network.module, "own_runtime", False):
        raise ConfigurationError(
            f"{network.spec} brings a runtime of its own and has no layers that could be exported"
        )
    if runtime is not None and not network.has_graph:
        raise ConfigurationError(
            f"format {key!r} cannot hold a model that writes texts: export it to 'huggingface'"
        )


def refuse_other_tokenizer(main: Path, network: Network) -> None:
    """Refuses a folder in which another model's tokenizer would be replaced.

    Args:
        main: the graph that is to be written.
        network: what it is a graph of.

    Raises:
        ConfigurationError: another graph of texts is there, with another tokenizer.
    """
    beside = main.parent / TOKENIZER
    if network.tokenizer is None or not beside.is_file():
        return
    others = [
        path.name
        for path in sorted(main.parent.iterdir())
        if path.suffix in _GRAPHS and path.stem != main.stem
    ]
    if others and json.loads(beside.read_bytes()) != json.loads(network.tokenizer.to_str()):
        raise ConfigurationError(
            f"out: {main.parent} holds {others[0]} and its {TOKENIZER}, which is another than that "
            "of this model and would be replaced; export to a folder of its own"
        )


def save_tokenizer(folder: Path, network: Network) -> None:
    """Writes ``tokenizer.json`` beside a graph of texts; nothing for other networks."""
    if network.tokenizer is not None:
        network.tokenizer.save(str(folder / TOKENIZER))
