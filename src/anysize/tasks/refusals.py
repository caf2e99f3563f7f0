"""What most tasks do not take, refused in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anysize.core.errors import ConfigurationError
from anysize.tasks.protocols import MERGED_AS_USUAL, MergeOptions

if TYPE_CHECKING:
    from anysize.augmentation import Augmentation


def refuse_augmentation(task: str, augment: Augmentation | None) -> None:
    """For tasks of which augmentation changes nothing, or would move what is learned.

    Raises:
        ConfigurationError: there is an augmentation.
    """
    if augment is not None:
        raise ConfigurationError(
            f"augment={augment.spec!r} is for pictures, recordings, and texts with a label or a "
            f"number for the whole: {task} takes 'none'"
        )


def refuse_merge(task: str, options: MergeOptions, why: str) -> None:
    """For tasks whose windows become one result in one way alone.

    Args:
        task: its name.
        options: what is asked of the merger.
        why: how the windows are joined, half a sentence.

    Raises:
        ConfigurationError: a rule was asked for.
    """
    if options.rule != MERGED_AS_USUAL.rule:
        raise ConfigurationError(f"merge must be left out for {task}, not {options.rule!r}: {why}")
