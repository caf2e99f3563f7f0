"""Names of files that are written for records: made of the records' own names."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 150
_MOST = 100_000


class FileNames:
    """Gives each record a name of its own.

    Args:
        suffix: of the files, with its point.
        nameless: what a record is called whose name has no letters.
    """

    def __init__(self, suffix: str, nameless: str) -> None:
        self._suffix, self._nameless = suffix, nameless
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """A file's name made of a record's; its folders become part of it."""
        plain = re.sub(r"[^\w.-]+", "_", name.replace("/", "__")).strip("._") or self._nameless
        short = plain.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
        if short != plain or f"{short}{self._suffix}" in self._taken:
            digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4)
            short = f"{short}-{digest.hexdigest()}"
        # Only so many are compared with each other: what is held stays small.
        if len(self._taken) < _MOST:
            self._taken.add(f"{short}{self._suffix}")
        return f"{short}{self._suffix}"
