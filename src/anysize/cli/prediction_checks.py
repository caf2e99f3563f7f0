"""Options of ``anysize predict`` that cannot be given together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from anysize.cli.output import check_out_folder
from anysize.core.errors import ConfigurationError


def check_together(
    inputs: Sequence[str],
    out: Path | None,
    *,
    top: int | None,
    stream: bool,
    resume: bool,
    draw: Path | None,
    one: bool,
) -> None:
    """Refuses options that cannot be given together.

    Args:
        inputs: as they are given.
        out: file or folder of the results.
        top: how many results are kept.
        stream: whether partial results are printed.
        resume: whether a run is gone on with.
        draw: folder of pictures.
        one: whether the results are one document.

    Raises:
        ConfigurationError: so it is.
    """
    _check_draw(draw, inputs)
    if top is not None and (stream or resume or draw is not None):
        raise ConfigurationError(
            "--top needs all results before it gives the first, so --stream, --resume and --draw "
            "cannot be given with it"
        )
    if stream and (out is not None or one):
        raise ConfigurationError(
            "--stream prints lines as they come, which results in a file (--out) or in one "
            "document (--json) cannot be: leave out one of them"
        )
    if resume and "-" in inputs:
        raise ConfigurationError("--resume cannot read standard input again: give files")


def _check_draw(draw: Path | None, inputs: Sequence[str]) -> None:
    for each in map(Path, inputs if draw is not None else ()):
        folder = os.path.realpath(each)
        if each.is_dir() and Path(os.path.realpath(str(draw))).is_relative_to(folder):
            raise ConfigurationError(
                f"--draw {draw} is in the input folder {each}, whose files would include the drawn "
                "ones from then on; choose a folder elsewhere"
            )


def checked_own(out: Path | None, files: str | None, *, top: int | None, resume: bool) -> bool:
    """Whether results go to files of the task's own, and what cannot be asked with them.

    Raises:
        ConfigurationError: it cannot.
    """
    from anysize.results.own_files import may_be_own

    own = may_be_own(out)
    if files is not None and not own:
        raise ConfigurationError("--files needs --out with a folder")
    if not own or out is None:
        return False
    one = bool(out.suffix) and not out.is_dir()
    if top is not None:
        raise ConfigurationError(f"--top is for rows, which --out {out} is not")
    if resume and one:
        raise ConfigurationError(
            f"--resume goes on with rows, which --out {out} has none of: give a folder"
        )
    check_out_folder(out.absolute().parent if one else out)
    return True
