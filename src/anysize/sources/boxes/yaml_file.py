"""YAML files that describe data, read so that a small file cannot take long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError
from anysize.sources.boxes.annotation_files import shown, text

_LARGEST = 1 << 18
# Aliases of aliases multiply; descriptions of data have none or a few.
_ALIASES = 16
# The parser takes quadratic time in the depth of brackets.
_NESTED = 64


def read_yaml(path: Path) -> tuple[Mapping[str, Any], str]:
    """A YAML file's mapping and the file's encoding.

    Keys and values are text as it is written, lists and mappings.

    Raises:
        DataError: it cannot be read, or is no mapping.
    """
    import yaml  # type: ignore[import-untyped]

    words, encoding = text(path, _LARGEST)
    if _depth(words) > _NESTED:
        raise DataError(str(path), f"has brackets nested deeper than {_NESTED}")
    try:
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(words))
        if aliases > _ALIASES:
            raise DataError(
                str(path), f"has {aliases} aliases (*name), {_ALIASES} at most are read; write out "
                "what they are short for",
            )  # fmt: skip
        # Not ``safe_load``: a class called ``no`` or ``007`` would be called False or 7.
        entries = yaml.load(words, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        problem = (
            " ".join(str(error).split()) if isinstance(error, yaml.YAMLError) else shown(error)
        )
        raise DataError(str(path), f"cannot be read as YAML: {problem[:300]}") from None
    if not isinstance(entries, Mapping):
        raise DataError(str(path), "must be a mapping with 'names' and the pictures of each split")
    return {shown(key): value for key, value in entries.items()}, encoding


def _depth(words: str) -> int:
    """How deep brackets are nested at most, quotes not regarded."""
    depth = deepest = 0
    for each in re.findall(r"[\[\]{}]", words):
        depth = depth + 1 if each in "[{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    return deepest
