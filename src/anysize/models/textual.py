"""What the text families have in common: settings, outputs, loss, registration, building.

A family has one class that turns tokens into states, and two heads on top of it: one label for the
whole window, and one for each token.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, cast

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput

from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.modalities.texts.settings import TextFacts, TextOptions, TextSettings
from anysize.models.architectures import architecture_of
from anysize.models.classifier import class_entries
from anysize.models.first_weights import recurrent
from anysize.models.given_options import defaults_of, read_options
from anysize.models.network import BuildRequest, Network
from anysize.models.tokenizers import PADDING, train_tokenizer

WINDOW = 512
VOCABULARY = 8000


class TextClassifierConfig(PretrainedConfig):
    """Settings that every built-in text classifier has.

    Args:
        vocab_size: tokens that have an embedding.
        hidden_size: width of the embeddings and of the layer on top of them.
        dropout: probability with which a unit is set to zero in training.
        pad_token_id: the token that fills short rows of a batch.
        **kwargs: what every transformers configuration has, ``num_labels`` for one.

    Raises:
        ConfigurationError: settings that break their rules; all are named.
    """

    def __init__(
        self,
        vocab_size: int = 8000,
        hidden_size: int = 256,
        dropout: float = 0.1,
        pad_token_id: int = 0,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.pad_token_id = pad_token_id
        super().__init__(**kwargs)
        problems = self.problems()
        if problems:
            raise ConfigurationError(problems)

    def problems(self) -> list[str]:
        """One sentence for each setting that breaks its rule."""
        found = [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name in ("vocab_size", "hidden_size")
            if not isinstance(value := getattr(self, name), int) or value < 1
        ]
        if not 0.0 <= self.dropout < 1.0:
            found.append(f"dropout must be at least 0 and below 1, not {self.dropout!r}")
        return found


class TextEncoder(PreTrainedModel, ABC):
    """States of a token sequence, and one linear layer, ``classifier``, on top."""

    config_class: type[PretrainedConfig] = TextClassifierConfig
    main_input_name = "input_ids"
    input_modalities = "text"
    classifier: nn.Linear

    @abstractmethod
    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Vectors ``[n, length, width]`` of token ids ``[n, length]``.

        ``attention_mask`` ``[n, length]`` is 1 at tokens and 0 at the padding, which comes
        after them.
        """

    def finish(self, width: int) -> None:
        """Add the linear layer over ``width`` features and draw all weights."""
        self.classifier = nn.Linear(width, self.config.num_labels or 0)
        self.post_init()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Glorot uniform for layers, orthogonal recurrences, small normal embeddings.

        The functions are transformers' own: they leave weights alone that a checkpoint filled.
        """
        if isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=0.1)
            if module.padding_idx is not None:
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.LSTM):
            recurrent(module)


class TextClassifier(TextEncoder):
    """One label for a whole window."""

    @abstractmethod
    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Vectors ``[n, classifier.in_features]`` of token ids ``[n, length]``; see `states`."""

    def classify(self, features: Tensor) -> Tensor:
        """Logits ``[n, num_labels]`` of features."""
        logits: Tensor = self.classifier(features)
        return logits

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
        **_unused: Any,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Classify token sequences.

        Args:
            input_ids: ``[n, length]`` whole numbers.
            attention_mask: ``[n, length]``, 1 at tokens, 0 at the padding after them; all are
                tokens where it is missing.
            labels: ``[n]`` class numbers; the mean cross entropy is returned as ``loss``.
            return_dict: false gives the fields that are set as a tuple.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        logits = self.classify(self.features(input_ids, attention_mask))
        # The loss is taken in float32: bfloat16 has 8 bits of mantissa, too few for log-softmax.
        loss = None if labels is None else functional.cross_entropy(logits.float(), labels)
        output = SequenceClassifierOutput(loss=loss, logits=logits)
        if return_dict is False:
            fields: tuple[Tensor, ...] = output.to_tuple()
            return fields
        return output


class TokenClassifier(TextEncoder):
    """One label for each token."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
        **_unused: Any,
    ) -> TokenClassifierOutput | tuple[Tensor, ...]:
        """Classify the tokens of sequences.

        Args:
            input_ids: as for `TextClassifier.forward`.
            attention_mask: as for `TextClassifier.forward`.
            labels: ``[n, length]`` class numbers, -100 where there is none; the mean cross entropy
                is returned as ``loss``.
            return_dict: false gives the fields that are set as a tuple.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        logits: Tensor = self.classifier(self.states(input_ids, attention_mask))
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten())
        output = TokenClassifierOutput(loss=loss, logits=logits)
        if return_dict is False:
            fields: tuple[Tensor, ...] = output.to_tuple()
            return fields
        return output


def masked_mean(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean over the tokens: ``[n, length, width]`` to ``[n, width]``."""
    weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def register(
    config: type[PretrainedConfig],
    model: type[TextClassifier],
    tokens: type[TokenClassifier] | None = None,
) -> None:
    """Make the Auto classes load this family's folders: one label a window, one a token.

    A family without ``tokens`` refuses the tasks that want a label for each token.
    """
    AutoConfig.register(config.model_type, config, exist_ok=True)
    AutoModelForSequenceClassification.register(config, model, exist_ok=True)
    if tokens is not None:
        AutoModelForTokenClassification.register(config, tokens, exist_ok=True)


def class_for(
    config: PretrainedConfig | type[PretrainedConfig], key: str, task: str
) -> type[PreTrainedModel]:
    """The class of a family that a task asks for.

    Raises:
        ConfigurationError: the family has none.
    """
    kind = config if isinstance(config, type) else type(config)
    found = _mapped(kind, task)
    if found is None:
        tasks = [each for each in plugins.keys("tasks") if _mapped(kind, each) is not None]
        raise ConfigurationError(f"model {key!r} is for {', '.join(tasks)}, not for {task}")
    return found


def _mapped(kind: type[PretrainedConfig], task: str) -> type[PreTrainedModel] | None:
    """The class that the task's Auto class has for a configuration; None where it has none."""
    # Of AutoModel's classes none has a head.
    if architecture_of(task).auto == "AutoModel":
        return None
    auto = getattr(transformers, architecture_of(task).auto)
    try:
        found = auto._model_mapping[kind]
    except KeyError:
        return None
    return cast("type[PreTrainedModel]", found[0] if isinstance(found, tuple | list) else found)


def labelled(request: BuildRequest) -> dict[str, Any]:
    """The configuration entries that name the classes."""
    return {
        "num_labels": len(request.labels),
        **class_entries(request.labels),
    }


def build_network(
    builder: Callable[..., PretrainedConfig], key: str, request: BuildRequest
) -> Network:
    """A fresh network of a text family, with a tokenizer trained on the request's texts.

    Args:
        builder: makes the family's configuration; called with ``vocab_size``, ``pad_token_id``,
            ``window`` and the label entries, and the user's options as further keyword arguments.
        key: the family's name.
        request: labels, texts, window and options; besides the builder's own there is the option
            ``vocabulary``, the most tokens of the tokenizer.

    Raises:
        ConfigurationError: a task that the family has no head for, no texts, or an option that the
            family does not have or whose value is not a number.
    """
    numbers = {
        name: default
        for name, default in defaults_of(builder).items()
        if isinstance(default, int | float)
    }
    options, problems = read_options(key, request.options, {"vocabulary": VOCABULARY, **numbers})
    if problems:
        raise ConfigurationError(problems)
    vocabulary = options.pop("vocabulary", VOCABULARY)
    facts = request.known(TextFacts)
    hub_tokenizer = facts.tokenizer
    if hub_tokenizer is None and facts.texts is None:
        raise ConfigurationError(
            f"model {key!r} trains its tokenizer on the training texts, and there are none: "
            "take a pretrained model (minilm, a folder or a hub id) instead"
        )
    settings = TextSettings(window=request.wished(TextOptions).window or WINDOW)
    if hub_tokenizer is None:
        assert facts.texts is not None
        tokenizer = train_tokenizer(facts.texts(), vocabulary)
        padding = tokenizer.token_to_id(PADDING)
    else:
        tokenizer = hub_tokenizer.backend_tokenizer
        padding = hub_tokenizer.pad_token_id or 0
    config = builder(
        vocab_size=tokenizer.get_vocab_size(),
        pad_token_id=padding,
        window=settings.window,
        **labelled(request),
        **options,
    )
    module = class_for(config, key, request.task)(config)
    module.eval()
    network = Network(
        module=module,
        spec=key,
        settings=settings,
        tokenizer=tokenizer,
        hub_tokenizer=hub_tokenizer,
        licence="Apache-2.0",
    )
    architecture_of(request.task).apply(network)
    return network
