"""Weights in fewer bits: the arithmetic, the files, and files larger than memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from anysize.compression.chain import parse
from anysize.compression.protocols import Context
from anysize.core.errors import BundleError, ConfigurationError
from anysize.modalities.texts.settings import TextFacts, TextOptions
from anysize.models import bundle, spec
from anysize.models import quantized_weights as quantized
from anysize.models.bundle import Card
from anysize.models.network import BuildRequest, Network
from anysize.models.tensor_file import TensorFileWriter, read_header, stored

WORDS = ["good", "bad", "film", "plot", "the", "of", "actor", "music"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small transformer that tells texts with ``good`` from others."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 12)) for _ in range(200)]
    network = spec.build(
        "transformer",
        BuildRequest(
            task="text-classification",
            labels=("no", "yes"),
            facts=TextFacts(texts=lambda: iter(texts)),
            wishes=TextOptions(window=32),
        ),
    )
    assert network.tokenizer is not None
    rows = [network.tokenizer.encode(text).ids[:14] for text in texts]
    width = min(map(len, rows))
    ids = torch.tensor([row[:width] for row in rows])
    targets = torch.tensor([int("good" in text.split()) for text in texts])
    optimizer = torch.optim.AdamW(network.module.parameters(), lr=1e-3)
    for _ in range(12):
        loss = nn.functional.cross_entropy(network.module(input_ids=ids).logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    card = Card(task="text-classification", labels=("no", "yes"), model="transformer",
                settings=network.settings)  # fmt: skip
    return bundle.save(tmp_path_factory.mktemp("trained") / "bundle", network, card)


def compress(source: Path, out: Path, method: str) -> Path:
    from anysize import tasks

    (step,) = parse(method)
    context = Context(task=tasks.load("text-classification"), original=source, memory=1 << 31)
    step.method.apply(source, out, step.options, context)
    return out


def logits(folder: Path) -> tuple[np.ndarray, Network]:
    network, _ = spec.open_network(str(folder))
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 60, (16, 14), generator=random)
    with torch.inference_mode():
        return network.module(input_ids=ids).logits.numpy(), network


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 5), columns=st.integers(1, 80), group=st.sampled_from([16, 32]),
    scale=st.sampled_from([1e-4, 1.0, 50.0]), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_error_is_at_most_half_a_step(
    rows: int, columns: int, group: int, scale: float, seed: int
) -> None:
    weight = scale * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    numbers, step = quantized.quantize_rows(weight)
    found = quantized.dequantize(numbers, step, None, columns)
    assert bool(((found - weight).abs() <= step * 0.5001).all())
    packed, steps, lowest = quantized.quantize_groups(weight, group)
    found = quantized.dequantize(packed, steps, lowest, columns)
    of_each = steps.float().repeat_interleave(group, 1)[:, :columns]
    # The minimum and the step are themselves rounded, to eleven bits.
    slack = 2e-3 * weight.abs().max() + 1e-6
    assert bool(((found - weight).abs() <= 0.5 * of_each + slack).all())
    assert packed.shape[1] * 2 == -(-columns // group) * group


def test_rows_of_zeros_stay_zeros() -> None:
    zeros = torch.zeros(3, 32)
    assert not quantized.dequantize(*quantized.quantize_rows(zeros), None, 32).any()
    assert not quantized.dequantize(*quantized.quantize_groups(zeros, 16), 32).any()


@pytest.mark.parametrize(
    ("method", "largest", "share"),
    [("bf16", 0.02, 0.52), ("int8-weights", 0.05, 0.30), ("int4-weights(group=32)", 0.4, 0.27)],
)
def test_a_compressed_bundle_is_smaller_and_predicts_nearly_the_same(
    trained: Path, tmp_path: Path, method: str, largest: float, share: float
) -> None:
    out = compress(trained, tmp_path / "out", method)
    before, _ = logits(trained)
    after, _ = logits(out)
    assert after.dtype == np.float32
    assert 0 < np.abs(after - before).max() < largest
    assert (after.argmax(1) == before.argmax(1)).all()

    def size(folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.glob("*.safetensors"))

    assert size(out) < share * size(trained)
    assert not list(out.parent.glob(".weights-*"))
    left = {path.name for path in trained.iterdir() if path.suffix == ".json"}
    assert left == {path.name for path in out.iterdir() if path.suffix == ".json"}


@pytest.mark.parametrize("method", ["int8-weights", "int4-weights(group=32)"])
def test_the_layers_of_gpt2_are_rounded_too(method: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    texts = [" ".join(WORDS)] * 4
    network = spec.build(
        "gpt",
        BuildRequest(
            task="text-generation", labels=(), facts=TextFacts(texts=lambda: iter(texts)),
            wishes=TextOptions(window=32),
            options={"hidden_size": "96", "num_layers": "1", "tokenizer": "word"},
        ),
    )  # fmt: skip
    card = Card(task="text-generation", labels=(), model="gpt", settings=network.settings)
    source = bundle.save(tmp_path / "gpt", network, card)
    found, _ = spec.open_network(str(compress(source, tmp_path / "out", method)))
    rounded = [
        name for name, layer in found.module.named_modules()
        if isinstance(layer, quantized.QuantizedTransposed)
    ]  # fmt: skip
    assert len(rounded) == 4  # two of attention and two of the feed-forward network
    ids = torch.randint(0, 8, (2, 20), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        # What the layers compute is what their dequantized weights do.
        after = found.module(input_ids=ids).logits
        quantized.restore(found.module)
        torch.testing.assert_close(found.module(input_ids=ids).logits, after)
        before = network.module(input_ids=ids).logits
    assert 0 < (after - before).abs().max() < 0.2


def test_the_quantized_layers_stand_for_what_is_in_the_file(trained: Path, tmp_path: Path) -> None:
    network, _ = spec.open_network(str(trained))
    dense = quantized.quantizable(network.module)
    assert dense
    _, found = logits(compress(trained, tmp_path / "out", "int8-weights"))
    for name, layer in dense.items():
        other = found.module.get_submodule(name)
        assert isinstance(other, quantized.QuantizedWeight)
        expected = quantized.dequantize(
            *quantized.quantize_rows(layer.weight.detach()), None, layer.weight.shape[1]
        )
        assert torch.equal(other.weight, expected)
    quantized.restore(found.module)
    assert not quantized.is_quantized(found.module)
    assert all(
        type(found.module.get_submodule(name)) is type(layer) for name, layer in dense.items()
    )


def test_methods_refuse_what_they_cannot_do(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="group must be an even number"):
        parse("int4-weights(group=7)")
    network, card = spec.open_network(str(compress(trained, tmp_path / "out", "int8-weights")))
    (step,) = parse("bf16")
    assert step.method.problems(network, card) == ["its weights are in fewer bits already"]


def test_a_damaged_file_is_told(trained: Path, tmp_path: Path) -> None:
    out = compress(trained, tmp_path / "out", "int8-weights")
    tensors = load_file(out / quantized.FILE)
    name = next(key for key in tensors if key.endswith(quantized.SCALE))
    save_file({**tensors, name: tensors[name][:-1]}, out / quantized.FILE)
    with pytest.raises(BundleError, match="do not fit its configuration"):
        spec.open_network(str(out))
    del tensors[name]
    save_file(tensors, out / quantized.FILE)
    with pytest.raises(BundleError, match="do not fit its configuration"):
        spec.open_network(str(out))


def test_shards_are_read_as_one(trained: Path, tmp_path: Path) -> None:
    sharded = tmp_path / "sharded"
    network, card = spec.open_network(str(trained))

    def write(folder: Path) -> None:
        network.module.save_pretrained(folder, max_shard_size="200KB")

    bundle.save(sharded, network, card, write)
    assert len(list(sharded.glob("model-*.safetensors"))) > 1
    one = compress(trained, tmp_path / "one", "int8-weights")
    many = compress(sharded, tmp_path / "many", "int8-weights")
    assert (one / quantized.FILE).read_bytes() == (many / quantized.FILE).read_bytes()
    assert not list(many.glob("model*"))


def test_what_the_writer_writes_the_library_reads(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(7, dtype=torch.int8), "b": torch.randn(5, 3), "empty": torch.zeros(0, 4),
        "c": torch.randn(4, 2).bfloat16(), "number": torch.tensor(3.0),
    }  # fmt: skip
    layouts = {name: (item.dtype, tuple(item.shape)) for name, item in tensors.items()}
    path = tmp_path / "x.safetensors"
    with TensorFileWriter(path, layouts, {"format": "pt"}) as writer:
        writer.write("b", tensors["b"][2:], row=2)
        writer.write("b", tensors["b"][:2])
        for name in ("number", "a", "c"):
            writer.write(name, tensors[name])
    found = load_file(path)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor)
    for name, item in read_header(path).items():
        if tensors[name].numel():
            joined = [block for _, block in item.blocks(12)]
            assert torch.equal(torch.cat(joined) if item.shape else joined[0], tensors[name])


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 40, (4).to_bytes(8, "little") + b"[1]]",
     (60).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}     ']
)  # fmt: skip
def test_damaged_weight_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(BundleError, match="not a safetensors file"):
        stored(tmp_path)


def test_an_index_must_not_lead_outside(tmp_path: Path) -> None:
    entries = {"weight_map": {"a": "../model.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(BundleError, match="outside its folder"):
        stored(tmp_path)


PROCESS = """
import sys
from pathlib import Path
import torch, transformers.models.bert.modeling_bert
from anysize import tasks
from anysize.compression import bf16, int8_dynamic, streaming, weights
from anysize.compression.chain import parse
from anysize.compression.protocols import Context
from anysize.core.memory import peak, reset_peak, resident
(step,) = parse(sys.argv[3])
source = Path(sys.argv[1])
context = Context(task=tasks.load("text-classification"), original=source, memory=1 << 30)
reset_peak()
before = resident()
step.method.apply(source, Path(sys.argv[2]), step.options, context)
print(peak() - before)
"""


@pytest.fixture(scope="module")
def large(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with 260 MB of weights, written without ever holding them."""
    folder = tmp_path_factory.mktemp("large")
    config = BertConfig(
        vocab_size=40_000, hidden_size=1024, num_hidden_layers=2, num_attention_heads=8,
        intermediate_size=4096, num_labels=2,
    )  # fmt: skip
    with torch.device("meta"):
        module = BertForSequenceClassification(config)
    config.architectures = ["BertForSequenceClassification"]
    config.save_pretrained(folder)
    layouts = {
        name: (item.dtype, tuple(item.shape))
        for name, item in module.state_dict().items()
        if item.is_floating_point()
    }
    with TensorFileWriter(folder / "model.safetensors", layouts, {"format": "pt"}) as writer:
        for name, (_, shape) in layouts.items():
            step = max((1 << 20) // max(int(np.prod(shape[1:])), 1), 1)
            for row in range(0, shape[0], step):
                rows = min(step, shape[0] - row)
                writer.write(name, torch.randn(rows, *shape[1:]), row)
    for path in trained.glob("tokenizer*"):
        (folder / path.name).write_bytes(path.read_bytes())
    bundle.write_card(folder, bundle.read_card(trained))
    return folder


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc")
@pytest.mark.parametrize("method", ["bf16", "int4-weights"])
def test_weights_larger_than_what_the_process_may_grow_by(
    large: Path, tmp_path: Path, method: str
) -> None:
    size = (large / "model.safetensors").stat().st_size
    assert size > 250e6
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROCESS, str(large), str(tmp_path / "out"), method],
        capture_output=True, text=True, check=True, timeout=850,
        env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin",
             "ANYSIZE_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert int(run.stdout.split()[-1]) < size / 3
    written = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.safetensors"))
    assert written < 0.51 * size
