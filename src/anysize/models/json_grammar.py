"""JSON schemas as grammars of llguidance.

White space between the parts of the JSON is fixed, so that nobody goes on with blanks for ever.
"""

from __future__ import annotations

from typing import Any

from anysize.core.errors import MissingExtraError

# Whatever the schema says itself (``x-guidance``).
_COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def library() -> Any:
    """The package llguidance.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import llguidance
    except ModuleNotFoundError as error:
        raise MissingExtraError("llguidance", "generation") from error
    return llguidance


def grammar_of(schema: str) -> str:
    """The grammar of a schema.

    Raises:
        ValueError: it is none.
    """
    found: str = library().LLMatcher.grammar_from_json_schema(schema, overrides=_COMPACT)
    return found


def problem_of(schema: str) -> str:
    """Why a schema cannot be kept; empty where it can.

    Raises:
        MissingExtraError: llguidance is not installed.
    """
    matcher = library().LLMatcher
    try:
        found = str(matcher.validate_grammar(grammar_of(schema)))
    except ValueError as error:
        return one_line(error)
    return "" if found.startswith("WARNING") else one_line(found)


def one_line(text: object) -> str:
    """What the library says, on one line."""
    return " ".join(str(text).split())[:300]
