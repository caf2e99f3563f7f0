"""Timelines as files: RTTM, which programs for diarization read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

from anysize.core.errors import ConfigurationError
from anysize.recognition.turns import rttm, turns_of


def rttm_file(rows: Path, out: BinaryIO) -> None:
    """Writes the turns of all rows; a record that failed becomes a comment.

    Args:
        rows: JSON Lines of results with a ``timeline``.
        out: takes the lines.

    Raises:
        ConfigurationError: a result has no timeline.
    """
    with rows.open("rb") as file:
        for line in file:
            row = json.loads(line)
            if "error" in row:
                out.write(f";; {row['id']}: {' '.join(str(row['error']).split())}\n".encode())
                continue
            if "timeline" not in row:
                raise ConfigurationError(
                    f"{row['id']} has no timeline, which is what .rttm holds: predict with "
                    "--timeline, or give --out a name that ends in .jsonl"
                )
            for each in rttm(turns_of(row["timeline"], row["id"]), row["id"]):
                out.write(f"{each}\n".encode())
