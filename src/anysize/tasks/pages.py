"""Pages and frames: every page of a picture is cut into windows as a picture is.

The windows of all pages are the record's windows, so a merger joins over pages as it does over
tiles, and training learns from all of them together as it does from tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from anysize.core.errors import DataError
from anysize.core.examples import Example
from anysize.core.protocols import Preprocess
from anysize.core.receipts import Facts
from anysize.core.records import ImageField, Record
from anysize.modalities.pictures.settings import ImageSettings
from anysize.readers.image import Image
from anysize.readers.pages import chosen_pages


class PagedPreprocess:
    """Makes windows of every page of a record's ``image``.

    Args:
        inner: makes the windows of one picture.
        settings: which pages are read, and whether damage is read over.
        annotated: whether targets are places in the first page, so that a record with targets is
            read no further.
    """

    def __init__(
        self, inner: Preprocess, settings: ImageSettings, *, annotated: bool = False
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._annotated = annotated

    def __call__(self, ordinal: int, record: Record, draw: int | None = None) -> Iterator[Example]:
        image: ImageField = record.image("image")
        if not isinstance(image, Image):
            return self._inner(ordinal, record, draw)
        if self._settings.tolerant:
            image.tolerant()
        if image.pages == 1:
            return self._inner(ordinal, record, draw)
        return self._paged(ordinal, record, image, draw)

    def _paged(
        self, ordinal: int, record: Record, image: Image, draw: int | None
    ) -> Iterator[Example]:
        first_only = self._annotated and record.target is not None
        numbers = chosen_pages(image.pages, "first" if first_only else self._settings.pages)
        pixels = [width * height for width, height in image.page_extents()]
        left = sum(pixels)
        index = 0
        held: Example | None = None
        try:
            for number, page in zip(numbers, image.read_pages(numbers), strict=True):
                # Faces that are remembered and random changes are those of the page.
                name = f"{record.id}#{number}" if number else record.id
                one = replace(record, id=name, fields={**record.fields, "image": page})
                left -= pixels[number]
                for example in self._inner(ordinal, one, draw):
                    if held is not None:
                        yield held
                    window = replace(
                        example.window, record=record.id, index=index, last=False, page=number
                    )
                    held = replace(example, window=window)
                    index += 1
        except DataError as error:
            if held is None or not self._settings.tolerant:
                raise
            image.note(f"damaged: {error.problem}; further pages were not read")
        assert held is not None
        facts = Facts(reason=self._reason(image, numbers, first_only))
        window = replace(held.window, last=True, outside=left)
        yield replace(held, window=window, facts=facts)

    def _reason(self, image: Image, numbers: Sequence[int], first_only: bool) -> str | None:
        counts = image.counts()
        if counts["pages_read"] == counts["pages"]:
            return None
        read = f"{counts['pages_read']} of {counts['pages']} pages were read"
        if first_only:
            return f"{read}: annotations are of the first page"
        if counts["pages_read"] < len(numbers):
            return f"{read}: the next one is damaged"
        return f"{read} (--pages {self._settings.pages})"
