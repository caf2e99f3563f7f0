"""Transcription in CTranslate2: Whisper on the processor, in float32 or with weights of 8 bits.

With these and on processors that multiply in bfloat16, torch encodes in its place.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.core.files import disk_errors, move_in, scratch
from anysize.core.memory import processors
from anysize.core.transcription import Aligned, Decoded, DecodingOptions
from anysize.models.ctranslate2_file import FILE
from anysize.models.network import Network
from anysize.models.whisper_tokens import WhisperTokens
from anysize.runtimes.currency import is_current, kept_in, note
from anysize.runtimes.whisper_conversion import convert, convertible

_PRECISIONS = {"int8": "int8_float32", "float32": "float32"}
_MEDIAN = 7


def transcription_precisions(network: Network) -> tuple[str, ...]:
    """What a network can transcribe in here, the likely fastest first."""
    import torch

    if importlib.util.find_spec("ctranslate2") is None or torch.cuda.is_available():
        return ()
    form = network.form
    if network.module.config.model_type != "whisper":
        return ()
    if form is None and not convertible(network):
        return ()
    if form is not None and form.runtime != "ctranslate2":
        return ()
    import ctranslate2

    able = ctranslate2.get_supported_compute_types("cpu")
    return tuple(name for name, kind in _PRECISIONS.items() if kind in able)


def open_transcriber(
    network: Network,
    precision: str,
    folder: Path | None = None,
    threads: int = 0,
    streams: int = 1,
) -> CTranslate2Transcriber:
    """What transcribes with a model of Whisper, converted on first use.

    Args:
        network: a form of CTranslate2, or a model of transformers.
        precision: ``float32``, or ``int8``: weights of 8 bits, and the encoder in bfloat16 on
            processors that multiply in it.
        folder: to keep the converted model in; without it, or where it cannot be written, it is
            converted each time.
        threads: processor threads of all streams together; 0 takes all processors.
        streams: batches that run side by side.

    Raises:
        ConfigurationError: the network has no such form, or another precision.
        MissingExtraError: CTranslate2 is not installed.
        BundleError: its form cannot be loaded.
    """
    if importlib.util.find_spec("ctranslate2") is None:
        raise MissingExtraError("ctranslate2", "ctranslate2")
    able = transcription_precisions(network)
    if precision not in able:
        raise ConfigurationError(
            f"precision must be one of {', '.join(able)} in CTranslate2 here, not {precision!r}"
            if able
            else f"{network.spec} cannot transcribe in CTranslate2: use runtime torch"
        )

    def opened(place: Path) -> CTranslate2Transcriber:
        return _opened(network, precision, place, threads or processors(), streams)

    if network.form is not None:
        return opened(Path(network.form.file).parent)
    kept = kept_in(folder, "ctranslate2")
    whole = kept is not None and (kept / FILE).is_file()
    if folder is not None and kept is not None and whole and is_current(folder, kept):
        return opened(kept)
    with scratch(kept, "convert") as beside, disk_errors(beside):
        convert(network, beside)
        found = opened(beside)
        if folder is not None and kept is not None:
            note(folder, beside)
            move_in(beside, kept, last=FILE)
    return found


def _opened(
    network: Network, precision: str, place: Path, threads: int, streams: int
) -> CTranslate2Transcriber:
    """What transcribes with the converted model of a folder."""
    import ctranslate2

    from anysize.models.processor import multiplies_bfloat16  # imports torch

    try:
        engine: Any = ctranslate2.models.Whisper(
            str(place),
            device="cpu",
            compute_type=_PRECISIONS[precision],
            inter_threads=streams,
            intra_threads=max(threads // streams, 1),
        )
    except (RuntimeError, ValueError) as error:
        raise BundleError(str(place / FILE), f"CTranslate2 cannot load it ({error})") from error
    encoder = None
    if precision == "int8" and multiplies_bfloat16():
        from anysize.runtimes.whisper_encoder import Encoder, encoder_of

        if network.form is None:
            module = network.module.eval().get_encoder()
        else:
            module = encoder_of(place / FILE, network.module.config)
        # Side by side each stream has threads of its own.
        encoder = Encoder(module, max(threads // streams, 1) if streams > 1 else 0)
    return CTranslate2Transcriber(network, precision, engine, streams, encoder)


class CTranslate2Transcriber:
    """Transcribes with a converted model; see ``core.transcription.Transcriber``.

    Args:
        network: whose form it is.
        precision: that the engine computes in.
        engine: a ``ctranslate2.models.Whisper``.
        streams: batches that it runs side by side.
        encoder: encodes in place of the engine; None leaves it to that.
    """

    name = "ctranslate2"
    packed = False
    whole_only = True
    singly = True

    def __init__(
        self,
        network: Network,
        precision: str,
        engine: Any,
        streams: int,
        encoder: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        self._encoder = encoder
        self.precision, self.streams = precision, streams
        self._engine = engine
        self._positions = int(network.module.config.max_target_positions)
        self._tokens = WhisperTokens.of_network(network)
        self._times = range(self._tokens.first_time, int(network.module.config.vocab_size))

    def encode(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Transcriber``."""
        if self._encoder is not None:
            return self._encoder(features)
        from ctranslate2 import StorageView

        # Many at once are not faster, and take memory for the scores of all of them.
        each = [
            self._engine.encode(StorageView.from_array(one[None]), to_cpu=True)
            for one in np.ascontiguousarray(features)
        ]
        return np.concatenate([np.asarray(one) for one in each])

    def languages(
        self, encoded: NDArray[np.float32], rows: Sequence[int]
    ) -> list[Mapping[int, float]]:
        """See ``Transcriber``."""
        found = self._engine.detect_language(_rows(encoded, rows))
        names = {f"<|{code}|>": token for code, token in self._tokens.languages.items()}
        return [
            {names[name]: float(chance) for name, chance in each if name in names} for each in found
        ]

    def decode(
        self,
        encoded: NDArray[np.float32],
        rows: Sequence[int],
        prompts: Sequence[Sequence[int]],
        options: DecodingOptions,
    ) -> list[Decoded]:
        """See ``Transcriber``."""
        never = [-1] if options.times else [-1, *self._times]
        if options.endless:
            never.append(self._tokens.end)
        found = self._engine.generate(
            _rows(encoded, rows),
            [list(prompt) for prompt in prompts],
            beam_size=options.beams,
            no_repeat_ngram_size=options.no_repeat,
            # Half of it is for the prompt, as in the model's training.
            max_length=min(2 * options.most, self._positions),
            suppress_tokens=never,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            Decoded(tuple(each.sequences_ids[0]), float(each.scores[0]), float(each.no_speech_prob))
            for each in found
        ]

    def align(
        self,
        encoded: NDArray[np.float32],
        rows: Sequence[int],
        prompt: Sequence[int],
        texts: Sequence[Sequence[int]],
        frames: Sequence[int],
    ) -> list[Aligned]:
        """See ``Transcriber``."""
        found = self._engine.align(
            _rows(encoded, rows),
            list(prompt),
            [list(text) for text in texts],
            list(frames),
            median_filter_width=_MEDIAN,
        )
        return [
            _aligned(each, len(text), count // 2)
            for each, text, count in zip(found, texts, frames, strict=True)
        ]

    def close(self) -> None:
        """Releases the model."""
        self._engine.unload_model()


def _rows(encoded: NDArray[np.float32], rows: Sequence[int]) -> Any:
    from ctranslate2 import StorageView

    whole = len(rows) == len(encoded)
    return StorageView.from_array(encoded if whole else np.ascontiguousarray(encoded[list(rows)]))


def _aligned(found: Any, count: int, end: int) -> Aligned:
    """Where each token begins, from pairs of tokens and frames along the best path."""
    starts = np.full(count + 1, -1, np.int64)
    for token, frame in found.alignments:
        if token <= count and starts[token] < 0:
            starts[token] = frame
    if starts[count] < 0:
        starts[count] = found.alignments[-1][1] + 1 if found.alignments else end
    for place in range(count - 1, -1, -1):
        if starts[place] < 0:
            starts[place] = starts[place + 1]
    chances = np.array(found.text_token_probs[:count], np.float64)
    return Aligned(np.maximum.accumulate(starts), chances)
