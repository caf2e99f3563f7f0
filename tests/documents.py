"""Documents for tests, written by hand: PDF, DOCX and EPUB with known text."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCANNED = object()
"""A page that is a picture without text."""
HUGE = object()
"""A page whose content becomes far larger than a reader's memory."""

_DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="http://schemas.openxmlformats.org/'
    'wordprocessingml/2006/main" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/'
    '2006"><w:body>{}</w:body></w:document>'
)
_STYLES = (
    '<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    '<w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="a"><w:name w:val="Normal"/></w:style></w:styles>'
)
_CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)


def write_pdf(path: Path, pages: Sequence[Any], *, password: str | None = None) -> Path:
    """A PDF; a page is its text (ASCII, lines with line ends), ``SCANNED`` or ``HUGE``."""
    from pypdf import PdfWriter
    from pypdf.generic import DictionaryObject, NameObject, NumberObject, StreamObject

    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(600, 800)
        content = StreamObject()
        resources = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F"): font})}
        )
        if text is SCANNED:
            picture = StreamObject()
            picture.set_data(b"\0")
            for name, value in (("/Width", 1), ("/Height", 1), ("/BitsPerComponent", 8)):
                picture[NameObject(name)] = NumberObject(value)
            picture[NameObject("/Subtype")] = NameObject("/Image")
            resources[NameObject("/XObject")] = DictionaryObject(
                {NameObject("/P"): writer._add_object(picture)}
            )
            content.set_data(b"/P Do")
        elif text is HUGE:
            content.set_data(b"BT /F 12 Tf (x) Tj ET " * (1 << 22))
            content = content.flate_encode()
        else:
            lines = "".join(f"({line}) Tj T* " for line in str(text).splitlines())
            content.set_data(f"BT /F 12 Tf 14 TL 50 700 Td {lines}ET".encode())
        page[NameObject("/Resources")] = resources
        page[NameObject("/Contents")] = writer._add_object(content)
    if password is not None:
        writer.encrypt(password)
    with path.open("wb") as file:
        writer.write(file)
    return path


def paragraph(text: str, style: str = "a") -> str:
    """A paragraph of a DOCX document."""
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'


def write_docx(path: Path, body: str, members: Mapping[str, str] | None = None) -> Path:
    """A DOCX document; style ``1`` is a heading."""
    return _zip(
        path,
        {
            "word/document.xml": _DOCUMENT.format(body),
            "word/styles.xml": _STYLES,
            **(members or {}),
        },
    )


def write_epub(
    path: Path,
    chapters: Mapping[str, str],
    *,
    spine: Sequence[str] | None = None,
    titles: Mapping[str, str] | None = None,
    members: Mapping[str, str] | None = None,
) -> Path:
    """An EPUB book.

    Args:
        path: of it.
        chapters: the bodies of its files, by name.
        spine: the names in reading order; as they come where it is left out.
        titles: of its table of contents, by name.
        members: others.
    """
    links = "".join(
        f'<li><a href="{name}#x">{title}</a></li>' for name, title in (titles or {}).items()
    )
    nav = f'<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol>{links}</ol></nav></body></html>'
    items = "".join(
        f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in chapters
    )
    order = "".join(f'<itemref idref="{name}"/>' for name in spine or chapters)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f"{items}</manifest><spine>{order}</spine></package>"
    )
    pages = {
        f"OEBPS/{name}": f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{body}'
        "</body></html>"
        for name, body in chapters.items()
    }
    return _zip(
        path,
        {
            "META-INF/container.xml": _CONTAINER, "OEBPS/book.opf": package,
            "OEBPS/nav.xhtml": nav, **pages, **(members or {}),
        },
    )  # fmt: skip


def _zip(path: Path, members: Mapping[str, str]) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())
    return path
