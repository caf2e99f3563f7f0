"""What BLEU and ROUGE lose from one system to another, with its interval."""

from __future__ import annotations

import numpy as np
import pytest

from anysize.compression.answers import Answers, compared
from anysize.core.errors import ConfigurationError
from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.evaluation import language, summaries, translations
from anysize.evaluation.paired_numbers import PairedDrop
from anysize.evaluation.paired_sums import Observing, Summing, paired_sums_drop
from anysize.tasks.translation_meter import bleu_counts, bleu_of

sacrebleu = pytest.importorskip("sacrebleu")

REFERENCES = [
    "the small dog runs over the green hill", "two men talk in front of a house",
    "a woman reads a long book about the sea", "children play football in the park today",
    "the old train leaves the station at noon",
] * 8  # fmt: skip
WORDS = ("blue", "tall", "cat", "slowly")


def _spoiled(share: float, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [
        " ".join(
            str(random.choice(WORDS)) if random.random() < share else word for word in text.split()
        )
        for text in REFERENCES
    ]


def _sums(texts: list[str]) -> np.ndarray:
    pairs = zip(texts, REFERENCES, strict=True)
    return np.stack([bleu_counts(text, wanted) for text, wanted in pairs]).astype(np.float64)


def test_the_drop_is_that_of_sacrebleu_on_the_resampled_texts() -> None:
    before, after = _spoiled(0.1, 1), _spoiled(0.3, 2)
    found = paired_sums_drop(_sums(before), _sums(after), bleu_of, "bleu", replicates=40, scale=100)

    def bleu(texts: list[str], chosen: np.ndarray) -> float:
        return float(
            sacrebleu.corpus_bleu(
                [texts[place] for place in chosen], [[REFERENCES[place] for place in chosen]]
            ).score
        )

    random, count = np.random.default_rng(0), len(REFERENCES)
    drops = []
    for _ in range(40):
        chosen = random.integers(count, size=count)
        drops.append((bleu(before, chosen) - bleu(after, chosen)) / 100)
    low, high = np.quantile(drops, [0.025, 0.975])
    everything = np.arange(count)
    wanted = (bleu(before, everything) - bleu(after, everything)) / 100
    assert found.difference == pytest.approx(wanted, abs=1e-9)
    assert found.interval.low == pytest.approx(low, abs=1e-6)
    assert found.interval.high == pytest.approx(high, abs=1e-6)
    assert found.records == count


def test_systems_that_write_the_same_lose_nothing() -> None:
    sums = _sums(_spoiled(0.2, 3))
    found = paired_sums_drop(sums, sums.copy(), bleu_of, "bleu")
    assert (found.difference, found.interval.low, found.interval.high) == (0.0, 0.0, 0.0)
    with pytest.raises(ConfigurationError, match="none"):
        paired_sums_drop(sums[:0], sums[:0], bleu_of, "bleu")


def test_records_that_one_of_them_lacks_have_no_part() -> None:
    before, after = _sums(_spoiled(0.1, 1)), _sums(_spoiled(0.3, 2))
    after[3] = np.nan
    answers = [
        Answers(np.full(len(each), -1, np.int32), np.zeros(len(each), np.bool_), sums=each)
        for each in (before, after)
    ]
    paired, agreement = compared(*answers, "bleu", lower=False, of_sums=bleu_of)
    assert agreement is None
    assert paired is not None
    left = np.arange(len(before)) != 3
    alone = paired_sums_drop(before[left], after[left], bleu_of, "bleu", scale=100)
    assert paired.difference == alone.difference
    assert isinstance(paired, PairedDrop)
    assert paired.records == len(before) - 1


def test_a_rise_of_perplexity_is_a_part_of_the_first_one() -> None:
    random = np.random.default_rng(2)
    tokens = random.integers(20, 60, 30).astype(np.float64)
    loss = tokens * random.uniform(1.5, 2.5, 30)
    first = np.stack([loss, tokens], 1)
    second = np.stack([loss + 0.05 * tokens, tokens], 1)
    assert isinstance(language, Observing)
    assert language.observed(first.sum(0)) == tokens.sum()
    found = paired_sums_drop(first, second, language.metric_of_sums, "perplexity", lower=True)
    # Each token costs 0.05 more: whatever is drawn, perplexity is multiplied by e to that.
    for value in (found.difference, found.interval.low, found.interval.high):
        assert value == pytest.approx(np.exp(0.05) - 1)
    better = paired_sums_drop(second, first, language.metric_of_sums, "perplexity", lower=True)
    assert better.difference == pytest.approx(np.exp(-0.05) - 1)


def test_one_record_has_no_interval() -> None:
    sums = _sums(_spoiled(0.2, 3))[:1]
    one = Answers(np.full(1, -1, np.int32), np.zeros(1, np.bool_), sums=sums)
    assert compared(one, one, "bleu", lower=False, of_sums=bleu_of) == (None, None)


@pytest.mark.parametrize("evaluator", [translations, summaries])
def test_the_evaluators_add_up(evaluator: Summing) -> None:
    assert isinstance(evaluator, Summing)
    target = "the dog runs over the hill ."
    receipt = Receipt(
        extent=26,
        unit="characters",
        windows=1,
        covered=1.0,
        dropped=0,
        merge="segments",
        fidelity="exact",
    )
    result = Result(id="r", prediction="the dog runs over a hill .", score=None, receipt=receipt)
    wanted = target if evaluator is translations else (target,)
    sums = evaluator.record_sums(result, wanted)
    once, twice = evaluator.metric_of_sums(sums), evaluator.metric_of_sums(2 * sums)
    assert 0 < once < 100
    assert once == pytest.approx(twice)
