"""Padding-free execution of Hugging Face encoder classifiers, for training and prediction.

The sequences of a batch lie side by side in one ``[1, tokens]`` row: linear layers, layer norms
and activations see only real tokens, position ids restart with each sequence, and attention stays
inside each (see `anysize.models.packed_attention`). The model's own code and weights run; the
segments travel through the attention interface of transformers as a keyword argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from anysize.core.errors import ConfigurationError, DataError
from anysize.models.first_token import FAMILIES
from anysize.models.packed_attention import first_token_attention
from anysize.models.packed_dropout import replace_dropout
from anysize.models.packed_interface import ATTENTION_NAME, register
from anysize.models.packed_layout import Packing
from anysize.models.positions import after_padding, position_count
from anysize.models.row_embedding import replace_embeddings

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


Beside: TypeAlias = Mapping[str, Sequence[TokenIds]]
"""Arrays of each sequence by name, as long as its token ids."""
NOTHING_BESIDE: Beside = MappingProxyType({})


def supports_packing(model: PreTrainedModel) -> bool:
    """Whether `PackedClassifier` can run this model: a bidirectional encoder of a known family."""
    return type(model).__name__ in FAMILIES and not getattr(model.config, "is_decoder", False)


class PackedClassifier:
    """Runs a ``*ForSequenceClassification`` model on sequences without padding.

    The model is changed in place: its attention implementation becomes ``anysize_packed`` (which
    on padded batches does what ``sdpa`` does), its dropout layers become faster ones of the same
    law, and large embedding tables get gradients of single rows. Its parameters are the ones used,
    so an optimizer and ``save_pretrained`` work as ever.
    All randomness comes from torch's default CPU generator.

    The last layer is computed only where the head reads it: keys and values of every token, the
    rest for first tokens alone.

    Args:
        model: a model for which `supports_packing` is true.

    Raises:
        ConfigurationError: the model's family is not supported.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        if not supports_packing(model):
            raise ConfigurationError(
                f"model: packed execution needs one of {', '.join(FAMILIES)} that is not a "
                f"decoder; found {type(model).__name__}; run it in padded batches instead"
            )
        self._layout = prepared(model)
        self.max_length = self._layout.longest
        self.model = model
        self._encoder: Any = model.base_model
        self._family = FAMILIES[type(model).__name__]

    def __call__(
        self, sequences: Sequence[TokenIds], beside: Beside = NOTHING_BESIDE
    ) -> PackedOutput:
        """Logits and features of each sequence.

        Args:
            sequences: token ids with the special tokens already in place, each of 1 to
                ``max_length`` tokens.
            beside: other arrays of each sequence by name, as long as it (``token_type_ids``).

        Raises:
            DataError: a sequence is empty or longer than the model's positions.
        """
        return self.run(self.pack(sequences, beside))

    def run(self, row: PackedRow) -> PackedOutput:
        """Logits and features of each sequence of a row that `pack` laid out."""
        if self._family.last_layer is None:
            hidden = self._encoder(**row.inputs(), packing=row.packing)[0]
            first = hidden[0, row.packing.first]
        else:
            hidden = self.embed(row)[None]
            layers = self._family.layers(self._encoder)
            for layer in layers[:-1]:
                hidden = layer(hidden, None, packing=row.packing)
            first = self._family.last_layer(
                layers[-1], hidden, hidden[:, row.packing.first], partial(_attend, row.packing)
            )[0]
        return self.head(first[row.order])

    def pack(self, sequences: Sequence[TokenIds], beside: Beside = NOTHING_BESIDE) -> PackedRow:
        """The sequences as one row, filled up to a size that oneDNN meets often."""
        return self._layout.pack(sequences, beside)

    def embed(self, row: PackedRow) -> Tensor:
        """What enters the first layer: ``[tokens, size]``."""
        return embed(self._encoder, row)

    def head(self, first: Tensor) -> PackedOutput:
        """The classification head on the encoder's output at first tokens, ``[n, size]``."""
        features = self._family.features(self.model, self._encoder, first)
        return PackedOutput(self.classify(features), features)

    def classify(self, features: Tensor) -> Tensor:
        """The model's last dropout and linear layer: ``[n, feature_size]`` to ``[n, labels]``."""
        family = self._family
        return cast(Tensor, family.linear(self.model)(family.dropout(self.model)(features)))


class Layout(NamedTuple):
    """What decides how a model's sequences lie side by side.

    Attributes:
        heads: attention heads of the model.
        longest: the most tokens of a sequence that there are positions for.
        padding: for families that number positions from the padding id plus one and skip padding
            tokens (RoBERTa), that id; None for positions from 0.
    """

    heads: int
    longest: int
    padding: int | None

    def pack(self, sequences: Sequence[TokenIds], beside: Beside = NOTHING_BESIDE) -> PackedRow:
        """The sequences, and arrays beside them, as one row."""
        row = pack(sequences, self.heads, self.longest, self.padding)
        if not beside:
            return row
        places = row.places()
        laid = {}
        for name, arrays in beside.items():
            whole = torch.zeros_like(row.ids)
            whole[places] = torch.from_numpy(np.concatenate(arrays).astype(np.int64))
            laid[name] = whole
        return row._replace(beside=laid)


def prepared(model: PreTrainedModel) -> Layout:
    """Makes a model take packed rows, in place, and says how its sequences lie in them."""
    register()
    model.set_attn_implementation(ATTENTION_NAME)
    replace_dropout(model)
    replace_embeddings(model)
    config = model.config
    return Layout(
        heads=int(config.num_attention_heads),
        longest=int(position_count(config) or 0),
        padding=int(config.pad_token_id) if after_padding(config) else None,
    )


def embed(encoder: Any, row: PackedRow) -> Tensor:
    """What enters an encoder's first layer: ``[tokens, size]``."""
    hidden = encoder.embeddings(**row.inputs())
    if hasattr(encoder, "embeddings_project"):
        hidden = encoder.embeddings_project(hidden)
    return cast(Tensor, hidden[0])


def _attend(packing: Packing, attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    query, key, value = (
        each.view(each.shape[1], -1, attention.attention_head_size) for each in (query, key, value)
    )
    dropout = attention.dropout.p if attention.training else 0.0
    attended = first_token_attention(query, key, value, packing, attention.scaling, dropout)
    return attended.reshape(1, attended.shape[0], -1)


class PackedRow(NamedTuple):
    """Sequences laid side by side, from the longest to the shortest.

    Attributes:
        ids: ``int64[tokens]``.
        positions: ``int64[tokens]``, restarting with each sequence.
        order: ``int64[n]``, which segment each sequence is, in the order given.
        packing: the segments, with those that only fill the row up.
        beside: other inputs by name, ``int64[tokens]``.
    """

    ids: Tensor
    positions: Tensor
    order: Tensor
    packing: Packing
    beside: Mapping[str, Tensor] = MappingProxyType({})

    def inputs(self) -> dict[str, Tensor]:
        """The row as a batch of one, by the names that transformers gives its inputs."""
        beside = {name: each[None] for name, each in self.beside.items()}
        return {"input_ids": self.ids[None], "position_ids": self.positions[None], **beside}

    def places(self) -> Tensor:
        """The places of the sequences' tokens, in the order given, in the row."""
        lengths = torch.tensor(self.packing.lengths)[self.order]
        starts = self.packing.first[self.order] - (lengths.cumsum(0) - lengths)
        return torch.arange(int(lengths.sum())) + starts.repeat_interleave(lengths)


def row_size(tokens: int) -> int:
    """The next size that rows are filled up to: steps of a sixteenth, 8 to 64 tokens."""
    step = 8
    while step < 64 and step * 16 < tokens:
        step *= 2
    return -(-tokens // step) * step


def pack(
    sequences: Sequence[TokenIds], heads: int, max_length: int, padding: int | None = None
) -> PackedRow:
    """Lays sequences side by side and fills the row up to `row_size` with dummy segments.

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
    sizes = np.fromiter((len(each) for each in sequences), dtype=np.int64, count=len(sequences))
    for ordinal in np.flatnonzero((sizes < 1) | (sizes > max_length))[:1]:
        raise DataError(
            f"sequences[{ordinal}]",
            f"must have 1 to {max_length} tokens; found {sizes[ordinal]}; "
            "split longer inputs into windows",
        )
    spare = row_size(int(sizes.sum())) - int(sizes.sum())
    fillers = [min(max_length, spare - at) for at in range(0, spare, max_length)]
    rows = [np.asarray(each, dtype=np.int64) for each in sequences]
    rows += [np.zeros(size, dtype=np.int64) for size in fillers]
    lengths = np.fromiter((len(each) for each in rows), dtype=np.int64, count=len(rows))
    by_length = np.argsort(-lengths, kind="stable")
    lengths = lengths[by_length]
    ids = np.concatenate([rows[i] for i in by_length])
    packing = Packing(lengths.tolist(), heads)
    begins = packing.first.numpy()
    if padding is None:
        positions = np.arange(len(ids), dtype=np.int64) - np.repeat(begins, lengths)
    else:
        real = ids != padding
        counted = np.cumsum(real)
        before = np.where(begins > 0, counted[begins - 1], 0)
        positions = (counted - np.repeat(before, lengths)) * real + padding
    order = np.empty_like(by_length)
    order[by_length] = np.arange(len(by_length))
    return PackedRow(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        order=torch.from_numpy(order[: len(sequences)]),
        packing=packing,
    )
