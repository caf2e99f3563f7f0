"""Compression as a function: the table of what was tried, and the bundle that passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anysize.planning.options import PredictOptions
from anysize.tasks.inputs import as_paths

if TYPE_CHECKING:
    from anysize.compression.verdict import Judgement
    from anysize.sources.opening import Paths


def compress_report(
    spec: str | Path,
    out: str | Path,
    *,
    data: Paths | None = None,
    methods: Sequence[str] = (),
    max_drop: float = 0.01,
    records: int = 0,
    recogniser: str | None = None,
    memory: int | str | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    task: str | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _line: None,
) -> Judgement:
    """Tries methods of compression, measures each, and ships the fastest that is proved.

    Args:
        spec: a bundle, a Hugging Face folder or a hub id.
        out: folder for the bundle and its report; must not hold anything yet.
        data: labelled data to calibrate, to train and to judge on: a table or a folder, a pattern
            (``data/*.csv``), or several of these.
        methods: chains such as ``prune-structured(flops=0.5), int8``; none tries those that need
            no training.
        max_drop: what the task's main metric may lose; where lower is better (perplexity), what it
            may rise by as a part of the original's.
        records: how many records decide, at most; 0 is all of them.
        recogniser: of a voice: the model for automatic-speech-recognition that hears it; None is
            ``whisper-tiny.en`` for voices of English.
        memory: budget in bytes, or as ``2GiB``; None is 70 % of what the machine has free.
        columns: column of a table for each role.
        encoding: of text files.
        task: where the model does not name it.
        seed: of everything random.
        say: hears what goes on, a line at a time.

    Returns:
        The table; its ``chosen`` is None where nothing passes, and then there is no bundle.

    Raises:
        ConfigurationError, DataError, BundleError: before anything is measured.
    """
    from anysize.compression.judge import CompressionOrder, compress

    order = CompressionOrder(
        model=str(spec),
        out=Path(out),
        task=task,
        data=None if data is None else _as_text(data),
        methods=tuple(methods),
        max_drop=max_drop,
        memory=PredictOptions(memory=memory).budget,
        columns=columns or {},
        encoding=encoding,
        records=records,
        recogniser=recogniser,
        seed=seed,
    )
    return compress(order, say)


def _as_text(data: Paths) -> str | tuple[str, ...]:
    given = as_paths(data)
    several = (str(given),) if isinstance(given, str | Path) else tuple(map(str, given))
    return several[0] if len(several) == 1 else several
