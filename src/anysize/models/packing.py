"""Padding-free execution of Hugging Face encoder classifiers, for training and prediction.

The sequences of a batch lie side by side in one ``[1, tokens]`` row: linear layers, layer norms
and activations see only real tokens, position ids restart with each sequence, and attention stays
inside each (see `anysize.models.packed_attention`). The model's own code and weights run; the
segments travel through the attention interface of transformers as a keyword argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from anysize.core.errors import ConfigurationError, DataError
from anysize.models import packed_attention
from anysize.models.packed_attention import Packing
from anysize.models.packed_dropout import replace_dropout

TokenIds = Sequence[int] | NDArray[np.integer[Any]]


class PackedOutput(NamedTuple):
    """What a packed run gives, in the order of the sequences given.

    Attributes:
        logits: ``[n, num_labels]``.
        features: ``[n, feature_size]``, what enters the last linear layer, before its dropout:
            the pooler's output for BERT, the output of the head's inner layer and activation for
            RoBERTa, ELECTRA and DistilBERT. ``logits`` is `PackedClassifier.classify` of it.
    """

    logits: Tensor
    features: Tensor


class _Head(NamedTuple):
    features: Callable[[nn.Module, nn.Module, Tensor], Tensor]
    dropout: Callable[[nn.Module], nn.Module]
    linear: Callable[[nn.Module], nn.Module]


def _pooler_features(model: nn.Module, encoder: nn.Module, first: Tensor) -> Tensor:
    return encoder.pooler(first.unsqueeze(1))


def _albert_features(model: nn.Module, encoder: nn.Module, first: Tensor) -> Tensor:
    return encoder.pooler_activation(encoder.pooler(first))


def _tanh_features(model: nn.Module, encoder: nn.Module, first: Tensor) -> Tensor:
    head = model.classifier
    return torch.tanh(head.dense(head.dropout(first)))


def _electra_features(model: nn.Module, encoder: nn.Module, first: Tensor) -> Tensor:
    head = model.classifier
    return head.activation(head.dense(head.dropout(first)))


def _distilbert_features(model: nn.Module, encoder: nn.Module, first: Tensor) -> Tensor:
    return torch.relu(model.pre_classifier(first))


_POOLER = _Head(_pooler_features, lambda m: m.dropout, lambda m: m.classifier)
_ROBERTA = _Head(_tanh_features, lambda m: m.classifier.dropout, lambda m: m.classifier.out_proj)
_HEADS = {
    "BertForSequenceClassification": _POOLER,
    "AlbertForSequenceClassification": _POOLER._replace(features=_albert_features),
    "RobertaForSequenceClassification": _ROBERTA,
    "XLMRobertaForSequenceClassification": _ROBERTA,
    "CamembertForSequenceClassification": _ROBERTA,
    "ElectraForSequenceClassification": _ROBERTA._replace(features=_electra_features),
    "DistilBertForSequenceClassification": _POOLER._replace(features=_distilbert_features),
}
_POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert")


def supports_packing(model: PreTrainedModel) -> bool:
    """Whether `PackedClassifier` can run this model: a bidirectional encoder of a known family."""
    return type(model).__name__ in _HEADS and not getattr(model.config, "is_decoder", False)


class PackedClassifier:
    """Runs a ``*ForSequenceClassification`` model on sequences without padding.

    The model is changed in place: its attention implementation becomes ``anysize_packed`` (which
    on padded batches does what ``sdpa`` does) and its dropout layers become faster ones of the same
    law. Its parameters are the ones used, so an optimizer and ``save_pretrained`` work as ever.
    All randomness comes from torch's default CPU generator.

    Args:
        model: a model for which `supports_packing` is true.

    Raises:
        ConfigurationError: the model's family is not supported.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        if not supports_packing(model):
            raise ConfigurationError(
                f"model: packed execution needs one of {', '.join(sorted(_HEADS))} that is not a "
                f"decoder; found {type(model).__name__}; run it in padded batches instead"
            )
        packed_attention.register()
        model.set_attn_implementation(packed_attention.ATTENTION_NAME)
        replace_dropout(model)
        self.model = model
        self._encoder: nn.Module = model.base_model
        self._head = _HEADS[type(model).__name__]
        config = model.config
        self._heads = int(config.num_attention_heads)
        self._padding = (
            int(config.pad_token_id) if config.model_type in _POSITIONS_AFTER_PADDING else None
        )
        used = 0 if self._padding is None else self._padding + 1
        self.max_length = int(config.max_position_embeddings) - used

    def __call__(self, sequences: Sequence[TokenIds]) -> PackedOutput:
        """Logits and features of each sequence.

        Args:
            sequences: token ids with the special tokens already in place, each of 1 to
                ``max_length`` tokens.

        Raises:
            DataError: a sequence is empty or longer than the model's positions.
        """
        row = pack(sequences, self._heads, self.max_length, self._padding)
        device = self.model.device
        hidden = self._encoder(
            input_ids=row.ids.unsqueeze(0).to(device),
            position_ids=row.positions.unsqueeze(0).to(device),
            packing=row.packing,
        )[0]
        first = hidden[0].index_select(0, row.first.to(device))
        features = self._head.features(self.model, self._encoder, first)
        return PackedOutput(self.classify(features), features)

    def classify(self, features: Tensor) -> Tensor:
        """The model's last dropout and linear layer: ``[n, feature_size]`` to ``[n, labels]``."""
        logits: Tensor = self._head.linear(self.model)(self._head.dropout(self.model)(features))
        return logits


class PackedRow(NamedTuple):
    """Sequences laid side by side, from the longest to the shortest.

    Attributes:
        ids: ``int64[tokens]``.
        positions: ``int64[tokens]``, restarting with each sequence.
        first: ``int64[n]``, where the first token of each sequence stands, in the order given.
        packing: the segments for attention.
    """

    ids: Tensor
    positions: Tensor
    first: Tensor
    packing: Packing


def pack(
    sequences: Sequence[TokenIds], heads: int, max_length: int, padding: int | None = None
) -> PackedRow:
    """Lays sequences side by side.

    Args:
        sequences: token ids, each of 1 to ``max_length`` tokens.
        heads: attention heads of the model.
        max_length: the most tokens that the model has positions for.
        padding: for families that number positions from the padding id plus one and skip
            padding tokens (RoBERTa), that id; None for positions from 0.

    Raises:
        DataError: there is no sequence, or one is empty or too long.
    """
    if not len(sequences):
        raise DataError("sequences", "at least one is needed; found none; give one or more")
    lengths = np.fromiter((len(each) for each in sequences), dtype=np.int64, count=len(sequences))
    for ordinal in np.flatnonzero((lengths < 1) | (lengths > max_length))[:1]:
        raise DataError(
            f"sequences[{ordinal}]",
            f"must have 1 to {max_length} tokens; found {lengths[ordinal]}; "
            "split longer inputs into windows",
        )
    order = np.argsort(-lengths, kind="stable")
    sorted_lengths = lengths[order]
    ends = np.cumsum(sorted_lengths)
    begins = ends - sorted_lengths
    ids = np.concatenate([np.asarray(sequences[i], dtype=np.int64) for i in order])
    if padding is None:
        positions = np.arange(len(ids), dtype=np.int64) - np.repeat(begins, sorted_lengths)
    else:
        real = ids != padding
        counted = np.cumsum(real)
        before = np.where(begins > 0, counted[begins - 1], 0)
        positions = (counted - np.repeat(before, sorted_lengths)) * real + padding
    first = np.empty_like(begins)
    first[order] = begins
    return PackedRow(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        first=torch.from_numpy(first),
        packing=Packing(sorted_lengths.tolist(), heads),
    )
