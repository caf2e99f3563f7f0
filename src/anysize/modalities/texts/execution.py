"""Token sequences through a network: padded to one length, or side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from numpy.typing import NDArray
from torch import Tensor

from anysize.core.examples import Example
from anysize.modalities.texts.padding import PaddedInputs, token_lengths
from anysize.models.execution import FeatureTap, Tensors, with_scores
from anysize.models.layout import Layout
from anysize.models.network import Network

if TYPE_CHECKING:
    from anysize.models.packing import PackedRow


class PaddedText:
    """Token sequences padded to the longest of the batch."""

    packed = False
    side = 1.0

    def __init__(self, network: Network, device: torch.device) -> None:
        self._module = network.module
        self._device = device
        self._inputs = PaddedInputs(network)
        self._names = network.outputs
        self._per_token = network.per_token
        self._tap = FeatureTap(network)

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        arrays = self._inputs(examples, int(token_lengths(examples).max()))
        given = {name: torch.from_numpy(each).to(self._device) for name, each in arrays.items()}
        outputs = self._module(**given)
        if self._names == ("logits",) and not self._per_token:
            return self._tap.scored(outputs.logits)
        real = given["attention_mask"].bool()
        return {
            name: getattr(outputs, name)[real]
            if name in self._per_token
            else getattr(outputs, name)
            for name in self._names
        }

    def layout(self, examples: Sequence[Example]) -> Layout:
        """Where the tokens of the last call's windows lie; see ``models.layout``."""
        return padded_layout(examples)


class PackedText:
    """Token sequences side by side, attention inside each; see ``models.packing``.

    Attributes:
        row: how the sequences of the last call lay.
    """

    packed = True
    side = 1.0

    def __init__(self, network: Network) -> None:
        from anysize.models.packing import PackedClassifier

        self._classifier = PackedClassifier(network.module)
        self._pool = network.pool
        self._beside = network.beside
        self.row: PackedRow | None = None

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        self.row = self._classifier.pack(*laid_beside(examples, self._beside))
        outputs = self._classifier.run(self.row)
        return with_scores(self._pool, outputs.logits, outputs.features)

    def layout(self, examples: Sequence[Example]) -> Layout:
        """Where the tokens of the last call's windows lie; see ``models.layout``."""
        return _packed_layout(self.row, examples)


class PackedTokens:
    """Token sequences side by side, with outputs for each token; see ``models.packed_tokens``.

    Attributes:
        row: how the sequences of the last call lay.
    """

    packed = True
    side = 1.0

    def __init__(self, network: Network) -> None:
        from anysize.models.packed_tokens import PackedTokenModel

        self._model = PackedTokenModel(network.module)
        self._names = network.outputs
        self._beside = network.beside
        self.row: PackedRow | None = None

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        self.row = self._model.pack(*laid_beside(examples, self._beside))
        return self._model.run(self.row, self._names)

    def layout(self, examples: Sequence[Example]) -> Layout:
        """Where the tokens of the last call's windows lie; see ``models.layout``."""
        return _packed_layout(self.row, examples)


def laid_beside(
    examples: Sequence[Example], beside: Sequence[str]
) -> tuple[list[NDArray[Any]], dict[str, list[NDArray[Any]]]]:
    """Token ids of examples, and their other arrays by name, to be packed."""
    ids = [example.arrays["input_ids"] for example in examples]
    return ids, {name: [example.arrays[name] for example in examples] for name in beside}


class FusedText:
    """Packed sequences in a form of the weights made for prediction; see ``runtimes.packed``."""

    def __init__(self, network: Network, precision: str) -> None:
        from anysize.runtimes.packed import PackedInference

        form = cast(Literal["float32", "bfloat16"], precision)
        self._inference = PackedInference(network.module, form)
        self._pool = network.pool
        self._names, self._per_token = network.outputs, network.per_token
        self._beside = network.beside

    def __call__(self, examples: Sequence[Example]) -> Tensors:
        ids, beside = laid_beside(examples, self._beside)
        if self._per_token:
            return self._inference.tokens(ids, beside, self._names)
        found = self._inference.run(ids, beside)
        logits, features = torch.from_numpy(found.logits), torch.from_numpy(found.features)
        return with_scores(self._pool, logits, features)


def padded_layout(examples: Sequence[Example]) -> Layout:
    """Where the tokens of windows lie that are padded to the longest of them."""
    lengths, owners, within = _tokens(examples)
    first = torch.arange(len(examples)) * int(lengths.max())
    return Layout(len(examples), index=first[owners] + within, owners=owners, first=first)


def _packed_layout(row: PackedRow | None, examples: Sequence[Example]) -> Layout:
    assert row is not None
    _, owners, within = _tokens(examples)
    first = row.packing.first[row.order]
    return Layout(
        len(examples),
        index=first[owners] + within,
        owners=owners,
        first=first,
        short=row.order,
        segments=len(row.packing.first),
    )


def _tokens(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Of each window its length; of each token its window, and its place in it."""
    lengths = torch.tensor([example.arrays["input_ids"].shape[0] for example in examples])
    owners = torch.arange(len(examples)).repeat_interleave(lengths)
    within = torch.arange(len(owners)) - (lengths.cumsum(0) - lengths)[owners]
    return lengths, owners, within
