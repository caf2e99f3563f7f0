"""What a user may ask of translations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core.options import Options, option


@dataclass(frozen=True, kw_only=True)
class TranslationOptions(Options):
    """How texts are translated; kept with the model."""

    table: ClassVar[str] = "translation"

    source_lang: str | None = option(
        None, automatic="the model's own",
        help="Language of the sources, as the model calls it: eng_Latn (NLLB), en_XX (mBART), en "
        "(M2M100, T5).",
    )  # fmt: skip
    target_lang: str | None = option(
        None, automatic="the model's own",
        help="Language that is translated into, as the model calls it.",
    )  # fmt: skip
    prefix: str | None = option(
        None, automatic="the model's own",
        help="Text before every source, such as 'translate English to German: '.",
    )  # fmt: skip
    beams: int = option(
        4, low=1, high=64, help="Sequences that beam search keeps; 1 is greedy decoding."
    )
    length_penalty: float = option(
        1.0, low=-10, high=10,
        help="Power of the length that scores of beam search are divided by: above 1 for longer "
        "translations.",
    )  # fmt: skip
    lines: str = option(
        "auto", choices=("auto", "separate", "wrapped"),
        help="What the end of a line means: a sentence of its own, wrapped text, or as the line "
        "looks.",
    )  # fmt: skip
    markup: bool = option(True, help="Keep Markdown, HTML tags and fenced code as they are.")
    guard: bool = option(
        True,
        help="Look for what is lost, repeated or made up, try such segments again, and mark those "
        "that stay doubtful.",
    )  # fmt: skip
