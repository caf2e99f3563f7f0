"""Continuations that keep to a JSON schema: reading the schema, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anysize.core.errors import ConfigurationError
from anysize.models.json_grammar import problem_of

_LARGEST = 1 << 20  # bytes


def read(wish: str | None) -> str:
    """The schema, from a file or as it is; empty where there is none.

    Args:
        wish: the name of a file, or JSON itself.

    Raises:
        ConfigurationError: there is no such file, it is no JSON schema, or asks for what cannot be
            kept.
        MissingExtraError: llguidance is not installed.
    """
    if wish is None:
        return ""
    text, origin = wish, "json_schema"
    if not wish.lstrip().startswith("{"):
        path = Path(wish)
        origin = f"json_schema {wish!r}"
        try:
            if path.stat().st_size > _LARGEST:
                raise ConfigurationError(f"{origin}: has more than {_LARGEST >> 20} MiB")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{origin}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{origin}: is not UTF-8") from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{origin}: is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{origin}: a schema is an object, not {text[:40]!r}")
    schema = json.dumps(found, ensure_ascii=False)
    if problem := problem_of(schema):
        raise ConfigurationError(f"{origin}: {problem}")
    return schema


def value_of(output: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The value that was written, by the name of ``details``, and a note where there is none."""
    if output["ending"] == "end":
        return {"value": json.loads(output["text"])}, ()
    return {}, (
        "the JSON was cut off before its end, and is not complete: raise --max-new-tokens, or "
        "bound the lengths in the schema (maxLength, maxItems)",
    )
