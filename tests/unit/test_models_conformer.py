"""The conformer with a CTC head: what it gives depends on what is near, and on nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anysize.core.errors import ConfigurationError
from anysize.core.windows import Span
from anysize.modalities.sounds.memory import recording
from anysize.modalities.sounds.settings import AudioFacts, AudioOptions
from anysize.models import spec
from anysize.models.conformer_ctc import conformer
from anysize.models.ctc_vocabulary import CTCTokens, least_steps, train_vocabulary
from anysize.models.network import BuildRequest, Network
from anysize.models.step_grid import StepGrid, step_counts
from anysize.readers.spectra.front import log_mel
from anysize.windows.sound import SoundWindows

SMALL = {
    "channels": "4x4", "hidden_size": "16", "num_layers": "2", "num_heads": "2", "kernel": "3",
    "attention_context": "2",
}  # fmt: skip
TEXTS = ("one two", "three", "北京 one")


def network(window: int | None = None, overlap: int | None = None, **options: str) -> Network:
    torch.manual_seed(0)
    return spec.build(
        "conformer-ctc-small",
        BuildRequest(
            task="automatic-speech-recognition",
            labels=(),
            facts=AudioFacts(sample_rate=8000, texts=lambda: iter(TEXTS)),
            wishes=AudioOptions(window=window, overlap=overlap, mels=16),
            options={**SMALL, **options},
        ),
    )


def test_a_window_is_the_same_beside_others() -> None:
    module = conformer(
        feature_size=16, vocab_size=9, channels=(4, 4), hidden_size=16, num_layers=2, num_heads=2,
        attention_context=0,
    ).eval()  # fmt: skip
    random = torch.Generator().manual_seed(1)
    values = torch.randn(1, 37, 16, generator=random)
    beside = torch.randn(2, 60, 16, generator=random)
    beside[0] = 0
    beside[0, :37] = values[0]
    mask = torch.ones(2, 60)
    mask[0, 37:] = 0
    with torch.inference_mode():
        alone = module(values).logits
        among = module(beside, mask).logits
    torch.testing.assert_close(among[0, : alone.shape[1]], alone[0], rtol=0, atol=2e-5)


def test_blocks_add_up_in_float32_where_products_are_in_bfloat16() -> None:
    """Sums in bfloat16 keep 8 bits: digits had a word error rate of 4.1 instead of 1.8 %."""
    module = conformer(
        feature_size=16, vocab_size=9, channels=(4, 4), hidden_size=16, num_layers=3, num_heads=2,
    ).eval()  # fmt: skip
    seen = [
        block.register_forward_pre_hook(lambda _, inputs: kinds.append(inputs[0].dtype))
        for block in module.blocks
    ]
    kinds: list[torch.dtype] = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        module(torch.randn(1, 40, 16))
    assert kinds == [torch.float32] * len(seen)


def test_a_step_depends_on_its_context_alone() -> None:
    module = conformer(
        feature_size=16, vocab_size=9, channels=(4, 4), hidden_size=16, num_layers=2, num_heads=2,
        kernel=3, attention_context=2,
    ).eval()  # fmt: skip
    context = module.config.context_steps
    assert context == 3 + 2 * (2 + 1)
    values = torch.randn(1, 200, 16, generator=torch.Generator().manual_seed(1))
    changed = values.clone()
    changed[:, : 4 * (25 - context)] += 1
    changed[:, 4 * (25 + context + 1) :] -= 1
    with torch.inference_mode():
        first, second = module(values).logits[0], module(changed).logits[0]
    torch.testing.assert_close(first[25], second[25], rtol=0, atol=1e-6)
    assert (first[25 - context - 1] - second[25 - context - 1]).abs().max() > 1e-4


@pytest.mark.parametrize("length", range(1, 14))
def test_steps_are_counted_as_the_network_gives_them(length: int) -> None:
    module = network().module
    with torch.inference_mode():
        steps = module(torch.zeros(1, length, 16)).logits.shape[1]
    assert step_counts(module.config, np.array([length]))[0] == steps


def test_steps_of_networks_that_read_samples_are_those_of_transformers() -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    module: Any = Wav2Vec2ForCTC(
        Wav2Vec2Config(
            hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
            conv_dim=(4, 4), conv_kernel=(10, 3), conv_stride=(5, 2), num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2, vocab_size=8,
        )
    )  # fmt: skip
    lengths = np.arange(30, 80)
    wanted = module._get_feat_extract_output_lengths(torch.from_numpy(lengths))
    assert step_counts(module.config, lengths).tolist() == wanted.tolist()


@settings(max_examples=40)
@given(st.integers(1, 4000), st.integers(2, 12), st.data())
def test_windows_begin_on_the_grid(samples: int, size: int, data: st.DataObject) -> None:
    shared = data.draw(st.integers(0, size - 1))
    front = log_mel(8000, 16)
    windows = SoundWindows(front, size=4 * size, overlap=4 * shared, grid=4)
    sound = recording((np.ones(samples, np.float32), 8000), "memory")
    found = list(windows.stream(sound))
    owned = 0
    for window in found:
        assert window.region.start % (4 * front.hop) == 0
        assert window.core.start == owned
        assert window.region.start <= window.core.start
        owned = window.core.stop
    assert owned == samples
    assert [window.last for window in found] == [False] * (len(found) - 1) + [True]


def logits_of(own: Network, samples: np.ndarray) -> np.ndarray:
    """Of all steps, window by window as prediction reads them."""
    from anysize.core.records import Record
    from anysize.models.execution import collect, make_execution
    from anysize.tasks.speech.ctc import ROWS, CTCPreprocess

    record = Record(id="r", fields={"audio": recording((samples, 8000), "memory")})
    examples = list(CTCPreprocess(own)(0, record))
    with torch.inference_mode():
        outputs = collect(make_execution(own)(examples), examples, own)
    rows = [example.aside[ROWS] for example in examples]
    return np.concatenate([outputs.row(place)["logits"][a:b] for place, (a, b) in enumerate(rows)])


def test_windows_that_share_enough_give_what_the_whole_recording_gives() -> None:
    # 9 steps to each side of 4 frames of 80 samples.
    shared = 2 * 9 * 320
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 20_001).astype(np.float32)
    own = network(window=9600, overlap=shared)
    assert StepGrid.of(own).exact
    whole = dataclasses.replace(own, settings=dataclasses.replace(own.settings, window=40_000))
    np.testing.assert_allclose(logits_of(own, samples), logits_of(whole, samples), atol=2e-5)
    less = network(window=9600, overlap=shared - 640)
    assert not StepGrid.of(less).exact


def test_windows_share_what_a_step_depends_on_unless_told_otherwise() -> None:
    own = network()
    assert StepGrid.of(own).exact
    assert own.settings.whole == 30 * 8000
    assert not StepGrid.of(network(attention_context="0")).exact
    assert not StepGrid.of(network(window=8000)).exact


def test_characters_are_those_of_the_transcripts() -> None:
    tokens = CTCTokens.of(network())
    ids, unknown = tokens.encode("  one\n 北 x")
    assert tokens.text(ids) == "one 北"
    assert unknown == 1
    assert tokens.pieces[tokens.blank] == ""
    assert set(tokens.pieces) == {"", " ", *"onetwhr北京"}


def test_subwords_say_the_text_again() -> None:
    own = network(vocabulary="subwords", vocabulary_size="24")
    tokens = CTCTokens.of(own)
    ids, unknown = tokens.encode("one three two")
    assert (tokens.text(ids), unknown) == ("one three two", 0)
    assert len(tokens.pieces) <= 24


def test_equal_neighbours_need_a_step_between() -> None:
    assert least_steps([1, 2, 2, 3, 3, 3]) == 9


def test_empty_transcripts_have_no_vocabulary() -> None:
    with pytest.raises(ConfigurationError, match="--columns text=NAME"):
        train_vocabulary([" ", ""], "characters", 100)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kernel": "4"}, "kernel must be odd"),
        ({"hidden_size": "18"}, "multiple of twice num_heads"),
        ({"vocabulary": "words"}, "vocabulary must be one of characters, subwords"),
        ({"attention_context": "-1"}, "attention_context must be"),
        ({"width": "4"}, "has no option 'width'"),
    ],
)
def test_bad_options_are_named(options: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        network(**options)


def test_a_core_owns_its_steps() -> None:
    grid = StepGrid.of(network(window=9600, overlap=5760))
    unit = grid.samples
    rows = grid.rows(Span(unit, 31 * unit), Span(10 * unit, 22 * unit), last=False)
    assert rows.tolist() == [9, 21]
    first, stop = grid.rows(Span(unit, 31 * unit), Span(10 * unit, 31 * unit), last=True)
    assert first == 9
    assert stop > 1000


def test_a_bundle_keeps_its_vocabulary(tmp_path: Path) -> None:
    from anysize.models import bundle

    own = network()
    card = bundle.Card(
        task="automatic-speech-recognition", labels=(), model=own.spec, settings=own.settings
    )
    bundle.save(tmp_path / "b", own, card)
    again, kept = spec.open_network(str(tmp_path / "b"))
    assert CTCTokens.of(again).pieces == CTCTokens.of(own).pieces
    assert kept.settings == own.settings
    assert again.per_token == ("logits",)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 5000).astype(np.float32)
    np.testing.assert_array_equal(logits_of(again, samples), logits_of(own, samples))
