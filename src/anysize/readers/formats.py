"""Formats of pictures, recognised by their content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What is known of a format.

    Attributes:
        name: as Pillow calls it.
        words: as people call it.
        pixel: bytes that decoding takes for each pixel of one that its decoder holds as a whole;
            measured with ``benchmarks.picture_memory``.
        streams: whether it can be decoded strip by strip.
    """

    name: str
    words: str
    pixel: float
    streams: bool = False


FORMATS = {
    known.name: known
    for known in (
        Format(name="JPEG", words="JPEG", pixel=7.0, streams=True),
        Format(name="PNG", words="PNG", pixel=11.0, streams=True),
        Format(name="TIFF", words="TIFF", pixel=7.0, streams=True),
        Format(name="BMP", words="BMP", pixel=8.5),
        Format(name="WEBP", words="WebP", pixel=21.0),
        Format(name="GIF", words="GIF", pixel=17.5),
        Format(name="AVIF", words="AVIF", pixel=13.0),
        Format(name="JPEG2000", words="JPEG 2000", pixel=27.0),
        Format(name="PPM", words="PPM", pixel=8.5),
        Format(name="TGA", words="TGA", pixel=8.5),
        Format(name="ICO", words="ICO", pixel=20.0),
        Format(name="QOI", words="QOI", pixel=11.0),
        Format(name="PCX", words="PCX", pixel=8.5),
        Format(name="SGI", words="SGI", pixel=8.5),
        Format(name="DDS", words="DDS", pixel=9.0),
        Format(name="PSD", words="PSD", pixel=14.0),
    )
}
"""Formats that are read."""

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"8BPS\0\1", "PSD"),
    (b"\x01\xda", "SGI"),
    (b"\0\0\1\0", "ICO"),
)

_OTHERS = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG or other XML"),
    (b"8BPS\0\2", "PSB (a large Photoshop file)"),
    (b"SIMPLE  =", "FITS"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"FUJIFILMCCD-RAW", "raw photograph of a Fujifilm camera"),
)

_NO_PICTURES = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself; run 'git lfs pull'"),
    (b"<!doctype html", "a web page, perhaps an error that was saved in place of the picture"),
    (b"<html", "a web page, perhaps an error that was saved in place of the picture"),
    (b"PK\3\4", "a ZIP archive; unpack it"),
)

_AVIF = frozenset({b"avif", b"avis"})
_HEIF = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})

HEAD = 64
"""Bytes that `sniff` looks at."""


def sniff(head: bytes, name: str = "") -> str | None:
    """The format that a file's first bytes show; None where it is none that is read.

    Args:
        head: ``HEAD`` bytes, or all there are.
        name: of the file; TGA has no signature, so its suffix is needed.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and not _AVIF.isdisjoint(_brands(head)):
        return "AVIF"
    if head[:1] == b"P" and head[1:2] in (b"1", b"2", b"3", b"4", b"5", b"6", b"f", b"F", b"y"):
        return "PPM"
    if head[:1] == b"\n" and head[1:2] in (b"\0", b"\2", b"\3", b"\5") and head[2:3] == b"\1":
        return "PCX"
    found = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    if found is None and name.lower().endswith((".tga", ".icb", ".vda", ".vst")):
        return "TGA"
    return found


def other_format(head: bytes) -> str | None:
    """What a file is that is not read, as people call it; None where that is not known."""
    if head[4:8] == b"ftyp":
        return "video" if _HEIF.isdisjoint(_brands(head)) else "HEIC"
    return next((name for magic, name in _OTHERS if head.lstrip().startswith(magic)), None)


def no_picture(head: bytes) -> str | None:
    """What a file is that is often found in place of a picture; None where that is not known."""
    start = head.lstrip().lower()
    return next((name for magic, name in _NO_PICTURES if start.startswith(magic.lower())), None)


def _brands(head: bytes) -> set[bytes]:
    """What an ISO base media file (ISO/IEC 14496-12) says that it is compatible with."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[at : at + 4] for at in (8, *range(16, size - 3, 4))}
