"""What every model is turned into: a module with the preprocessing that belongs to its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from anysize import heads
from anysize.core.errors import ConfigurationError
from anysize.core.receipts import Unit
from anysize.readers.pages import pages_problems

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from anysize.core.examples import Example
    from anysize.models.columns import TableEncoding

Role: TypeAlias = Literal["text", "image", "features"]

_CLASSIFICATION, _REGRESSION = "-classification", "-regression"

LARGEST_WINDOW = 1 << 20
"""Tokens or steps of a window, and numbers of a step, at most."""
LARGEST_SIDE = 1 << 15
"""Pixels of a side of a model's input, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSettings:
    """How text becomes windows.

    Attributes:
        window: tokens that the model reads at once, special tokens included.
        overlap: tokens that neighbouring windows share.
    """

    role: ClassVar[Role] = "text"
    unit: ClassVar[Unit] = "tokens"
    varying: ClassVar[bool] = True

    window: int
    overlap: int = 0

    @property
    def whole(self) -> int:
        """The cost of one whole window."""
        return self.window

    def __post_init__(self) -> None:
        if not 4 <= self.window <= LARGEST_WINDOW:
            raise ConfigurationError(
                f"window must be at least 4 tokens and at most {LARGEST_WINDOW}, not {self.window}"
            )
        if not 0 <= self.overlap < self.window - 2:
            raise ConfigurationError(
                f"overlap must be from 0 to below window - 2 ({self.window - 2}), "
                f"not {self.overlap}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """How a picture becomes model input.

    Attributes:
        width, height: the model's input in pixels.
        mean, std: per channel, of values scaled to 0..1.
        tiles: ``auto`` cuts pictures that are more than 4 times larger than the input on both
            sides into tiles, ``always`` cuts every picture larger than the input, ``never``
            resizes the whole.
        tile: side of a tile in picture pixels; 0 is the model's input size.
        overlap: pixels that neighbouring tiles share.
        crop: 0 reads the whole picture; above 0, of a picture that is not cut into tiles the centre
            is read without distortion, whose side is this part of the picture's shorter side
            (``anysize.readers.centre``). 0.875 is the usual evaluation of ImageNet.
        pages: which pages or frames of a picture are read: ``all``, ``first``, or a number: so
            many, evenly spread.
        tolerant: whether damaged pictures are read as far as possible; not kept in bundles.
    """

    role: ClassVar[Role] = "image"
    unit: ClassVar[Unit] = "pixels"
    varying: ClassVar[bool] = False

    width: int
    height: int
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    tiles: Literal["auto", "always", "never"] = "auto"
    tile: int = 0
    overlap: int = 0
    crop: float = 0.0
    pages: str = "all"
    tolerant: bool = False

    @property
    def whole(self) -> int:
        """The cost of one whole window."""
        return self.width * self.height

    def __post_init__(self) -> None:
        problems = []
        if not 0.0 <= self.crop <= 1.0:
            problems.append(f"crop must be from 0 to 1, not {self.crop!r}")
        if min(self.width, self.height) < 1 or max(self.width, self.height) > LARGEST_SIDE:
            problems.append(
                f"picture size must be at least 1x1 and at most {LARGEST_SIDE}x{LARGEST_SIDE}, "
                f"not {self.width}x{self.height}"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            problems.append("mean and std must have three values, std above zero")
        if self.tiles not in ("auto", "always", "never"):
            problems.append(f"tiles must be auto, always or never, not {self.tiles!r}")
        problems += pages_problems(self.pages)
        side = self.tile or min(self.width, self.height)
        if self.tile < 0 or not 0 <= self.overlap < side:
            problems.append(
                f"tile must not be negative (found {self.tile}) and overlap must be from 0 to "
                f"below the tile's side {side} (found {self.overlap})"
            )
        if problems:
            raise ConfigurationError(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSettings:
    """How numbers become windows.

    Attributes:
        width: numbers of a vector, or of each step of a sequence.
        steps: the most steps that the model reads at once; 0 for a model of vectors.
        least: the fewest steps that it takes, from 1 to ``steps``; a shorter sequence gets zeros
            behind its end. A model of one length has both alike.
        overlap: steps that neighbouring windows share.
        names: what the numbers are called, where they came from a table; a table that is predicted
            must have the same columns, in any order.
        encoding: how the cells of a table's row become these numbers; None where records are
            numbers already.
    """

    role: ClassVar[Role] = "features"

    width: int
    steps: int = 0
    least: int = 1
    overlap: int = 0
    names: tuple[str, ...] = ()
    encoding: TableEncoding | None = None

    @property
    def unit(self) -> Unit:
        """What an input's extent counts."""
        return "steps" if self.steps else "features"

    @property
    def varying(self) -> bool:
        """Whether windows come in many lengths."""
        return self.steps > self.least

    @property
    def whole(self) -> int:
        """The cost of one whole window."""
        return max(self.steps, 1)

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.width <= LARGEST_WINDOW:
            problems.append(
                f"features must be at least 1 and at most {LARGEST_WINDOW}, not {self.width}"
            )
        if not 0 <= self.steps <= LARGEST_WINDOW:
            problems.append(
                f"window must be at least 0 and at most {LARGEST_WINDOW} steps, not {self.steps}"
            )
        if self.steps and not 1 <= self.least <= self.steps:
            problems.append(
                f"window must be at least {self.least} steps, the fewest that the model takes, "
                f"not {self.steps}"
            )
        if not 0 <= self.overlap < max(self.steps, 1):
            problems.append(
                f"overlap must be from 0 to below the window of {self.steps} steps, "
                f"not {self.overlap}"
            )
        if self.names and len(self.names) != self.width:
            problems.append(f"there must be {self.width} names of features, not {len(self.names)}")
        if self.encoding is not None and self.encoding.width != self.width:
            problems.append(
                f"the columns make {self.encoding.width} features, and the model reads {self.width}"
            )
        if problems:
            raise ConfigurationError(problems)


Settings: TypeAlias = TextSettings | ImageSettings | FeatureSettings
"""How inputs become windows. All have ``role`` (the modality), ``unit``, ``whole`` (the cost of a
whole window) and ``varying`` (whether windows come in many sizes, so that sorting them pays)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What a model family is asked for.

    Attributes:
        task: the task's name.
        labels: names of the outputs in the order of the logits: mostly the classes.
        head: key of the head that reads them (``anysize.heads``); empty where the task has none.
        texts: streams the training texts, for a tokenizer trained from scratch.
        tokenizer: takes the place of one trained from scratch, for a student that is to read what
            its teacher reads.
        picture_size: ``(width, height)`` that is typical of the training pictures.
        object_side: of the smaller objects in them, as a part of the picture's side; None where
            there are none.
        window: the user's wish for the window, in tokens or steps; None takes the model's own.
        image_size: the user's wish for the model's input, ``(width, height)``; None chooses.
        feature_shape: of the first training record, ``(features,)`` or ``(steps, features)``.
        encoding: how rows of a table become vectors, for a model that scales nothing itself; None
            where records are numbers already.
        options: family options from the command line or a recipe.
    """

    task: str
    labels: tuple[str, ...]
    head: str = ""
    texts: Callable[[], Iterator[str]] | None = None
    tokenizer: PreTrainedTokenizerBase | None = None
    picture_size: tuple[int, int] | None = None
    object_side: float | None = None
    window: int | None = None
    image_size: tuple[int, int] | None = None
    feature_shape: tuple[int, ...] | None = None
    encoding: TableEncoding | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The task, or for a regression the classification that reads the same inputs."""
        return as_classification(self.task)

    @property
    def problem_type(self) -> str:
        """What transformers calls the head."""
        own = "regression" if self.task.endswith(_REGRESSION) else heads.SINGLE
        return heads.load(self.head or own).problem_type


def as_classification(task: str) -> str:
    """The classification that reads the same inputs as a regression; other tasks as they are."""
    return f"{stem}{_CLASSIFICATION}" if (stem := task.removesuffix(_REGRESSION)) != task else task


def as_regression(task: str) -> str:
    """The regression that reads the same inputs as a classification; other tasks as they are."""
    return f"{stem}{_REGRESSION}" if (stem := task.removesuffix(_CLASSIFICATION)) != task else task


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A compiled form that is there instead of weights, and what reads it.

    Attributes:
        runtime: key of the runtime.
        precision: what it computes in, for those who read it (``int8``).
        file: the form; in a card relative to the bundle, in a network as it can be opened.
        outputs: names of what it gives, in its order (without the ``scores`` of learned pooling).
        beside: names of what it takes beside token ids and mask, in its order.
    """

    runtime: str
    precision: str
    file: str
    outputs: tuple[str, ...] = ("logits",)
    beside: tuple[str, ...] = ()


@dataclass(slots=True)
class Network:
    """A module and the preprocessing that belongs to its weights.

    Attributes:
        module: a transformers model, ``save_pretrained`` and all.
        spec: the model spec that it was made from.
        text, image, features: how inputs become windows; exactly one is set.
        tokenizer: for text; truncation and padding off.
        licence: of the pretrained weights, or of ours where trained from scratch.
        pool: scores each window's features for learned attention pooling, ``[hidden] -> [1]``.
        hub_tokenizer: the tokenizer as transformers loaded it, to be saved with the weights.
        outputs: the fields of the module's output that are taken; in each the first axis is the
            window.
        per_token: those of the outputs that have one value or vector for each token (or step) of a
            window, not one for each window.
        beside: arrays of examples, each as long as the token ids, that the module's forward takes
            beside them under their own names (``token_type_ids``).
        targets: for a module that makes its loss itself: from examples to what its forward pass is
            given beside the pictures in training. Its ``loss`` is the mean over the windows.
        form: set where there are no weights but a compiled form; the module is then a stand-in
            (``anysize.models.compiled``) that only has the configuration.
        altered: what differs from the module that the configuration builds; see
            ``anysize.models.altered``.
        new: names of the tensors that were not stored and are drawn at random, to be trained.
        question: what must be known before its answers mean anything, and its file does not say;
            empty where nothing is open.
    """

    module: PreTrainedModel
    spec: str
    text: TextSettings | None = None
    image: ImageSettings | None = None
    features: FeatureSettings | None = None
    tokenizer: Tokenizer | None = None
    licence: str = "unknown"
    pool: nn.Linear | None = None
    hub_tokenizer: PreTrainedTokenizerBase | None = None
    outputs: tuple[str, ...] = ("logits",)
    per_token: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    targets: Callable[[Sequence[Example], torch.device], dict[str, Any]] | None = None
    form: Form | None = None
    altered: Mapping[str, Any] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    question: str = ""

    def ask(self) -> None:
        """Asks the question that is open, if there is one.

        Raises:
            ConfigurationError: the question, with the option that answers it.
        """
        if self.question:
            raise ConfigurationError(self.question)

    @property
    def settings(self) -> Settings:
        """The one of ``text``, ``image`` and ``features`` that is set."""
        found = self.text or self.image or self.features
        if found is None:
            raise ValueError(f"the network of {self.spec!r} has no settings of its input")
        return found
