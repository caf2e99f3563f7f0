"""What may be said of how a text table is written, with ``--columns``."""

from __future__ import annotations

from collections.abc import Mapping

from anysize.sources.tables.dialect import SIGNS

TABLE_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "header": ("auto", "yes", "no"),
    "quoting": ("auto", "on", "off"),
    "delimiter": (),
}
"""What may be said of how a text table is written, and the values; none: any character."""


def wrong_settings(table: Mapping[str, str]) -> list[str]:
    """What is wrong with the settings of a table, a sentence each."""
    found = []
    for key, value in table.items():
        allowed = TABLE_SETTINGS.get(key)
        if allowed is None:
            found.append(f"a table's settings are {', '.join(TABLE_SETTINGS)}, not {key!r}")
        elif allowed and value not in allowed:
            found.append(f"{key} of a table must be one of {', '.join(allowed)}, not {value!r}")
        elif not allowed and value not in SIGNS and (len(value) != 1 or not value.isascii()):
            words = ", ".join(SIGNS)
            found.append(f"{key} of a table must be an ASCII character, {words}, not {value!r}")
    return found
