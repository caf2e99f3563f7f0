"""Packed tables (``reviews.csv.gz``), unpacked once into the cache, within limits."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from anysize.core.errors import DataError
from anysize.core.progress import Progress
from anysize.sources.columns import Request
from anysize.sources.listing import suffix_of
from anysize.sources.tables.packed_names import PACKED, WORKBOOKS, inner_suffix, packed_as
from anysize.sources.tables.spool import spooled

_BLOCK = 1 << 20
_XZ_MEMORY = 1 << 28
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def unpacked(path: Path, request: Request) -> tuple[str, Request]:
    """The suffix of what is in a file, and a request that says where its bytes are.

    Args:
        path: any file.
        request: for it.

    Raises:
        DataError: damaged, too large unpacked, or an archive of several files.
    """
    suffix = suffix_of(path.name)
    packed = packed_as(path)
    if suffix in WORKBOOKS or (packed == ".zip" and suffix not in PACKED):
        raise DataError(
            str(path), "is a workbook or an archive, not a table of text: save its sheet as CSV"
        )
    if suffix not in PACKED:
        if packed is None:
            return suffix, request
        inner = suffix
        request.findings.add(
            "packed",
            f"{request.named(path)} is packed ({packed}), which its name does not say",
            level="note",
            unit="files",
        )
    else:
        inner = inner_suffix(path.name)
    if packed is None:
        raise DataError(str(path), f"is damaged: it does not begin as a {suffix} file")
    if packed == ".zip":
        return _from_zip(path, request)
    if not inner:
        raise DataError(
            str(path),
            f"does not say what is in it: call it {path.stem}.csv{suffix}, {path.stem}.jsonl"
            f"{suffix} or the like",
        )
    reader = _READERS[packed]
    stored = _spool(path, request, lambda file: reader(file))
    return inner, replace(request, stored=stored)


def _from_zip(path: Path, request: Request) -> tuple[str, Request]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [
                name
                for name in archive.namelist()
                if not name.endswith("/")
                and not name.startswith("__MACOSX")
                and not name.rpartition("/")[2].startswith(".")
            ]
            if len(names) != 1:
                raise DataError(
                    str(path),
                    f"is an archive of {len(names)} files; unpack it and give the folder",
                )
            if archive.getinfo(names[0]).flag_bits & 1:
                raise DataError(str(path), "is encrypted; unpack it and give the result")

            def opened(file: BinaryIO) -> IO[bytes]:
                return zipfile.ZipFile(file).open(names[0])

            stored = _spool(path, request, opened)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise DataError(str(path), f"is a damaged archive: {error}") from None
    return suffix_of(names[0]), replace(request, stored=stored)


def _spool(path: Path, request: Request, opened: Callable[[BinaryIO], IO[bytes]]) -> Path:
    def write(source: BinaryIO, out: BinaryIO) -> None:
        progress = Progress(f"unpacking {path}, once", path.stat().st_size, "bytes")
        try:
            with opened(source) as stream:
                while data := stream.read(_BLOCK):
                    out.write(data)
                    progress.at(source.tell())
        except (*_DAMAGE, OSError) as error:
            # Decoders raise OSError without a number; those of the disk have one.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DataError(
                str(path), f"is damaged or cut off, and cannot be unpacked: {error}"
            ) from None
        progress.end(path.stat().st_size)

    return spooled(path, path, "unpacked", request, write)


class _Xz:
    """The streams of an xz file, in bounded memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    def __enter__(self) -> _Xz:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        data = b""
        while not data:
            if self._decoder.eof:
                rest = self._decoder.unused_data.lstrip(b"\0") or self._file.read(_BLOCK)
                if not rest.strip(b"\0"):
                    return b""
                self._decoder = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            elif self._decoder.needs_input:
                rest = self._file.read(_BLOCK)
                if not rest:
                    raise EOFError("it ends too early")
            else:
                rest = b""
            data = self._decoder.decompress(rest, size)
        return data


class _Zstandard:
    """A zstd file, by Arrow."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow

        self._error: type[Exception] = pyarrow.ArrowException
        self._stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), "zstd")

    def __enter__(self) -> _Zstandard:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        try:
            return bytes(self._stream.read(size))
        except self._error as error:
            raise EOFError(str(error)) from None


_READERS: Mapping[str, Callable[[BinaryIO], IO[bytes]]] = {
    ".gz": lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file)),
    ".bz2": lambda file: cast(IO[bytes], bz2.BZ2File(file)),
    ".xz": lambda file: cast(IO[bytes], _Xz(file)),
    ".zst": lambda file: cast(IO[bytes], _Zstandard(file)),
}
