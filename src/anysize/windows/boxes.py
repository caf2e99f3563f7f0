"""Windows over two dimensions: the product of two cuttings in one dimension."""

from __future__ import annotations

from collections.abc import Iterator

from anysize.core.errors import ConfigurationError
from anysize.core.windows import Box, Span
from anysize.windows.spans import spans


def tiles(
    width: int, height: int, tile_width: int, tile_height: int, overlap: int
) -> Iterator[tuple[Box, Box]]:
    """(region, core) of each tile of a picture, row by row from the top left.

    Columns and rows are cut as :func:`anysize.windows.spans.spans` does: the last column and the
    last row are shifted back so that their tiles are full, and the cores partition the picture.
    Memory grows with the number of columns only.

    Args:
        width: of the picture in pixels, at least 1.
        height: of the picture in pixels, at least 1.
        tile_width: in pixels, at least 1.
        tile_height: in pixels, at least 1.
        overlap: pixels that neighbouring tiles share in both directions, at least 0 and below
            both sides of a tile.

    Raises:
        ConfigurationError: all parameters that break their rules.
    """
    problems = [
        f"{name} must be at least 1 pixel, not {value}"
        for name, value in (
            ("width", width),
            ("height", height),
            ("tile_width", tile_width),
            ("tile_height", tile_height),
        )
        if value < 1
    ]
    if not 0 <= overlap < max(min(tile_width, tile_height), 1):
        problems.append(
            f"overlap must be at least 0 and below the tile's shorter side "
            f"{min(tile_width, tile_height)}, not {overlap}"
        )
    if problems:
        raise ConfigurationError(problems)
    columns = list(spans(width, tile_width, overlap))
    return _rows(columns, spans(height, tile_height, overlap))


def _rows(
    columns: list[tuple[Span, Span]], rows: Iterator[tuple[Span, Span]]
) -> Iterator[tuple[Box, Box]]:
    for down, own_down in rows:
        for across, own_across in columns:
            yield (
                Box(across.start, down.start, across.stop, down.stop),
                Box(own_across.start, own_down.start, own_across.stop, own_down.stop),
            )
