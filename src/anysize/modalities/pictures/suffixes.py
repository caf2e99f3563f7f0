"""Suffixes of pictures: of those that are read, and of some that are not."""

from __future__ import annotations

from collections.abc import Mapping

IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".tif", ".tiff", ".bmp", ".webp", ".gif",
    ".avif", ".jp2", ".j2k", ".jpx", ".jpf", ".jpc", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm",
    ".tga", ".icb", ".vda", ".vst", ".ico", ".qoi", ".pcx", ".sgi", ".dds", ".psd",
})  # fmt: skip
"""Of files that are one picture."""

UNREAD_PICTURES: Mapping[str, str] = {
    ".heic": "HEIC", ".heif": "HEIC", ".hif": "HEIC", ".jxl": "JPEG XL", ".svg": "SVG",
    ".svgz": "SVG", ".pdf": "PDF", ".eps": "PostScript", ".exr": "OpenEXR", ".hdr": "Radiance HDR",
    ".dcm": "DICOM", ".fits": "FITS", ".psb": "Photoshop", ".xcf": "GIMP", ".djvu": "DjVu",
    ".mp4": "video", ".mov": "video", ".avi": "video", ".mkv": "video", ".webm": "video",
    **dict.fromkeys((
        ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw",
    ), "raw photograph"),
}  # fmt: skip
"""Pictures that are not read, by suffix, and what people call them."""
