"""Words on pictures: a font that has the characters, where the system has one."""

from __future__ import annotations

from typing import Any

from anysize.core.errors import MissingExtraError

# Fonts with Chinese characters; the one that Pillow carries has none.
_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "PingFang.ttc", "msyh.ttc",
)  # fmt: skip


def pillow() -> Any:
    """Pillow, with the parts that draw.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont
    except ImportError:
        raise MissingExtraError("pillow", "vision") from None
    return PIL


def font_for(text: str, size: int = 12) -> Any:
    """A font that has the characters of a text, where there is one."""
    fonts = pillow().ImageFont
    if not text.isascii():
        for name in _FONTS:
            try:
                return fonts.truetype(name, size)
            except OSError:
                continue
    return fonts.load_default(size)
