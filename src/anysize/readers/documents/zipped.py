"""Documents that are ZIP archives of XML (DOCX, EPUB): read by member, and no bombs."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anysize.core.errors import DataError, MissingExtraError
from anysize.core.memory import format_size
from anysize.readers.documents.parts import PIECE
from anysize.readers.documents.sizes import file_size, unreadable

MOST_MEMBERS = 65_535
MOST_UNPACKED = 1 << 32
"""Bytes that one member may have unpacked (4 GiB)."""
BOMB = 1 << 26
"""Members up to this size (64 MiB) are not judged by how well they are compressed."""
MOST_RATIO = 200
"""Times that a larger member may be larger than it is packed; text is packed 3 to 20 times."""
MOST_SMALL = 1 << 24
"""Bytes of a member that is read as a whole (16 MiB): lists of contents, styles."""
_DIRECTORY = 1 << 25
_END = b"PK\x05\x06"


class Archive:
    """The members of a document.

    Args:
        path: of the document.
        kind: what messages call it (``a DOCX document``).

    Raises:
        DataError: it is not an archive, is damaged, or lists more than it may.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self._kind = path, kind
        _check_directory(path, kind)
        try:
            self._zip = zipfile.ZipFile(path)
        except OSError as error:
            raise unreadable(path, error) from None
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise DataError(str(path), f"is not {kind}, or is damaged: {error}") from None
        self._members = {each.filename: each for each in self._zip.infolist()}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def size(self, name: str) -> int:
        """Bytes of a member, unpacked; 0 where there is none."""
        member = self._members.get(name)
        return 0 if member is None else member.file_size

    def pieces(self, name: str) -> Iterator[bytes]:
        """A member in pieces.

        Raises:
            DataError: it is missing, damaged, encrypted, or a bomb.
        """
        member = self._members.get(name)
        if member is None:
            raise DataError(
                str(self.path), f"is not complete: {self._kind} has {name!r}, and it does not"
            )
        if member.flag_bits & 1:
            raise DataError(str(self.path), "is encrypted: save it without a password")
        packed = max(member.compress_size, 1)
        if member.file_size > BOMB and (
            member.file_size > MOST_UNPACKED or member.file_size > MOST_RATIO * packed
        ):
            raise DataError(
                str(self.path),
                f"its member {name!r} becomes {format_size(member.file_size)} of "
                f"{format_size(packed)}, which no text does (at most {MOST_RATIO} times, and "
                f"{format_size(MOST_UNPACKED)}): a decompression bomb",
            )
        try:
            with self._zip.open(member) as file:
                while piece := file.read(PIECE):
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise DataError(
                str(self.path), f"its member {name!r} is damaged: {error or 'it ends early'}"
            ) from None
        except OSError as error:
            raise unreadable(self.path, error) from None

    def tree(self, name: str) -> Any:
        """The root element of a small XML member; entities are not resolved, nothing is loaded.

        Raises:
            DataError: it is too large, missing, or no XML.
            MissingExtraError: lxml is not installed.
        """
        etree = xml_library()
        content = b""
        for piece in self.pieces(name):
            content += piece
            if len(content) > MOST_SMALL:
                raise DataError(
                    str(self.path), f"its member {name!r} may have {format_size(MOST_SMALL)}"
                )
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        try:
            return etree.fromstring(content, parser)
        except etree.XMLSyntaxError as error:
            raise DataError(str(self.path), f"its member {name!r} is not XML: {error}") from None


@contextlib.contextmanager
def opened(path: Path, kind: str) -> Iterator[Archive]:
    """An archive for as long as the block lasts; see `Archive`."""
    with Archive(path, kind) as archive:
        yield archive


def xml_library() -> Any:
    """``lxml.etree``.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from lxml import etree
    except ImportError as error:
        raise MissingExtraError("lxml", "documents") from error
    return etree


def _check_directory(path: Path, kind: str) -> None:
    """Refuses an archive whose list of members alone would fill the memory."""
    size = file_size(path)
    try:
        with path.open("rb") as file:
            file.seek(max(size - (1 << 16) - 22, 0))
            tail = file.read()
    except OSError as error:
        raise unreadable(path, error) from None
    if not size:
        raise DataError(str(path), "is empty: it has no bytes")
    at = tail.rfind(_END)
    if at < 0:
        raise DataError(
            str(path),
            f"is not {kind}, or is damaged: it is not a whole ZIP archive",
        )
    members = int.from_bytes(tail[at + 10 : at + 12], "little")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if members >= MOST_MEMBERS or directory > _DIRECTORY:
        raise DataError(
            str(path),
            f"lists {members} members in {format_size(directory)}; {kind} may list fewer than "
            f"{MOST_MEMBERS}, in {format_size(_DIRECTORY)}",
        )
