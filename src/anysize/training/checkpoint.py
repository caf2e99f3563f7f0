"""Checkpoints that survive being killed at any moment: safetensors and JSON, never pickle.

A checkpoint is a folder. Tensor files carry the step in their names and are written first;
``state.json``, which names them, is then put in place by one atomic rename: that is the commit.
Older tensor files are removed last. Whatever the moment of a kill, ``state.json`` names files that
are complete.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import DataError, RunError
from anysize.core.files import replacing, write_json
from anysize.core.leftovers import own_name
from anysize.training.order import Cursor

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
_STATE = "state.json"
MOST_NAMED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a validation gave.

    Attributes:
        metric: what validation compares checkpoints by.
        loss: mean over the records; decides between equal metrics.
        step: steps made when it was measured.
        lower: whether a lower metric is better.
        calibration: what the records showed that predictions need (``Calibrating``).
    """

    metric: float
    loss: float
    step: int
    lower: bool = False
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def better_than(self, other: Score | None) -> bool:
        return other is None or (self._good, -self.loss) > (other._good, -other.loss)

    @property
    def _good(self) -> float:
        return -self.metric if self.lower else self.metric


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All of a run's state but its tensors.

    Attributes:
        cursor: what is committed.
        elapsed: seconds of training so far, over all sessions.
        used: records used so far, over all epochs.
        best: the best validation so far.
        stale: validations since then.
        validation_seconds: how long the last validation took; 0.0 before the first.
        failed: how many different records could not be read.
        failures: the problem by record, of the first thousand.
        fingerprint: of the training data.
        run: identity of the run that it belongs to, see ``Recipe.identity``.
    """

    cursor: Cursor = field(default_factory=Cursor)
    elapsed: float = 0.0
    used: int = 0
    best: Score | None = None
    stale: int = 0
    validation_seconds: float = 0.0
    failed: int = 0
    failures: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    run: str = ""


def save(folder: Path, state: State, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Writes a checkpoint and removes what it replaces.

    Args:
        folder: of the checkpoint.
        state: becomes ``state.json``.
        tensors: the tensor files by name (``weights``, ``optimizer``, ``averages``).

    Raises:
        RunError: the disk is full or cannot be written; the checkpoint before stays usable.
    """
    from anysize.models.tensor_file import write_tensors

    files = {name: f"{name}-{state.cursor.step:09d}.safetensors" for name in tensors}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in tensors.items():
            write_tensors(folder / files[name], values)
        write_json(folder / _STATE, {"format": FORMAT, "files": files, **asdict(state)})
        for path in folder.iterdir():
            if path.name != _STATE and path.name not in files.values():
                path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            f"{folder}: the checkpoint cannot be written ({error.strerror or error}); "
            "free some space there, then go on with --resume"
        ) from error


def exists(folder: Path) -> bool:
    """Whether a committed checkpoint is there."""
    return (folder / _STATE).is_file()


def read_state(folder: Path) -> State:
    """The state of a checkpoint.

    Raises:
        DataError: there is none, or it is damaged.
    """
    entries = {"run": "", **_entries(folder)}
    try:
        values = {key: entries[key] for key in State.__dataclass_fields__}
        values["cursor"] = Cursor(**values["cursor"])
        values["best"] = None if values["best"] is None else Score(**values["best"])
        return State(**values)
    except (TypeError, KeyError) as error:
        raise DataError(str(folder / _STATE), f"is not a checkpoint's state: {error}") from error


def read_tensors(folder: Path, name: str) -> dict[str, Tensor]:
    """One tensor file of a checkpoint; empty where the checkpoint has none of that name.

    Raises:
        DataError: it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = _entries(folder).get("files", {}).get(name)
    if file is None:
        return {}
    try:
        return load_file(folder / file)
    except (OSError, SafetensorError) as error:
        raise DataError(
            str(folder / file), f"the checkpoint is damaged ({error}); train again without --resume"
        ) from error


def share(folder: Path, other: Path) -> None:
    """Keeps files that two checkpoints have alike on the disk once, where it has hard links."""
    if not exists(folder) or not exists(other):
        return
    for path in folder.glob("*.safetensors"):
        twin, beside = other / path.name, folder / own_name("link")
        with contextlib.suppress(OSError):
            if filecmp.cmp(path, twin, shallow=False):
                beside.hardlink_to(twin)
                beside.replace(path)


def drop_after(path: Path, step: int) -> None:
    """Removes the lines of a JSON Lines file that were written after ``step`` steps.

    A run that was killed may have logged steps that no checkpoint holds; they are made again.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as old, replacing(path) as new:
        for line in old:
            try:
                if json.loads(line)["step"] > step:
                    break
            except (ValueError, KeyError, TypeError):
                break  # the line that was being written when the run was killed
            new.write(line.encode())


def _entries(folder: Path) -> dict[str, Any]:
    path = folder / _STATE
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(str(folder), f"has no checkpoint ({error.strerror})") from error
    except ValueError as error:
        raise DataError(str(path), f"not valid JSON: {error}") from error
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        raise DataError(str(path), f"is not a checkpoint of format {FORMAT}; train again")
    return entries
