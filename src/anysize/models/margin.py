"""The additive angular margin loss for embeddings (ArcFace, Deng et al. 2019, arXiv:1801.07698).

Each identity of the training data has a centre on the unit sphere. The loss is cross entropy over
the scaled cosines between an embedding and all centres, where the angle to the right centre is
made larger by a margin first: identities must lie further apart than telling them apart would
need, which is what carries over to people that were never seen. Nothing here knows what was
embedded: faces and voices use it alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from anysize.core.errors import ConfigurationError

# Below this the sine's derivative, cosine over sine, grows without bound; float32 cosines are
# exact to 6e-8, so nothing is lost.
_LEAST_SQUARED_SINE = 1e-7


def margin_logits(
    embeddings: Tensor, centres: Tensor, targets: Tensor | None, *, margin: float, scale: float
) -> Tensor:
    """``scale * cos(angle + margin)`` for the target, ``scale * cos(angle)`` for the others.

    Where ``angle + margin`` would pass pi, at which the cosine turns back, the target's value goes
    on falling as ``cos(angle) - margin * sin(margin)`` (the authors' published code).

    Args:
        embeddings: ``[n, width]``, of any length.
        centres: ``[identities, width]``, of any length.
        targets: ``[n]`` identity numbers; None leaves the margin out.
        margin: added to the target's angle, in radians.
        scale: the radius of the sphere: what cosines are multiplied by.

    Returns:
        float32 ``[n, identities]``.
    """
    # Autocast would take the product in bfloat16, whose cosines have two digits.
    with torch.autocast(embeddings.device.type, enabled=False):
        directions = functional.normalize(embeddings.float(), dim=1)
        cosines = directions @ functional.normalize(centres.float(), dim=1).t()
    if targets is None or margin == 0:
        return scale * cosines
    index = targets.unsqueeze(1)
    cosine = cosines.gather(1, index).clamp(-1, 1)
    sine = (1 - cosine * cosine).clamp_min(_LEAST_SQUARED_SINE).sqrt()
    moved = cosine * math.cos(margin) - sine * math.sin(margin)
    turned = cosine <= math.cos(math.pi - margin)
    moved = torch.where(turned, cosine - margin * math.sin(margin), moved)
    return scale * cosines.scatter(1, index, moved)


class MarginHead(nn.Module):
    """The identities' centres; used in training only.

    Args:
        width: of the embeddings.
        identities: how many the training data has.
        margin: in radians; 0 is the normalised softmax.
        scale: what cosines are multiplied by.

    Raises:
        ConfigurationError: a value that breaks its rule; see ``margin_problems``.
    """

    def __init__(self, width: int, identities: int, *, margin: float, scale: float) -> None:
        super().__init__()
        problems = margin_problems(margin, scale)
        if problems:
            raise ConfigurationError(problems)
        self.margin = margin
        self.scale = scale
        self.centres = nn.Parameter(torch.empty(identities, width))
        nn.init.normal_(self.centres, std=0.01)

    def forward(self, embeddings: Tensor, targets: Tensor | None = None) -> Tensor:
        """Logits ``[n, identities]`` of embeddings ``[n, width]``; see ``margin_logits``."""
        return margin_logits(
            embeddings, self.centres, targets, margin=self.margin, scale=self.scale
        )


def margin_problems(margin: float, scale: float) -> list[str]:
    """One sentence for each of the two settings that breaks its rule."""
    found = []
    if not 0 <= margin < math.pi / 2:
        found.append(f"margin must be from 0 to below pi/2 (radians), not {margin}")
    if not scale > 0:
        found.append(f"scale must be above zero, not {scale}")
    return found


def mean_directions(embeddings: Tensor, weights: Tensor, owners: Tensor, records: int) -> Tensor:
    """Joins window embeddings into record embeddings, as ``mergers.embedding`` does.

    Args:
        embeddings: ``[windows, width]``, of any length.
        weights: extent of each window's core, ``[windows]``.
        owners: which record each window belongs to, ``[windows]``.
        records: how many records.

    Returns:
        float32 ``[records, width]`` of length one: the direction of the weighted sum of the
        windows' directions.
    """
    directions = functional.normalize(embeddings.float(), dim=1)
    weighted = directions * weights.to(directions).clamp_min(1).unsqueeze(1)
    summed = torch.zeros(records, directions.shape[1], device=directions.device)
    return functional.normalize(summed.index_add(0, owners, weighted), dim=1)
