"""Languages as data name them: ``en``, ``en-US``, ``zh_CN``."""

from __future__ import annotations


def same_language(name: str, language: str) -> bool:
    """Whether two names mean one language: the same, or one of them its variant."""
    first, second = (each.lower().replace("_", "-") for each in (name, language))
    return first == second or first.partition("-")[0] == second or second.partition("-")[0] == first
