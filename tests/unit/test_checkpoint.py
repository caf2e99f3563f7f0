from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from anysize.core.errors import DataError, RunError
from anysize.training import checkpoint
from anysize.training.checkpoint import Score, State
from anysize.training.optimization import (
    AveragedWeights,
    load_optimizer,
    make_optimizer,
    optimizer_tensors,
    rate_factor,
)
from anysize.training.order import Cursor
from anysize.training.recipe import Recipe


class KilledError(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


def state(step: int) -> State:
    return State(
        cursor=Cursor(epoch=1, place=7, step=step),
        elapsed=2.5,
        used=40,
        best=Score(metric=0.5, loss=1.0, step=3),
        failed=1,
        failures={"a": "broken"},
        fingerprint="f",
    )


def tensors(value: float) -> dict[str, dict[str, torch.Tensor]]:
    return {
        "weights": {"w": torch.full((2, 3), value)},
        "optimizer": {"0.exp_avg": torch.full((2, 3), 2 * value)},
    }


def test_reads_back_what_was_written(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "last", state(5), tensors(1.5))
    assert checkpoint.read_state(tmp_path / "last") == state(5)
    found = checkpoint.read_tensors(tmp_path / "last", "weights")
    assert torch.equal(found["w"], torch.full((2, 3), 1.5))
    assert checkpoint.read_tensors(tmp_path / "last", "averages") == {}


def test_replaced_files_are_removed(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, state(step), tensors(step))
    assert {path.name for path in tmp_path.iterdir()} == {
        "state.json",
        "weights-000000002.safetensors",
        "optimizer-000000002.safetensors",
    }


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call that changes the folder is, one after the other, the last one that happens."""
    survived = 0
    for moment in itertools.count():
        folder = tmp_path / str(moment)
        checkpoint.save(folder, state(1), tensors(1))
        calls = itertools.count()

        def interrupted(original, calls=calls, moment=moment):  # type: ignore[no-untyped-def]
            def call(*arguments, **options):  # type: ignore[no-untyped-def]
                if next(calls) == moment:
                    raise KilledError
                return original(*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in ("replace", "unlink", "write_text"):
                patch.setattr(Path, name, interrupted(getattr(Path, name)))
            patch.setattr("os.fsync", interrupted(__import__("os").fsync))
            try:
                checkpoint.save(folder, state(2), tensors(2))
                finished = True
            except KilledError:
                finished = False
        found = checkpoint.read_state(folder).cursor.step
        for name in ("weights", "optimizer"):
            for value in checkpoint.read_tensors(folder, name).values():
                assert bool((value == found * (2 if name == "optimizer" else 1)).all())
        survived += found == 1
        checkpoint.save(folder, state(3), tensors(3))
        assert len(list(folder.iterdir())) == 3
        if finished:
            break
    assert survived > 3 and moment > survived


def test_a_full_disk_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, state(1), tensors(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="No space left on device"):
        checkpoint.save(tmp_path, state(2), tensors(2))
    assert checkpoint.read_state(tmp_path).cursor.step == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"format": 2}'])
def test_damaged_states_are_data_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(DataError, match=r"state\.json"):
        checkpoint.read_state(tmp_path)


def test_damaged_tensors_are_data_errors(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, state(1), tensors(1))
    (tmp_path / "weights-000000001.safetensors").write_bytes(b"short")
    with pytest.raises(DataError, match="damaged"):
        checkpoint.read_tensors(tmp_path, "weights")


def test_lines_after_the_commit_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "training.jsonl"
    lines = [json.dumps({"step": step}) for step in range(1, 6)]
    path.write_text("\n".join(lines) + '\n{"step": 6, "lo')
    checkpoint.drop_after(path, 3)
    assert path.read_text() == "\n".join(lines[:3]) + "\n"
    checkpoint.drop_after(tmp_path / "none.jsonl", 3)


def test_scores_are_compared_by_metric_then_loss() -> None:
    low = Score(metric=0.5, loss=1.0, step=1)
    assert low.better_than(None)
    assert Score(metric=0.6, loss=9.0, step=2).better_than(low)
    assert Score(metric=0.5, loss=0.9, step=2).better_than(low)
    assert not Score(metric=0.5, loss=1.0, step=2).better_than(low)


def convolution() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2)).to(
        memory_format=torch.channels_last
    )


def recipe(optimizer: str) -> Recipe:
    return Recipe(
        task="image-classification", data="d", model="m", out="o", optimizer=optimizer,
        learning_rate=0.1, weight_decay=0.1,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_restored_optimizer_goes_on_bit_for_bit(tmp_path: Path, name: str) -> None:
    """With channels-last weights, whose strides a file does not keep."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(6, 2, 3, 6, 6, generator=generator)

    def train(module: nn.Module, optimizer: torch.optim.Optimizer, rows: range) -> None:
        for row in rows:
            optimizer.zero_grad()
            module(inputs[row]).square().mean().backward()
            optimizer.step()

    straight = convolution()
    optimizer = make_optimizer(straight, recipe(name))
    train(straight, optimizer, range(3))
    weights = {**dict(straight.named_parameters()), **dict(straight.named_buffers())}
    checkpoint.save(
        tmp_path, state(3), {"weights": weights, "optimizer": optimizer_tensors(optimizer)}
    )
    train(straight, optimizer, range(3, 6))

    resumed = convolution()
    resumed_optimizer = make_optimizer(resumed, recipe(name))
    own = {**dict(resumed.named_parameters()), **dict(resumed.named_buffers())}
    with torch.no_grad():
        for key, value in checkpoint.read_tensors(tmp_path, "weights").items():
            own[key].copy_(value)
    load_optimizer(resumed_optimizer, checkpoint.read_tensors(tmp_path, "optimizer"))
    train(resumed, resumed_optimizer, range(3, 6))
    for left, right in zip(straight.state_dict().values(), resumed.state_dict().values(),
                           strict=True):  # fmt: skip
        assert torch.equal(left, right)


def test_weight_decay_spares_biases_and_norms() -> None:
    module = convolution()
    decayed, spared = make_optimizer(module, recipe("adamw")).param_groups
    assert decayed["weight_decay"] == 0.1 and spared["weight_decay"] == 0.0
    assert [item.ndim for item in decayed["params"]] == [4, 2]
    assert {item.ndim for item in spared["params"]} == {1}


def test_averages_follow_and_come_back() -> None:
    module = nn.Linear(2, 2)
    averages = AveragedWeights(module, 0.9)
    start = module.weight.detach().clone()
    with torch.no_grad():
        module.weight.add_(1.0)
    averages.update(10_000)
    live = module.weight.detach().clone()
    with averages.applied():
        torch.testing.assert_close(module.weight, start + 0.1)
    assert torch.equal(module.weight, live)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "one-cycle"])
def test_schedules_rise_then_do_what_they_say(schedule: str) -> None:
    factors = [rate_factor(schedule, 0.2, step / 100) for step in range(101)]
    assert factors[:21] == sorted(factors[:21])
    assert max(factors) == pytest.approx(1.0) == factors[20]
    assert factors[20:] == sorted(factors[20:], reverse=True)
    end = {"constant": 1.0, "one-cycle": 1e-4}.get(schedule, 0.0)
    assert factors[-1] == pytest.approx(end, abs=1e-9)
    assert rate_factor(schedule, 0.0, 0.0) == pytest.approx(1.0)
