"""A language model of ours in the beam search: exact scores, states, batches, refusals."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anysize.core.ctc import Steps
from anysize.core.ctc_beam import BeamOptions, BeamSearch
from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import bundle
from anysize.models.bundle import Card
from anysize.models.ctc_vocabulary import CTCTokens
from anysize.models.network import BuildRequest, Network
from anysize.models.spec import build
from anysize.runtimes.branching import branching_of
from anysize.tasks.speech.language import BundleLanguage, is_bundle

PIECES = ("", " ", "a", "b", "C")
"""In two cases, so that they are taken as they are."""
TOKENS = CTCTokens(PIECES, 0, None, {})
TEXTS = ["ab ab Cab", "ba C ab", "abC abC", "C C ab"] * 8


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def language(
    key: str = "lstm-lm", tokenizer: str = "byte", texts: list[str] = TEXTS, window: int = 64
) -> Network:
    torch.manual_seed(1)
    options = {"hidden_size": "16", "num_layers": "2", "dropout": "0", "tokenizer": tokenizer}
    options |= {"num_heads": "2"} if key == "gpt" else {}
    network = build(
        key,
        BuildRequest(
            task="text-generation", labels=(), wishes=TextOptions(window=window),
            facts=TextFacts(texts=lambda: iter(texts)),
            options={**options, "vocabulary": "300"},
        ),
    )  # fmt: skip
    with torch.no_grad():
        for weight in network.module.parameters():
            weight.mul_(8.0)  # as drawn, all tokens are about as likely
    return network


def saved(network: Network, folder: Path, task: str = "text-generation") -> str:
    card = Card(task=task, labels=(), model=network.spec, settings=network.settings)
    return str(bundle.save(folder, network, card))


def probability(network: Network, text: str) -> float:
    """Natural logarithm of what a model gives a text at the beginning of a document."""
    ids = network.needed_tokenizer().encode(text).ids  # with the token that begins it
    with torch.no_grad():
        given = torch.tensor([ids])
        logits = network.module(input_ids=given, attention_mask=torch.ones_like(given)).logits
    logs = logits[0].double().log_softmax(-1)
    return float(sum(logs[place, each] for place, each in enumerate(ids[1:])))


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token)


def best_text(logits: NDArray[np.float32], network: Network, weight: float) -> str:
    """Of all texts, by the sums over all of their paths."""
    chances = np.exp(logits - np.log(np.exp(logits).sum(1, keepdims=True)))
    sums: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(len(PIECES)), repeat=len(logits)):
        text = collapsed(path)
        chance = math.prod(chances[step, token] for step, token in enumerate(path))
        sums[text] = sums.get(text, 0.0) + chance
    known: dict[str, float] = {}
    ranks = {}
    for tokens, chance in sums.items():
        words = " ".join("".join(PIECES[each] for each in tokens).split())
        if words not in known:
            known[words] = probability(network, words)
        ranks[tokens] = math.log(chance) + weight * known[words]
    best = max(ranks, key=lambda tokens: ranks[tokens])
    return "".join(PIECES[each] for each in best)


@pytest.mark.parametrize(
    ("key", "tokenizer"),
    [("lstm-lm", "byte"), ("gpt", "byte"), ("gpt", "bpe"), ("lstm-lm", "word")],
)
def test_a_wide_beam_finds_the_best_of_all_texts(key: str, tokenizer: str, tmp_path: Path) -> None:
    network = language(key, tokenizer)
    model = BundleLanguage(saved(network, tmp_path), TOKENS)
    random = np.random.default_rng(3)
    heard = set()
    for weight in (0.3, 1.0):
        logits = random.normal(0, 1.5, (4, len(PIECES))).astype(np.float32)
        search = BeamSearch(0, BeamOptions(beams=2000, weight=weight), model)
        found = [*search.add(Steps.of(logits, 0, len(PIECES))), *search.rest()]
        text = "".join(PIECES[each.token] for each in found)
        assert text == best_text(logits, network, weight)
        heard.add(text)
    assert heard


@pytest.mark.parametrize("tokenizer", ["byte", "bpe", "word", "unigram"])
def test_a_text_is_given_its_own_probability(tokenizer: str, tmp_path: Path) -> None:
    network = language("lstm-lm", tokenizer)
    model = BundleLanguage(saved(network, tmp_path), TOKENS)
    texts = [" ab  Cab ", "abC", " ", "b a", "ab ab C "]
    for text in texts:
        state, total = model.start(), 0.0
        for character in text:
            token = PIECES.index(character)
            total += model.scores([state], [token])[0, 0]
            state = model.after(state, token)
        total += model.ending([state])[0]
        assert total == pytest.approx(probability(network, " ".join(text.split())), abs=1e-4)
    # Many texts together are given what each is given alone.
    states = [model.start() for _ in texts]
    for place, text in enumerate(texts):
        for character in text:
            states[place] = model.after(states[place], PIECES.index(character))
    together = model.scores(states, range(1, len(PIECES)))
    for state, row in zip(states, together, strict=True):
        np.testing.assert_array_equal(model.scores([state], range(1, len(PIECES)))[0], row)


@pytest.mark.parametrize("key", ["lstm-lm", "gpt"])
def test_states_branch_and_batches_change_nothing(key: str) -> None:
    network = language(key)
    reading = branching_of(network.module)
    first, second, third = [3, 9], [7, 7, 5, 8], [200]
    ((trunk, _),) = reading.read([None], [[1, 2, 3]])
    together = reading.read([trunk, trunk, None], [first, second, third])
    for (known, logs), more, begun in zip(
        together, (first, second, third), ([1, 2, 3], [1, 2, 3], []), strict=True
    ):
        ids = torch.tensor([begun + more])
        with torch.no_grad():
            found = network.module(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        whole = found[0].double().log_softmax(-1)
        np.testing.assert_allclose(known.following, whole[-1], atol=1e-4)
        wanted = [
            whole[place - 1, ids[0, place]] for place in range(max(len(begun), 1), len(ids[0]))
        ]
        np.testing.assert_allclose(logs if begun else logs[1:], wanted, atol=1e-4)
    assert trunk.read == (1, 2, 3)
    ((again, _),) = reading.read([together[0][0]], [second])
    assert again.read == (1, 2, 3, *first, *second)


def test_a_text_beyond_the_window_keeps_its_last_half() -> None:
    reading = branching_of(language("gpt", window=8).module)
    ((known, _),) = reading.read([None], [[1, 2, 3, 4, 5, 6]])
    ((known, _),) = reading.read([known], [[7, 8]])
    assert (known.read, reading.forgot) == ((1, 2, 3, 4, 5, 6, 7, 8), 0)
    ((known, _),) = reading.read([known], [[9]])
    assert (known.read, reading.forgot) == ((6, 7, 8, 9), 1)


def test_letters_are_asked_for_in_the_case_that_the_model_writes(tmp_path: Path) -> None:
    network = language("lstm-lm", "byte")
    with torch.no_grad():  # of a model that was trained letters would be likely
        head = network.module.get_output_embeddings()
        head.weight.zero_()
        ids = network.needed_tokenizer().encode("abc", add_special_tokens=False).ids
        head.weight[ids] = 0.1
    path = saved(network, tmp_path)
    small, capital = (
        BundleLanguage(path, CTCTokens(tuple(map(change, PIECES)), 0, None, {}))
        for change in (str.lower, str.upper)
    )
    for token in range(1, len(PIECES)):
        states = [model.after(model.start(), token) for model in (small, capital)]
        assert small.ending(states[:1]) == capital.ending(states[1:])


def test_what_cannot_weigh_a_search_is_refused(tmp_path: Path) -> None:
    network = language("gpt", "bpe", ["北京 上海 北京人", "人人 北京"] * 8)
    chinese = CTCTokens(("", " ", "北", "京", "人"), 0, None, {})
    path = saved(network, tmp_path / "bpe")
    assert is_bundle(path)
    with pytest.raises(ConfigurationError, match=r"script without blanks \(北京人…\).*byte"):
        BundleLanguage(path, chinese)
    of_bytes = language("lstm-lm", "byte", ["北京 上海"] * 8)
    model = BundleLanguage(saved(of_bytes, tmp_path / "byte"), chinese)
    state = model.after(model.start(), 2)
    assert model.scores([state], [3])[0, 0] < 0  # each character by itself
    with pytest.raises(BundleError):
        BundleLanguage(saved(language(), tmp_path / "other", task="translation"), TOKENS)
    assert not is_bundle(str(tmp_path / "text.txt"))
