"""Marian, M2M100 and NLLB, whose tokenizers are SentencePiece's, translate as in transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
)

import anysize
from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.results import Result

pytestmark = [
    pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ENGLISH = ("The dog runs over the hill.", "Two men talk about a red house.", "A child laughs.")
GERMAN = ("Der Hund rennt über den Hügel.", "Zwei Männer reden über ein rotes Haus.", "Ein Kind.")
SIZES: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "max_position_embeddings": 256, "tie_word_embeddings": False,
}  # fmt: skip


def pieces(path: Path, texts: tuple[str, ...], kind: str = "unigram") -> list[str]:
    """Trains a model of SentencePiece; its pieces without the special ones."""
    sentencepiece = pytest.importorskip("sentencepiece")
    corpus = path.with_suffix(".txt")
    corpus.write_text("\n".join(texts * 30), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(path.with_suffix("")), vocab_size=60,
        model_type=kind, hard_vocab_limit=False, minloglevel=2, character_coverage=1.0,
    )  # fmt: skip
    corpus.unlink()
    path.with_suffix(".vocab").unlink()
    path.with_suffix(".model").rename(path)
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(each) for each in range(3, model.get_piece_size())]


def save(network: Any, folder: Path, tokens: int) -> None:
    """Writes a network whose output varies, and has none of the special tokens."""
    with torch.no_grad():
        weight = network.get_output_embeddings().weight.normal_()
        weight[:4] = 0
        weight[tokens:] = 0
    network.save_pretrained(folder)


def save_words(folder: Path, vocabulary: dict[str, int], **settings: Any) -> None:
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def marian(folder: Path, *languages: str) -> Path:
    torch.manual_seed(3)
    found = [*pieces(folder / "source.spm", ENGLISH), *pieces(folder / "target.spm", GERMAN)]
    marks = [f">>{each}<<" for each in languages]
    names = list(dict.fromkeys(["</s>", "<unk>", *marks, *found, "<pad>"]))
    padding = len(names) - 1
    config = MarianConfig(
        vocab_size=len(names), pad_token_id=padding, eos_token_id=0, forced_eos_token_id=0,
        decoder_start_token_id=padding, **SIZES,
    )  # fmt: skip
    network = MarianMTModel(config)
    network.generation_config.bad_words_ids = [[padding]]
    vocabulary = {name: place for place, name in enumerate(names)}
    save(network, folder, padding)
    save_words(
        folder, vocabulary, source_lang="eng", target_lang="deu", tokenizer_class="MarianTokenizer"
    )
    return folder


def m2m100(folder: Path) -> Path:
    torch.manual_seed(4)
    found = pieces(folder / "sentencepiece.bpe.model", ENGLISH + GERMAN, "bpe")
    vocabulary = {name: n for n, name in enumerate(["<s>", "<pad>", "</s>", "<unk>", *found])}
    config = M2M100Config(
        vocab_size=len(vocabulary) + 108, pad_token_id=1, eos_token_id=2, bos_token_id=0,
        decoder_start_token_id=2, **SIZES,
    )  # fmt: skip
    save(M2M100ForConditionalGeneration(config), folder, len(vocabulary))
    save_words(folder, vocabulary, tokenizer_class="M2M100Tokenizer", model_max_length=256)
    return folder


def nllb(folder: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import NllbTokenizer

    torch.manual_seed(5)
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    inner.train_from_iterator((ENGLISH + GERMAN) * 10, trainer)
    model = json.loads(inner.to_str())["model"]
    words: Any = NllbTokenizer(
        vocab=model["vocab"], merges=[tuple(each) for each in model["merges"]],
        extra_special_tokens=["eng_Latn", "deu_Latn", "zho_Hans"],
    )  # fmt: skip
    words.save_pretrained(folder)
    config = M2M100Config(
        vocab_size=len(words), pad_token_id=1, eos_token_id=2, bos_token_id=0,
        decoder_start_token_id=2, **SIZES,
    )  # fmt: skip
    save(M2M100ForConditionalGeneration(config), folder, len(model["vocab"]))
    return folder


CASES: dict[str, tuple[Callable[[Path], Path], dict[str, str]]] = {
    "marian": (marian, {}),
    "marian many": (lambda at: marian(at, "deu", "fra"), {"target_lang": "fra"}),
    "m2m100": (m2m100, {"source_lang": "en", "target_lang": "de"}),
    "nllb": (nllb, {"source_lang": "eng_Latn", "target_lang": "deu_Latn"}),
}


@pytest.fixture(scope="module", params=list(CASES))
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, dict[str, str]]:
    build, languages = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "-"))
    return request.param, build(folder), languages


def theirs(folder: Path, languages: dict[str, str], beams: int, mark: str) -> list[str]:
    """What transformers' own tokenizer and generation make of each sentence."""
    words: Any = AutoTokenizer.from_pretrained(folder)
    network: Any = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    options: dict[str, Any] = {}
    if hasattr(words, "src_lang"):
        words.src_lang = languages["source_lang"]
        options["forced_bos_token_id"] = words.convert_tokens_to_ids(
            words.get_lang_token(languages["target_lang"])
            if hasattr(words, "get_lang_token")
            else languages["target_lang"]
        )
    found = []
    for sentence in ENGLISH:
        ids = torch.tensor([words(mark + sentence)["input_ids"]])
        made = network.generate(
            ids, num_beams=beams, do_sample=False, max_length=None,
            max_new_tokens=2 * ids.shape[1] + 16 + ("forced_bos_token_id" in options),
            forced_eos_token_id=None, **options,
        )  # fmt: skip
        begun = 2 if "forced_bos_token_id" in options else 1
        found.append(words.decode(made[0][begun:], skip_special_tokens=True).strip())
    return found


@pytest.mark.parametrize("beams", [1, 4])
def test_translations_are_those_of_transformers(
    case: tuple[str, Path, dict[str, str]], beams: int
) -> None:
    name, folder, languages = case
    mark = ">>fra<< " if name == "marian many" else ""
    model = anysize.load(folder, task="translation")
    (found,) = model(
        ["\n\n".join(ENGLISH)], beams=beams, guard=False, memory="8GiB", runtime="torch",
        precision="float32", **languages,
    )  # fmt: skip
    assert isinstance(found, Result)
    ours = [each.strip() for each in str(found.prediction).split("\n\n")]
    wanted = theirs(folder, languages, beams, mark)
    assert all(len(set(each)) > 4 for each in wanted)
    assert ours == wanted


def test_both_sides_have_the_tokens_of_transformers(
    case: tuple[str, Path, dict[str, str]],
) -> None:
    from anysize.models.sequence_tokens import SequenceTokens

    name, folder, languages = case
    network = anysize.load(folder, task="translation").network
    tokens = SequenceTokens(network, **languages)
    words: Any = AutoTokenizer.from_pretrained(folder)
    if hasattr(words, "src_lang"):
        words.src_lang, words.tgt_lang = languages["source_lang"], languages["target_lang"]
    mark = ">>fra<< " if name == "marian many" else ""
    for english, german in zip(ENGLISH, GERMAN, strict=True):
        both = words(mark + english, text_target=german)
        assert tokens.source(english).tolist() == both["input_ids"]
        wanted = both["labels"]
        target = tokens.target(german).tolist()
        assert target == (wanted[1:] if tokens.begin is not None else wanted)
        assert tokens.text(tokens.target(german)).strip() == german


def test_a_bundle_of_such_a_model_is_whole(
    case: tuple[str, Path, dict[str, str]], tmp_path: Path
) -> None:
    name, folder, languages = case
    table = tmp_path / "pairs.tsv"
    rows = [f"{a}\t{b}" for a, b in zip(ENGLISH, GERMAN, strict=True)] * 4
    table.write_text("source\ttarget\n" + "\n".join(rows), encoding="utf-8")
    out = tmp_path / "run"
    anysize.train(
        task="translation", data=table, model=str(folder), out=out, epochs=1, batch=4,
        validation=0.2, test=0, memory="8GiB", workers=1, quiet=True, **languages,
    )  # fmt: skip
    # The languages are kept, and the folder that it came from is not needed.
    hidden = folder.rename(folder.with_name("hidden"))
    try:
        (found,) = anysize.load(out)(["A child laughs."], beams=1, memory="8GiB")
    finally:
        hidden.rename(folder)
    assert isinstance(found, Result)
    assert found.receipt.covered == 1.0
    assert name


def test_languages_that_are_not_there_are_named(case: tuple[str, Path, dict[str, str]]) -> None:
    name, folder, languages = case
    if name == "marian":
        with pytest.raises(ConfigurationError, match="has no languages to choose from"):
            anysize.load(folder, task="translation")(["x"], target_lang="deu")
        return
    wrong = {**languages, "target_lang": {"m2m100": "deu", "nllb": "deu_Lat"}.get(name, "fre")}
    with pytest.raises(ConfigurationError, match=r"is not a language of .*; did you mean"):
        anysize.load(folder, task="translation")(["x"], **wrong)


def test_other_tasks_and_missing_files_are_refused(tmp_path: Path) -> None:
    folder = marian(tmp_path)
    with pytest.raises(ConfigurationError, match="it is for translation"):
        anysize.load(folder, task="summarization")(["A text. And more of it."])
    (folder / "target.spm").unlink()
    with pytest.raises(BundleError):
        anysize.load(folder, task="translation")
