"""Padding-free execution of encoders that give something for each token: tags, starts and ends.

As in `anysize.models.packing` the sequences lie side by side in one row. The head of such a model
works on each token alone, so the model's own forward runs on the row, head and all, and what it
gives at the tokens that only fill the row up is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel

from anysize.core.errors import ConfigurationError
from anysize.models.first_token import FAMILIES
from anysize.models.packing import NOTHING_BESIDE, Beside, PackedRow, TokenIds, prepared

# An encoder alone has no head.
_HEADS = {
    "ForTokenClassification": "classifier",
    "ForQuestionAnswering": "qa_outputs",
    "Model": "",
}
_ENCODERS = tuple(name.removesuffix("ForSequenceClassification") for name in FAMILIES)


def token_head(model: PreTrainedModel) -> str | None:
    """The name of the linear layer that is all of a model's head; None of other models.

    It is empty of an encoder without a head.
    """
    kind = type(model).__name__
    for suffix, layer in _HEADS.items():
        if kind.endswith(suffix) and kind.removesuffix(suffix) in _ENCODERS:
            return layer
    return None


def supports_packed_tokens(model: PreTrainedModel) -> bool:
    """Whether `PackedTokenModel` runs this model: a bidirectional encoder of a known family."""
    return token_head(model) is not None and not getattr(model.config, "is_decoder", False)


class PackedTokenModel:
    """Runs a ``*ForTokenClassification``, ``*ForQuestionAnswering`` or bare model without padding.

    The model is changed in place as `anysize.models.packing.PackedClassifier` changes its own.

    Args:
        model: one for which `supports_packed_tokens` is true.

    Raises:
        ConfigurationError: the model's family is not supported.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        if not supports_packed_tokens(model):
            raise ConfigurationError(
                "model: packed execution with outputs for each token needs a model for token "
                f"classification or question answering of one of {', '.join(_ENCODERS)}; found "
                f"{type(model).__name__}; run it in padded batches instead"
            )
        self._layout = prepared(model)
        self.model = model

    def pack(self, sequences: Sequence[TokenIds], beside: Beside = NOTHING_BESIDE) -> PackedRow:
        """The sequences as one row; see ``PackedClassifier.pack``."""
        return self._layout.pack(sequences, beside)

    def run(self, row: PackedRow, names: Sequence[str]) -> dict[str, Tensor]:
        """The named outputs, ``[tokens, ...]``: those of all sequences in the order given."""
        outputs = self.model(**row.inputs(), packing=row.packing)
        places = row.places()
        return {name: getattr(outputs, name)[0].index_select(0, places) for name in names}
