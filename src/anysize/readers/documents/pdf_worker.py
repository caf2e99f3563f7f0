"""The process that reads a PDF, a page at a time: run as a program, with nothing of anysize in it.

``python -P pdf_worker.py FILE FIRST_PAGE MEMORY`` writes a line of JSON for the document
(``{"pages": 300}`` or ``{"error": …}``) and one for each page from the first
(``{"page": 7, "text": …}`` or ``{"page": 7, "problem": …}``). A damaged page costs itself alone;
what a page takes above the memory is a problem of that page.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from typing import Any

# The reader keeps every object that it has resolved: it is opened anew so that they are let go.
_PAGES_A_READER = 200


def main(path: str, first: int, memory: int) -> None:
    """Writes the pages from ``first`` (from 1)."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    logging.disable(logging.CRITICAL)
    try:
        reader = _opened(path)
        count = len(reader.pages)
    except Exception as error:  # noqa: BLE001 - whatever a damaged file leads to
        _say({"error": _sentence(error), "kind": type(error).__name__})
        return
    _say({"pages": count})
    for page in range(first, count + 1):
        if page > first and (page - first) % _PAGES_A_READER == 0:
            del reader
            reader = _opened(path)
        try:
            _say(_page(reader, page))
        except MemoryError:
            del reader
            _say({"page": page, "problem": f"takes more than {memory >> 20} MiB"})
            reader = _opened(path)
        except Exception as error:  # noqa: BLE001 - one page's damage is its own
            _say({"page": page, "problem": _sentence(error)})


def _opened(path: str) -> Any:
    from pypdf import PdfReader

    reader = PdfReader(path, strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise PermissionError("is encrypted and needs a password")
    return reader


def _page(reader: Any, number: int) -> dict[str, Any]:
    page = reader.pages[number - 1]
    text = page.extract_text() or ""
    found: dict[str, Any] = {"page": number, "text": text}
    if not text.strip():
        found["pictures"] = _has_pictures(page)
    return found


def _has_pictures(page: Any) -> bool:
    """Whether a page shows pictures; what cannot be found out is one."""
    try:
        resources: Any = page.get("/Resources")
        objects: Any = None if resources is None else resources.get_object().get("/XObject")
        found = {} if objects is None else objects.get_object()
        kinds = [each.get_object().get("/Subtype") for each in found.values()]
        return "/Image" in kinds or "/Form" in kinds
    except Exception:  # noqa: BLE001
        return True


def _sentence(error: BaseException) -> str:
    words = " ".join(str(error).split())[:200]
    return words or type(error).__name__


def _say(entries: dict[str, Any]) -> None:
    # Halves of characters survive as escapes.
    sys.stdout.write(json.dumps(entries) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
