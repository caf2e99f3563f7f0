"""Tokenizers trained from scratch: every character known, the same data the same vocabulary."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from anysize.core.errors import BundleError, ConfigurationError
from anysize.models.tokenizers import (
    SMALLEST_VOCABULARY,
    SPECIALS,
    load_tokenizer,
    save_tokenizer,
    train_tokenizer,
    wrap_tokenizer,
)
from anysize.windows.encoding import TextEncoder

ENGLISH = (
    "The film is wonderfully acted, and the film's music is wonderful. It isn't 5 minutes long!"
)
CHINESE = "这家酒店的服务非常好，酒店房间很干净。服务员也很热情，下次还会来。"


def texts(count: int = 300) -> Iterator[str]:
    generator = random.Random(7)
    words = ENGLISH.split()
    for _ in range(count):
        yield " ".join(generator.choices(words, k=12))
        yield "".join(generator.choices(CHINESE, k=20))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(texts(), 600)


def test_frequent_words_and_ideographs_are_single_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("wonderful WONDERFULLY film", add_special_tokens=False).offsets == [
        (0, 9),
        (10, 21),
        (22, 26),
    ]
    chinese = tokenizer.encode("酒店服务非常好。", add_special_tokens=False)
    assert chinese.offsets == [(index, index + 1) for index in range(8)]


def test_special_tokens(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_to_id(token) for token in SPECIALS] == [0, 1, 2, 3, 4]
    assert tokenizer.encode("film").tokens == ["[CLS]", "film", "[SEP]"]
    pair = tokenizer.encode("film", "film")
    assert pair.tokens == ["[CLS]", "film", "[SEP]", "film", "[SEP]"]
    assert pair.type_ids == [0, 0, 0, 1, 1]


def test_a_rare_character_leaves_its_word_readable(tokenizer: Tokenizer) -> None:
    unknown = tokenizer.token_to_id("[UNK]")
    film = tokenizer.token_to_id("film")
    ids = tokenizer.encode("film😀film ☃film 龘film", add_special_tokens=False).ids
    assert unknown not in ids
    assert ids.count(film) == 4


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_character_is_unknown(tokenizer: Tokenizer, text: str) -> None:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.token_to_id("[UNK]") not in encoding.ids


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([*ENGLISH, *CHINESE, "film ", "龘", "😀", " "]), max_size=1500))
def test_streams_with_the_same_tokens(tokenizer: Tokenizer, parts: list[str]) -> None:
    text = "".join(parts)
    ids: list[int] = []
    for piece, first, last in TextEncoder(tokenizer, 100).stream(iter([text])):
        ids += piece.ids[first:last].tolist()
    assert ids == tokenizer.encode(text, add_special_tokens=False).ids


def test_same_texts_give_the_same_tokenizer(tokenizer: Tokenizer) -> None:
    for _ in range(3):
        assert train_tokenizer(texts(), 600).to_str() == tokenizer.to_str()
    other = train_tokenizer(["something else entirely " * 3], 600)
    assert other.to_str() != tokenizer.to_str()


def test_same_tokenizer_in_another_process(tokenizer: Tokenizer, tmp_path: Path) -> None:
    data = tmp_path / "texts.json"
    data.write_text(json.dumps(list(texts())), encoding="utf-8")
    program = (
        "import json, sys\n"
        "from anysize.models.tokenizers import train_tokenizer\n"
        "train_tokenizer(json.load(open(sys.argv[1], encoding='utf-8')), 600).save(sys.argv[2])\n"
    )
    target = tmp_path / "tokenizer.json"
    done = subprocess.run(
        [sys.executable, "-c", program, str(data), str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert Tokenizer.from_file(str(target)).to_str() == tokenizer.to_str()


def test_vocabulary_size_is_kept() -> None:
    assert train_tokenizer(texts(), 300).get_vocab_size() == 300
    assert train_tokenizer(["a"], 300).get_vocab_size() == SMALLEST_VOCABULARY


def test_case_may_be_kept() -> None:
    kept = train_tokenizer(["Film film"] * 9, 300, lowercase=False)
    assert kept.encode("Film").ids != kept.encode("film").ids
    lowered = train_tokenizer(["Film film"] * 9, 300)
    assert lowered.encode("Film").ids == lowered.encode("film").ids


def test_reading_stops_at_the_limit() -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += len(ENGLISH)
            yield ENGLISH

    found = train_tokenizer(endless(), 300, most_characters=5000)
    assert read < 5000 + len(ENGLISH)
    # One long text counts as many short ones do.
    long = train_tokenizer([ENGLISH + "0" * 5000 + "qzqzqz" * 900], 300, most_characters=5000)
    assert long.token_to_id("qz") is None
    assert found.token_to_id("film") is not None


def test_parameters_are_checked() -> None:
    with pytest.raises(ConfigurationError) as caught:
        train_tokenizer(texts(), 200, most_characters=0)
    assert len(caught.value.problems) == 2
    for nothing in ([], [""], iter(())):
        with pytest.raises(ConfigurationError, match="empty"):
            train_tokenizer(nothing, 300)


def test_transformers_loads_what_is_saved(tokenizer: Tokenizer, tmp_path: Path) -> None:
    before = tokenizer.to_str()
    wrap_tokenizer(tokenizer, window=128).save_pretrained(tmp_path)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    batch = loaded([ENGLISH, CHINESE], padding=True, truncation=True)
    for text, ids, mask in zip(
        (ENGLISH, CHINESE), batch["input_ids"], batch["attention_mask"], strict=True
    ):
        assert ids[: sum(mask)] == tokenizer.encode(text).ids
        assert set(ids[sum(mask) :]) <= {loaded.pad_token_id}
    assert loaded.model_max_length == 128
    assert (loaded.pad_token_id, loaded.unk_token_id, loaded.mask_token_id) == (0, 1, 4)
    assert set(batch) == {"input_ids", "attention_mask"}
    assert tokenizer.to_str() == before


def test_loading_switches_truncation_and_padding_off(tokenizer: Tokenizer, tmp_path: Path) -> None:
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.enable_truncation(3)
    copy.enable_padding(length=50)
    copy.save(str(tmp_path / "tokenizer.json"))
    loaded = load_tokenizer(tmp_path)
    assert loaded.encode(ENGLISH).ids == tokenizer.encode(ENGLISH).ids


def test_loading_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no tokenizer\.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="not a tokenizer"):
        load_tokenizer(tmp_path)


def test_what_is_saved_does_not_say_how_the_tokenizer_was_loaded(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    made = wrap_tokenizer(train_tokenizer(["a film and a book"] * 9, 270), window=16)
    save_tokenizer(made, tmp_path / "first")
    loaded = AutoTokenizer.from_pretrained(tmp_path / "first", local_files_only=True)
    save_tokenizer(loaded, tmp_path / "second")
    for path in sorted((tmp_path / "first").iterdir()):
        assert (tmp_path / "second" / path.name).read_bytes() == path.read_bytes(), path.name
