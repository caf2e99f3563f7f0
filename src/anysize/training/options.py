"""Options of training: optimization, limits, the run itself, distillation and compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.core.memory import parse_size
from anysize.core.options import REQUIRED, Options, Together, option

LIMITS = ("epochs", "steps", "minutes")

_BY_KIND = "chosen by the kind of model"


@dataclass(frozen=True, kw_only=True)
class OptimizationOptions(Options):
    """How the weights are changed."""

    table: ClassVar[str] = "optimization"

    batch: int | None = option(
        None, low=1, high=1 << 24, unit="records", automatic=_BY_KIND,
        help="Records per optimizer step, over all workers.",
    )  # fmt: skip
    learning_rate: float | None = option(
        None, above=0, high=1e3, automatic=_BY_KIND, help="Peak learning rate of the schedule."
    )
    optimizer: str | None = option(
        None, choices=("adamw", "sgd"), automatic=_BY_KIND,
        help="AdamW, or SGD with Nesterov momentum.",
    )  # fmt: skip
    weight_decay: float | None = option(
        None, low=0, high=1e3, automatic=_BY_KIND,
        help="Weight decay (biases and norms are excluded).",
    )  # fmt: skip
    momentum: float = option(0.9, low=0, below=1, help="Momentum of SGD.")
    schedule: str | None = option(
        None, choices=("constant", "linear", "cosine", "one-cycle"), automatic=_BY_KIND,
        help="Learning-rate schedule; linear and cosine decay to zero.",
    )  # fmt: skip
    warmup: float | None = option(
        None, low=0, below=1, metavar="FRACTION", automatic=_BY_KIND,
        help="Warm-up, as a fraction of the run.",
    )  # fmt: skip
    clip: float | None = option(
        None, low=0, high=1e9, automatic=_BY_KIND,
        help="Clip the gradient to this norm; 0 turns clipping off.",
    )  # fmt: skip
    label_smoothing: float | None = option(
        None, low=0, below=1, off=0.0, automatic=_BY_KIND,
        help="Probability mass spread over all classes; 0 turns smoothing off.",
    )  # fmt: skip
    freeze: tuple[str, ...] = option(
        (), metavar="PATTERN,…",
        help="Names of parameters that are not trained, such as 'vit.embeddings,*.norm*'; '!' "
        "before a pattern makes an exception, as in '*,!classifier'. The last match decides.",
    )  # fmt: skip
    last_blocks: int | None = option(
        None, low=0, high=1 << 16, unit="blocks", automatic="all are trained",
        help="Train only so many of the last blocks of layers, and what is behind them; freeze "
        "makes exceptions.",
    )  # fmt: skip
    layer_decay: float = option(
        1.0, above=0, high=1,
        help="Layer-wise learning-rate decay: factor from each layer to the one below; 1 turns it "
        "off.",
    )  # fmt: skip
    ema: float | None = option(
        None, low=0, below=1, automatic="off",
        help="Decay of an exponential moving average of the weights, which is validated and saved; "
        "0 turns it off.",
    )  # fmt: skip


def _one_limit(epochs: float | None, steps: int | None, minutes: float | None) -> str | None:
    given = [
        name
        for name, value in zip(LIMITS, (epochs, steps, minutes), strict=True)
        if value is not None
    ]
    if len(given) < 2:
        return None
    return f": only one of epochs, steps and minutes can limit a run, not {' and '.join(given)}"


def _bytes(text: str) -> int:
    try:
        return parse_size(text)
    except ConfigurationError:
        raise ValueError(text) from None


@dataclass(frozen=True, kw_only=True)
class LimitOptions(Options):
    """When a run ends, and how much memory it may take."""

    table: ClassVar[str] = "limits"
    together: ClassVar[tuple[Together, ...]] = (Together(LIMITS, _one_limit),)

    epochs: float | None = option(
        None, above=0, high=1e6, free=True, automatic=_BY_KIND,
        help="Passes over the training data; a fraction is allowed.",
    )  # fmt: skip
    steps: int | None = option(
        None, low=1, high=2**53, free=True, automatic="not limited",
        help="Optimizer steps.",
    )  # fmt: skip
    minutes: float | None = option(
        None, above=0, high=1e7, free=True, automatic="not limited",
        help="Minutes of training, including the last validation and saving.",
    )  # fmt: skip
    patience: int = option(
        0, low=0, high=10**9, free=True,
        help="Stop after this many validations without improvement; 0 never stops early.",
    )  # fmt: skip
    memory: int | None = option(
        None, low=1 << 20, high=1 << 60, unit="bytes", parse=_bytes, metavar="SIZE", free=True,
        expected="a size of at least 1MiB, such as 2GiB", automatic="70 % of the free memory",
        help="Budget for the peak memory of all processes, such as 2GiB.",
    )  # fmt: skip
    checkpointing: str = option(
        "auto", choices=("auto", "on", "off"), free=True,
        help="Compute activations again in the backward pass instead of keeping them, which is "
        "exact and takes about a third more time; auto does so where a step would not fit the "
        "budget otherwise.",
    )  # fmt: skip
    micro_cost: int = option(
        0, low=0, high=1 << 50, free=True, metavar="N",
        help="Tokens or pixels that go through the model at once; 0 lets the planner choose.",
    )  # fmt: skip


def _engines() -> tuple[str, ...]:
    return tuple(plugins.keys("scale"))


@dataclass(frozen=True, kw_only=True)
class RunOptions(Options):
    """Where a run is written, and how it is carried out."""

    table: ClassVar[str] = "run"

    out: str = option(
        REQUIRED, filled=True, free=True, metavar="FOLDER", automatic="runs/TASK",
        help="Folder of the run: checkpoints, logs and the trained model.",
    )  # fmt: skip
    seed: int = option(0, low=0, high=2**63 - 1, help="Random seed.")
    workers: int = option(1, low=1, high=4096, free=True, help="Processes that share the work.")
    engine: str = option(
        "local", choices=_engines, free=True,
        help="What starts the workers: local on this machine, or an engine of a plug-in.",
    )  # fmt: skip
    loaders: int | None = option(
        None, low=0, high=1024, free=True, automatic="chosen by the number of cores",
        help="Reader threads per worker.",
    )  # fmt: skip
    precision: str = option(
        "auto", choices=("auto", "bfloat16", "float32"), free=True,
        help="Precision of the computation; auto uses bfloat16 if the processor supports it.",
    )  # fmt: skip
    compile: bool = option(False, free=True, help="Compile the model with torch.compile.")
    validate_every: int | None = option(
        None, low=1, high=2**53, unit="steps", free=True, automatic="once an epoch",
        help="Steps between validations.",
    )  # fmt: skip
    checkpoint_steps: int = option(
        0, low=0, high=2**53, free=True,
        help="Steps between checkpoints; 0 saves by time alone.",
    )  # fmt: skip
    checkpoint_seconds: float = option(
        60.0, low=0, high=1e9, free=True,
        help="Seconds between checkpoints; 0 saves by steps alone.",
    )  # fmt: skip
    log_every: int = option(
        10, low=1, high=2**53, free=True, help="Steps between lines of training.jsonl."
    )
    tensorboard: bool = option(True, free=True, help="Write TensorBoard scalars.")
    trace: str | None = option(
        None, free=True, metavar="FILE", automatic="not written",
        help="File that lists the records each step used.",
    )  # fmt: skip
    strict: bool = option(False, free=True, help="Stop at the first unreadable record.")


@dataclass(frozen=True, kw_only=True)
class DistillationOptions(Options):
    """A trained model whose outputs the new one learns from; see ``training.distillation``."""

    table: ClassVar[str] = "distillation"

    teacher: str | None = option(
        None, metavar="BUNDLE", automatic="no distillation",
        help="A trained bundle whose outputs are learned beside the targets.",
    )  # fmt: skip
    distil_weight: float = option(
        0.5, key="weight", low=0, high=1,
        help="Weight of the teacher's outputs in the loss; the rest is for the targets.",
    )  # fmt: skip
    temperature: float = option(
        2.0, above=0, high=1000,
        help="Temperature of both softmax functions, of classes and of tokens.",
    )  # fmt: skip
    hidden_weight: float = option(
        1.0, low=0, high=1e6,
        help="Weight of the difference between hidden states; 0 does not compare them.",
    )  # fmt: skip
    written_targets: str | None = option(
        None, metavar="FILE", automatic="those of the data",
        help="Targets of the training records that a teacher has written, as distil leaves them.",
    )  # fmt: skip


def _half(sparsity: float, pattern: str) -> str | None:
    if pattern != "2:4" or sparsity == 0.5:
        return None
    return f"must be 0.5 with sparsity_pattern 2:4, not {sparsity!r}"


@dataclass(frozen=True, kw_only=True)
class CompressionOptions(Options):
    """Compression while training: int8 arithmetic, and weights that become zero."""

    table: ClassVar[str] = "compression"
    together: ClassVar[tuple[Together, ...]] = (Together(("sparsity", "sparsity_pattern"), _half),)

    quantization: str | None = option(
        None, metavar="FILE", automatic="no quantization",
        help="File of ranges for quantization-aware training in int8 arithmetic.",
    )  # fmt: skip
    sparsity: float = option(
        0.0, low=0, below=1, metavar="FRACTION",
        help="Fraction of the weights of linear and convolution layers set to zero during "
        "training, the smallest first.",
    )  # fmt: skip
    sparsity_pattern: str = option(
        "global", choices=("global", "2:4"),
        help="Prune the smallest weights of all layers together, or two of every four neighbours "
        "along the inputs (with a sparsity of 0.5).",
    )  # fmt: skip
