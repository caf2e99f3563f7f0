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
        help="Source language, by the model's own code: eng_Latn (NLLB), en_XX (mBART), en "
        "(M2M100, T5).",
    )  # fmt: skip
    target_lang: str | None = option(
        None, automatic="the model's own",
        help="Target language, by the model's own code.",
    )  # fmt: skip
    prefix: str | None = option(
        None, automatic="the model's own",
        help="Text before every source, such as 'translate English to German: '.",
    )  # fmt: skip
    beams: int = option(4, low=1, high=64, help="Beam size; 1 is greedy decoding.")
    length_penalty: float = option(
        1.0, low=-10, high=10,
        help="Exponent of the length by which beam scores are divided; higher values give longer "
        "translations.",
    )  # fmt: skip
    lines: str = option(
        "auto", choices=("auto", "separate", "wrapped"),
        help="Whether each line is a sentence of its own (separate) or sentences continue on the "
        "next line (wrapped); auto decides for each line.",
    )  # fmt: skip
    markup: bool = option(True, help="Keep Markdown, HTML tags and fenced code as they are.")
    guard: bool = option(
        True,
        help="Check for missing, repeated or invented text, translate such segments again, and "
        "mark those that remain doubtful.",
    )  # fmt: skip
