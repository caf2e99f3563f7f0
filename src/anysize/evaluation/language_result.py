"""What an evaluation of a language model holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from anysize.core.findings import Finding
from anysize.core.results import ErrorResult
from anysize.evaluation.lengths import ReceiptSummary

_LARGEST = 700.0


def perplexity(loss: float, count: float) -> float:
    """E to the mean loss; see ``LanguageEvaluation``."""
    return math.exp(min(loss / max(count, 1), _LARGEST))


def main_of(loss: float, tokens: int, words: int, characters: int, size: int) -> dict[str, float]:
    """The metrics that are one number, of a text of so many tokens, words, characters, bytes."""
    return {
        "perplexity": perplexity(loss, tokens),
        "word_perplexity": perplexity(loss, words),
        "character_perplexity": perplexity(loss, characters),
        "bits_per_byte": loss / max(size, 1) / math.log(2),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A simpler model of the same tokens.

    Attributes:
        name: of it.
        description: what it is, in a few words.
        loss: of all tokens, in natural logarithms.
        tokens: how many they are.
        learned: tokens of the training text that it was made from.
        complete: whether that was all of the training text.
        answers: whether the training text is conversations, of which the answers were learned.
    """

    name: str
    description: str
    loss: float
    tokens: int
    learned: int
    complete: bool
    answers: bool = False

    @property
    def perplexity(self) -> float:
        """Of a token."""
        return perplexity(self.loss, self.tokens)

    def to_json(self) -> dict[str, Any]:
        return {
            "perplexity": self.perplexity,
            "description": self.description,
            "tokens": self.tokens,
            "training_tokens": self.learned,
            "whole_training_text": self.complete,
            "of_answers": self.answers,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeBin:
    """Records of about one length.

    Attributes:
        low, high: tokens of a record, both included.
        records: how many.
        tokens: of them together.
        loss: of all their tokens.
    """

    low: int
    high: int
    records: int
    tokens: int
    loss: float

    @property
    def perplexity(self) -> float:
        """Of a token."""
        return perplexity(self.loss, self.tokens)

    def to_json(self) -> dict[str, Any]:
        return {
            "low": self.low, "high": self.high, "records": self.records, "tokens": self.tokens,
            "perplexity": self.perplexity,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlikely:
    """A record that the model finds unlikely.

    Attributes:
        index: its place in the source.
        id: of the record.
        tokens: that were predicted.
        perplexity: of a token.
    """

    index: int
    id: str
    tokens: int
    perplexity: float

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "tokens": self.tokens, "perplexity": self.perplexity}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the model makes of the beginning of a record, or answers in a conversation.

    Attributes:
        id: of the record.
        prompt: its beginning; of a conversation what was said before its last answer, or the end
            of that.
        continuation: by the model, the most probable token each time.
        cut: whether the model had more to say.
        reference: the last answer of a conversation, as many tokens of it as the model may write.
        reference_cut: whether there is more of it.
        chosen: why it is shown, of a conversation.
        perplexity: of a token of the record's answers, where the record is shown because of it.
    """

    id: str
    prompt: str
    continuation: str
    cut: bool = True
    reference: str | None = None
    reference_cut: bool = False
    chosen: str | None = None
    perplexity: float | None = None

    def to_json(self) -> dict[str, Any]:
        entries: dict[str, Any] = {
            "id": self.id, "prompt": self.prompt, "continuation": self.continuation,
        }  # fmt: skip
        if self.reference is None:
            return entries
        return {
            **entries, "cut": self.cut, "reference": self.reference,
            "reference_cut": self.reference_cut, "chosen": self.chosen,
            "perplexity": self.perplexity,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageEvaluation:
    """How likely a language model finds texts.

    A perplexity is e to the loss of the whole text over the number of units: tokens, or words
    (stretches without blanks; a line end counts as one, as is usual for Penn Treebank and WikiText)
    or characters, so that models with different tokens can be compared.

    Attributes:
        loss: of all tokens, in natural logarithms.
        tokens: each counted once.
        words, characters, bytes: of the same texts.
        interval: of the perplexity of a token, at 95 %, over records; None of a single one.
        stride: tokens that a window predicts.
        window: tokens that it reads.
        unknown: tokens that stand for what the vocabulary does not have.
        baselines: simpler models of the same tokens.
        by_size: by length of the records.
        worst: the least likely records.
        samples: continuations, or of conversations answers.
        conversations: whether answers alone were measured.
        receipts: what was read.
        notices: what the reader must know.
        failure_count, failures: records that could not be read; the first are named.
        findings: what was guessed, repaired or left out of the data.
    """

    loss: float
    tokens: int
    words: int
    characters: int
    bytes: int
    interval: tuple[float, float] | None
    stride: int
    window: int
    unknown: int
    baselines: tuple[Baseline, ...]
    by_size: tuple[SizeBin, ...]
    worst: tuple[Unlikely, ...]
    samples: tuple[Sample, ...]
    conversations: bool
    receipts: ReceiptSummary
    notices: tuple[str, ...] = ()
    failure_count: int = 0
    failures: tuple[ErrorResult, ...] = ()
    findings: tuple[Finding, ...] = ()

    def main(self) -> dict[str, float]:
        """The metrics that are one number, by name."""
        return main_of(self.loss, self.tokens, self.words, self.characters, self.bytes)

    def to_json(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: the main metrics first, then their details."""
        return {
            **self.main(),
            "records": self.receipts.records,
            "tokens": self.tokens,
            "words": self.words,
            "characters": self.characters,
            "bytes": self.bytes,
            "conversations": self.conversations,
            "unknown_tokens": self.unknown,
            "window": self.window,
            "stride": self.stride,
            "intervals": {} if self.interval is None else {"perplexity": list(self.interval)},
            "failed_records": self.failure_count,
            "baselines": {each.name: each.to_json() for each in self.baselines},
            "by_size": [each.to_json() for each in self.by_size],
            "worst_records": [each.to_json() for each in self.worst],
            "samples": [each.to_json() for each in self.samples],
            "receipts": self.receipts.to_json(),
            "notices": list(self.notices),
            "failures": [failure.to_json() for failure in self.failures],
            "findings": [finding.to_json() for finding in self.findings],
        }
