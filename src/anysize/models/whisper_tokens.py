"""Tokens that steer Whisper: languages, tasks, times (Radford et al. 2022, arXiv:2212.04356)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from anysize.core.errors import BundleError, ConfigurationError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from anysize.models.network import Network

FRAMES = 3000
"""Frames of a window: 30 seconds. Shorter ones are filled up, as they were in training."""
TIME = 2
"""Frames of one step of the tokens of times: 20 ms."""

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_MULTILINGUAL = 51_865
"""Tokens of the smallest vocabulary of a model of several languages."""


class Stretch(NamedTuple):
    """Tokens between two times.

    Attributes:
        start, stop: frames of the window; None where the model did not say.
        tokens: of the text.
    """

    start: int | None
    stop: int | None
    tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class WhisperTokens:
    """Ids of the special tokens.

    Attributes:
        tokenizer: of the model.
        multilingual: whether it knows languages beside English.
        start: begins every prompt.
        end: ends every text; the ids of words are below it.
        transcribe, translate: the task.
        untimed: asks for no times; those of times are above it.
        languages: ids by code (``en``, ``zh``).
    """

    tokenizer: Tokenizer = field(repr=False, compare=False)
    multilingual: bool
    start: int
    end: int
    transcribe: int
    translate: int
    untimed: int
    silence: int
    languages: Mapping[str, int]

    @classmethod
    def of(
        cls, tokenizer: Tokenizer, spec: str, *, vocabulary: int, multilingual: bool | None = None
    ) -> WhisperTokens:
        """Those of a tokenizer.

        Args:
            tokenizer: of the model.
            spec: the model, for messages.
            vocabulary: tokens that the model knows.
            multilingual: what its configuration says; None goes by the vocabulary.

        Raises:
            BundleError: the tokenizer is not one of Whisper.
        """
        names = {
            "start": "<|startoftranscript|>", "end": "<|endoftext|>",
            "transcribe": "<|transcribe|>", "translate": "<|translate|>",
            "untimed": "<|notimestamps|>",
        }  # fmt: skip
        found: dict[str, int] = {}
        for name, text in names.items():
            if (at := tokenizer.token_to_id(text)) is not None:
                found[name] = at
        missing = [text for name, text in names.items() if name not in found]
        if missing:
            raise BundleError(
                spec, f"its tokenizer is not Whisper's: it has no {', '.join(missing)}"
            )
        silence = tokenizer.token_to_id("<|nospeech|>")
        if silence is None:
            silence = tokenizer.token_to_id("<|nocaptions|>")
        languages = {
            match[1]: at
            for text, at in tokenizer.get_vocab(with_added_tokens=True).items()
            if (match := _LANGUAGE.fullmatch(text)) is not None
        }
        return cls(
            tokenizer=tokenizer,
            multilingual=vocabulary >= _MULTILINGUAL if multilingual is None else multilingual,
            silence=found["untimed"] - 1 if silence is None else silence,
            languages=dict(sorted(languages.items(), key=lambda item: item[1])),
            **found,
        )

    @classmethod
    def of_network(cls, network: Network) -> WhisperTokens:
        """Those of a network.

        Raises:
            BundleError: its tokenizer is not one of Whisper.
            ConfigurationError: it has none.
        """
        generation = getattr(network.module, "generation_config", None)
        known = getattr(generation, "is_multilingual", None)
        return cls.of(
            network.needed_tokenizer(),
            network.spec,
            vocabulary=int(network.module.config.vocab_size),
            multilingual=known if isinstance(known, bool) else None,
        )

    @property
    def first_time(self) -> int:
        """The id of the time 0.00."""
        return self.untimed + 1

    def language(self, code: str) -> int:
        """The id of a language.

        Raises:
            ConfigurationError: it is not known.
        """
        if code not in self.languages:
            raise ConfigurationError(
                f"language must be one that the model knows ({', '.join(self.languages)}), not "
                f"{code!r}"
            )
        return self.languages[code]

    def prompt(self, language: str | None, *, translate: bool, times: bool) -> list[int]:
        """What a text begins with; models of English alone take neither language nor task."""
        found = [self.start]
        if self.multilingual:
            found.append(self.language(language or "en"))
            found.append(self.translate if translate else self.transcribe)
        return found if times else [*found, self.untimed]

    def code_of(self, language: int) -> str:
        """The code of a language's token."""
        return next(code for code, at in self.languages.items() if at == language)

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens say; half characters at the ends are left out."""
        words = [token for token in tokens if token < self.end]
        return self.tokenizer.decode(words).replace("\ufffd", "")

    def stretches(self, tokens: Sequence[int]) -> list[Stretch]:
        """The text between times, in order; the parts without text are left out.

        Args:
            tokens: as they were decoded.
        """
        found: list[Stretch] = []
        start: int | None = None
        held: list[int] = []
        for token in tokens:
            if token < self.end:
                held.append(token)
            elif token >= self.first_time:
                at = (token - self.first_time) * TIME
                if held:
                    found.append(Stretch(start, at, tuple(held)))
                start, held = at, []
        if held:
            found.append(Stretch(start, None, tuple(held)))
        return found

    def words(self, tokens: Sequence[int]) -> list[list[int]]:
        """Tokens grouped to words: before a space, or where a whole character ends.

        In writing without spaces every run of tokens that makes whole characters is one. Marks of
        punctuation belong to the word before them.
        """
        groups: list[list[int]] = []
        held: list[int] = []
        for token in tokens:
            held.append(token)
            text = self.tokenizer.decode(held)
            if "\ufffd" in text:
                continue
            spaced = text.startswith(" ")
            letters = any(each.isalnum() for each in text)
            if groups and not spaced and (not letters or not _alone(text)):
                groups[-1] += held
            else:
                groups.append(held)
            held = []
        if held:
            groups.append(held)
        return groups


def _alone(text: str) -> bool:
    """Whether letters are words by themselves: ideographs, kana and scripts without spaces."""
    letter = next((each for each in text if each.isalnum()), "")
    code = ord(letter) if letter else 0
    return 0x0E00 <= code <= 0x0EFF or 0x1000 <= code <= 0x109F or 0x3040 <= code <= 0x9FFF
