"""The CTranslate2 runtime: generation with encoder-decoders and decoders on the processor.

What ``int8-ctranslate2`` has made of a language model, of which there are no weights, also scores
texts here, so that it can be evaluated.

A model is converted once and kept beside the bundle's weights, in float32: CTranslate2 computes in
other numbers from the same file. What it cannot do like torch is refused by name; the planner then
takes torch.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.core.files import disk_errors, move_in, scratch
from anysize.core.generation import GenerationOptions
from anysize.core.memory import processors
from anysize.models.network import Network
from anysize.runtimes.ctranslate2_agreement import check_agreement
from anysize.runtimes.ctranslate2_conversion import FILE, convert, convertible
from anysize.runtimes.ctranslate2_generation import CTranslate2Generator, refused
from anysize.runtimes.ctranslate2_scoring import LOSSES, CTranslate2Scorer
from anysize.runtimes.ctranslate2_transcription import open_transcriber as open_transcriber
from anysize.runtimes.ctranslate2_transcription import (
    transcription_precisions as transcription_precisions,
)
from anysize.runtimes.currency import is_current, kept_in, note
from anysize.runtimes.generation_limits import encodes
from anysize.runtimes.tracing import weight_bytes

PROVIDES = ("ctranslate2",)

_PRECISIONS = ("float32", "bfloat16")
# Each stream has a cache of its own.
_MOST_STREAMS = 4


def precisions(network: Network) -> tuple[str, ...]:
    """What texts can be scored in here: a language model's own form; see ``core.protocols``.

    Where a model has its weights, torch scores them, without the logits of all tokens at once.
    """
    form = network.form
    if form is None or form.runtime != "ctranslate2" or network.outputs != (LOSSES,):
        return ()
    return generation_precisions(network)


def open_runtime(
    network: Network,
    precision: str,
    folder: Path | None = None,
    threads: int = 0,
    streams: int = 1,
) -> CTranslate2Scorer:
    """What scores texts with the form of a language model.

    Args:
        network: with that form.
        precision: the form's own.
        folder: not used: the form is beside the card.
        threads: processor threads of all streams together; 0 takes all processors.
        streams: batches that run side by side.

    Raises:
        ConfigurationError: the network has no such form, or the precision is not its own.
        MissingExtraError: CTranslate2 is not installed.
        BundleError: its form cannot be loaded.
    """
    if importlib.util.find_spec("ctranslate2") is None:
        raise MissingExtraError("ctranslate2", "ctranslate2")
    able = precisions(network)
    if not able or network.form is None:
        raise ConfigurationError(
            f"{network.spec} has no precision in CTranslate2, which only generates, and scores "
            "texts with what int8-ctranslate2 has made of a language model: use runtime torch"
        )
    if precision not in able:
        raise ConfigurationError(f"precision must be {' or '.join(able)}, not {precision!r}")
    place = Path(network.form.file).parent
    return CTranslate2Scorer(
        precision, _engine(network, place, precision, threads, streams), streams
    )


def generation_precisions(network: Network) -> tuple[str, ...]:
    """What a network can generate in here, the likely fastest first; see ``core.protocols``."""
    if importlib.util.find_spec("ctranslate2") is None or torch.cuda.is_available():
        return ()
    if network.form is not None:
        return (network.form.precision,) if network.form.runtime == "ctranslate2" else ()
    if not convertible(network):
        return ()
    import ctranslate2

    able = ctranslate2.get_supported_compute_types("cpu")
    return tuple(each for each in _PRECISIONS if each in able)


def generation_refusals(options: GenerationOptions) -> list[str]:
    """What is asked of a generation that this runtime cannot do; see ``core.protocols``."""
    return refused(options)


def streams(network: Network) -> int:
    """How many batches are best run side by side where there are many; see ``core.protocols``.

    One thread for each of two batches of 64 sentences translated 1.0 to 1.5 times as many as two
    threads for one batch (transformer-mt, two processors).
    """
    return min(processors(), _MOST_STREAMS)


def opening_memory(network: Network, folder: Path | None) -> int:
    """The weights again, twice while they are converted; of a form its file, twice."""
    if network.form is not None:
        return 2 * Path(network.form.file).stat().st_size
    return 3 * weight_bytes(network)


def open_generator(
    network: Network,
    precision: str,
    folder: Path | None = None,
    threads: int = 0,
    streams: int = 1,
) -> CTranslate2Generator:
    """The generator for a network, converted on first use.

    Args:
        network: an encoder-decoder or decoder of a kind that CTranslate2 has.
        precision: ``float32``, or ``bfloat16`` where CTranslate2 has that on the processor; a
            compiled form has its own.
        folder: the bundle, to keep the converted model in; without it, or where it cannot be
            written, the model is converted each time.
        threads: processor threads of all streams together; 0 takes all processors.
        streams: batches that run side by side.

    Raises:
        ConfigurationError: the network or the precision is none that CTranslate2 has.
        MissingExtraError: CTranslate2 is not installed.
        BundleError: a form of the bundle cannot be loaded.
    """
    if importlib.util.find_spec("ctranslate2") is None:
        raise MissingExtraError("ctranslate2", "ctranslate2")
    able = generation_precisions(network)
    if not able:
        raise ConfigurationError(
            f"{network.spec} cannot generate in CTranslate2, which has no model of this kind "
            "(or not with these layers), or has no part in it on this machine: use runtime torch"
        )
    if precision not in able:
        raise ConfigurationError(
            f"precision must be one of {', '.join(able)} in CTranslate2 here, not {precision!r}"
        )

    def opened(place: Path) -> CTranslate2Generator:
        engine = _engine(network, place, precision, threads, streams)
        return CTranslate2Generator(network, precision, engine, streams)

    if network.form is not None:
        return opened(Path(network.form.file).parent)
    kept = kept_in(folder, "ctranslate2")
    whole = kept is not None and (kept / FILE).is_file()
    if folder is not None and kept is not None and whole and is_current(folder, kept):
        return opened(kept)
    with _converted(network, kept) as place:
        generator = opened(place)
        check_agreement(generator, network)
        if folder is not None and kept is not None:
            note(folder, place)
            move_in(place, kept, last=FILE)
    return generator


@contextlib.contextmanager
def _converted(network: Network, kept: Path | None) -> Iterator[Path]:
    """A temporary folder with the converted model."""
    with scratch(kept, "convert") as beside, disk_errors(beside):
        convert(network, beside)
        yield beside


def _engine(network: Network, place: Path, precision: str, threads: int, streams: int) -> Any:
    import ctranslate2

    kind = ctranslate2.Translator if encodes(network.module) else ctranslate2.Generator
    try:
        return kind(
            str(place),
            device="cpu",
            compute_type=precision,
            inter_threads=streams,
            intra_threads=max((threads or processors()) // streams, 1),
        )
    except (RuntimeError, ValueError) as error:
        raise BundleError(
            str(place / FILE),
            f"CTranslate2 cannot load it ({error}); where the bundle has its weights, remove this "
            "folder, and it is made again",
        ) from error
