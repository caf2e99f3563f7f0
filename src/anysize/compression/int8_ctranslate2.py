"""Generators in CTranslate2 with weights in 8-bit integers, without calibration.

Weights of matrix products and embeddings become int8 with a scale for each row; what goes into a
product is rounded to int8 when it runs.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anysize.compression.fitting import weight_problems
from anysize.compression.protocols import Context
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.network import Form, Network
from anysize.models.spec import open_network
from anysize.runtimes.ctranslate2_conversion import FILE, convert, convertible

PROVIDES = ("int8-ctranslate2",)

FORM = f"runtimes/ctranslate2-int8/{FILE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """``int8-ctranslate2`` has no parameters."""


class Int8CTranslate2:
    """See the module."""

    key = "int8-ctranslate2"
    needs_data = False
    compiles = True
    options = NoOptions

    def problems(self, network: Network, card: Card) -> list[str]:
        if found := weight_problems(network):
            return found
        if not convertible(network):
            return [
                "it is for encoder-decoders and decoders that CTranslate2 has, with their weights "
                "as they were trained"
            ]
        if importlib.util.find_spec("ctranslate2") is None:
            return ["it needs CTranslate2: install anysize with the extra ctranslate2"]
        return []

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        network, card = open_network(str(source))
        form = Form(
            runtime="ctranslate2",
            precision="int8",
            file=FORM,
            outputs=network.outputs,
            beside=network.beside,
        )

        def write(folder: Path) -> None:
            place = (folder / FORM).parent
            place.mkdir(parents=True)
            convert(network, place, "int8")
            generation: Any = getattr(network.module, "generation_config", None)
            if generation is not None:
                generation.save_pretrained(folder)

        bundle.save(out, network, dataclasses.replace(card, form=form), write)


def make(_key: str) -> Int8CTranslate2:
    """The method."""
    return Int8CTranslate2()
