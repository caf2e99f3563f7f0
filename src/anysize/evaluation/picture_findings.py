"""What looking at pictures shows beside their sizes: pages, and samples that were scaled."""

from __future__ import annotations

from anysize.core.findings import Findings
from anysize.core.records import ImageField
from anysize.readers.image import Image


def noticed(findings: Findings, name: str, image: ImageField) -> None:
    """Adds what a picture that was read has to say.

    Args:
        findings: collects it.
        name: of the record.
        image: read already.
    """
    if not isinstance(image, Image):
        return
    if image.pages > 1:
        findings.add(
            "picture-pages",
            "some pictures have several pages or frames, which are all read",
            level="note",
            count=image.pages,
            unit="pages",
            examples=(name,),
            remedy="--pages first, or a number, reads fewer",
        )
    if image.header.further:
        findings.add(
            "picture-further",
            "some files hold further pictures, such as previews, views, maps of depth or "
            "brightness (MPO) and other sizes (ICO), which are not read",
            level="note",
            count=image.header.further,
            unit="pictures",
            examples=(name,),
            remedy="write them as files of their own where they are to be read",
        )
    notes = [note for note in image.notes() if note != image.header.unread]
    if notes:
        findings.add(
            "picture-samples",
            "some pictures have samples that are not bytes; what each of them holds is scaled to "
            "bytes",
            level="note",
            unit="files",
            examples=(f"{name}: {'; '.join(notes)}",),
            remedy="convert them where pictures are to be compared with each other",
        )
