"""What every model is turned into: a module with the preprocessing that belongs to its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from anysize import heads
from anysize.core.errors import ConfigurationError
from anysize.modalities.settings import Settings, expected

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from anysize.core.examples import Example

T = TypeVar("T")
S = TypeVar("S", bound=Settings)

_CLASSIFICATION, _REGRESSION = "-classification", "-regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What a model family is asked for.

    Attributes:
        task: the task's name.
        labels: names of the outputs in the order of the logits: mostly the classes.
        head: key of the head that reads them (``anysize.heads``); empty where the task has none.
        facts: what is known of the training data, in the class of the modality (``TextFacts``, …);
            None where nothing is.
        wishes: what the user asks of the windows, in the class of the modality (``TextOptions``,
            …); None leaves all to the model.
        options: family options from the command line or a recipe.
    """

    task: str
    labels: tuple[str, ...]
    head: str = ""
    facts: object | None = None
    wishes: object | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def known(self, kind: type[T]) -> T:
        """The facts of a modality; empty ones where nothing is known or it is of another."""
        return self.facts if isinstance(self.facts, kind) else kind()

    def wished(self, kind: type[T]) -> T:
        """The wishes of a modality; empty ones where nothing is asked or it is of another."""
        return self.wishes if isinstance(self.wishes, kind) else kind()

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
        settings: how inputs become windows, in the class of the modality.
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
        form: set where there are no weights but a compiled form; the module is then a placeholder
            (``anysize.models.compiled``) that only has the configuration.
        altered: what differs from the module that the configuration builds; see
            ``anysize.models.altered``.
        new: names of the tensors that were not stored and are drawn at random, to be trained.
        scale: of weights that others trained to estimate numbers, which number an output of 0 is,
            and by how much one of 1 is more; None for fresh weights and those of bundles.
        question: what must be known before its answers mean anything, and its file does not say;
            empty where nothing is open.
    """

    module: PreTrainedModel
    spec: str
    settings: Settings
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
    scale: tuple[float, float] | None = None
    question: str = ""

    @property
    def has_graph(self) -> bool:
        """Whether a graph of the module gives the outputs.

        Those of models that write texts are made of it outside, in parts or for some tokens alone,
        and a module that brings its own ``execution`` is run in no other way.
        """
        if hasattr(self.module, "execution"):
            return False
        return self.outputs not in (("losses",), ("target_logits",))

    def ask(self) -> None:
        """Asks the question that is open, if there is one.

        Raises:
            ConfigurationError: the question, with the option that answers it.
        """
        if self.question:
            raise ConfigurationError(self.question)

    def needed_tokenizer(self) -> Tokenizer:
        """The tokenizer.

        Raises:
            ConfigurationError: the model has none.
        """
        if self.tokenizer is None and self.hub_tokenizer is not None:
            raise ConfigurationError(
                f"model {self.spec!r} has a tokenizer without places in the text "
                f"({type(self.hub_tokenizer).__name__}): it is for translation"
            )
        if self.tokenizer is None:
            raise ConfigurationError(f"model {self.spec!r} has no tokenizer")
        return self.tokenizer

    def reads(self, kind: type[S]) -> S:
        """The settings of a modality.

        Raises:
            ConfigurationError: the network reads something else.
        """
        return expected(self.settings, kind, self.spec)
